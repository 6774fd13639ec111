"""Labels on the clock of a replay in which people react, and the turns that could not be placed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from workbench.sessions.labels import Label
from workbench.trace import Moved, Trace

UNPLACED = {
    "late": "what the agent said ended too late for them to keep their distance",
    "no_answer": "the answer that they refer to did not come",
    "new_answer": "the agent answered where the recorded one was silent",
    "answer_over": "the answer that they interrupted was over",
    "left_out": "left out: the answer that they fell on was over",
}
"""Why a passage could not be placed, in words; the keys are those of the event ``moved``."""


def labels_as_replayed(trace: Trace, labels: Sequence[Label]) -> tuple[Label, ...]:
    """Labels of the recording, moved as the trace says; those of a trace without ``moved`` events are as they were.

    What the replay left out has no label. A note moves with the passage before it.

    Examples:
        >>> from workbench.trace import Header
        >>> moved = Trace(Header("x", 48_000), (Moved(13_920, 12_000, 24_000, 1920, "answer", 0),))
        >>> labels_as_replayed(moved, [Label(12_000, 24_000, "speech", 1)])[0].start
        13920
    """
    moves = sorted((event for event in trace.events if isinstance(event, Moved)), key=lambda event: event.start)
    if not moves:
        return tuple(labels)
    out = []
    for label in labels:
        before = [event for event in moves if event.start <= label.start]
        event = before[-1] if before else None
        if event is not None and event.how == "left_out" and label.kind != "note":
            continue
        by = event.by if event is not None else 0
        end = min(label.end + by, trace.header.samples) if label.kind == "note" else label.end + by
        out.append(replace(label, start=min(label.start + by, end), end=end))
    return tuple(sorted(out))


def unplaced(moves: Sequence[Moved]) -> list[tuple[int, int]]:
    """Where, on the clock of the replay, passages lie that could not be placed: ``[start, end)``."""
    return [(move.start + move.by, move.end + move.by) for move in moves if move.how in UNPLACED]


def noted_moves(notes: Sequence[str], traces: Sequence[Trace]) -> list[str]:
    """Notes on scores, with those on passages that could not be placed; as they are where nobody reacted."""
    if not any(trace.header.timing == "reactive" for trace in traces):
        return list(notes)
    moves = [event for trace in traces for event in trace.events if isinstance(event, Moved)]
    counted = Counter(move.how for move in moves)
    kept = [note for note in notes if "are counterfactual" not in note]
    for how, why in UNPLACED.items():
        if count := counted[how]:
            kept.append(f"reactive timing: {count} of {len(moves)} turns and sounds could not be placed: {why}")
    if count := counted["assumed"]:
        what = "turn or sound keeps its" if count == 1 else "turns and sounds keep their"
        kept.append(f"reactive timing: {count} {what} distance to an assumed answer, as no agent was recorded")
    return kept
