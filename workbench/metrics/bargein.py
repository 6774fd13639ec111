"""Barge-in: does the agent stop for the user, and for nobody and nothing else?

Conventions:
    Samples at 24 kHz. An answer is being spoken from its first played sample to its end-of-speech marker or its
    cancellation. Only a barge-in that stopped an answer counts.

Metrics:
    A barge-in is true where a ``speech`` label overlaps ``[onset - 0.25 s, frame_end]`` and false otherwise. Its
    cause is the kind of a label that overlaps ``[onset - 0.5 s, frame_end]``, else ``echo`` if the microphone hears the
    agent and the agent was audible in ``[onset, frame_end]``, else ``unknown``.
"""

from collections.abc import Sequence

from workbench.labels import Label
from workbench.metrics.index import Index, Reply
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


def barge_ins(index: Index, labels: Sequence[Label]) -> tuple[BargeInRow, ...]:
    """Every barge-in that stopped an answer, with its cause."""
    rows = []
    for event in index.barge_ins:
        reply = index.replies.get(event.reply)
        if reply is None or reply.cancel is None or reply.cancel.reason != "barge_in" or reply.cancel.t < event.t:
            continue
        user = _overlapping(labels, event.onset - EXPLAINED, event.frame_end, ("speech",))
        if user is None:
            rows.append(BargeInRow(event.t, event.reply, event.onset, _cause(event, reply, index, labels), None, None))
            continue
        detection = reaction = None
        if reply.speaking and reply.speaking[0] <= event.t:
            # A user who was already speaking when the answer began interrupts it from its first sample on.
            begin = max(user.start, reply.speaking[0])
            detection = event.t - begin
            reaction = reply.audible[-1][1] - begin if reply.audible else None
        rows.append(BargeInRow(event.t, event.reply, event.onset, "speech", detection, reaction))
    return tuple(rows)


def _cause(event: BargeIn, reply: Reply, index: Index, labels: Sequence[Label]) -> str:
    for kind in EVENT_KINDS:
        if _overlapping(labels, event.onset - CAUSE, event.frame_end, (kind,)):
            return kind
    if index.header.echo and any(start < event.frame_end and end > event.onset for start, end, _ in reply.audible):
        return "echo"
    return "unknown"


def _overlapping(labels: Sequence[Label], start: int, end: int, kinds: tuple[str, ...]) -> Label | None:
    return next((item for item in labels if item.start < end and item.end > start and item.kind in kinds), None)


def floor_takes(index: Index, labels: Sequence[Label]) -> tuple[FloorRow, ...]:
    """Every turn that begins (or goes on after a pause) over agent speech, and whether the agent yielded.

    One row per answer and turn. An answer that ends by itself within 2.0 s shows nothing and gives no row.
    """
    rows = []
    speech = [label for label in labels if label.kind == "speech" and label.turn is not None]
    for reply in _spoken(index):
        first, end = reply.speaking or (0, 0)
        seen: set[int] = set()
        for label in speech:
            turn = label.turn or 0
            if not first <= label.start < end or turn in seen:
                continue
            seen.add(turn)
            if end > label.start + YIELD:
                rows.append(FloorRow(turn, label.start, reply.number, True))
            elif reply.cancel is not None:
                rows.append(FloorRow(turn, label.start, reply.number, False))
    return tuple(rows)


def events_over_agent(index: Index, labels: Sequence[Label], found: Sequence[BargeInRow]) -> tuple[EventRow, ...]:
    """Every backchannel, noise and background label over agent speech, and whether it stopped the agent.

    Args:
        index: the trace.
        labels: reference labels.
        found: from :func:`barge_ins`; a false one between the event's start and 1.0 s after its end was its doing.
    """
    spoken = [reply.speaking for reply in _spoken(index) if reply.speaking]
    false = [row.t for row in found if row.cause != "speech"]
    return tuple(
        EventRow(label.start, label.end, label.kind, any(label.start <= t <= label.end + EVENT for t in false))
        for label in labels
        if label.kind in EVENT_KINDS and any(label.start < end and label.end > start for start, end in spoken)
    )


def _spoken(index: Index) -> list[Reply]:
    return [reply for reply in index.replies.values() if reply.speaking]
