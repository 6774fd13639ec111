"""Action and output of ``workbench replay``."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console

from workbench.cli.actions.report import write_page_of
from workbench.cli.actions.score import Asked, show, write_text_report, yardstick
from workbench.cli.config_line import used_config
from workbench.config import Config
from workbench.errors import printable
from workbench.reports.material import Material
from workbench.run_folders import default_run_folder, make_room
from workbench.runs import run_sessions, score_run


def replay_and_show(
    folders: Sequence[Path],
    config: Config,
    place: tuple[Path | None, bool],
    asked: Asked,
    as_json: bool,
    page: bool,
) -> int:
    """Replay sessions, write the report and the page, print the scores, check the budget.

    Args:
        folders: of the sessions.
        config: the knobs.
        place: folder of the run, by default one named for config and sessions; and whether another run there goes.
        asked: limits and prices.
        as_json: whether to print JSON.
        page: whether to write the page; with JSON none is written.
    """
    if not as_json:
        click.echo(printable(used_config(config)))
    data, written = replay_for_page(folders, config, place, asked, page and not as_json)
    limits, _ = yardstick(asked.budget, asked.prices)  # the page also shows limits that nobody asked to check
    checked = (limits, asked.allow_unmeasured)
    code = show(data.run, data.scored, data.summary, checked, as_json)
    if written:
        click.echo(printable(f"page:   {written}"))
    return code


def replay_for_page(
    folders: Sequence[Path], config: Config, place: tuple[Path | None, bool], asked: Asked, page: bool
) -> tuple[Material, Path | None]:
    """Replay and score sessions, write the report and the page; what the page is made of, and where it is."""
    limits, prices = yardstick(asked.budget, asked.prices)
    out, force = place
    out = out or default_run_folder(config, [folder.resolve().name for folder in folders])
    make_room(out, config, folders, force)
    console = Console(stderr=True)
    live = console.status("loading") if console.is_terminal else nullcontext()
    with live as status:
        run = run_sessions(folders, config, out, lambda what: status.update(what) if status else None)
        scored, summary = score_run(run, prices)
        data = write_text_report(run, scored, summary, limits, prices)
        return data, write_page_of(data) if page else None
