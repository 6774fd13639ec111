"""Barge-in while the agent speaks: the rule that decides, and the STT that goes on in the background."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from workbench.arrays import Times
from workbench.assistants.protocol import Ears
from workbench.barge_in import make_rule
from workbench.barge_in.protocol import BargeInDecision
from workbench.knobs import BargeInKnobs, Knobs, ListenKnobs
from workbench.simulation.scheduler import BARRIER, Job, Process
from workbench.trace import Steps
from workbench.units import FRAME_SAMPLES, frame_at, frame_end


def detect_barge_in(
    knobs: BargeInKnobs, threshold: float, first: int, levels: Iterable[float], over: int
) -> BargeInDecision | None:
    """Ask the barge-in rule frame by frame.

    Args:
        knobs: of barge-in.
        threshold: frame RMS from which a frame is loud.
        first: frame from which on is watched.
        levels: of the frames from there on.
        over: when the answer ends by itself; later frames do not interrupt it.
    """
    rule = make_rule(knobs, threshold)
    for frame, level in enumerate(levels, first):
        if frame_end(frame) >= over:
            return None
        if run := rule.see(level):
            return BargeInDecision(frame_end(frame), (frame - run + 1) * FRAME_SAMPLES, frame_end(frame))
    return None


def watch_knobs(knobs: Knobs) -> ListenKnobs:
    """Options of MLX-Harmony's watch for barge-in: its listener's, always with the pause head, and its own window."""
    assert knobs.barge_in is not None
    return replace(knobs.listen, vad=True, max_wait=knobs.barge_in.window)


class BackgroundStt:
    """The STT of a ``shared`` or ``split`` placement: it hears every frame while the agent thinks and speaks.

    Args:
        ears: the STT and what its steps cost; it only really runs where steps are measured.
        first: frame from which on it runs.
    """

    def __init__(self, ears: Ears, first: int) -> None:
        self._ears = ears
        self._mic = ears.stt.mic
        self._first = first

    def process(self, over: Callable[[], int | None]) -> Process:
        """One job a frame, until the answer is over."""
        mic, hears = self._mic, self._ears.stt.open(fresh=True) if self._ears.is_measured else None
        for frame in itertools.count(self._first):
            while frame >= mic.frames and not mic.ended and over() is None:
                yield None
            ended = over()
            if frame >= mic.frames or (ended is not None and frame_end(frame) >= ended):
                return
            ready = mic.arrived(frame)
            if hears is not None:
                yield Job(ready, 0, BARRIER)
                hears.hear(frame, 1)
            yield Job(ready, int(self._ears.step_costs(frame, 1)[0]), "device")

    def jobs(self) -> tuple[Times, Times] | None:
        """When each job is ready and what it costs, to the end of the session; None where they must be run to tell."""
        if self._ears.is_measured:
            return None
        frames = np.arange(self._first, max(self._first, self._mic.frames))
        late = self._mic.arrived(self._first) - frame_end(self._first)
        return (frames + 1) * FRAME_SAMPLES + late, self._ears.step_costs(self._first, len(frames))

    def steps(self, stop: int) -> Iterator[Steps]:
        """What it cost until ``stop``."""
        last = min(frame_at(stop), self._mic.frames)
        if last > self._first:
            yield Steps(
                frame_end(self._first), "stt", tuple(self._ears.step_costs(self._first, last - self._first).tolist())
            )
