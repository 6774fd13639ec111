"""Energy gate: which frames of a microphone are loud, and how many in a row."""

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from workbench.arrays import Floats
from workbench.units import FRAME_SAMPLES


class EnergyGate:
    """Runs of loud and of quiet frames at one threshold, by which a replay skips to the next frame that matters.

    Attributes:
        loud: of each known frame, whether it is.
    """

    def __init__(self, levels: Floats, threshold: float) -> None:
        self.threshold = threshold
        self.take(levels)

    def take(self, levels: Floats) -> None:
        """Begin anew with these levels."""
        self.loud = levels >= self.threshold
        order = np.arange(len(levels))
        last_quiet = np.maximum.accumulate(np.where(self.loud, -1, order)) if len(levels) else order
        last_loud = np.maximum.accumulate(np.where(self.loud, order, -1)) if len(levels) else order
        self._runs = {True: order - last_quiet, False: order - last_loud}
        self._reached: dict[tuple[bool, int], list[int]] = {}

    @property
    def total(self) -> int:
        """Frames that there are, as far as that is known."""
        return len(self.loud)

    def next_loud(self, start: int, frames: int) -> int:
        """First frame that ends a run of ``frames`` loud ones, none of them before ``start``; -1 if there is none."""
        frames = max(1, frames)
        return self._next(True, start + frames - 1, frames)

    def next_quiet(self, start: int, frames: int) -> int:
        """First frame from ``start`` on that ends at least ``frames`` quiet ones; -1 if there is none."""
        if frames <= 0:
            return start if start < len(self.loud) else -1
        return self._next(False, start, frames)

    def _next(self, loud: bool, start: int, frames: int) -> int:
        reached = self._reached.get((loud, frames))
        if reached is None:
            reached = self._reached[loud, frames] = np.flatnonzero(self._runs[loud] >= frames).tolist()
        at = bisect_left(reached, start)
        return reached[at] if at < len(reached) else -1

    def arrived(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """First sample of the clock at which each frame can be used: its end."""
        return (frames + 1) * FRAME_SAMPLES

    def come_by(self, moment: int) -> int:
        """How many frames can be used at a moment."""
        return min(moment // FRAME_SAMPLES, len(self.loud))

    def quiet_run(self, frame: int) -> int:
        """Quiet frames in a row that end with ``frame``."""
        return int(self._runs[False][frame])


class GrowingGate(EnergyGate):
    """Runs of loud and of quiet frames, as far as there are frames."""

    def __init__(self, threshold: float) -> None:
        super().__init__(np.zeros(0), threshold)
        self._size = 0
        self._loud = np.zeros(1024, dtype=bool)
        self._counts = {loud: np.zeros(1024, dtype=np.int64) for loud in (True, False)}
        self._arrived = np.zeros(1024, dtype=np.int64)

    def add(self, level: float, arrived: int) -> None:
        """Take the next frame: its level, and when it can be used."""
        at, loud = self._size, level >= self.threshold
        if at == len(self._loud):
            self._loud, self._arrived = np.resize(self._loud, 2 * at), np.resize(self._arrived, 2 * at)
            self._counts = {key: np.resize(counts, 2 * at) for key, counts in self._counts.items()}
        self._size = at + 1
        self._loud[at], self._arrived[at] = loud, arrived
        self._counts[loud][at] = (self._counts[loud][at - 1] if at else 0) + 1
        self._counts[not loud][at] = 0
        self.loud = self._loud[: at + 1]
        self._runs = {key: counts[: at + 1] for key, counts in self._counts.items()}

    def _next(self, loud: bool, start: int, frames: int) -> int:
        start = max(0, start)
        found = np.flatnonzero(self._runs[loud][start:] >= frames)
        return start + int(found[0]) if len(found) else -1

    def arrived(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """First sample of the clock at which each frame could be used."""
        return self._arrived[frames]

    def come_by(self, moment: int) -> int:
        """How many frames could be used at a moment."""
        return int(np.searchsorted(self._arrived[: self._size], moment, side="right"))
