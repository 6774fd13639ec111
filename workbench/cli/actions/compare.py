"""Action and output of ``workbench compare`` with several sides."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from workbench.cli.options import build_config, is_session, named_folder, session_folders, sessions_inside
from workbench.cli.progress import Output
from workbench.config import Config
from workbench.errors import WorkbenchError, printable
from workbench.files import RECORDINGS, shipped
from workbench.metrics import Difference, SessionScores
from workbench.metrics.changes import (
    COMPARABLE,
    COMPARED,
    WORSE,
    TurnChange,
    differences,
    judged,
    paired_sessions,
    too_few_sessions,
    turn_changes,
)
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.metrics.loss import Prices
from workbench.metrics.summary import figure_of
from workbench.run_folders import default_run_folder, make_room
from workbench.runs import Run, read_run, run_sessions, scores_of
from workbench.units import samples_to_seconds

MOST_TURNS = 20
"""Most turns that are listed one by one; ``--json`` lists all."""


WIDTH = 100
"""Columns that the table needs; a narrower terminal gets a line for each score."""


@dataclass(frozen=True)
class Side:
    """One of the sides.

    Attributes:
        name: as it was typed.
        run: replayed, or read.
        scored: raw values of its sessions.
    """

    name: str
    run: Run
    scored: tuple[SessionScores, ...]


def compare_sides(
    asked: tuple[Sequence[str], Sequence[str]],
    config: Config,
    prices: Prices,
    fail_on: Sequence[str],
    shown: tuple[bool, bool],
) -> int:
    """Compare every side with the first.

    Args:
        asked: the sides, and the sessions of ``--on``.
        config: that sessions are replayed with.
        prices: of faults.
        fail_on: ``worse:SCORE`` of each ``--fail-on``.
        shown: whether to print JSON; whether to write a page for each side but the first, which JSON leaves out.

    Returns:
        The exit code: 0; 1 if a score of ``fail_on`` is shown worse, or could not be measured; 2 if a session could
        not be replayed.
    """
    as_json, page = shown
    watched = [_watched(text) for text in fail_on]
    sides = [_side(name, asked[1], config, prices) for name in asked[0]]
    first, found, failed = sides[0], [], []
    for side in sides[1:]:
        scored, renamed = paired_sessions(first.scored, side.scored)
        compared = differences(first.scored, scored)
        changed = turn_changes(first.scored, scored)
        found.append(_as_json(side, compared, changed, renamed))
        if not as_json:
            _show(first, side, compared, changed, renamed)
        failed += list(_failures(side, compared, watched))
        if page and not as_json:
            click.echo(printable(f"page: {_write_page(first, side, prices)}"))
    if as_json:
        click.echo(json.dumps({"a": first.name, "compared": found, "failed": failed}))
    for line in failed:
        click.echo(f"failed: {line}", err=True)
    broken = [problem for side in sides for _, problem in side.run.failed]
    for problem in broken:
        click.echo(f"error: {problem}", err=True)
    return 2 if broken else int(bool(failed))


def _write_page(first: Side, side: Side, prices: Prices) -> Path:
    from workbench.metrics import summarise
    from workbench.reports import gather
    from workbench.reports.comparison_page import comparison_folder, write_comparison_page

    a, b = (gather(it.run, it.scored, summarise(it.scored, bootstrap=False), prices=prices) for it in (first, side))
    return write_comparison_page(a, b, comparison_folder(first.run.folder, side.run.folder))


def _watched(text: str) -> str:
    what, colon, key = text.partition(":")
    if what != WORSE or not colon:
        raise WorkbenchError(f"--fail-on {text}: must be worse:SCORE, such as worse:loss_s_per_turn")
    if key not in COMPARABLE:
        raise WorkbenchError(f"--fail-on {text}: {key!r} is no percentile or rate of docs/metrics.md")
    return key


def _side(name: str, sessions: Sequence[str], config: Config, prices: Prices) -> Side:
    path = Path(name)
    if (path / "run.json").exists():
        run = read_run(path)
    elif path.suffix in (".toml", ".json"):
        if not sessions:
            raise WorkbenchError(f"{name} is a config: say with --on on which sessions configs are compared")
        given = click.get_current_context().params
        options = (given["stack"], given["models"], given["listener"], given["step_costs"], given["assignments"])
        run = _replayed(session_folders(sessions), build_config(shipped(path), *options))
    elif _holds_sessions(name):
        run = _replayed(session_folders([name]), config)
    else:
        raise WorkbenchError(f"{name}: no run (a folder with run.json), config file or session")
    return Side(name, run, scores_of(run, prices)[0])


def _holds_sessions(name: str) -> bool:
    folder = named_folder(name)
    folder = folder if folder.exists() else shipped(RECORDINGS / name)
    return is_session(folder) or bool(sessions_inside(folder))


def _replayed(folders: Sequence[Path], config: Config) -> Run:
    out = default_run_folder(config, [folder.resolve().name for folder in folders])
    make_room(out, config, folders, False)
    return run_sessions(folders, config, out)


def _failures(side: Side, compared: Sequence[Difference], watched: Sequence[str]) -> Iterator[str]:
    for item in compared:
        if item.key in watched and item.difference is None:
            yield f"{side.name}: {item.key} could not be measured on both sides"
        elif item.key in watched and judged(item) == WORSE:
            yield f"{side.name}: {item.key} is worse: {figure_of(item.key, item.a)} to {figure_of(item.key, item.b)}"


def _as_json(
    side: Side, compared: Sequence[Difference], changed: Sequence[TurnChange], renamed: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    return {
        "b": side.name,
        "sessions": len(side.scored),
        "renamed": [list(pair) for pair in renamed],
        "scores": [asdict(item) | {"judged": judged(item)} for item in compared],
        "turns": [asdict(item) for item in changed],
    }


def _show(
    first: Side,
    side: Side,
    compared: Sequence[Difference],
    changed: Sequence[TurnChange],
    renamed: Sequence[tuple[str, str]],
) -> None:
    console = Output(WIDTH)
    count = len(side.scored)
    console.print(f"A: {first.name}", soft_wrap=True, markup=False)
    console.print(f"B: {side.name}", soft_wrap=True, markup=False)
    for a, b in renamed:
        console.print(f"- session {b} is compared with {a}", soft_wrap=True, markup=False)
    rows = [
        (item.key, figure_of(item.key, item.a), figure_of(item.key, item.b), _effect(item), judged(item))
        for item in compared
        if item.key in COMPARED and item.difference is not None
    ]
    if console.width < WIDTH:
        for key, a, b, effect, verdict in rows:
            console.print(f"{key}: {a} → {b}, {effect}: {verdict}", markup=False)
    else:
        console.print(_table(rows))
        console.print("–: no difference shown", soft_wrap=True)
    if few := too_few_sessions(count):
        console.print(f"- {few}", soft_wrap=True)
    for line in _turn_lines(changed):
        console.print(line, soft_wrap=True, markup=False)


def _table(rows: Sequence[tuple[str, str, str, str, str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("score", "A", "B", "B − A (95 %)", "B is"):
        table.add_column(heading, no_wrap=True)
    for *cells, verdict in rows:
        table.add_row(*cells, "–" if verdict == NO_DIFFERENCE else verdict)
    return table


def _effect(item: Difference) -> str:
    assert item.difference is not None
    effect = _signed(item.key, item.difference)
    if item.low is None or item.high is None:
        return effect
    return f"{effect} ({_signed(item.key, item.low)} to {_signed(item.key, item.high)})"


def _signed(key: str, value: float) -> str:
    """A difference without its unit, which A and B show."""
    bare = figure_of(key, abs(value)).partition(" ")[0].partition("/")[0]
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{bare}"


def _turn_lines(changed: Sequence[TurnChange]) -> Iterator[str]:
    otherwise = [item for item in changed if item.otherwise]
    if not changed:
        yield "no turn changed"
    for item in otherwise[:MOST_TURNS]:
        yield printable(
            f"{item.session} turn {item.turn}: {item.before} → {item.after}"
            f"{_delays(item.delay_before, item.delay_after)}"
        )
    if len(otherwise) > MOST_TURNS:
        yield f"{len(otherwise) - MOST_TURNS} more turns went otherwise; --json lists them"
    later = [
        samples_to_seconds(item.delay_after - item.delay_before)
        for item in changed
        if not item.otherwise and item.delay_before is not None and item.delay_after is not None
    ]
    if later:
        other = " other" if otherwise else ""
        turns = f"{len(later)}{other} turn{'s' * (len(later) != 1)}"
        yield f"{turns} went alike, answered {min(later):+.2f} to {max(later):+.2f} s later"


def _delays(before: int | None, after: int | None) -> str:
    if before is None and after is None:
        return ""
    words = ["no answer" if delay is None else f"{samples_to_seconds(delay):.2f} s" for delay in (before, after)]
    return f" (answer {words[0]} → {words[1]})"
