"""``workbench replay``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import (
    BASELINE,
    PATH,
    budget_option,
    config_options,
    force_option,
    json_option,
    page_option,
    price_option,
    session_argument,
    session_folders,
    unmeasured_option,
)

if TYPE_CHECKING:
    from workbench.config import Config


@click.command()
@session_argument
@config_options(BASELINE)
@click.option(
    "--out", type=PATH, help="Folder of the run; by default reports/ and a name made from config and sessions."
)
@click.option(
    "--pace",
    type=click.Choice(["virtual", "realtime"]),
    default="virtual",
    show_default=True,
    help="Clock: `realtime` also runs the sessions on a real one, which takes as long as they are, and compares.",
)
@force_option
@budget_option
@unmeasured_option
@price_option
@json_option
@page_option
def replay(
    sessions: tuple[str, ...],
    config: "Config",
    out: Path | None,
    pace: str,
    force: bool,
    budget: Path | None,
    allow_unmeasured: bool,
    prices: tuple[str, ...],
    as_json: bool,
    page: bool,
) -> int:
    """Replay sessions through STT → LM → TTS, score them and write a page.

    SESSION is a session, its name in recordings/, or a folder of sessions. The config is configs/baseline.toml, unless
    --config names another.
    """
    from workbench.cli.actions.replay import replay_and_show
    from workbench.cli.actions.score import Asked

    asked = Asked(budget, prices, allow_unmeasured)
    folders = session_folders(sessions)
    if pace == "realtime":
        from workbench.cli.actions.pace import replay_and_compare

        return replay_and_compare(folders, config, (out, force), asked, as_json)
    return replay_and_show(folders, config, (out, force), asked, as_json, page)
