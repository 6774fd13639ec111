"""Live microphone: frames come one by one while the listener waits for them."""

import queue
from collections import deque
from collections.abc import Callable

import numpy as np

from workbench.arrays import Audio
from workbench.sessions.tracks import frame_rms
from workbench.simulation.energy_gate import EnergyGate, GrowingGate
from workbench.units import FRAME_SAMPLES, frame_end

_KEPT_FRAMES = 750
"""Frames that can be heard again: a minute. Pre-roll and the knobs of barge-in reach back 15 s at most."""

Arrival = Callable[[int], int]
"""A frame that ends at this sample has come: gives the present moment on the session's clock."""


class LiveMicrophone:
    """Frames of a session that goes on (a :class:`workbench.simulation.microphone.MicrophoneSource`).

    One thread adds samples as they are recorded; the other takes frames. Of those it has taken it keeps a minute.

    Args:
        threshold: of the listener.
        arrived: is asked when a frame comes; None where each can be used from its end on.

    Attributes:
        frames: taken until now.
        ended: whether all were taken.
        is_over: whether no more will come; some may still wait to be taken.
    """

    sha256 = ""
    has_echo = False
    reacts = False

    def __init__(self, threshold: float, arrived: Arrival | None = None) -> None:
        self.frames = 0
        self.ended = False
        self.is_over = False
        self._arrived = arrived
        self._gate = GrowingGate(threshold)
        self._rest: Audio = np.zeros(0, dtype=np.float32)
        self._added = 0
        self._coming: queue.SimpleQueue[tuple[Audio, float, int] | None] = queue.SimpleQueue()
        self._kept: deque[tuple[Audio, float]] = deque(maxlen=_KEPT_FRAMES)

    def add(self, pcm: Audio) -> None:
        """The session goes on with these samples, any number of them."""
        whole = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        count = len(whole) // FRAME_SAMPLES
        frames = whole[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)
        self._rest = whole[count * FRAME_SAMPLES :].copy()
        for frame, level in zip(frames, frame_rms(frames), strict=True):
            end = frame_end(self._added)
            self._added += 1
            self._coming.put((frame, float(level), end if self._arrived is None else max(end, self._arrived(end))))

    def end(self) -> None:
        """There will be no more."""
        self.is_over = True
        self._coming.put(None)

    @property
    def is_live(self) -> bool:
        """Whether the clock is real: then nothing happens any more when the session has ended."""
        return self._arrived is not None

    @property
    def waiting(self) -> int:
        """Frames that came and were not taken yet."""
        return self._coming.qsize()

    def more(self) -> bool:
        """Wait for the next frame and take it; False where there is none any more."""
        return not self.ended and self._take(self._coming.get())

    def catch_up(self, until: int) -> None:
        """See :class:`workbench.simulation.microphone.MicrophoneSource`."""
        if self._arrived is None:
            while frame_end(self.frames) < until and self.more():
                pass
            return
        try:
            while not self.ended:
                self._take(self._coming.get_nowait())
        except queue.Empty:
            pass

    def _take(self, came: tuple[Audio, float, int] | None) -> bool:
        if came is None:
            self.ended = True
            return False
        frame, level, arrived = came
        self._kept.append((frame, level))
        self._gate.add(level, arrived)
        self.frames += 1
        return True

    def arrived(self, index: int) -> int:
        """First sample of the clock at which a frame that was taken could be used."""
        return int(self._gate.arrived(np.asarray([index]))[0])

    def origin(self, index: int) -> int:
        """Itself."""
        return index

    def recorded(self, index: int) -> Audio:
        """Samples of a frame, float32 of shape (1920,)."""
        return self._of(index)[0]

    def level(self, index: int) -> float:
        """RMS of a frame."""
        return self._of(index)[1]

    def _of(self, index: int) -> tuple[Audio, float]:
        back = self.frames - index
        assert 0 < back <= len(self._kept), f"frame {index} of {self.frames} is not kept"
        return self._kept[-back]

    def frame(self, index: int) -> Audio:
        """As recorded: the agent, if it is heard, is in the recording."""
        return self.recorded(index)

    def mark(self, index: int) -> str:
        """Nothing is mixed in here."""
        return ""

    def gate(self, threshold: float) -> EnergyGate:
        """Where it was loud until now; there is one threshold."""
        assert threshold == self._gate.threshold
        return self._gate
