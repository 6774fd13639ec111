"""Action and output of ``workbench replay``."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console

from workbench.cli.actions.report import write_page_of
from workbench.cli.actions.score import show, write_text_report, yardstick
from workbench.config import Config
from workbench.errors import printable
from workbench.runs import run_sessions, score_run


def replay_and_show(
    folders: Sequence[Path],
    config: Config,
    out: Path | None,
    asked: tuple[Path | None, Sequence[str]],
    as_json: bool,
    page: bool,
) -> int:
    """Replay sessions, write the report and the page, print the scores, check the budget."""
    limits, prices = yardstick(*asked)
    console = Console(stderr=True)
    live = console.status("loading") if console.is_terminal else nullcontext()
    with live as status:
        run = run_sessions(folders, config, out, lambda what: status.update(what) if status else None)
        scored, summary = score_run(run, prices)
        data = write_text_report(run, scored, summary, limits, prices)
        written = write_page_of(data) if page else None
    code = show(run, scored, summary, limits, as_json)
    if written and not as_json:
        click.echo(printable(f"page:   {written}"))
    return code
