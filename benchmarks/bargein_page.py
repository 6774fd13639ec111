"""Table of barge-in by rule, canceller and cause: its file of rows, the page made from it, and the README's part."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from workbench.config_sections import CANCELLERS, MIC_FILTERS
from workbench.sessions.synth_spec import read_spec, shipped_specs
from workbench.units import samples_to_ms

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "docs" / "bargein-table.csv"
PAGE = ROOT / "docs" / "bargein-table.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- barge-in table: begin -->\n", "<!-- barge-in table: end -->\n"

FRONTS = tuple(dict.fromkeys([*CANCELLERS, *MIC_FILTERS]))

_SCORES = ("false_per_agent_hour", "missed_percent", "reaction_p50_ms", "reaction_p95_ms")
_HEADER = ["spec", "rule", "front", *(f"{name}{end}" for name in _SCORES for end in ("", "_low", "_high"))]
_UNITS = ("", " %", " ms", " ms")

_INTERRUPTED = {"far-field": "far-field", "echo": "echo-barge-in", "echo-barge-in": "echo-barge-in"}
"""Spec → the one that says what is missed in such a room, the ladder of interruptions for all others."""
_LADDER = "barge-in-ladder"
_MOST_MISSED = 10
"""Percent of interruptions that a rule may miss and still be the best for a cause."""

BANNER = """Spoken and heard by the tiny models `nano`, trained for this project: a real STT and a synthesised voice,
but no yardstick for Kyutai's models: it also hears words where nobody speaks, which counts against every rule that
asks the STT."""
"""The stack that spoke, for the page's head and the README."""

_HEAD = """# Barge-in by rule, canceller and cause

{banner}
Written by `python -m benchmarks.bargein --write`, which says how it measures, from the rows in
[bargein-table.csv](bargein-table.csv). Each cause is one
[spec that comes with workbench](synth.md#specs-that-come-with-it); what the figures mean stands in
[metrics.md](metrics.md#barge-in), what the rules do in [bargein.md](bargein.md), what cancellers and filters do in
[echo.md](echo.md#cancellers-and-filters). Brackets hold 95 % intervals; "–": nothing to measure{missing}.

## Finding

"""

_BEST = """
## Best for each cause

Fewest false stops among what misses at most {most} % of the interruptions of `barge-in-ladder` (of `echo-barge-in` and
`far-field` in their rooms), of what is measured; of equals the one with nothing in front, then the faster one. Missed
ones and reaction are those of the interruptions.

"""

_COSTS = """
## What stands in front costs

On the clock, and what it does to people who interrupt an agent that is not heard in the microphone (rule `vad` on
`barge-in-ladder`).

"""

Key = tuple[str, str, str]
"""Names of spec, rule and what is in front."""


@dataclass(frozen=True)
class Cell:
    """A score with its 95 % interval, rounded to whole numbers."""

    value: int
    low: int
    high: int


@dataclass(frozen=True)
class Row:
    """Scores of a spec with a rule behind a canceller or filter; None where there was nothing to measure."""

    spec: str
    rule: str
    front: str
    false: Cell | None
    missed: Cell | None
    p50: Cell | None
    p95: Cell | None

    @property
    def key(self) -> Key:
        """What names it."""
        return self.spec, self.rule, self.front

    @property
    def cells(self) -> tuple[Cell | None, ...]:
        """The four scores."""
        return self.false, self.missed, self.p50, self.p95

    def shown(self) -> list[str]:
        """The four scores with intervals, for people."""
        return [_shown(cell, unit) for cell, unit in zip(self.cells, _UNITS, strict=True)]


def add_row(row: Row) -> None:
    """Add a row to the file. Of two of the same name the later counts."""
    with ROWS.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(_fields(row))


def read_rows() -> list[Row]:
    """Rows of the file, by spec, rule and what is in front."""
    if not ROWS.exists():
        return []
    with ROWS.open(encoding="utf-8", newline="") as file:
        found = [_row(line) for line in csv.reader(file) if line != _HEADER]
    return sorted({row.key: row for row in found}.values(), key=lambda row: row.key)


def _fields(row: Row) -> list[str | int]:
    cells: list[str | int] = [row.spec, row.rule, row.front]
    for cell in row.cells:
        cells += [cell.value, cell.low, cell.high] if cell else ["", "", ""]
    return cells


def _row(line: Sequence[str]) -> Row:
    cells = [Cell(*map(int, line[at : at + 3])) if line[at] else None for at in range(3, 15, 3)]
    return Row(line[0], line[1], line[2], *cells)


def _shown(cell: Cell | None, unit: str = "") -> str:
    return "–" if cell is None else f"{cell.value}{unit} ({cell.low} to {cell.high})"


class Table:
    """The rows, and what is best for each cause.

    Args:
        rows: see :func:`read_rows`.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: Mapping[Key, Row] = {row.key: row for row in rows}
        self.specs = sorted(shipped_specs())
        rules = {rule for _, rule, _ in self.rows}
        self.rules = sorted(rules, key=lambda rule: (len(rule.split("+")), _RANK.index(rule) if rule in _RANK else 99))

    @property
    def lacks(self) -> bool:
        """Whether a combination was not measured."""
        return len(self.rows) < len(self.specs) * len(self.rules) * len(FRONTS)

    def interruptions(self, row: Row) -> Row | None:
        """What the same rule and front do where the user does interrupt."""
        return self.rows.get((_INTERRUPTED.get(row.spec, _LADDER), row.rule, row.front))

    def best(self, spec: str) -> tuple[Row, Row]:
        """The row with the fewest false stops that misses few interruptions, and its row of interruptions."""
        found = []
        for row in self.rows.values():
            other = self.interruptions(row)
            if row.spec != spec or row.false is None or other is None or other.missed is None or other.p50 is None:
                continue
            if other.missed.value <= _MOST_MISSED:
                order = (row.false.value, other.missed.value, FRONTS.index(row.front) > 0, other.p50.value)
                found.append((order, row.key, row, other))
        _, _, row, other = min(found)
        return row, other


_RANK = ("energy", "vad", "words", "words_n", "pause_head")


def page(table: Table) -> str:
    """The page, in Markdown."""
    whole = len(table.specs) * len(table.rules) * len(FRONTS)
    lacks = f'; "·": not measured ({whole - len(table.rows)} of {whole}: the script goes on with them)'
    return "".join(
        [
            _HEAD.format(banner=BANNER, missing=lacks if table.lacks else ""),
            finding(table),
            _BEST.format(most=_MOST_MISSED),
            *_best(table, table.specs),
            _COSTS,
            *_costs(table),
            "\n## False stops per hour of agent speech\n",
            *_grids(table),
            "\n## Everything, with intervals\n",
            *_everything(table),
        ]
    )


def _best(table: Table, specs: Iterable[str]) -> Iterator[str]:
    yield "| cause | rule | in front | false per agent hour | with `energy` alone | missed | reaction p50 | p95 |\n"
    yield "|---|---|---|---|---|---|---|---|\n"
    for spec in specs:
        row, other = table.best(spec)
        today = _shown(table.rows[spec, "energy", "none"].false)
        _, *rest = other.shown()
        yield f"| {spec} | `{row.rule}` | {row.front} | {_shown(row.false)} | {today} | {' | '.join(rest)} |\n"


def _costs(table: Table) -> Iterator[str]:
    yield "| in front | sound late by | processor per frame of 80 ms | missed | reaction p50 | reaction p95 |\n"
    yield "|---|---|---|---|---|---|\n"
    for front in FRONTS:
        delay, cost = (0.0, 0.0) if front == "none" else _delay(front)
        row = table.rows.get((_LADDER, "vad", front))
        scores = row.shown()[1:] if row else ["·"] * 3
        yield f"| {front} | {delay:.1f} ms | {cost:.1f} ms | {' | '.join(scores)} |\n"


def _delay(front: str) -> tuple[float, float]:
    """Milliseconds by which sound is late, and of processor time per frame."""
    made = import_module(f"workbench.simulation.filters.{front.replace('-', '_')}").FILTER
    return samples_to_ms(made.delay), float(made.cost_ms)


def _grids(table: Table) -> Iterator[str]:
    for rule in table.rules:
        yield f"\n`{rule}`\n\n| cause | {' | '.join(FRONTS)} |\n|---{'|---:' * len(FRONTS)}|\n"
        for spec in table.specs:
            found = [table.rows.get((spec, rule, front)) for front in FRONTS]
            cells = ["·" if row is None else "–" if row.false is None else str(row.false.value) for row in found]
            yield f"| {spec} | {' | '.join(cells)} |\n"


def _everything(table: Table) -> Iterator[str]:
    for spec in table.specs:
        shows = read_spec(shipped_specs()[spec]).head.shows
        yield f"\n### {spec}\n{shows[0].upper()}{shows[1:]}.\n\n<details><summary>rows</summary>\n\n"
        yield "| rule | in front | false per agent hour | missed | reaction p50 | reaction p95 |\n"
        yield "|---|---|---|---|---|---|\n"
        for rule in table.rules:
            for front in FRONTS:
                if row := table.rows.get((spec, rule, front)):
                    yield f"| `{rule}` | {front} | {' | '.join(row.shown())} |\n"
        yield "\n</details>\n"


_GROUPS = {
    "Noises": ("coughs", "doors", "keyboard", "wind"),
    "Echo": ("echo", "echo-barge-in"),
    "Voices of others and backchannels": ("backchannels", "second-talker"),
}
_README = ("coughs", "keyboard", "wind", "backchannels", "second-talker", "echo", "echo-barge-in", "far-field")


def finding(table: Table) -> str:
    """What the table says: a sentence for each group of causes, and one for what cancellers and filters cost."""
    lines = [f"* {name}: {_sentence(table, specs)}\n" for name, specs in _GROUPS.items()]
    costs = [
        f"{front} {row.p50.value} ms, {row.missed.value} % missed"
        for front in FRONTS
        if (row := table.rows.get((_LADDER, "vad", front))) and row.p50 and row.missed
    ]
    return "".join(lines) + f"* What stands in front costs, where there is no echo: `vad` behind {'; '.join(costs)}.\n"


def _sentence(table: Table, specs: Sequence[str]) -> str:
    """Best rule and front of some causes; causes with the same are named together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for spec in specs:
        row, _ = table.best(spec)
        alike.setdefault((row.rule, row.front), []).append(spec)
    parts = []
    for (rule, front), names in alike.items():
        rows = [table.best(name) for name in names]
        today = [table.rows[name, "energy", "none"] for name in names]
        behind = "with nothing in front" if front == "none" else f"behind {front}"
        before = [other.p50 for row in today if (other := table.interruptions(row))]
        apart = all(
            row.false and old.false and row.false.high < old.false.low
            for (row, _), old in zip(rows, today, strict=True)
        )
        parts.append(
            f"`{rule}` {behind} is best for {', '.join(names)}: {_span([row.false for row, _ in rows])} false stops "
            f"per agent hour instead of {_span([row.false for row in today])} with `energy` alone"
            f"{'' if apart else ' (intervals overlap: not shown to be better)'}, "
            f"{_span([other.missed for _, other in rows])} % of interruptions missed, and the agent is silent "
            f"{_span([other.p50 for _, other in rows])} ms after one begins instead of {_span(before)}"
        )
    return "; ".join(parts) + "."


def _span(cells: Iterable[Cell | None]) -> str:
    """Least to greatest of some scores."""
    values = {cell.value for cell in cells if cell is not None}
    return str(min(values)) if len(values) == 1 else f"{min(values)} to {max(values)}"


def readme_part(table: Table) -> str:
    """The short version."""
    return f"{BANNER}\n\n{finding(table)}\n{''.join(_best(table, _README))}\n"


def write_page() -> None:
    """Write the rows in order, the page, and the README's part."""
    rows = read_rows()
    with ROWS.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([_HEADER, *map(_fields, rows)])
    table = Table(rows)
    PAGE.write_text(page(table), encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + readme_part(table) + END + rest.partition(END)[2], encoding="utf-8")
