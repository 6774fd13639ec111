"""Action and output of ``workbench replay``."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from workbench.cli.actions.score import report, show, yardstick
from workbench.config import Config
from workbench.runs import run_sessions, score_run


def replay_and_show(
    folders: Sequence[Path],
    config: Config,
    out: Path | None,
    asked: tuple[Path | None, Sequence[str]],
    as_json: bool,
) -> int:
    """Replay sessions, write the report, print the scores, check the budget."""
    limits, prices = yardstick(*asked)
    console = Console(stderr=True)
    live = console.status("loading") if console.is_terminal else nullcontext()
    with live as status:
        run = run_sessions(folders, config, out, lambda what: status.update(what) if status else None)
        scored, summary = score_run(run, prices)
        report(run, scored, summary, limits)
    return show(run, scored, summary, limits, as_json)
