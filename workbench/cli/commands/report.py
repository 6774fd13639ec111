"""``workbench report``."""

from pathlib import Path

import click

from workbench.cli.options import CONFIG_PATH, PATH

FORMATS = ("html", "md", "csv", "parquet", "perfetto")


def _formats(_: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    odd = next((part for part in found if part not in FORMATS), None if found else value)
    if odd is not None:
        raise click.BadParameter(f"{odd!r} is not one of {', '.join(FORMATS)}", param=parameter)
    return found


@click.command()
@click.argument("folders", nargs=-1, required=True, type=PATH, metavar="RUN|STUDY|A B")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--format",
    "formats",
    callback=_formats,
    default="html",
    show_default=True,
    metavar="LIST",
    help="Formats, separated by commas: html, md, csv, parquet, perfetto (a trace for ui.perfetto.dev).",
)
@click.option("--figures", is_flag=True, help="Also draw the figures as PNG and SVG, with matplotlib.")
@click.option("--sliders", is_flag=True, help="Replay a grid of silences and thresholds, for the page's sliders.")
@click.option("--full-audio", is_flag=True, help="Put the sound of every session into the page, however long.")
@click.option(
    "--budget", type=CONFIG_PATH, default=Path("configs/budget.toml"), show_default=True, help="Limits that are shown."
)
def report(
    folders: tuple[Path, ...],
    open_page: bool,
    formats: tuple[str, ...],
    figures: bool,
    sliders: bool,
    full_audio: bool,
    budget: Path,
) -> None:
    """Write one page of a run or a study: look at it, listen to it.

    RUN is a folder that `workbench replay` wrote, STUDY one of studies/. Two runs give a page that compares them. The
    page is one file, works offline and asks for nothing.
    """
    from workbench.cli.actions.report import ReportRequest, write_and_show

    write_and_show(folders, ReportRequest(formats, figures, sliders, full_audio, budget), open_page)
