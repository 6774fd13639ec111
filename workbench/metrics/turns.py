"""Turn taking: did the endpointer find the end of each turn, and only the end?

Conventions:
    Samples at 24 kHz. A commit lies where its deciding frame ends (``frame_end``): it has heard exactly the samples
    before that. So a commit belongs to the stretch ``(start, end]``: one at the last sample of a pause took the pause
    for the end, one at the first sample after it heard no more than the pause.

Metrics:
    One commit ends one turn: the first from 0.25 s before to 3.0 s after the turn's end, never before the turn's last
    stretch of speech and never after the next turn's start. Every commit before the end is a cut-in, of the pause it
    lies in if that is 0.2 to 5 s long.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.metrics.rows import HoldRow
from workbench.sessions.labels import Turn
from workbench.trace import Commit
from workbench.units import SAMPLE_RATE

EARLY = SAMPLE_RATE // 4
"""A commit up to 0.25 s before the labelled end has found the end: labels are no sharper."""
LATE = 3 * SAMPLE_RATE
"""After 3.0 s without a commit the end was missed."""
HOLD_MIN = SAMPLE_RATE // 5
"""Shorter pauses are articulation, not holds."""
HOLD_MAX = 5 * SAMPLE_RATE
"""Longer pauses are no holds: nobody expects an agent to wait."""


@dataclass(frozen=True)
class TurnEnd:
    """What became of a turn's end.

    Attributes:
        commit: the commit that answers the turn: the one that found the end, else the last cut-in.
        end_found: ``commit`` lies in the window around the end.
        censored: nothing found, but the session ends before the window does.
        cutins: commits before the end.
    """

    commit: Commit | None
    end_found: bool
    censored: bool
    cutins: int


def match_ends(turns: Sequence[Turn], commits: Sequence[Commit], samples: int) -> tuple[TurnEnd, ...]:
    """Match commits to the ends of turns, one to one.

    Args:
        turns: in order of time, apart from one another.
        commits: in order of ``frame_end``.
        samples: length of the session.
    """
    moments = [commit.frame_end for commit in commits]
    ends = []
    for number, turn in enumerate(turns):
        following = turns[number + 1].start if number + 1 < len(turns) else None
        close = turn.end + LATE if following is None else min(turn.end + LATE, following)
        first = max(bisect_left(moments, turn.end - EARLY), bisect_right(moments, turn.parts[-1].start))
        began, ended = bisect_right(moments, turn.start), bisect_left(moments, turn.end)
        found = first < len(moments) and moments[first] <= close
        commit = commits[first] if found else commits[ended - 1] if ended > began else None
        censored = not found and following is None and close > samples
        ends.append(TurnEnd(commit, found, censored, max(0, ended - began)))
    return tuple(ends)


def holds(turns: Sequence[Turn], commits: Sequence[Commit]) -> tuple[HoldRow, ...]:
    """Every pause of 0.2 to 5 s inside a turn, and whether a commit lies in it."""
    moments = [commit.frame_end for commit in commits]
    return tuple(
        HoldRow(turn.number, start, end, bisect_right(moments, start) < bisect_right(moments, end))
        for turn in turns
        for start, end in turn.holds
        if HOLD_MIN <= end - start <= HOLD_MAX
    )


def false_ends(
    turns: Sequence[Turn], ends: Sequence[TurnEnd], commits: Sequence[Commit], samples: int
) -> tuple[int, int]:
    """Count the stretches in which a commit ended nothing.

    Stretches are the intervals of speech, the pauses in turns, and the time before, between and after turns. A
    stretch counts once however many false commits it holds.

    Returns:
        (stretches with a false commit, stretches).
    """
    borders = [0]
    for turn in turns:
        for part in turn.parts:
            borders += [part.start, part.end]
    borders.append(max([samples, borders[-1], *(commit.frame_end for commit in commits)]))
    borders = sorted(set(borders))
    true = {id(end.commit) for end in ends if end.end_found}
    false = {max(1, bisect_left(borders, commit.frame_end)) for commit in commits if id(commit) not in true}
    return len(false), len(borders) - 1


def speech_within(turn: Turn, start: int, end: int) -> int:
    """Samples of the turn's speech in ``[start, end)``."""
    if start >= end:
        return 0
    return sum(max(0, min(part.end, end) - max(part.start, start)) for part in turn.parts)


def frontier(points: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """What a family of settings can reach: dead air against cut-ins.

    Only settings that were run count; nothing is interpolated.

    Args:
        points: one per setting: (median endpoint delay in ms, ``cutin_per_hold``).

    Returns:
        The least delay whose cut-in rate is within 5 and 10 %, and the least cut-in rate within 300 and 600 ms of
        delay; None where no setting gets there.

    >>> frontier([(420.0, 0.2), (560.0, 0.08), (900.0, 0.0)])["dead_air_ms_at_cutin_10pct"]
    560.0
    """

    def least(values: list[float]) -> float | None:
        return min(values, default=None)

    return {
        "dead_air_ms_at_cutin_5pct": least([delay for delay, rate in points if rate <= 0.05]),
        "dead_air_ms_at_cutin_10pct": least([delay for delay, rate in points if rate <= 0.10]),
        "cutin_per_hold_at_300ms": least([rate for delay, rate in points if delay <= 300]),
        "cutin_per_hold_at_600ms": least([rate for delay, rate in points if delay <= 600]),
    }
