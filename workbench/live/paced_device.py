"""Sound card on a real clock without hardware: it gives a recording's frames, and takes the agent's, every 80 ms."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workbench.arrays import Audio
from workbench.live.loudspeaker_device import DevicePlayback
from workbench.recording.observer import Clock
from workbench.simulation.step_costs import CostSource, Item, MeasuredCosts
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

_POLL_SECONDS = 0.005
"""How long the assistant sleeps where it waits for the device."""


_AT_ONCE_NS = 5_000_000
"""A step that begins up to 5 ms after another follows on it; one that ends up to 5 ms late is in time."""


class PacedClock:
    """Present moment of the session, in samples since :meth:`start`."""

    def __init__(self) -> None:
        self._zero = 0

    def start(self, after: float) -> None:
        """The session's first sample is so many seconds from now."""
        self._zero = time.monotonic_ns() + round(after * 1e9)

    def now(self) -> int:
        """Samples since the start, as a real clock counts them."""
        return (time.monotonic_ns() - self._zero) * SAMPLE_RATE // 1_000_000_000

    def sleep_until(self, moment: int) -> None:
        """Return at a moment, or at once if it is over."""
        left = self._zero + moment * 1_000_000_000 // SAMPLE_RATE - time.monotonic_ns()
        if left > 0:
            time.sleep(left / 1e9)


class PacedCosts(MeasuredCosts):
    """Steps that really run, each stretched to the cost that the virtual clock draws for it.

    A step that follows at once on another is counted from that one's due end, not from when its thread woke up: a
    model that computes does not sleep in between.

    Args:
        drawn: costs of the steps on the virtual clock.

    Attributes:
        steps: how many ran.
        late: how many of them ended more than 5 ms after they were due: their work took longer than the cost drawn
            for it, or the machine was busy.
        most_late_ms: the most by which one did.
    """

    def __init__(self, drawn: CostSource) -> None:
        super().__init__()
        self._drawn = drawn
        self._due = 0
        self.steps = self.late = 0
        self.most_late_ms = 0.0

    @contextmanager
    def timed(self, stage: str, group: int, job: int) -> Iterator[None]:
        """See :class:`MeasuredCosts`; the step ends when its drawn cost is over."""
        begun = time.perf_counter_ns()
        yield
        self.stretch(stage, group, job, begun)

    def stretch(self, stage: str, group: int, job: int, begun: int) -> None:
        """Wait until the drawn cost of a step is over that began then, by ``time.perf_counter_ns``."""
        if begun - self._due < _AT_ONCE_NS:
            begun = self._due
        cost = int(self._drawn.draw(stage, group, job + 1)[job])
        self._due = begun + cost * 1_000_000_000 // SAMPLE_RATE
        left = self._due - time.perf_counter_ns()
        if left > 0:
            time.sleep(left / 1e9)
        now = time.perf_counter_ns()
        late = now - self._due
        self.steps += 1
        self.late += late > _AT_ONCE_NS
        self.most_late_ms = max(self.most_late_ms, late / 1e6)
        self.record(stage, group, job, now - begun)


class PacedLoudspeaker:
    """Loudspeaker that asks for a frame every 80 ms (a :class:`workbench.live.loudspeaker.FrameSink`).

    Args:
        clock: of the session.

    Attributes:
        sounds: (sample at which it was asked for, PCM) of each frame that was played.
        next_request: when the device asks next.
        written: how often it has asked.
    """

    is_held = False

    def __init__(self, clock: PacedClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, int, Audio]] = deque()
        self._queued = 0
        self.sounds: list[tuple[int, Audio]] = []
        self.next_request = 0
        self.written = 0

    def open(self, moment: int) -> None:
        """A stream of its own begins: the device asks from this moment on, every 80 ms."""
        with self._lock:
            self.next_request = moment

    def begin(self) -> int:
        """Number of the next frame."""
        return self._queued

    def play(self, pcm: Audio) -> None:
        """Queue a frame, float32 of shape (1920,)."""
        with self._lock:
            self._queue.append((self._queued, self._clock.now(), pcm))
            self._queued += 1

    def end(self) -> None:
        """The utterance has no more frames."""

    def pump(self) -> None:
        """Nothing waits outside the queue."""

    def stop(self) -> int:
        """Play nothing more; returns how often the device has asked by now."""
        with self._lock:
            self._queue.clear()
            return self.written

    def request(self, played: Callable[[int, int], None]) -> Audio | None:
        """The device asks for a frame; only one that was there at that moment is played.

        Args:
            played: is given the number of the frame and the moment.
        """
        pcm: Audio | None = None
        with self._lock:
            moment = self.next_request
            self.next_request += FRAME_SAMPLES
            if self._queue and self._queue[0][1] <= moment:
                number, _, pcm = self._queue.popleft()
                self.sounds.append((moment, pcm))
                played(number, moment)
            self.written += 1
        return pcm


class PacedPlayback(DevicePlayback):
    """See :class:`workbench.live.loudspeaker.Playback`.

    Args:
        prebuffer: frames in hand before playback starts.
        playout: samples from a request to its sound.
        costs: of the steps.
        clock: of the session.
        stream_per_chunk: whether each chunk opens a stream of its own.
    """

    def __init__(
        self, prebuffer: int, playout: int, costs: PacedCosts, clock: PacedClock, stream_per_chunk: bool
    ) -> None:
        super().__init__(prebuffer)
        self.costs: PacedCosts = costs
        self.playout = playout
        self.loudspeaker = PacedLoudspeaker(clock)
        self._stream_per_chunk = stream_per_chunk
        self.open(Clock(clock.now, lambda: playout, lambda: playout), self.loudspeaker)

    def step(
        self, stage: str, group: int, job: int, since: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """See :class:`workbench.live.loudspeaker.Playback`: it is done when its drawn cost is over."""
        begun = time.perf_counter_ns()
        if (item := work()) is None:
            return None, since
        self.costs.stretch(stage, group, job, begun)
        ended = max(since, self.now())
        if stage == "tts_start" and self._stream_per_chunk:
            self.loudspeaker.open(ended)
        return item, ended

    def wait(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`."""
        time.sleep(_POLL_SECONDS)
