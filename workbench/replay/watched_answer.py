"""An answer of MLX-Harmony's in a replay: a listen cycle that begins with each chunk (the watch) may stop it.

Steps of the agent and of all watches that still go on take turns on the device, in the order in which they become
ready. Where the microphone hears the agent, a frame is looked at when its end has come: what was played by then is
known.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from workbench.arrays import Audio, Times
from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.answer import Answer, ChunkAudio, TimedChunk, audible_span, schedule_playback
from workbench.dialogue.user_turn import UserTurnRunner
from workbench.dialogue.watch import ChunkWatch
from workbench.knobs import Knobs
from workbench.simulation.microphone import Microphone
from workbench.simulation.scheduler import BARRIER, Job, Process, back_to_back
from workbench.stages.playback import PlayoutRule

Sounds = Callable[[Answer], list[tuple[int, Audio]]]
"""Gives what an answer puts out of the loudspeaker, and when."""


class WatchedAnswer:
    """An answer with a watch that begins with each chunk.

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
        self._listening, self._sounds = listening, sounds
        self._scheduler = listening.ears.scheduler

    def answer(
        self, begun: int, token_costs: Times, audio: Sequence[ChunkAudio], reply: int
    ) -> tuple[Answer, BargeInDecision | None]:
        """The answer on the clock, up to where a watch stops it. The microphone has heard it.

        Args:
            begun: when the final transcript was there.
            token_costs: of each token, in samples.
            audio: the chunks.
            reply: number of the answer.
        """
        self._reply, self._is_heard = reply, False
        tokens, chunks = self._thought(begun, token_costs), []
        free, stopped = int(tokens[-1]) if len(tokens) else begun, None
        for item in audio:
            chunk, stopped = self._spoken(item, free)
            chunks.append(chunk)
            if stopped is not None:
                break
            free = self._rule.freed(chunk.times)
        return schedule_playback(tokens, chunks, begun, self._rule, self._knobs.playback), stopped

    def _thought(self, begun: int, costs: Times) -> Times:
        """When each token was there; watches of the answer before may hold them up."""
        if self._scheduler.is_idle(begun):
            return back_to_back(begun, costs)
        ends: list[int] = []

        def think() -> Process:
            now = begun
            for cost in costs.tolist():
                now = yield Job(now, cost, self._knobs.lm_device)
                ends.append(now)

        self._scheduler.run([think()])
        return np.asarray(ends, dtype=np.int64)

    def _spoken(self, audio: ChunkAudio, free: int) -> tuple[TimedChunk, BargeInDecision | None]:
        watch = ChunkWatch(self._listening, self._knobs, free)
        speaking = _Speaking(audio, free, self._rule, watch.decided, self._made)
        if self._mic.has_echo:
            self._mic.listen_to(lambda: self._played(speaking))
        self._scheduler.run([speaking.process()])
        if self._mic.has_echo:
            self._mic.listen_to(None)
            self._mic.hear(self._played(speaking))
        decision = watch.decision()
        in_time = decision is not None and decision.at <= speaking.closed
        return speaking.chunk, decision if in_time else None

    def _made(self, speaking: "_Speaking") -> None:
        """A frame has come: where it is the first that can be heard, people know that the agent speaks."""
        if self._is_heard or not self._mic.reacts:
            return
        none = np.zeros(0, dtype=np.int64)
        answer = schedule_playback(none, [speaking.chunk], 0, self._rule, self._knobs.playback)
        if (span := audible_span(answer, self._knobs.playback.playout)) is not None:
            self._is_heard = True
            self._mic.answer_begins(self._reply, span[0])

    def _played(self, speaking: "_Speaking") -> list[tuple[int, Audio]]:
        """What the chunk has put out of the loudspeaker by now."""
        if speaking.sounds is None:
            chunk = speaking.chunk
            chunks = [chunk] if len(chunk.steps) else []
            none = np.zeros(0, dtype=np.int64)
            speaking.sounds = self._sounds(schedule_playback(none, chunks, 0, self._rule, self._knobs.playback))
        return speaking.sounds


class _Speaking:
    """The steps of a chunk as a process.

    Args:
        audio: what is said.
        begun: when it may begin.
        rule: how it is played.
        stop: when its watch brought text, once it did.
        made: is called when a frame has come.

    Attributes:
        sounds: what it has put out until now; None where that must be found out.
        closed: when its audio stream is closed, once that is known.
    """

    def __init__(
        self,
        audio: ChunkAudio,
        begun: int,
        rule: PlayoutRule,
        stop: Callable[[], int | None],
        made: Callable[["_Speaking"], None],
    ) -> None:
        self._audio, self._begun, self._rule, self._stop, self._made = audio, begun, rule, stop, made
        self._ends: list[int] = []
        self._frames = 0
        self._is_whole = False
        self.sounds: list[tuple[int, Audio]] | None = None
        self.closed = 0

    @property
    def chunk(self) -> TimedChunk:
        """The chunk as far as it was spoken."""
        audio, frames = self._audio, self._frames
        if frames < len(audio.speech.voiced):
            speech = audio.speech
            said = replace(speech, frame_steps=speech.frame_steps[:frames], voiced=speech.voiced[:frames])
            audio = replace(audio, speech=said)
        return TimedChunk(audio, self._begun, np.asarray(self._ends, dtype=np.int64), self._is_whole)

    def process(self) -> Process:
        """A job a step, then the chunk's audio stream to its end."""
        now, with_frame = self._begun, set(self._audio.speech.frame_steps)
        for step, cost in enumerate(self._audio.costs.tolist(), -1):
            now = yield Job(now, cost, "device")
            self._ends.append(now)
            if step in with_frame:
                # The speaker looks at the stop before it decodes a frame: that frame is not played.
                yield Job(now, 0, BARRIER)
                if (stop := self._stop()) is not None and stop <= now:
                    break
                self._frames += 1
                self.sounds = None
                self._made(self)
        self._is_whole, self.sounds = True, None
        self.closed = self._rule.freed(self.chunk.times)
        # A watch still hears the block that comes at this moment.
        yield Job(self.closed + 1, 0, BARRIER)
