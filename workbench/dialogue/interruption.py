"""Barge-in: how the listener finds out, while the agent speaks, that the user wants the floor."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from workbench.arrays import Audio, Floats, Times
from workbench.assistants.listener import ListenCycle, ListenOptions, StepCosts
from workbench.assistants.mlx_harmony_listener import MlxHarmonyListener
from workbench.dialogue.answer import Answer, ChunkAudio, SpeakOptions, TimedChunk, schedule_playback, stream_closed
from workbench.simulation.microphone import EnergyGate, Microphone, MicrophoneSource
from workbench.simulation.scheduler import BARRIER, Job, Process, back_to_back, run_until_done
from workbench.stages.cached_stt import CachedStt
from workbench.trace import Steps
from workbench.units import FRAME_SAMPLES, frame_at, frame_end

Sounds = Callable[[Answer], list[tuple[int, Audio]]]
"""What an answer puts out of the loudspeaker, and when."""


@dataclass(frozen=True)
class BargeInDecision:
    """The listener's decision to stop the agent.

    Attributes:
        at: when it was there.
        onset: first sample of the sound that did it.
        frame_end: end of the frame that decided it.
    """

    at: int
    onset: int
    frame_end: int


def detect_barge_in(
    mic: MicrophoneSource, threshold: float, first: int, frames: int, over: int, levels: Floats | None
) -> BargeInDecision | None:
    """The ``workbench`` listener's rule: so many loud frames in a row, the agent's own echo included.

    Args:
        mic: what is heard.
        threshold: from which a frame is loud.
        first: frame from which on is watched.
        frames: how many must be loud.
        over: when the answer ends by itself.
        levels: of the frames from ``first`` on with what the agent plays meanwhile, where it can be heard.
    """
    frames = max(1, frames)
    last = min(mic.frames, frame_at(over))
    if levels is not None:
        found = EnergyGate(levels, threshold).next_loud(0, frames)
        frame = first + found if found >= 0 else -1
    else:
        frame = mic.gate(threshold).next_loud(first, frames)
    if not 0 <= frame < last or frame_end(frame) >= over:
        return None
    return BargeInDecision(frame_end(frame), (frame - frames + 1) * FRAME_SAMPLES, frame_end(frame))


class BackgroundStt:
    """The STT of a ``shared`` or ``split`` placement: it hears every frame while the agent thinks and speaks.

    Args:
        hearing: the STT; it only really runs where steps are measured.
        costs: of its steps.
        first: frame from which on it runs.
        measured: whether the steps are to be run and timed.
    """

    def __init__(self, hearing: CachedStt, costs: StepCosts, first: int, measured: bool) -> None:
        self._hearing = hearing
        self._costs = costs
        self._first = first
        self._measured = measured

    def process(self, over: Callable[[], int | None]) -> Process:
        """One job a frame, until the answer is over."""
        mic, hears = self._hearing.mic, self._hearing.open(fresh=True) if self._measured else None
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
            yield Job(ready, int(self._costs(frame, 1)[0]), "device")

    def jobs(self) -> tuple[Times, Times] | None:
        """When each job is ready and what it costs, to the end of the session; None where they must be run to tell."""
        if self._measured:
            return None
        frames = np.arange(self._first, max(self._first, self._hearing.mic.frames))
        return (frames + 1) * FRAME_SAMPLES, self._costs(self._first, len(frames))

    def steps(self, stop: int) -> Iterator[Steps]:
        """What it cost until ``stop``."""
        last = min(frame_at(stop), self._hearing.mic.frames)
        if last > self._first:
            yield Steps(frame_end(self._first), "stt", tuple(self._costs(self._first, last - self._first).tolist()))


class MlxHarmonyBargeIn:
    """MLX-Harmony's barge-in: beside each chunk runs one ``listen_once``, and any text it brings stops the agent.

    The two share the device. The watch hears the agent, and the agent's timing depends on the watch: they are told in
    turn until neither changes, which they do from the front, since nothing depends on what comes later.

    A watch that is still in speech when its chunk ends is left alone here, and what it heard until then the model has
    heard; in the consumer it goes on beside the next one, on the same model.
    """

    def __init__(
        self,
        hearing: CachedStt,
        mic: Microphone,
        costs: StepCosts,
        options: ListenOptions,
        speak: SpeakOptions,
        sounds: Sounds,
        log: Callable[[ListenCycle, list[tuple[int, str]]], None],
    ) -> None:
        self._log = log
        self._hearing = hearing
        self._mic = mic
        self._costs = costs
        self._options = options
        self._speak = speak
        self._sounds = sounds

    def answer(
        self, begun: int, thinking: Times, pieces: Sequence[ChunkAudio]
    ) -> tuple[Answer, BargeInDecision | None]:
        """The answer on the clock, up to where a watch stops it."""
        tokens = back_to_back(begun, thinking)
        lines: list[TimedChunk] = []
        free = int(tokens[-1]) if len(tokens) else begun
        for piece in pieces:
            line, cycle = self._chunk(tokens, lines, piece, free, begun)
            closed = stream_closed(line)
            if cycle is None or cycle.ended > closed:
                lines.append(line)
                free = closed
                continue
            line = self._stopped(line, cycle.ended)
            answer = schedule_playback(tokens, [*lines, line], self._speak, begun)
            return answer, watch_stop(cycle)
        return schedule_playback(tokens, lines, self._speak, begun), None

    def _chunk(
        self, tokens: Times, lines: list[TimedChunk], piece: ChunkAudio, free: int, begun: int
    ) -> tuple[TimedChunk, ListenCycle | None]:
        line = TimedChunk(piece, free, back_to_back(free, piece.costs))
        line.opened = int(line.steps[0])
        while True:
            before = line.steps
            expected = schedule_playback(tokens, [*lines, line], self._speak, begun)
            gate = self._mic.expect(self._sounds(expected) if self._mic.has_echo else [], self._options.threshold)
            hears = self._hearing.open(fresh=False)
            ends: list[int] = []
            closed = partial(_closed, piece, free, ends)
            loop = MlxHarmonyListener(hears, gate, self._costs, self._options, free, free, closed=closed)
            run_until_done([_speak(piece, free, ends), loop.process("device" if self._speak.shared else "stt")])
            line = _line(piece, free, ends)
            if not self._mic.has_echo or np.array_equal(before, line.steps):
                break
        cycle = loop.cycle
        assert cycle is not None
        self._hearing.close(hears)
        if cycle.ended <= stream_closed(line):
            self._log(cycle, hears.words())
        return line, cycle if cycle.committed and hears.text else None

    def _stopped(self, line: TimedChunk, stop: int) -> TimedChunk:
        """The speaker looks at the stop sign when a PCM frame comes; that frame is thrown away."""
        late = line.ready[line.ready >= stop]
        if not len(late):
            return line
        speech = line.piece.speech
        frames = len(line.ready) - len(late)
        heard = replace(speech, frame_steps=speech.frame_steps[:frames], voiced=speech.voiced[:frames])
        return TimedChunk(
            replace(line.piece, speech=heard), line.handed, line.steps[line.steps <= int(late[0])], line.opened
        )


def watch_stop(cycle: ListenCycle) -> BargeInDecision:
    """The decision of a watch that brought text."""
    # Without the energy gate nothing marks an onset: what was heard from there on brought the text.
    onset = cycle.gate if cycle.gate >= 0 else cycle.fed[0]
    return BargeInDecision(cycle.ended, onset * FRAME_SAMPLES, frame_end(cycle.last))


def _line(piece: ChunkAudio, free: int, ends: list[int]) -> TimedChunk:
    return TimedChunk(piece, free, np.asarray(ends, dtype=np.int64), ends[0])


def _closed(piece: ChunkAudio, free: int, ends: list[int]) -> int | None:
    """When the stream of a chunk is closed, once its steps are done."""
    return stream_closed(_line(piece, free, ends)) if len(ends) == len(piece.costs) else None


def _speak(piece: ChunkAudio, free: int, ends: list[int]) -> Process:
    now = free
    for cost in piece.costs.tolist():
        now = yield Job(now, cost, "device")
        ends.append(now)
