"""Action and output of ``workbench placements``."""

import json
from collections.abc import Mapping, Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from workbench.cli.actions.sweep import SPACE, spelt
from workbench.cli.options import session_folders
from workbench.cli.progress import Bar, Output
from workbench.config import Config
from workbench.files import shipped
from workbench.metrics.loss import Prices
from workbench.tuning.space import read_space
from workbench.tuning.sweep import SCORE_HEADINGS, Sweep, SweepPoint, axis
from workbench.tuning.sweep_sessions import run_sweep

WIDTH = 100
"""Columns of a table that is not printed on a terminal."""

COLUMNS: Mapping[str, tuple[str, str]] = {
    "deadline_miss_rate": ("steps", "> 80 ms"),
    "late_frame_rate": ("speech", "late"),
    **{key: SCORE_HEADINGS[key] for key in ("underrun_events", "stall_ratio")},
    **{key: SCORE_HEADINGS[key] for key in ("voice_to_voice_ms_p50", "voice_to_voice_ms_p95")},
    "bargein_reaction_ms_p50": ("stops", "p50 ms"),
    "bargein_reaction_ms_p95": ("stops", "p95 ms"),
}
"""Score → heading in two lines."""


def show_placements(names: Sequence[str], config: Config, prices: Prices, as_json: bool) -> int:
    """Replay sessions under each placement and print a table, or JSON.

    Args:
        names: of the sessions.
        config: that they are replayed with.
        prices: of faults.
        as_json: whether to print JSON.
    """
    places = axis("placement", config, read_space(shipped(SPACE)), ("serial", "shared", "split"))
    with Bar() as bar:
        found = run_sweep(session_folders(names), config, [places], prices, bar)
    if as_json:
        rows = [
            {"placement": point.values[0], "refused": point.refused, "scores": dict(point.scores)}
            for point in found.points
        ]
        click.echo(json.dumps({"sessions": list(found.sessions), "config": config.fingerprint, "placements": rows}))
        return 0
    console = Output(WIDTH)
    count = len(found.sessions)
    console.print(f"placement over {count} session{'s' * (count != 1)}; > is today", soft_wrap=True, markup=False)
    console.print(_table(found))
    for refused in sorted({point.refused for point in found.points if point.refused}):
        console.print(f"- refused: {refused}", soft_wrap=True, markup=False)
    return 0


def _table(found: Sweep) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("placement", no_wrap=True)
    for heading in COLUMNS.values():
        table.add_column("\n".join(heading), justify="right", no_wrap=True)
    for point in found.points:
        is_today = point.values[0] == found.axes[0].today
        name = f"{'>' if is_today else ' '} {spelt(point.values[0])}"
        table.add_row(name, *(_cell(point, key) for key in COLUMNS), style="bold" if is_today else None)
    return table


def _cell(point: SweepPoint, key: str) -> str:
    if point.refused:
        return "refused"
    value = point.scores[key]
    if value is None:
        return "-"
    if key.endswith(("_rate", "_ratio")):
        return f"{100 * value:.1f} %"
    return f"{value:.0f}"
