"""A ring of audio blocks between one producer (the audio callback) and one consumer (the writer thread).

All memory is taken when the ring is made. ``push`` takes no lock and makes no array: it copies one block and moves one
index. The two indices only grow, each is written by one side alone, and the block is in place before the index that
publishes it moves, so neither side ever waits for the other. (Under CPython an index is one object reference, read and
written whole.)
"""

from time import perf_counter

import numpy as np

from workbench.arrays import Audio


class BlockRing:
    """Blocks of one size with their time stamp and status.

    Args:
        slots: blocks that fit before the consumer has to take some.
        frames: samples per block and channel.
        channels: channels per block.
    """

    def __init__(self, slots: int, frames: int, channels: int) -> None:
        self.slots = slots
        self.frames = frames
        self.channels = channels
        self._audio = np.empty((slots, frames, channels), dtype=np.float32)
        self._number = np.empty(slots, dtype=np.int64)
        self._stamp = np.empty(slots, dtype=np.float64)
        self._flags = np.empty(slots, dtype=np.int64)
        for part in (self._audio, self._number, self._stamp, self._flags):
            part.fill(0)  # touch every page now, so that the callback never waits for one
        self.times = CallbackTimes()
        self._next = 0
        self._head = 0
        self._tail = 0

    def push(self, block: Audio, stamp: float, flags: int, began: float) -> bool:
        """Add a block; called by the producer only.

        Args:
            block: shape (frames, channels).
            stamp: seconds on the stream's clock at which its first sample was at the converter.
            flags: PortAudio status bits.
            began: ``perf_counter()`` when the callback was entered.

        Returns:
            False when the ring was full: the block is lost, and the next one's number shows it.
        """
        number = self._next
        self._next = number + 1
        head = self._head
        room = head - self._tail < self.slots
        if room:
            slot = head % self.slots
            self._audio[slot] = block
            self._number[slot] = number
            self._stamp[slot] = stamp
            self._flags[slot] = flags
            self._head = head + 1
        self.times.add(perf_counter() - began)
        return room

    @property
    def pushed(self) -> int:
        """Blocks that came in, lost ones included."""
        return self._next

    def __len__(self) -> int:
        """Blocks waiting for the consumer."""
        return self._head - self._tail

    def audio(self, index: int = 0) -> Audio:
        """The ``index``-th waiting block, shape (frames, channels): a view, good until ``pop``."""
        view: Audio = self._audio[(self._tail + index) % self.slots]
        return view

    def mark(self, index: int = 0) -> tuple[int, float, int]:
        """Number, time stamp and flags of the ``index``-th waiting block."""
        slot = (self._tail + index) % self.slots
        return int(self._number[slot]), float(self._stamp[slot]), int(self._flags[slot])

    def pop(self, blocks: int = 1) -> None:
        """Give the oldest blocks back to the producer; called by the consumer only."""
        self._tail += blocks


class CallbackTimes:
    """A histogram of how long callbacks took, in steps of 10 µs up to 100 ms: percentiles without growing."""

    _STEP = 1e-5

    def __init__(self) -> None:
        self._counts = np.zeros(10_001, dtype=np.int64)
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Count one callback."""
        self._counts[min(int(seconds / self._STEP), 10_000)] += 1
        if seconds > self.longest:
            self.longest = seconds

    @property
    def calls(self) -> int:
        """Callbacks counted."""
        return int(self._counts.sum())

    def percentile(self, share: float) -> float:
        """Seconds that ``share`` (0–1) of the callbacks stayed under, to the next 10 µs; 0 without any.

        >>> times = CallbackTimes()
        >>> for took in (0.0001, 0.0001, 0.0005): times.add(took)
        >>> round(times.percentile(0.5) * 1e6), round(times.percentile(1.0) * 1e6)
        (110, 510)
        """
        calls = self.calls
        if not calls:
            return 0.0
        slot = int(np.searchsorted(np.cumsum(self._counts), share * calls))
        return (slot + 1) * self._STEP
