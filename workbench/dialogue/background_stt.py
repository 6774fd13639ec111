"""The STT that goes on in the background while the agent thinks and speaks."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from workbench.arrays import Times
from workbench.assistants.protocol import Ears
from workbench.simulation.scheduler import BARRIER, Job, Process
from workbench.stages.cached_stt import Transcription, words_of
from workbench.stages.protocols import SttStep
from workbench.trace import Steps, Word
from workbench.units import FRAME_SAMPLES, frame_at, frame_end


class BackgroundStt:
    """The STT of a ``shared`` or ``split`` placement: it hears every frame while the agent thinks and speaks.

    Where somebody asks for its words it is reset first, as before each listen cycle, and hears the agent's echo, too.

    Args:
        ears: the STT and what its steps cost.
        first: frame from which on it runs.
        begun: when the answer began.
        listens: whether its words are asked for; else it only costs time, and really runs where that is measured.

    Attributes:
        done: when the step on each frame ended, from ``first`` on, as far as is known.
        has_ended: whether :meth:`process` is over.
    """

    def __init__(self, ears: Ears, first: int, begun: int, listens: bool) -> None:
        self._ears, self._mic = ears, ears.stt.mic
        self.first, self._begun = first, begun if listens else 0
        self._runs_now = ears.is_measured or (listens and ears.environment is not None)
        self._is_rehearsed = listens and ears.is_measured and ears.environment is None
        """Whether the steps are timed on the recording alone, before it is known how the agent is heard in it."""
        self._said = self._open() if listens and not self._is_rehearsed else None
        self._opening = self._opening_costs() if self._said is not None else []
        self.done: list[int] = []
        self.has_ended = False

    def _open(self) -> Transcription:
        return self._ears.stt.open(fresh=True, prefix=self._ears.stt.stt.prefix_frames)

    def _opening_costs(self) -> list[int]:
        """What it takes until the STT can take its first frame."""
        stt, costs = self._ears.stt, self._ears.costs
        reset, prefix = costs.draw("stt_reset", stt.cycle, 1), costs.draw("stt", stt.cycle, stt.stt.prefix_frames)
        return [*reset.tolist(), *prefix.tolist()]

    def process(self, over: Callable[[], int | None]) -> Process:
        """One job a frame, until the answer is over."""
        mic, device, hears = self._mic, self._ears.device, self._said
        if self._is_rehearsed:
            hears = self._open()
            self._opening = self._opening_costs()
        elif self._runs_now and hears is None:
            hears = self._ears.stt.open(fresh=True)
        for cost in self._opening:
            yield Job(self._begun, cost, device)
        for frame in itertools.count(self.first):
            while frame >= mic.frames and not mic.ended and over() is None:
                yield None
            ended = over()
            if frame >= mic.frames or (ended is not None and frame_end(frame) >= ended):
                break
            ready = max(mic.arrived(frame), self._begun)
            if self._runs_now and hears is not None:
                yield Job(ready, 0, BARRIER)
                hears.hear(frame, 1)
            self.done.append((yield Job(ready, int(self._ears.step_costs(frame, 1)[0]), device)))
        self.has_ended = True

    def jobs(self) -> tuple[Times, Times] | None:
        """When each job is ready and what it costs, to the end of the session; None where the scheduler must run."""
        if self._ears.is_measured or self._said is not None:
            return None
        frames = np.arange(self.first, max(self.first, self._mic.frames))
        late = self._mic.arrived(self.first) - frame_end(self.first)
        return (frames + 1) * FRAME_SAMPLES + late, self._ears.step_costs(self.first, len(frames))

    def step(self, frame: int) -> SttStep:
        """What it said of a frame; all before it are heard first."""
        if self._said is None:
            self._said = self._open()
        heard = self._said.steps
        if frame - self.first >= heard:
            self._said.hear(self.first + heard, frame - self.first + 1 - heard)
        return SttStep(self._piece(frame - self.first), self._said.pauses[frame - self.first])

    def _piece(self, place: int) -> str:
        assert self._said is not None
        for step, piece in reversed(self._said.pieces):
            if step <= place:
                return piece if step == place else ""
        return ""

    def done_at(self, frame: int) -> int:
        """When the step on a frame ended: as scheduled, else one after the other on a device of its own."""
        while len(self.done) <= frame - self.first:
            number = self.first + len(self.done)
            if self._ears.is_measured:
                self.step(number)
            free = self.done[-1] if self.done else self._begun + sum(self._opening)
            self.done.append(max(self._mic.arrived(number), free) + int(self._ears.step_costs(number, 1)[0]))
        return self.done[frame - self.first]

    def words(self, until: int) -> Iterator[Word]:
        """Words that were there before a moment."""
        if self._said is None:
            return
        delay = self._ears.stt.stt.delay_frames
        pieces = [(step, piece) for step, piece in self._said.pieces if self.done[step] < until]
        for step, word in words_of(pieces):
            yield Word(self.done[step], word, max(0, frame_end(self.first + step - delay)))

    def close(self) -> None:
        """Keep what it said."""
        if self._said is not None:
            self._ears.stt.close()


def background_steps(ears: Ears, first: int, stop: int) -> Iterator[Steps]:
    """What the STT cost from a frame on until ``stop``."""
    last = min(frame_at(stop), ears.stt.mic.frames)
    if last > first:
        yield Steps(frame_end(first), "stt", tuple(ears.step_costs(first, last - first).tolist()))
