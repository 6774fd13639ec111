"""Barge-in: does the agent stop for the user, and for nobody and nothing else?

Conventions:
    Samples at 24 kHz. An answer is being spoken from its first played sample to its end-of-speech marker or its
    cancellation. Only a barge-in that stopped an answer counts.

Metrics:
    A barge-in is true where a ``speech`` label overlaps ``[onset - 0.25 s, frame_end]`` and false otherwise. Its
    cause is the kind of a label that overlaps ``[onset - 0.5 s, frame_end]``, else ``echo`` if the microphone hears the
    agent and the agent was audible in ``[onset, frame_end]``, else ``unknown``.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from workbench.labels import Label
from workbench.metrics.index import Index, Reply, Span
from workbench.metrics.rows import EVENT_KINDS, BargeInRow, EventRow, FloorRow
from workbench.trace import BargeIn
from workbench.units import SAMPLE_RATE

EXPLAINED = SAMPLE_RATE // 4
"""A label up to 0.25 s before the onset explains it: labels are no sharper."""
CAUSE = SAMPLE_RATE // 2
"""A label up to 0.5 s before the onset can be its cause: a cough has a tail."""
YIELD = 2 * SAMPLE_RATE
"""An agent that still speaks 2.0 s after the user began did not yield."""
EVENT = SAMPLE_RATE
"""A stop up to 1.0 s after an event is laid to the event."""


class Marks:
    """Labels of one kind, to be asked for overlaps in logarithmic time.

    Args:
        labels: in order of time; they may overlap one another.
        kind: of the labels to keep.
    """

    def __init__(self, labels: Sequence[Label], kind: str) -> None:
        self.labels = [label for label in labels if label.kind == kind]
        self.starts = [label.start for label in self.labels]
        self._reach = list(accumulate((label.end for label in self.labels), max))

    def first(self, start: int, end: int) -> Label | None:
        """The earliest label that overlaps ``[start, end)``: the first to end after ``start``, if it begins in time."""
        found = bisect_right(self._reach, start)
        return self.labels[found] if found < len(self.labels) and self.starts[found] < end else None


def barge_ins(index: Index, labels: Sequence[Label]) -> tuple[BargeInRow, ...]:
    """Every barge-in that stopped an answer, with its cause.

    Args:
        index: the trace.
        labels: in order of time.
    """
    speech, events = Marks(labels, "speech"), {kind: Marks(labels, kind) for kind in EVENT_KINDS}
    rows = []
    for event in index.barge_ins:
        reply = index.replies.get(event.reply)
        if reply is None or reply.cancel is None or reply.cancel.reason != "barge_in" or reply.cancel.t < event.t:
            continue
        user = speech.first(event.onset - EXPLAINED, event.frame_end)
        cause = "speech" if user else _cause(event, reply, index, events)
        detection = reaction = None
        if user and reply.speaking and reply.speaking[0] <= event.t:
            # A user who was already speaking when the answer began interrupts it from its first sample on.
            begin = max(user.start, reply.speaking[0])
            detection = event.t - begin
            reaction = reply.audible[-1][1] - begin if reply.audible else None
        rows.append(BargeInRow(event.t, event.reply, event.onset, cause, detection, reaction))
    return tuple(rows)


def _cause(event: BargeIn, reply: Reply, index: Index, events: Mapping[str, Marks]) -> str:
    for kind, marks in events.items():
        if marks.first(event.onset - CAUSE, event.frame_end):
            return kind
    if index.header.echo and any(start < event.frame_end and end > event.onset for start, end, _ in reply.audible):
        return "echo"
    return "unknown"


def floor_takes(index: Index, labels: Sequence[Label]) -> tuple[FloorRow, ...]:
    """Every turn that begins (or goes on after a pause) over agent speech, and whether the agent yielded.

    One row per answer and turn. An answer that ends by itself within 2.0 s shows nothing and gives no row.

    Args:
        index: the trace.
        labels: in order of time.
    """
    rows = []
    speech = Marks(labels, "speech")
    for reply, (first, end) in _spoken(index):
        seen: set[int | None] = set()
        for label in speech.labels[bisect_left(speech.starts, first) : bisect_left(speech.starts, end)]:
            if label.turn in seen:
                continue
            seen.add(label.turn)
            if end > label.start + YIELD or reply.cancel is not None:
                rows.append(FloorRow(label.turn or 0, label.start, reply.number, end > label.start + YIELD))
    return tuple(rows)


def events_over_agent(index: Index, labels: Sequence[Label], found: Sequence[BargeInRow]) -> tuple[EventRow, ...]:
    """Every backchannel, noise and background label over agent speech, and whether it stopped the agent.

    Args:
        index: the trace.
        labels: in order of time.
        found: from :func:`barge_ins`; a false one between the event's start and 1.0 s after its end was its doing.
    """
    agent = Marks([Label(start, end, "agent") for _, (start, end) in _spoken(index)], "agent")
    false = sorted(row.t for row in found if row.cause != "speech")
    return tuple(
        EventRow(
            label.start,
            label.end,
            label.kind,
            bisect_left(false, label.start) < bisect_right(false, label.end + EVENT),
        )
        for label in labels
        if label.kind in EVENT_KINDS and agent.first(label.start, label.end)
    )


def _spoken(index: Index) -> list[tuple[Reply, Span]]:
    """Answers of which something was played, in order of time, and when they were being spoken."""
    spoken = [(reply, reply.speaking) for reply in index.replies.values() if reply.speaking]
    return sorted(spoken, key=lambda item: item[1])
