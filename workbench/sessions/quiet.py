"""Quiet of a session: frames of its own room in which nobody and nothing is labelled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Floats
from workbench.errors import WorkbenchError
from workbench.sessions.labels import Label
from workbench.units import FRAME_SAMPLES

_MARGIN = 2
"""Frames around a label that are not taken: labels are no sharper, and sounds have tails."""

_LEAST = 5
"""Frames that are needed: 0.4 s. Of fewer the ear hears the repetition."""

_LOUD = 2.0
"""Times the median level of what is not labelled, from which a frame is not quiet: 6 dB."""


def quiet_frames(levels: Floats, labels: Sequence[Label], agent: Sequence[tuple[int, int]], folder: Path) -> list[int]:
    """Frames in which nothing is labelled, the agent is silent, and the level is at most 6 dB above their median.

    Args:
        levels: RMS of each frame, shape (frames,).
        labels: of the session.
        agent: when the recorded agent spoke.
        folder: of the session, for an error.

    Raises:
        WorkbenchError: there are fewer than five.
    """
    free = np.ones(len(levels), dtype=bool)
    sounds = [(label.start, label.end) for label in labels if label.kind != "note"]
    for start, end in (*sounds, *agent):
        free[max(0, start // FRAME_SAMPLES - _MARGIN) : -(-end // FRAME_SAMPLES) + _MARGIN] = False
    found = np.flatnonzero(free)
    if len(found):
        found = found[levels[found] <= _LOUD * np.median(levels[found])]
    if len(found) < _LEAST:
        raise WorkbenchError(
            f"{folder}: timing is 'reactive', but there is no quiet of 0.4 s without a label to fill gaps with; "
            "use timing = fixed"
        )
    return [int(frame) for frame in found]
