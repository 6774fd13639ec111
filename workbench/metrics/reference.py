"""The labels of a session, sorted out once for all the traces that are scored against them."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from workbench.metrics.rows import EVENT_KINDS
from workbench.sessions.labels import Label, is_labelled, turns


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


class Reference:
    """What the labels say.

    Args:
        labels: as :func:`workbench.sessions.labels.validate` returns them, in any order.

    Attributes:
        labelled: whether the labels say what was there; moments that were marked while recording do not.
        turns: in order of time.
        speech: the ``speech`` labels.
        events: the labels of each kind that is no bid for the floor.
        happenings: all of those, in order of time.
    """

    def __init__(self, labels: Sequence[Label]) -> None:
        ordered = sorted(labels)
        self.labelled = is_labelled(ordered)
        self.turns = turns(ordered)
        self.speech = Marks(ordered, "speech")
        self.events = {kind: Marks(ordered, kind) for kind in EVENT_KINDS}
        self.happenings = [label for label in ordered if label.kind in EVENT_KINDS]
