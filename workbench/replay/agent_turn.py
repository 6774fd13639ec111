"""The answering half of a replay: an answer on the virtual clock, up to where the user stops it."""

from collections.abc import Iterator, Sequence

import numpy as np

from workbench.arrays import Audio, Times
from workbench.assistants import cutter
from workbench.assistants.protocol import Assistant
from workbench.barge_in.protocol import BargeInDecision
from workbench.cache import Store
from workbench.dialogue.answer import (
    CHUNK_GROUPS,
    Answer,
    AnswerResult,
    ChunkAudio,
    chunk_audio,
    plays,
    schedule_playback,
    truncate,
)
from workbench.dialogue.interruption import BackgroundStt, detect_barge_in
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner
from workbench.knobs import Knobs
from workbench.replay.answer_timing import AnswerTiming
from workbench.replay.watched_answer import WatchedAnswer
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import MeasuredCosts
from workbench.stages.cached_tts import CachedTts
from workbench.stages.chunker import midword
from workbench.stages.lm import CachedLm, LmReply
from workbench.stages.protocols import Stages
from workbench.units import frame_at


class AgentTurnRunner:
    """Answers one session, turn by turn.

    Args:
        assistant: who answers.
        knobs: its options.
        stages: LM and TTS.
        mic: where the agent may be heard.
        listening: the other half, whose STT goes on during the answer; its cost source is that of all stages.
        store: cache of the stages' outputs.
    """

    def __init__(
        self,
        assistant: Assistant,
        knobs: Knobs,
        stages: Stages,
        mic: Microphone,
        listening: UserTurnRunner,
        store: Store,
    ) -> None:
        self._assistant, self._knobs, self._mic, self._listening = assistant, knobs, mic, listening
        self._costs = listening.ears.costs
        timer = self._costs if isinstance(self._costs, MeasuredCosts) else None
        self._lm = CachedLm(stages.lm, store, timer)
        self._tts = CachedTts(stages.tts, store, knobs.seed, timer)
        self._answers: list[Answer] = []

    def answer(self, turn: UserTurn, reply: int, history: tuple[str, ...]) -> AnswerResult:
        """Answer a turn, and let the microphone hear it; see :data:`workbench.dialogue.conversation.Answerer`."""
        tokens = self._lm.reply(history, reply)
        audio = self._speak(tokens, reply)
        costs = self._token_costs(reply, self._lm.last)
        watched = self._assistant.watches_chunks and self._knobs.barge_in is not None
        answer, stopped = (self._watched if watched else self._heard_out)(turn, costs, audio)
        self._answers.append(answer)
        return AnswerResult(answer, "".join(tokens), stopped, remark=self._lm.last.remark)

    def _speak(self, tokens: Sequence[str], reply: int) -> list[ChunkAudio]:
        """Have every chunk of a reply spoken."""
        chunks = list(cutter(self._knobs.chunks).cut_all(tokens))
        broken = midword("".join(tokens), [chunk.text for chunk in chunks])
        out = []
        for number, (chunk, is_broken) in enumerate(zip(chunks, broken, strict=True)):
            speech = self._tts.speech(chunk.text, reply * CHUNK_GROUPS + number)
            out.append(chunk_audio(chunk, is_broken, speech, self._costs, reply, number))
        return out

    def _token_costs(self, reply: int, said: LmReply) -> Times:
        """What the tokens of a reply cost, the first with the time the LM takes to begin.

        An LM's own times come first, unless a fixed table is asked for.
        """
        if said.costs is not None and self._costs.name != "fixed":
            return np.asarray(said.costs, dtype=np.int64)
        tokens = len(said.tokens)
        if not tokens:
            return np.zeros(0, dtype=np.int64)
        return np.concatenate((self._costs.draw("lm_first", reply, 1), self._costs.draw("lm_token", reply, tokens - 1)))

    def _heard_out(
        self, turn: UserTurn, token_costs: Times, audio: list[ChunkAudio]
    ) -> tuple[Answer, BargeInDecision | None]:
        """The answer on the clock, truncated where the rule finds that the user interrupts."""
        rule, playback = self._assistant.playout, self._knobs.playback
        shares = self._knobs.barge_in is not None and self._knobs.placement == "shared"
        background = BackgroundStt(self._listening.ears, turn.last + 1) if shares else None
        tokens, chunks = AnswerTiming(turn.at, token_costs, audio, rule, self._knobs, background).times()
        answer = schedule_playback(tokens, chunks, turn.at, rule, playback)
        stopped = self._stopped(turn, answer)
        answer = truncate(answer, stopped.at, playback.playout) if stopped else answer
        if self._mic.has_echo:
            self._mic.hear(self._sounds(answer))
        return answer, stopped

    def _stopped(self, turn: UserTurn, answer: Answer) -> BargeInDecision | None:
        if self._knobs.barge_in is None:
            return None
        first, last = turn.last + 1, min(self._mic.frames, frame_at(answer.over))
        sounds = self._sounds(answer) if self._mic.has_echo else []
        levels = self._mic.levels_with(sounds, first, last).tolist()
        return detect_barge_in(self._knobs.barge_in, self._knobs.listen.threshold, first, levels, answer.over)

    def _watched(
        self, turn: UserTurn, token_costs: Times, audio: list[ChunkAudio]
    ) -> tuple[Answer, BargeInDecision | None]:
        watched = WatchedAnswer(self._assistant.playout, self._knobs, self._mic, self._listening, self._sounds)
        return watched.answer(turn.at, token_costs, audio)

    def all_sounds(self) -> Iterator[tuple[int, Audio]]:
        """What left the loudspeaker in the whole session, and when: an answer at a time is in memory."""
        return (sound for answer in self._answers for sound in self._sounds(answer))

    def _sounds(self, answer: Answer) -> list[tuple[int, Audio]]:
        """What leaves the loudspeaker and when."""
        out = []
        for play in plays(answer, 0, self._knobs.playback.playout):
            audio = answer.chunks[play.chunk].audio
            pcm = self._tts.pcm(audio.speech, audio.text)
            out.append((play.t, pcm[play.offset : play.offset + play.samples]))
        return out
