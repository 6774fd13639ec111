"""``workbench compare``."""

from pathlib import Path

import click

from workbench.cli.options import PATH, json_option, session_folder


@click.command()
@click.argument("session")
@click.option("--set", "assignments", multiple=True, metavar="KNOB=VALUE", help="Replay with another knob; repeatable.")
@click.option("--out", type=PATH, help="Folder of the replay's run.")
@json_option
def compare(session: str, assignments: tuple[str, ...], out: Path | None, as_json: bool) -> int:
    """Compare a live recording with its replay.

    SESSION was recorded with --live; it is replayed with the config of that recording. Exit code 1: turns begin, end
    or read differently.
    """
    from workbench.cli.actions.compare import compare_and_show

    return compare_and_show(session_folder(session), assignments, out, as_json)
