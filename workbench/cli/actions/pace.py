"""Action and output of ``workbench replay --pace realtime``."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from workbench.assistants import knobs_of
from workbench.cli.actions.replay import replay_for_page
from workbench.cli.actions.score import Asked
from workbench.config import Config
from workbench.errors import printable
from workbench.live.compare_pace import PaceComparison, compare_pace
from workbench.live.paced import check_paced
from workbench.metrics import Summary
from workbench.realtime import REALTIME, RealtimeDriver, steps_in_words
from workbench.runs import Run, run_sessions, score_run
from workbench.sessions.session import open_session
from workbench.units import duration, samples_to_seconds

_SCORES = {
    "voice_to_voice_ms_p50": "end of the user's speech to the agent's, median",
    "voice_to_voice_ms_p95": "the same, 95th percentile",
}


def run_on_real_clock(folders: Sequence[Path], config: Config, out: Path) -> tuple[Run, Summary, RealtimeDriver]:
    """Run sessions in real time into a folder, with a progress line; scored."""
    seconds = sum(samples_to_seconds(open_session(folder).samples) for folder in folders)
    click.echo(f"real clock: this takes as long as the recordings, {duration(seconds)}", err=True)
    console = Console(stderr=True)
    driver = RealtimeDriver()
    with console.status("loading") if console.is_terminal else nullcontext() as status:
        run = run_sessions(
            folders, config, out, lambda what: status.update(f"{what}, in real time") if status else None, driver
        )
        return run, score_run(run)[1], driver


def replay_and_compare(
    folders: Sequence[Path], config: Config, place: tuple[Path | None, bool], asked: Asked, as_json: bool
) -> int:
    """Replay sessions, run them again on a real clock, and print in what the two differ.

    Args:
        folders: of the sessions.
        config: the knobs.
        place: see :func:`workbench.cli.actions.replay.replay_and_show`; the run on the real clock goes into its
            folder ``realtime``.
        asked: limits and prices.
        as_json: whether to print JSON, of the comparison alone.

    Returns:
        The exit code: 0, or 2 where a session could not be run.
    """
    check_paced(knobs_of(config))
    data, _ = replay_for_page(folders, config, place, asked, page=False)
    replayed, scores = data.run, data.summary
    run, summary, driver = run_on_real_clock(folders, config, replayed.folder / REALTIME)
    real = {item.session.name: item.trace for item in run.sessions}
    pairs = [(item.trace, real[item.session.name]) for item in replayed.sessions if item.session.name in real]
    found = compare_pace(pairs)
    both = {key: (scores.scores[key], summary.scores[key]) for key in _SCORES}
    steps = steps_in_words(driver.runs)
    for _, problem in (*replayed.failed, *run.failed):
        click.echo(f"error: {problem}", err=True)
    if as_json:
        fields = {"run": str(replayed.folder), "realtime_run": str(run.folder), **asdict(found), "scores": both}
        click.echo(json.dumps(fields | {"steps": steps}))
    else:
        _print(found, both)
        click.echo(steps)
        click.echo(printable(f"runs: {replayed.folder} and {run.folder}"))
    return 2 if run.failed or replayed.failed else 0


def _print(found: PaceComparison, both: dict[str, tuple[float | None, float | None]]) -> None:
    from rich.table import Table

    from workbench.cli.progress import Output

    click.echo(
        f"\nReal clock: {found.same} of {found.turns} turns begin, end and read the same as on the virtual clock."
    )
    for item in found.differences:
        click.echo(printable(f"- {item.session} at {duration(item.at)}: {item.what}"))
    table = Table("", "virtual", "real", "difference", box=None, pad_edge=False)
    for key, (one, other) in both.items():
        if one and other:
            table.add_row(_SCORES[key], f"{one:.0f} ms", f"{other:.0f} ms", f"{100 * (other / one - 1):+.1f} %")
    for what, (left, right) in (
        ("loudspeaker ran dry", found.underruns),
        ("user stopped the agent", found.barge_ins),
    ):
        table.add_row(what, f"{left} times", f"{right} times", f"{right - left:+d}" if left != right else "none")
    Output(100).print(table)
