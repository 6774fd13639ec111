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
    audible_span,
    chunk_audio,
    plays,
    schedule_playback,
)
from workbench.dialogue.background_stt import BackgroundStt
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner
from workbench.knobs import Knobs
from workbench.replay.answer_timing import AnswerTiming
from workbench.replay.interrupted_answer import InterruptedAnswer
from workbench.replay.watched_answer import WatchedAnswer
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import MeasuredCosts
from workbench.stages.cached_tts import CachedTts
from workbench.stages.chunker import midword
from workbench.stages.lm import CachedLm, LmReply
from workbench.stages.protocols import Stages
from workbench.trace import Event

_Given = tuple[Answer, BargeInDecision | None, tuple[Event, ...]]
"""An answer as far as it was given, what stopped it, and what else happened meanwhile."""


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
        self._mic.answer_coming()
        answer, stopped, events = (self._watched if watched else self._heard_out)(turn, costs, audio, reply)
        self._answers.append(answer)
        return AnswerResult(answer, "".join(tokens), stopped, remark=self._lm.last.remark, events=events)

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

    def _heard_out(self, turn: UserTurn, token_costs: Times, audio: list[ChunkAudio], reply: int) -> _Given:
        """The answer on the clock, truncated where the rule finds that the user interrupts."""
        rule, knobs = self._assistant.playout, self._knobs
        ears, asks = self._listening.ears, knobs.barge_in is not None and knobs.barge_in.asks_stt
        background = BackgroundStt(ears, turn.last + 1, turn.at, asks) if knobs.barge_in is not None else None
        shares = background if knobs.placement == "shared" else None
        tokens, chunks = AnswerTiming(turn.at, token_costs, audio, rule, knobs, shares).times()
        answer = schedule_playback(tokens, chunks, turn.at, rule, knobs.playback)
        self._react(answer, is_new=True)
        given: _Given = answer, None, ()
        if background is not None:
            interrupted = InterruptedAnswer(answer, knobs, ears, self._sounds, background, self._react)
            given = *interrupted.give(), interrupted.events(reply)
            if (stopped := given[1]) is not None:
                self._react(given[0], stopped.at)
        if self._mic.has_echo:
            self._mic.hear(self._sounds(given[0]))
        return given

    def _react(self, answer: Answer, now: int = 0, is_new: bool = False) -> None:
        """Let people react to an answer, whole or as far as it was heard; ``now``: see ``Microphone.answer_ends``."""
        number, span = len(self._answers), audible_span(answer, self._knobs.playback.playout)
        if is_new and span is not None:
            self._mic.answer_begins(number, span[0])
        if span is None:
            self._mic.answer_ends(number, None, now or answer.over)
        else:
            self._mic.answer_ends(number, span[1], now)

    def _watched(self, turn: UserTurn, token_costs: Times, audio: list[ChunkAudio], reply: int) -> _Given:
        watched = WatchedAnswer(self._assistant.playout, self._knobs, self._mic, self._listening, self._sounds)
        answer, stopped = watched.answer(turn.at, token_costs, audio, reply)
        self._react(answer, now=answer.over)
        return answer, stopped, ()

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
