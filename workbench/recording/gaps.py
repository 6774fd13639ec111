"""Gaps in a stream: where samples are missing, and how many.

A device that loses samples says so with a status flag, late and without a count; a system that stalls may say nothing.
Two things tell the truth: the number of each block (a full ring shows as a jump), and the stream's time stamps. Where
nothing is lost ``stamp · rate − position`` is constant but for jitter: below 1 ms on an idle machine, tenths of a
second for a while on PulseAudio with every core busy. A step in it that stays is a hole; whether it stays is seen from
the blocks that follow. All blocks go to the disk at once; what is missing is put in when the recording is finished.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
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

SUSPECT_BLOCKS, FLAGGED_BLOCKS = 50, 25
"""Blocks after which it is decided (4 s, 2 s), by the median over the later half of them."""

_FIRST_BLOCKS = 25
"""Blocks whose median is the first reference: 2 s, in which no step is looked into that no flag announced, unless the
stream had settled before."""

_DRIFT = 200e-6
"""The reference follows the time stamps no faster than a device's clock may drift (200 ppm), so that many small losses
add up to a step and are not taken for drift."""


@dataclass(frozen=True)
class BlockStamp:
    """What is known of one block: its number, time stamp (seconds) and status flags."""

    number: int
    stamp: float
    flags: int


@dataclass(frozen=True)
class Gap:
    """Something happened to a stream.

    Attributes:
        at: samples of the stream that came before it.
        missing: samples lost there; 0 where a device reported trouble and nothing is missing.
        cause: why, in words.
    """

    at: int
    missing: int
    cause: str


class HoleFinder:
    """Hears of the blocks of one stream in order, and says what is missing between them.

    Args:
        rate: samples per second of the stream.
        frames: samples per block.
    """

    def __init__(self, rate: int, frames: int) -> None:
        self._rate = rate
        self._frames = frames
        self._expected: int | None = None
        self._heard = 0
        self._missing = 0
        self._recent: deque[float] = deque(maxlen=_FIRST_BLOCKS)
        self._reference = 0.0
        self._open: _Suspicion | None = None
        self._origins: Sequence[float] = ()

    def settled(self, origins: Sequence[float]) -> None:
        """The stream has run for a while before the first block that will be heard.

        Args:
            origins: stamps of its block 0, in seconds, by blocks that were given up just before. Where they agree, they
                are the first reference, and nothing goes unseen from the first block on.
        """
        if max(origins) - min(origins) < SUSPECT_SECONDS / 4:
            self._origins = origins

    @property
    def heard(self) -> int:
        """Samples heard so far, without what is missing."""
        return self._heard

    @property
    def offset(self) -> float:
        """Stamp of the stream's sample 0, in samples on the stream's clock: the median of the last 2 s."""
        return median(self._recent) if self._recent else 0.0

    def hear(self, block: BlockStamp) -> list[Gap]:
        """Take the next block; returns what has been decided, which may lie some seconds back."""
        found = []
        if self._expected is None:
            self._expected = block.number
            self._recent += [origin * self._rate + block.number * self._frames for origin in self._origins]
            self._reference = self.offset
        if lost := (block.number - self._expected) * self._frames:
            self._missing += lost
            found.append(Gap(self._heard, lost, "the writer was behind and the ring full"))
        self._expected = block.number + 1
        offset = block.stamp * self._rate - self._heard - self._missing
        flagged = bool(block.flags & XRUN)
        if self._open is None and self._recent:
            certain = self._origins or self._heard >= _FIRST_BLOCKS * self._frames
            if flagged or (certain and abs(offset - self._reference) > SUSPECT_SECONDS * self._rate):
                self._open = _Suspicion(self._heard, flagged)
        elif self._open is not None and flagged:
            self._open = _Suspicion(self._open.at, True)
        self._heard += self._frames
        if self._open is None:
            self._follow(offset)
        else:
            self._open.offsets.append(offset)
            if len(self._open.offsets) >= (FLAGGED_BLOCKS if self._open.flagged else SUSPECT_BLOCKS):
                found += self.decide()
        return found

    @property
    def undecided(self) -> list[Gap]:
        """What :meth:`decide` would say now; what it will say, should the stream end here."""
        suspicion = self._open
        if suspicion is None or not suspicion.offsets:
            return []
        step = suspicion.settled - self._reference
        if step > (FLAGGED_SECONDS if suspicion.flagged else SUSPECT_SECONDS) * self._rate:
            cause = "the device reported lost samples" if suspicion.flagged else "the stream's clock stepped"
            return [Gap(suspicion.at, round(step), cause)]
        if suspicion.flagged:
            return [Gap(suspicion.at, 0, "the device reported an xrun; nothing is missing")]
        return []

    def decide(self) -> list[Gap]:
        """Decide on an open suspicion with what was heard until now; at the end of a stream, or once enough was."""
        found, suspicion = self.undecided, self._open
        self._open = None
        self._missing += sum(finding.missing for finding in found)
        if suspicion is not None and suspicion.offsets:
            settled = suspicion.settled
            if settled - self._reference < -SUSPECT_SECONDS * self._rate:  # gone back for good: nothing can be cut out
                self._reference = settled
                self._recent.clear()
        return found

    def _follow(self, offset: float) -> None:
        self._recent.append(offset)
        if self._heard <= _FIRST_BLOCKS * self._frames:
            self._reference = median(self._recent)
        else:
            most = _DRIFT * self._frames
            self._reference += min(most, max(-most, offset - self._reference))


@dataclass
class _Suspicion:
    at: int
    flagged: bool
    offsets: list[float] = field(default_factory=list)

    @property
    def settled(self) -> float:
        """Where the time stamps have come to lie."""
        return median(self.offsets[len(self.offsets) // 2 :])
