"""Comparison of a session on a real clock with the same session and step costs on the virtual one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.live.compare_traces import Exchange, Pairing, exchanges, pair
from workbench.trace import BargeIn, Trace, Underrun
from workbench.units import duration, samples_to_ms, samples_to_seconds


@dataclass(frozen=True)
class PaceDifference:
    """A turn that went otherwise on the real clock.

    Attributes:
        session: its name.
        at: when the turn began, in seconds.
        what: the difference, with its cause where one is known.
    """

    session: str
    at: float
    what: str


@dataclass(frozen=True)
class PaceComparison:
    """All sessions together; pairs of numbers are (virtual clock, real clock).

    Attributes:
        turns: turns on either clock.
        same: those that begin and end at the same frames, hold the same words, and are stopped on both or on neither.
        differences: the others.
        later_ms: by how much each answer was heard later on the real clock, ascending.
        underruns: how often the loudspeaker ran dry before the session's end.
        barge_ins: how often the user stopped the agent.
    """

    turns: int
    same: int
    differences: tuple[PaceDifference, ...]
    later_ms: tuple[float, ...]
    underruns: tuple[int, int]
    barge_ins: tuple[int, int]


def compare_pace(pairs: Sequence[tuple[Trace, Trace]]) -> PaceComparison:
    """Compare (virtual, real) traces of sessions."""
    turns = same = 0
    differences: list[PaceDifference] = []
    later: list[float] = []
    for virtual, real in pairs:
        found = pair(exchanges(real), exchanges(virtual))
        turns += len(found)
        other = list(_differences(virtual, found))
        same += len(found) - len(other)
        differences += other
        later += [samples_to_ms(item.answer_later_by) for item in found if item.answer_later_by is not None]
    counted = [
        tuple(sum(_count(trace, kind) for trace in side) for side in zip(*pairs, strict=True))
        for kind in (Underrun, BargeIn)
    ]
    (dry, dry_real), (stops, stops_real) = counted
    return PaceComparison(turns, same, tuple(differences), tuple(sorted(later)), (dry, dry_real), (stops, stops_real))


def _count(trace: Trace, kind: type[Underrun] | type[BargeIn]) -> int:
    """Events before the session's end; what a replay goes on to play after it has no real clock."""
    return sum(isinstance(event, kind) and event.t < trace.header.samples for event in trace.events)


def _differences(virtual: Trace, pairs: Sequence[Pairing]) -> Iterator[PaceDifference]:
    before: Pairing | None = None
    for item in pairs:
        one, other = item.b, item.a
        if not (item.is_same and one is not None and other is not None and one.is_stopped == other.is_stopped):
            shown = one or other
            assert shown is not None
            what = _what(one, other) + _why(before)
            yield PaceDifference(virtual.header.session, samples_to_seconds(shown.start), what)
        before = item


def _what(virtual: Exchange | None, real: Exchange | None) -> str:
    if real is None:
        return "the turn does not end on the real clock"
    if virtual is None:
        return "the turn does not end on the virtual clock"
    if virtual.end != real.end:
        later = samples_to_ms(real.end - virtual.end)
        return f"the turn ends {abs(later):.0f} ms {'later' if later > 0 else 'earlier'} on the real clock"
    if virtual.start != real.start:
        later = samples_to_ms(real.start - virtual.start)
        return f"the STT hears it from {abs(later):.0f} ms {'later' if later > 0 else 'earlier'} on"
    if virtual.text != real.text:
        return f"its words are {real.text!r} instead of {virtual.text!r}"
    stopped = "real" if real.is_stopped else "virtual"
    return f"its answer is interrupted on the {stopped} clock alone"


def _why(before: Pairing | None) -> str:
    """The turn before it, where its answer ended at another moment: then the next listen cycle opens otherwise."""
    if before is None or before.a is None or before.b is None:
        return ""
    ends = before.a.answer_end, before.b.answer_end
    if None in ends or ends[0] == ends[1]:
        return ""
    assert ends[0] is not None
    assert ends[1] is not None
    later = samples_to_ms(ends[0] - ends[1])
    where = duration(samples_to_seconds(before.a.start))
    return f"; the answer before it ({where}) ended {abs(later):.0f} ms {'later' if later > 0 else 'earlier'}"
