"""``workbench replay``."""

from pathlib import Path

import click

from workbench.cli.options import (
    PATH,
    budget_option,
    config_options,
    json_option,
    page_option,
    price_option,
    session_argument,
    session_folders,
)
from workbench.config import Config


@click.command()
@session_argument
@config_options()
@click.option("--out", type=PATH, help="Folder of the run; by default reports/ and a name made from the config.")
@budget_option
@price_option
@json_option
@page_option
def replay(
    sessions: tuple[str, ...],
    config: Config,
    out: Path | None,
    budget: Path | None,
    prices: tuple[str, ...],
    as_json: bool,
    page: bool,
) -> int:
    """Replay sessions through STT → LM → TTS, score them and write a page.

    SESSION is a session, its name in recordings/, or a folder of sessions.
    """
    from workbench.cli.actions.replay import replay_and_show

    return replay_and_show(session_folders(sessions), config, out, (budget, prices), as_json, page)
