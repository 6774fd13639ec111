"""An answer of MLX-Harmony's in a replay: a listen cycle during each chunk (the watch) may stop it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from workbench.arrays import Audio, Times
from workbench.assistants.mlx_harmony_listener import MlxHarmonyListener
from workbench.barge_in.mlx_harmony import decide
from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.answer import Answer, ChunkAudio, TimedChunk, schedule_playback
from workbench.dialogue.interruption import watch_knobs
from workbench.dialogue.user_turn import UserTurnRunner
from workbench.knobs import Knobs
from workbench.simulation.microphone import Microphone
from workbench.simulation.scheduler import Job, Process, back_to_back, run_until_done
from workbench.stages.playback import PlayoutRule

Sounds = Callable[[Answer], list[tuple[int, Audio]]]
"""Gives what an answer puts out of the loudspeaker, and when."""


class WatchedAnswer:
    """An answer with a watch during each chunk.

    The two share the device. The watch hears the agent, and the agent's timing depends on the watch: they are worked
    out in turn until neither changes, which they do from the front, since nothing depends on what comes later.

    A watch that is still in speech when its chunk ends is left alone here, and what it heard until then the model has
    heard; in MLX-Harmony it goes on during the next one, on the same model.

    Args:
        rule: how chunks are played.
        knobs: all options.
        mic: what the watch hears.
        listening: whose STT watches.
        sounds: see :data:`Sounds`.
    """

    def __init__(
        self, rule: PlayoutRule, knobs: Knobs, mic: Microphone, listening: UserTurnRunner, sounds: Sounds
    ) -> None:
        self._rule, self._knobs, self._mic = rule, knobs, mic
        self._listening, self._ears, self._sounds = listening, listening.ears, sounds
        self._watch = watch_knobs(knobs)

    def answer(
        self, begun: int, token_costs: Times, audio: Sequence[ChunkAudio]
    ) -> tuple[Answer, BargeInDecision | None]:
        """The answer on the clock, up to where a watch stops it."""
        tokens = back_to_back(begun, token_costs)
        chunks: list[TimedChunk] = []
        free = int(tokens[-1]) if len(tokens) else begun
        for item in audio:
            chunk, stopped = self._chunk(tokens, chunks, item, free, begun)
            closed = self._rule.freed(chunk.times)
            if stopped is not None and stopped.at <= closed:
                stopped_chunk = _without_late_frames(chunk, stopped.at)
                return self._played(tokens, [*chunks, stopped_chunk], begun), stopped
            chunks.append(chunk)
            free = closed
        return self._played(tokens, chunks, begun), None

    def _played(self, tokens: Times, chunks: list[TimedChunk], begun: int) -> Answer:
        return schedule_playback(tokens, chunks, begun, self._rule, self._knobs.playback)

    def _chunk(
        self, tokens: Times, before: list[TimedChunk], audio: ChunkAudio, free: int, begun: int
    ) -> tuple[TimedChunk, BargeInDecision | None]:
        stt, costs = self._ears.stt, self._ears.step_costs
        chunk = TimedChunk(audio, free, back_to_back(free, audio.costs))
        while True:
            expected = self._played(tokens, [*before, chunk], begun)
            gate = self._mic.expect(self._sounds(expected) if self._mic.has_echo else [], self._watch.threshold)
            hears = stt.open(fresh=False)
            speaking = _Speaking(audio, free, self._rule)
            watch = MlxHarmonyListener(hears, gate, costs, self._watch, free, free)
            watch.watch(speaking.closed)
            run_until_done([speaking.process(), watch.process("device" if self._knobs.one_device else "stt")])
            steps, chunk = chunk.steps, speaking.chunk
            if not self._mic.has_echo or np.array_equal(steps, chunk.steps):
                break
        cycle = watch.cycle
        assert cycle is not None
        stt.close(hears)
        if cycle.ended <= self._rule.freed(chunk.times):
            self._listening.log_heard(cycle, hears.words())
        return chunk, decide(cycle, hears.text)


def _without_late_frames(chunk: TimedChunk, stop: int) -> TimedChunk:
    """The speaker looks at the stop sign when a PCM frame comes; that frame is thrown away."""
    late = chunk.ready[chunk.ready >= stop]
    if not len(late):
        return chunk
    speech = chunk.audio.speech
    frames = len(chunk.ready) - len(late)
    heard = replace(speech, frame_steps=speech.frame_steps[:frames], voiced=speech.voiced[:frames])
    return TimedChunk(replace(chunk.audio, speech=heard), chunk.handed, chunk.steps[chunk.steps <= int(late[0])])


class _Speaking:
    """The steps of a chunk as a process."""

    def __init__(self, audio: ChunkAudio, begun: int, rule: PlayoutRule) -> None:
        self._audio, self._begun, self._rule = audio, begun, rule
        self._ends: list[int] = []

    @property
    def chunk(self) -> TimedChunk:
        """The chunk as far as it was spoken."""
        return TimedChunk(self._audio, self._begun, np.asarray(self._ends, dtype=np.int64))

    def process(self) -> Process:
        """A job a step."""
        now = self._begun
        for cost in self._audio.costs.tolist():
            now = yield Job(now, cost, "device")
            self._ends.append(now)

    def closed(self) -> int | None:
        """When the chunk's stream is closed, once its steps are done."""
        return self._rule.freed(self.chunk.times) if len(self._ends) == len(self._audio.costs) else None
