"""``workbench label``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import PATH, choice_options, json_option, session_folder, source_option

if TYPE_CHECKING:
    from workbench.sessions.label_formats import Choice


@click.command()
@click.argument("session")
@click.option("--import", "source_file", type=PATH, help="Take labels from .csv, .txt (Audacity), .rttm or .stm.")
@click.option("--export", "target_file", type=PATH, help="Write labels to .csv or .txt (Audacity).")
@click.option("--auto", is_flag=True, help="Draft the user's turns by voice activity detection.")
@choice_options
@source_option
@click.option("--replace", is_flag=True, help="Overwrite labels or a file that exist already.")
@json_option
def label(
    session: str,
    source_file: Path | None,
    target_file: Path | None,
    auto: bool,
    choice: "Choice",
    source: str,
    replace: bool,
    as_json: bool,
) -> None:
    """Import, export or draft the labels of a session."""
    from workbench.cli.actions import label as actions

    if (source_file is not None) + (target_file is not None) + auto != 1:
        raise click.UsageError("give one of --import, --export and --auto", click.get_current_context())
    folder = session_folder(session)
    if source_file:
        actions.import_and_show(folder, source_file, choice, (source, replace), as_json)
    elif target_file:
        actions.export_and_show(folder, target_file, replace, as_json)
    else:
        actions.draft_and_show(folder, replace, as_json)
