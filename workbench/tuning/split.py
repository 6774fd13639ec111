"""Split of the sessions: those that are tuned on, and those that only judge.

Turns of one session share a room, a microphone and a person: sessions are split whole. They are spread by what their
labels hold, so that neither side is left without pauses, interruptions or noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.metrics.stats import MIN_PAIRED
from workbench.metrics.turns import HOLD_MAX, HOLD_MIN
from workbench.sessions.labels import Label, turns

FEW = 2 * MIN_PAIRED
"""With fewer sessions than this, one side would have fewer than the 6 that can show a difference: each session is then
held out in turn, with a search of its own over the others."""

SHARE = 3
"""Of many sessions, one in three is held out."""


@dataclass(frozen=True)
class Split:
    """How sessions are used.

    Attributes:
        kind: ``held-out``, ``leave-one-out`` or ``none`` (one session: nothing can be held out).
        tuning: sessions the search sees.
        held_out: sessions that only judge; with leave-one-out all of them, each by a search that did not see it.
    """

    kind: str
    tuning: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def folds(self) -> list[tuple[tuple[str, ...], str]]:
        """With leave-one-out: (sessions to search on, session to judge) of each search."""
        if self.kind != "leave-one-out":
            return []
        return [(tuple(other for other in self.tuning if other != name), name) for name in self.held_out]


def content(labels: Sequence[Label]) -> tuple[str, ...]:
    """What a session is good for: kinds of label in it, with ``hold`` where a turn has a pause that counts.

    >>> content([Label(0, 9, "speech", 1), Label(20, 30, "noise")])
    ('noise', 'speech')
    """
    found = {label.kind for label in labels if label.kind != "note"}
    if any(HOLD_MIN <= end - start <= HOLD_MAX for turn in turns(labels) for start, end in turn.holds):
        found.add("hold")
    return tuple(sorted(found))


def split(sessions: Mapping[str, Sequence[Label]], seed: int) -> Split:
    """Split sessions by name.

    Args:
        sessions: name → labels.
        seed: of the draw.
    """
    names = tuple(sorted(sessions))
    if len(names) == 1:
        return Split("none", names, ())
    if len(names) < FEW:
        return Split("leave-one-out", names, names)
    generator = np.random.default_rng(seed)
    strata: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        strata.setdefault(content(sessions[name]), []).append(name)
    # Every SHARE-th session of a line in which like stands beside like, each stratum in an order of its own.
    line: list[str] = []
    for key in sorted(strata):
        members = strata[key]
        line += [members[at] for at in generator.permutation(len(members))]
    wanted = max(MIN_PAIRED, len(line) // SHARE)
    picks = {int((at + 0.5) * len(line) / wanted) for at in range(wanted)}
    held = tuple(sorted(name for at, name in enumerate(line) if at in picks))
    return Split("held-out", tuple(name for name in names if name not in held), held)
