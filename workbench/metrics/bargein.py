"""Barge-in: does the agent stop for the user, and for nobody and nothing else?

Conventions:
    Samples at 24 kHz. An answer is being spoken from its first played sample to its end-of-speech marker or its
    cancellation. Only a barge-in that stopped an answer counts, for good or until the agent went on.

Metrics:
    A barge-in is true where a ``speech`` label overlaps ``[onset - 0.25 s, frame_end]`` and false otherwise. Its
    cause is the kind of a label that overlaps ``[onset - 0.5 s, frame_end]``, else ``echo`` if the microphone hears the
    agent and the agent was audible in ``[onset, frame_end]``, else ``unknown``.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from workbench.metrics.condense import MergedFacts, SpokenReply
from workbench.metrics.index import Span
from workbench.metrics.reference import Marks, Reference
from workbench.metrics.rows import BargeInRow, EventRow, FloorRow
from workbench.sessions.labels import Label
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


def barge_ins(found: MergedFacts, reference: Reference) -> tuple[BargeInRow, ...]:
    """Every barge-in that stopped an answer, with its cause."""
    rows = []
    for event in found.total.barge_ins:
        reply = found.spoken.get(event.reply)
        if reply is None:
            continue
        until = next((until for since, until in reply.silences if since == event.t), None)
        cancel = reply.cancel
        if until is None and (cancel is None or cancel.reason != "barge_in" or cancel.t < event.t):
            continue
        user = reference.speech.first(event.onset - EXPLAINED, event.frame_end)
        cause = "speech" if user else _cause(event, reply, found.header.echo, reference)
        detection = reaction = None
        if user and reply.speaking and reply.speaking[0] <= event.t:
            # A user who was already speaking when the answer began interrupts it from its first sample on.
            begin = max(user.start, reply.speaking[0])
            detection = event.t - begin
            heard = [end for start, end, _ in reply.audible if until is None or start < until]
            reaction = heard[-1] - begin if heard else None
        resumed = None if until is None else until - event.t
        rows.append(BargeInRow(event.t, event.reply, event.onset, cause, detection, reaction, resumed))
    return tuple(rows)


def _cause(event: BargeIn, reply: SpokenReply, echo: bool, reference: Reference) -> str:
    for kind, marks in reference.events.items():
        if marks.first(event.onset - CAUSE, event.frame_end):
            return kind
    if echo and any(start < event.frame_end and end > event.onset for start, end, _ in reply.audible):
        return "echo"
    return "unknown"


def floor_takes(found: MergedFacts, reference: Reference) -> tuple[FloorRow, ...]:
    """Every turn that begins (or goes on after a pause) over agent speech, and whether the agent yielded.

    One row per answer and turn. An answer that ends by itself within 2.0 s shows nothing and gives no row.
    """
    rows = []
    speech = reference.speech
    for reply, (first, end) in _in_time(found):
        seen: set[int | None] = set()
        for label in speech.labels[bisect_left(speech.starts, first) : bisect_left(speech.starts, end)]:
            if label.turn in seen:
                continue
            seen.add(label.turn)
            if end > label.start + YIELD or reply.cancel is not None:
                rows.append(FloorRow(label.turn or 0, label.start, reply.number, end > label.start + YIELD))
    return tuple(rows)


def events_over_agent(found: MergedFacts, reference: Reference, stops: Sequence[BargeInRow]) -> tuple[EventRow, ...]:
    """Every backchannel, noise and background label over agent speech, and whether it stopped the agent.

    Args:
        found: the trace.
        reference: the labels.
        stops: from :func:`barge_ins`; a false one between the event's start and 1.0 s after its end was its doing.
    """
    if not reference.happenings:
        return ()
    agent = Marks([Label(start, end, "agent") for _, (start, end) in _in_time(found)], "agent")
    false = sorted(row.t for row in stops if row.cause != "speech")
    return tuple(
        EventRow(
            label.start,
            label.end,
            label.kind,
            bisect_left(false, label.start) < bisect_right(false, label.end + EVENT),
        )
        for label in reference.happenings
        if agent.first(label.start, label.end)
    )


def _in_time(found: MergedFacts) -> list[tuple[SpokenReply, Span]]:
    """Answers of which something was played, in order of time, and when they were being spoken."""
    spoken = [(reply, reply.speaking) for reply in found.spoken.values() if reply.speaking]
    return sorted(spoken, key=lambda item: item[1])
