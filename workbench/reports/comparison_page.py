"""Page that compares two runs: which scores are better or worse, and every turn that went otherwise, both audible."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.metrics import Difference
from workbench.metrics.changes import (
    BETTER,
    WORSE,
    TurnChange,
    differences,
    judged,
    paired_sessions,
    too_few_sessions,
    turn_changes,
)
from workbench.metrics.rows import TurnRow
from workbench.reports.html import PageData, write_page
from workbench.reports.material import Material, clock, ms
from workbench.reports.overview import first_words
from workbench.reports.page_sessions import PageSessions
from workbench.reports.table_files import cell_text
from workbench.units import SAMPLE_RATE

_BEFORE, _AFTER = SAMPLE_RATE, 4 * SAMPLE_RATE
"""What a clip holds before a turn begins and after it has ended."""


def comparison_folder(a: Path, b: Path) -> Path:
    """Where the page of two runs goes: next to the second, named for both."""
    return b.parent / f"{a.name}-and-{b.name}"


def write_comparison_page(a: Material, b: Material, folder: Path) -> Path:
    """Write ``index.html`` of two runs into a folder, which is made.

    Args:
        a, b: before and after; of the same sessions, or of as many that were recorded anew.
        folder: see :func:`comparison_folder`.

    Raises:
        WorkbenchError: the runs have neither the same sessions nor as many.
    """
    after, renamed = paired_sessions(a.scored, b.scored)
    compared = differences(a.scored, after)
    changed = turn_changes(a.scored, after)
    new_name = dict(renamed)
    pairs = [(a, change.session, change.turn) for change in changed]
    others = [(b, new_name.get(change.session, change.session), change.turn) for change in changed]
    clips = [clip for pair in zip(pairs, others, strict=True) for clip in pair]
    sessions, spans = _for_scripts((a, b), clips)
    values = {
        "title": f"{a.run.folder.name} and {b.run.folder.name}",
        "sides": (a.run.folder.name, b.run.folder.name),
        "warnings": tuple(dict.fromkeys((*first_words(a.run), *first_words(b.run)))),
        "verdict": _verdict(compared, changed, too_few_sessions(len(a.scored))),
        "rows": [_row(item) for item in compared if item.a is not None or item.b is not None],
        "changes": [(number, change, _moments(a, change)) for number, change in enumerate(changed)],
        "renamed": renamed,
        "sessions": [session["name"] for session in sessions.listed],
    }
    folder.mkdir(parents=True, exist_ok=True)
    small = {"kind": "comparison", "rate": SAMPLE_RATE, "sessions": sessions.listed, "incidents": spans}
    packed = PageData(small, sessions.packed, sounds=sessions.sounds)
    return write_page(folder / "index.html", "comparison.html.jinja", values, packed)


def _verdict(compared: Sequence[Difference], changed: Sequence[TurnChange], few: str) -> str:
    found = {side: [item.key for item in compared if judged(item) == side] for side in (BETTER, WORSE)}
    words = [f"{side}: {', '.join(keys)}" for side, keys in found.items() if keys]
    counted = Counter(change.otherwise for change in changed)
    turns = f"{counted[True]} turns went otherwise, {counted[False]} more were answered at another time"
    first = f"Shown {'; '.join(words)}." if words else "No difference is shown in any score."
    return f"{first} {turns}.{f' {few[0].upper()}{few[1:]}.' if few else ''}"


def _row(item: Difference) -> tuple[str, str, str, str, str]:
    span = "" if item.low is None else f" ({cell_text(item.low)} to {cell_text(item.high)})"
    return item.key, cell_text(item.a), cell_text(item.b), f"{cell_text(item.difference)}{span}", judged(item)


def _turn(data: Material, session: str, turn: int) -> TurnRow:
    scores = next(scores for item, scores in data.sessions if item.session.name == session)
    return next(row for row in scores.turns if row.turn == turn)


def _moments(a: Material, change: TurnChange) -> tuple[str, str, str]:
    """(begin of the turn, delay before, delay after) for people."""
    start = _turn(a, change.session, change.turn).start
    return clock(start), ms(change.delay_before), ms(change.delay_after)


def _for_scripts(
    sides: tuple[Material, Material], clips: Sequence[tuple[Material, str, int]]
) -> tuple[PageSessions, list[dict[str, Any]]]:
    """Sessions of both sides, and the clips of every changed turn: before, after, before, after …"""
    sessions = PageSessions()
    spans: list[dict[str, Any]] = [{}] * len(clips)
    for side, words in zip(sides, _names(sides), strict=True):
        own = [
            (number, (name, *_clip(side, name, turn))) for number, (of, name, turn) in enumerate(clips) if of is side
        ]
        places = sessions.add(side, [clip for _, clip in own], f" ({words})")
        for (number, (_, start, end)), place in zip(own, places, strict=True):
            spans[number] = {"kind": "turn", "t": start, "start": start, "end": end} | place
    return sessions, spans


def _names(sides: tuple[Material, Material]) -> Sequence[str]:
    """Names of the sides: those of their folders, or before and after where these are the same."""
    names = [side.run.folder.name for side in sides]
    return names if names[0] != names[1] else ("before", "after")


def _clip(side: Material, session: str, turn: int) -> tuple[int, int]:
    row = _turn(side, session, turn)
    wait = row.waterfall.voice_to_voice if row.waterfall else 0
    return max(0, row.start - _BEFORE), row.end + max(0, wait) + _AFTER
