"""The writer thread: rings of device blocks to a tape on disk, with time kept true.

It is the only consumer of the rings. It waits for nobody but the disk; while the disk is slow the rings hold a minute.
"""

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.arrays import Audio
from workbench.recording.callbacks import CUE
from workbench.recording.gaps import STARVED, BlockStamp, Gap, HoleFinder
from workbench.recording.levels import LevelMeter
from workbench.recording.observer import RecordingObserver
from workbench.recording.resample import Fitter, dequantise, quantise
from workbench.recording.ring import BlockRing
from workbench.recording.tape import TapeWriter
from workbench.units import SAMPLE_RATE

_WAKE_SECONDS = 0.08
_FOLLOWED_WAKE_SECONDS = 0.02
"""With an observer, which waits for the microphone."""
_COMMIT_SECONDS = 0.9
"""Between two commits, so that one is on the disk each second."""

_SETTLED = 8
"""Time stamps of this many blocks must agree before the session starts."""
_SETTLE_LEAST, _SETTLE_MOST = 25, 60
"""Blocks given up before the session starts: 2 s, at most 4.8 s. A stream's first time stamps are off by up to
half a second (seen on PulseAudio), and microphones click and hunt for their gain."""


@dataclass
class TrackWriter:
    """One stream on its way to one track."""

    track: str
    ring: BlockRing
    rate: int
    fitter: Fitter = field(init=False)
    finder: HoleFinder = field(init=False)
    warm: list[float] = field(default_factory=list)
    started: bool = False

    def __post_init__(self) -> None:
        self.fitter = Fitter(self.rate, self.ring.channels)
        self.finder = HoleFinder(self.rate, self.ring.frames)


class Writer(threading.Thread):
    """Moves blocks to the tape until stopped, then writes what is left.

    Args:
        tape: the tape to write.
        lines: writers of the tracks; the microphone first.
        levels: meter that gets each microphone frame.
        limit: stop taking microphone samples here.
        follower: observer that gets every microphone sample, and where its own blocks were played.
        locked: the lines are of one stream: their blocks come in pairs and are taken in pairs, so that the tracks begin
            with one block, and whatever is read from the time stamps is read from the same ones.

    Attributes:
        error: why the thread ended early: the disk is full or failed.
    """

    def __init__(
        self,
        tape: TapeWriter,
        lines: list[TrackWriter],
        levels: LevelMeter,
        limit: int | None = None,
        follower: RecordingObserver | None = None,
        locked: bool = False,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self._tape, self._lines, self._levels, self._limit = tape, lines, levels, limit
        self._follower, self._locked = follower, locked
        self._wake = _WAKE_SECONDS if follower is None else _FOLLOWED_WAKE_SECONDS
        self._stopping = threading.Event()
        self._pause = False
        self._paused_at: int | None = None
        self._events: list[dict[str, object]] = []
        self._journaled: list[dict[str, object]] = []
        self.ready = threading.Event()
        """Set when the streams have settled: the next block is the session's first."""
        self.error: OSError | None = None
        self.counts: dict[str, int] = {"holes": 0, "hole_samples": 0, "xruns": 0, "starved": 0}
        self.committed = time.monotonic()
        self.origins: Mapping[str, float] = {}
        """Per track, the moment of its sample 0 in samples at 24 kHz on the streams' clock."""

    @property
    def samples(self) -> int:
        """Microphone samples written."""
        return self._tape.samples["mic"]

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached, holes counted."""
        return self._limit is not None and self.samples + self.counts["hole_samples"] >= self._limit

    @property
    def behind_seconds(self) -> float:
        """Audio waiting to be written."""
        ring = self._lines[0].ring
        return len(ring) * ring.frames / self._lines[0].rate

    @property
    def paused(self) -> bool:
        """Whether silence is written in the microphone's place."""
        return self._pause

    def pause(self, on: bool) -> None:
        """From the next block on, write marked silence in the microphone's place (or stop doing so)."""
        self._pause = on

    def note(self, event: str, **details: object) -> None:
        """Record an event at the present end of the microphone track."""
        self._events.append({"sample": self.samples, "event": event, **details})

    def stop(self) -> None:
        """Write what is in the rings, commit, and end."""
        self._stopping.set()

    def run(self) -> None:
        """The thread's work."""
        try:
            while not self._stopping.is_set():
                self.step()
                self._stopping.wait(self._wake)
            self.step()
            self._finish()
        except OSError as error:
            self.error = error
        finally:
            if self._follower is not None:
                self._follower.end()
            with contextlib.suppress(OSError):
                self._tape.end()

    def step(self) -> None:
        """Write all blocks that are there; commit once a second."""
        if not self.ready.is_set():
            self._warm_up()
        if self.ready.is_set():
            for line, blocks in zip(self._lines, self._waiting(), strict=True):
                for _ in range(blocks):
                    self._write_block(line)
            self.origins = self._offsets()
        self._write_events()
        undecided = self._undecided()
        settled = self._journaled and not undecided  # the journal must not speak of what is decided
        if settled or time.monotonic() - self.committed >= _COMMIT_SECONDS:
            self._commit(undecided)

    def _commit(self, undecided: list[dict[str, object]]) -> None:
        self._tape.commit(self._offsets(), undecided)
        self._journaled = undecided
        self.committed = time.monotonic()

    def _waiting(self) -> list[int]:
        """Blocks to take now, per line."""
        waiting = [len(line.ring) for line in self._lines]
        return [min(waiting)] * len(waiting) if self._locked else waiting

    def _warm_up(self) -> None:
        for line, blocks in zip(self._lines, self._waiting(), strict=True):
            for _ in range(blocks):
                if line is self._lines[0] and self._settled() and not self._locked:
                    break
                number, stamp, _ = line.ring.mark()
                line.warm.append(stamp - number * line.ring.frames / line.rate)
                line.ring.pop()
        if self._settled():
            for line in self._lines:
                line.finder.settled(line.warm[-_SETTLED:])
            self.ready.set()

    def _settled(self) -> bool:
        return all(is_settled(line.warm) for line in self._lines)

    def _write_block(self, line: TrackWriter) -> None:
        ring = line.ring
        mark = BlockStamp(*ring.mark())
        if mark.flags & STARVED:
            self.counts["starved"] += 1
            self._event(line, line.finder.heard, "starved", samples=line.fitter.position(ring.frames))
        if self._follower is not None and line.track == "agent" and (cue := mark.flags >> CUE):
            self._follower.played(cue - 1, line.fitter.position(line.finder.heard))
        for finding in line.finder.hear(mark):
            self._report(line, finding)
        block = ring.audio()
        if line.track == "mic":
            self._follow_pause()
            if self._pause:
                block = np.zeros_like(block)
        self._write_events()  # before the samples: a kill between the two leaves none that nothing speaks of
        self._put(line, line.fitter(block))
        ring.pop()

    def _report(self, line: TrackWriter, finding: Gap) -> None:
        missing = line.fitter.position(finding.missing)
        self.counts["holes" if missing else "xruns"] += 1
        if line.track == "mic":
            self.counts["hole_samples"] += missing
        self._events.append(_told(line, finding))

    def _undecided(self) -> list[dict[str, object]]:
        """Events that there will be if the recording ends here."""
        return [_told(line, finding) for line in self._lines for finding in line.finder.undecided]

    def _follow_pause(self) -> None:
        if self._pause and self._paused_at is None:
            self._paused_at = self.samples
            self._events.append({"sample": self.samples, "event": "paused"})
        elif not self._pause and self._paused_at is not None:
            self._end_pause()

    def _end_pause(self) -> None:
        if self._paused_at is not None:
            self._events.append(
                {"sample": self._paused_at, "event": "pause", "samples": self.samples - self._paused_at}
            )
            self._paused_at = None

    def _event(self, line: TrackWriter, at: int, event: str, **details: object) -> None:
        self._events.append({"sample": line.fitter.position(at), "event": event, "track": line.track, **details})

    def _write_events(self) -> None:
        while self._events:
            self._tape.event(self._events.pop(0))

    def _put(self, line: TrackWriter, pcm: Audio) -> None:
        if line.track == "mic":
            if self._limit is not None:
                pcm = pcm[: max(0, self._limit - self.samples)]
            self._levels.add(pcm)
        if not len(pcm):
            return
        samples = quantise(pcm)
        if self._follower is not None and line.track == "mic":
            self._follower.hear(dequantise(samples))  # before the disk, which may be slow; as the track will hold them
        self._tape.append(line.track, samples)

    def _finish(self) -> None:
        for line in self._lines:
            if self.ready.is_set():
                self._put(line, line.fitter.flush())
            for finding in line.finder.decide():
                self._report(line, finding)
        self._end_pause()
        self._write_events()
        self._commit([])

    def _offsets(self) -> Mapping[str, float]:
        """Per track, the moment of its sample 0 in samples at 24 kHz on the streams' clock."""
        started = [line for line in self._lines if line.finder.heard]
        return {line.track: line.finder.offset * SAMPLE_RATE / line.rate for line in started}


def _told(line: TrackWriter, finding: Gap) -> dict[str, object]:
    missing = line.fitter.position(finding.missing)
    kind = "hole" if missing else "xrun"
    at = line.fitter.position(finding.at)
    return {"sample": at, "event": kind, "track": line.track, "samples": missing, "cause": finding.cause}


def is_settled(offsets: list[float]) -> bool:
    """Whether a stream's time stamps agree with its count of samples to 1 ms over the last blocks, or never will.

    >>> is_settled([0.0] * 24), is_settled([0.5] * 17 + [0.0] * 8), is_settled([float(i) for i in range(60)])
    (False, True, True)
    """
    if len(offsets) < _SETTLE_LEAST:
        return False
    recent = offsets[-_SETTLED:]
    return len(offsets) >= _SETTLE_MOST or max(recent) - min(recent) < 0.001
