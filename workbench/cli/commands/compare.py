"""``workbench compare``."""

from pathlib import Path

import click

from workbench.cli.options import BASELINE, PATH, config_options, json_option, page_option, price_option
from workbench.config import Config


@click.command()
@click.argument("sides", nargs=-1, required=True, metavar="A B [C...]")
@click.option("--on", "sessions", multiple=True, metavar="SESSION", help="Session on which configs are compared.")
@click.option(
    "--fail-on", multiple=True, metavar="worse:SCORE", help="Exit with 1 if this score is shown worse than A."
)
@config_options(BASELINE)
@click.option("--out", type=PATH, help="Folder of the replay of a live recording.")
@price_option
@json_option
@page_option
def compare(
    sides: tuple[str, ...],
    sessions: tuple[str, ...],
    fail_on: tuple[str, ...],
    config: Config,
    out: Path | None,
    prices: tuple[str, ...],
    as_json: bool,
    page: bool,
) -> int:
    """Compare runs, configs or recordings, paired by session and turn; or a live recording with its replay.

    A, B and C are folders of runs; or config files, replayed on the sessions given by --on; or sessions (before,
    after), replayed with configs/baseline.toml or --config. Each is compared with A: which scores are better or worse,
    by how much and how sure, and which turns went otherwise.

    One session that was recorded with --live is replayed with the config of that recording. Exit code 1: turns begin,
    end or read differently.
    """
    from workbench.cli.actions.compare import compare_sides
    from workbench.cli.actions.compare_live import compare_live
    from workbench.cli.actions.score import yardstick
    from workbench.cli.options import session_folder, typed_changes

    if len(sides) == 1:
        return compare_live(session_folder(sides[0]), typed_changes(), out, as_json)
    return compare_sides((sides, sessions), config, yardstick(None, prices)[1], fail_on, (as_json, page))
