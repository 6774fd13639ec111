"""Action and output of ``workbench sweep``."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from workbench.cli.options import is_session, named_folder, session_folders
from workbench.cli.progress import Bar, Output
from workbench.config import Config, Knob, resolve
from workbench.errors import WorkbenchError
from workbench.files import RECORDINGS, canonical_json, pretty_json, read_json, sha256_text, shipped, write_text
from workbench.metrics.definitions import BY_KEY, Rate
from workbench.metrics.loss import Prices
from workbench.run_folders import folder_part
from workbench.tuning.space import read_space
from workbench.tuning.sweep import SCORE_HEADINGS, Sweep, SweepAxis, SweepPoint, axis
from workbench.tuning.sweep_sessions import run_sweep

SPACE = Path("configs/space.toml")
WIDTH = 100
"""Columns of a table that is not printed on a terminal."""
GAP = 3
"""Columns between two cells."""


def sweep_and_show(
    asked: tuple[Sequence[str], Sequence[str]],
    config: Config,
    prices: Prices,
    place: tuple[Path | None, bool],
    as_json: bool,
) -> int:
    """Sweep, write ``sweep.json`` and the figure, print the scores that move.

    Args:
        asked: sessions with one or two knobs after them, and what ``--values`` was given.
        config: today's settings.
        prices: of faults.
        place: folder of the result, by default one named for knobs and sessions; and whether another one there goes.
        as_json: whether to print JSON.
    """
    arguments, values = asked
    names, chosen = _divided(arguments)
    if values and len(values) != len(chosen):
        raise WorkbenchError(f"--values is given {len(values)} times for {len(chosen)} knobs; give it once for each")
    space = read_space(shipped(SPACE))
    typed = [text.replace(",", " ").split() for text in values] or [[] for _ in chosen]
    axes = [axis(name, config, space, given) for name, given in zip(chosen, typed, strict=True)]
    folders = session_folders(names)
    out = place[0] or _default_folder(axes, [folder.resolve().name for folder in folders], config)
    kept = out / "sweep.json"
    head = {
        "config": config.fingerprint,
        "swept": [[one.path, list(one.values)] for one in axes],
        "folders": [folder.as_posix() for folder in folders],
    }
    if kept.exists() and not place[1]:
        there = read_json(kept)
        if not isinstance(there, dict) or any(there.get(key) != value for key, value in head.items()):
            raise WorkbenchError(f"{out}: holds another sweep; give another --out, or --force to replace it")
    with Bar() as bar:
        found = run_sweep(folders, config, axes, prices, bar)
    out.mkdir(parents=True, exist_ok=True)
    write_text(kept, pretty_json(head | found.to_dict()))
    from workbench.reports.sweep_figure import draw_sweep

    figures = draw_sweep(found, out)
    if as_json:
        click.echo(json.dumps(found.to_dict() | {"folder": str(out), "figures": [str(path) for path in figures]}))
    else:
        show_sweep(found)
        for path in (out / "sweep.json", *figures):
            click.echo(f"written: {path}")
    return 0


def _divided(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Sessions, and the one or two knobs after them."""
    names = list(arguments)
    chosen: list[str] = []
    while names and len(chosen) < 2 and not is_session(named_folder(names[-1])) and _is_knob(names[-1]):
        chosen.insert(0, names.pop())
    if not chosen:
        last = names[-1]
        if any(path.exists() for path in (named_folder(last), shipped(RECORDINGS / last))):
            raise WorkbenchError(f"{last} is a session: the knob to sweep comes last, such as stt_silence_ms")
        resolve(last)  # says what a knob with such a name may be
    if not names:
        raise WorkbenchError(f"no session before {chosen[0]}: workbench sweep SESSION... KNOB")
    if len(set(map(resolve, chosen))) < len(chosen):
        raise WorkbenchError(f"{chosen[0]} is given twice; a grid takes two different knobs")
    return names, chosen


def _is_knob(name: str) -> bool:
    try:
        resolve(name)
    except WorkbenchError:
        return False
    return True


def _default_folder(axes: Sequence[SweepAxis], sessions: Sequence[str], config: Config) -> Path:
    asked = canonical_json([config.fingerprint, [[one.path, list(one.values)] for one in axes]])
    knobs = "-".join(one.name for one in axes)
    return Path("reports") / f"sweep-{knobs}-{folder_part(sessions)}-{sha256_text(asked)[:8]}"


def show_sweep(found: Sweep) -> None:
    """Print the scores that move: over one knob a row for each value, over two a grid for the first score."""
    console = Output(WIDTH)
    count = len(found.sessions)
    knobs = " and ".join(one.name for one in found.axes)
    title = f"{knobs} over {count} session{'s' * (count != 1)}; > is today"
    keys = [key for key in found.moving if key in SCORE_HEADINGS]
    if not found.moving:
        why = " does nothing with these settings" if all(not point.refused for point in found.points) else ""
        console.print(f"{title}: no score moves; {knobs}{why or ' is refused at some values'}", soft_wrap=True)
    elif len(found.axes) == 1:
        for table in _tables(found, keys, console.width):
            console.print(title, soft_wrap=True, markup=False)
            console.print(table)
    else:
        for key in keys[:1]:
            console.print(f"{title}: {' '.join(SCORE_HEADINGS[key])}", soft_wrap=True, markup=False)
            console.print(_grid(found, key, console.width))
    for refused in sorted({point.refused for point in found.points if point.refused}):
        console.print(f"- refused: {refused}", soft_wrap=True, markup=False)
    shown = keys if len(found.axes) == 1 else keys[:1]
    if more := len(found.moving) - len(shown):
        console.print(f"{more} more scores move; sweep.json has all", soft_wrap=True)


def _tables(found: Sweep, keys: Sequence[str], width: int) -> Iterator[Table]:
    """Tables that fit: a further one repeats the values next to the scores that had no room before."""
    (one,) = found.axes
    first = [(">" if number == one.now else " ") + " " + spelt(value) for number, value in enumerate(one.values)]
    left = GAP + max(map(len, [*first, one.name]))
    columns = {key: [_cell(point, key) for point in found.points] for key in keys}
    waiting = [key for key in keys if len(set(columns[key])) > 1]  # others move by less than is printed
    while waiting:
        used = left
        taken: list[str] = []
        while waiting:
            needed = GAP + max(map(len, [*SCORE_HEADINGS[waiting[0]], *columns[waiting[0]]]))
            if taken and used + needed > width:
                break
            used += needed
            taken.append(waiting.pop(0))
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column(one.name, no_wrap=True)
        for key in taken:
            table.add_column("\n".join(SCORE_HEADINGS[key]), justify="right", no_wrap=True)
        for number, cell in enumerate(first):
            style = "bold" if number == one.now else None
            table.add_row(cell, *(columns[key][number] for key in taken), style=style)
        yield table


def _grid(found: Sweep, key: str, width: int) -> Table:
    """One score over two knobs; values of the second that have no room are left out evenly."""
    down, across = found.axes
    cells = [_cell(point, key) for point in found.points]
    heads = [("> " if number == across.now else "") + spelt(value) for number, value in enumerate(across.values)]
    needed = GAP + max(map(len, [*cells, *heads]))
    room = max(1, (width - len(down.name) - GAP) // needed)
    step = -(-len(heads) // room)
    shown = sorted({*range(0, len(heads), step), across.now})
    shown = shown if len(shown) <= room else [number for number in shown if number % step == 0]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption=f"across: {across.name}", caption_justify="left")
    table.add_column(down.name, no_wrap=True)
    for number in shown:
        table.add_column(heads[number], justify="right", no_wrap=True)
    for row, value in enumerate(down.values):
        mark = ">" if row == down.now else " "
        table.add_row(f"{mark} {spelt(value)}", *(cells[row * len(heads) + number] for number in shown))
    return table


def _cell(point: SweepPoint, key: str) -> str:
    if point.refused:
        return "refused"
    value = point.scores[key]
    if value is None:
        return "-"
    measure = BY_KEY[key]
    if isinstance(measure, Rate) and measure.kind == "share" and key in point.counts:
        k, n = point.counts[key]
        return f"{k:.0f} of {n:.0f}"
    if key.endswith(("_n", "_events", "_splits")) or "_ms_" in key:
        return f"{value:.0f}"
    return f"{value:.2f}"


def spelt(value: Knob) -> str:
    """A knob's value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
