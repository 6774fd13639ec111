"""Keep time true: find where samples are missing, and how many.

A device that loses samples says so with a status flag, late and without a count; a system that stalls may say nothing.
Two things tell the truth: the number of each block (a full ring shows as a jump), and the stream's time stamps. Where
nothing is lost ``stamp · rate − position`` is constant but for jitter (below 1 ms on an idle machine; up to about 90 ms
was seen on PulseAudio with every core busy). A step in it that stays is a hole. Whether it stays is seen from the
blocks that follow, so a suspicious block is held until enough of them are there.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

INPUT_UNDERFLOW, INPUT_OVERFLOW, OUTPUT_UNDERFLOW, OUTPUT_OVERFLOW, PRIMING = 1, 2, 4, 8, 16
"""PortAudio's status bits (``PaStreamCallbackFlags``)."""

STARVED = 1 << 16
"""Our own bit: nothing was ready to be played, so silence was."""

XRUN = INPUT_UNDERFLOW | INPUT_OVERFLOW | OUTPUT_UNDERFLOW | OUTPUT_OVERFLOW

SUSPECT_SECONDS = 0.08
"""A step that no flag announced is looked into from here on, and is a hole if it stays above it."""

FLAGGED_SECONDS = 0.001
"""A step that a flag announced is a hole from here on."""

HOLD_BLOCKS = 8
"""Blocks looked at after a suspicious one: 0.64 s."""

_MEMORY = 25
"""Blocks whose median is the reference: 2 s, so that the drift of a device clock (ppm) is followed."""


@dataclass(frozen=True)
class Mark:
    """What is known of one block: its number, time stamp (seconds) and status flags."""

    number: int
    stamp: float
    flags: int


@dataclass(frozen=True)
class Finding:
    """What to do before a block is written.

    Attributes:
        missing: samples to fill with zeros.
        cause: why, in words; empty where nothing happened.
    """

    missing: int = 0
    cause: str = ""


class HoleFinder:
    """Judges the blocks of one stream in order.

    Args:
        rate: samples per second of the stream.
        frames: samples per block.
    """

    def __init__(self, rate: int, frames: int) -> None:
        self._rate = rate
        self._frames = frames
        self._expected: int | None = None
        self._position = 0
        self._recent: deque[float] = deque(maxlen=_MEMORY)

    @property
    def position(self) -> int:
        """Samples that the blocks judged so far stand for, holes included."""
        return self._position

    @property
    def offset(self) -> float:
        """Stamp of the stream's sample 0, in samples on the stream's clock: the reference."""
        return median(self._recent) if self._recent else 0.0

    def wants(self, block: Mark) -> int:
        """How many following blocks ``judge`` must see before it can decide on this one."""
        return HOLD_BLOCKS if self._suspicious(block, self._lost(block)) else 0

    def judge(self, block: Mark, following: list[Mark]) -> Finding:
        """Decide what is missing before ``block``, and count it as written.

        Args:
            block: the oldest one not yet judged.
            following: the blocks after it; fewer than ``wants`` said only when no more will come.
        """
        lost = self._lost(block)
        finding = Finding(lost, "the writer was behind and the ring full") if lost else Finding()
        if self._suspicious(block, lost):
            step = self._settled(block, following, lost) - self.offset
            flagged = bool(block.flags & XRUN)
            if step > (FLAGGED_SECONDS if flagged else SUSPECT_SECONDS) * self._rate:
                cause = "the device reported lost samples" if flagged else "the stream's clock stepped"
                finding = Finding(lost + round(step), finding.cause or cause)
            else:
                if flagged:
                    finding = Finding(lost, finding.cause or "the device reported an xrun, nothing is missing")
                if step < -SUSPECT_SECONDS * self._rate:
                    self._recent.clear()  # time stamps went back: nothing can be cut out, follow them
        self._position += finding.missing
        self._recent.append(block.stamp * self._rate - self._position)
        self._position += self._frames
        self._expected = block.number + 1
        return finding

    def _lost(self, block: Mark) -> int:
        return 0 if self._expected is None else (block.number - self._expected) * self._frames

    def _suspicious(self, block: Mark, lost: int) -> bool:
        if not self._recent:
            return False
        step = block.stamp * self._rate - (self._position + lost) - self.offset
        return bool(block.flags & XRUN) or abs(step) > SUSPECT_SECONDS * self._rate

    def _settled(self, block: Mark, following: list[Mark], lost: int) -> float:
        """Offset after the step: the median over the later half of the blocks in hand."""
        marks = [block, *following]
        offsets = [
            mark.stamp * self._rate - (self._position + lost + (mark.number - block.number) * self._frames)
            for mark in marks
        ]
        return median(offsets[len(offsets) // 2 :])
