"""The answering half of a replay: from the final transcript of a turn to the next opening of the listener."""

import hashlib
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from workbench.arrays import Audio, Floats, Times
from workbench.assistants.listener import first_frame
from workbench.cache import Store
from workbench.config import Config
from workbench.dialogue.answer import (
    Answer,
    ChunkAudio,
    TimedChunk,
    answer_events,
    cut_reply,
    plays,
    schedule_playback,
    speak_options,
    speak_pieces,
    time_lines,
    token_costs,
    truncate,
)
from workbench.dialogue.interruption import BackgroundStt, BargeInDecision, MlxHarmonyBargeIn, detect_barge_in
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner, watch_options
from workbench.simulation.memo import Memo, MemoEntry
from workbench.simulation.microphone import Microphone, MicrophonePast
from workbench.simulation.step_costs import CostSource, MeasuredCosts
from workbench.stages.cached_tts import CachedTts
from workbench.stages.lm import CachedLm
from workbench.stages.protocols import Stages
from workbench.trace import BargeIn, Cancel, Done, Event, Remark
from workbench.units import frame_at, frames_for_ms

Value = TypeVar("Value")


class NextListen(NamedTuple):
    """How the next listen cycle opens: when, the frame at which its gate has opened already (or -1), and the first
    frame it may hear.
    """

    at: int
    onset: int
    earliest: int


class Said(NamedTuple):
    """What the LM says to a turn; ``after`` names the conversation with it. ``costs`` are samples of each token, where
    the LM knows its own times, and ``remark`` says what is wrong with the reply, if anything is.
    """

    tokens: tuple[str, ...]
    text: str
    after: str
    costs: tuple[int, ...] | None
    remark: str


class AgentTurnRunner:
    """Answers one session, turn by turn.

    Args:
        stages: LM and TTS.
        mic: where the agent may be heard.
        listening: the other half.
        config: the knobs.
        costs: of the stages.
        store: memo of their outputs.
        events: where it says what happened.
        memory: of other replays of the session.
    """

    def __init__(
        self,
        stages: Stages,
        mic: Microphone,
        listening: UserTurnRunner,
        config: Config,
        costs: CostSource,
        store: Store,
        events: list[Event],
        memory: Memo[Any] | None,
    ) -> None:
        timer = costs if isinstance(costs, MeasuredCosts) else None
        self._mic = mic
        self._listening = listening
        self._config = config
        self._costs = costs
        self._measured = timer
        self._events = events
        self._memory = memory
        self._thinking = CachedLm(stages.lm, store, timer)
        self._speaking = CachedTts(stages.tts, store, config.workbench.seed, timer)
        self._published = config.workbench.listener == "mlx-harmony"
        self._shared = config.workbench.placement == "shared"
        self._speak = speak_options(config)
        self._history: tuple[str, ...] = ()
        self._replies = 0
        self._answers: list[Answer] = []

    def _recall(self, key: Hashable, work: Callable[[], Value]) -> MemoEntry[Value]:
        return MemoEntry(0, work()) if self._memory is None else self._memory.recall(key, work)

    def answer(self, turn: UserTurn) -> NextListen:
        """Answer a turn."""
        reply = self._replies
        self._replies += 1
        said = self._think(turn, reply)
        found = cut_reply(said.tokens, self._speak.chunks, self._speak.stream)
        pieces = self._recall(
            ("pieces", said.after, found), lambda: speak_pieces(found, self._speaking, self._costs, reply)
        )
        if self._published and self._config.assistant.barge_in:
            answer, stopped = self._watched(turn, said, pieces.value)
            return self._tell(turn, reply, said, answer, stopped)
        return self._speak_out(turn, reply, said, pieces)

    def _think(self, turn: UserTurn, reply: int) -> Said:
        """Have the LM answer, or remember what it said to the same conversation."""
        before = self._thinking.so_far
        history = (*self._history, turn.text)

        def ask() -> Said:
            tokens = self._thinking.reply(history, reply)
            last = self._thinking.last
            return Said(tokens, "".join(tokens), self._thinking.so_far, last.costs, last.remark)

        said = self._recall(("said", before, turn.text), ask).value
        self._thinking.so_far = said.after
        self._history = (*history, said.text)
        return said

    def _speak_out(self, turn: UserTurn, reply: int, said: Said, pieces: MemoEntry[list[ChunkAudio]]) -> NextListen:
        """Put an answer on the clock, and stop it where the listener finds that the user interrupts."""
        # Where the STT runs beside it, from which frame on counts; else only when the answer begins.
        beside = turn.last if self._shared else -1
        executors = self._config.workbench.placement
        lines = self._recall(
            ("lines", pieces.number, turn.at, beside, executors), lambda: self._lines(turn, reply, said, pieces.value)
        )
        whole: list[Answer] = []

        def play() -> Answer:
            if not whole:
                whole.append(schedule_playback(*lines.value, self._speak, turn.at))
            return whole[0]

        if self._memory is None:
            answer = play()
            stopped = self._stopped(turn, answer.over, self._levels(turn, answer))
            kept = truncate(answer, stopped.at, self._speak.playout) if stopped else answer
            return self._tell(turn, reply, said, kept, stopped)
        played, over = self._memory.recall(
            ("played", lines.number, self._speak.prebuffer), lambda: _played(play())
        ).value
        moments = lines.number, played
        levels = None
        if self._mic.has_echo:
            key = "levels", moments, turn.last, self._memory.past
            levels = self._memory.recall(key, lambda: self._levels(turn, play())).value
        stopped = self._stopped(turn, over, levels)

        def tell() -> tuple[NextListen, MicrophonePast | None]:
            answer = truncate(play(), stopped.at, self._speak.playout) if stopped else play()
            opening = self._tell(turn, reply, said, answer, stopped)
            return opening, self._mic.state() if self._mic.has_echo else None

        step = self._memory.step(("answer", moments, turn.last, stopped, self._memory.past), self._events, tell)
        opening, heard = step.value
        if heard is not None:
            self._memory.past = step.number
            self._mic.put_back(heard)
        return opening

    def _lines(
        self, turn: UserTurn, reply: int, said: Said, pieces: list[ChunkAudio]
    ) -> tuple[Times, list[TimedChunk]]:
        tokens = self._token_costs(said, reply)
        if not (self._shared and self._config.assistant.barge_in):
            return time_lines(turn.at, tokens, pieces, self._speak)
        beside = self._beside(turn)
        return time_lines(turn.at, tokens, pieces, self._speak, beside.process, beside.jobs())

    def _token_costs(self, said: Said, reply: int) -> Times:
        """What the tokens take: an LM's own times, unless a fixed table is asked for."""
        if said.costs is None or self._costs.name == "fixed":
            return token_costs(self._costs, reply, len(said.tokens))
        return np.asarray(said.costs, dtype=np.int64)

    def _beside(self, turn: UserTurn) -> BackgroundStt:
        listening = self._listening
        return BackgroundStt(listening.hearing, listening.step_costs, turn.last + 1, self._measured is not None)

    def _levels(self, turn: UserTurn, answer: Answer) -> Floats | None:
        """What the listener measures while the agent speaks, where that is more than the recording."""
        if not (self._mic.has_echo and self._config.assistant.barge_in):
            return None
        sounds = self._sounds(answer)
        if not sounds:
            return None
        return self._mic.levels_with(sounds, turn.last + 1, min(self._mic.frames, frame_at(answer.over)))

    def _stopped(self, turn: UserTurn, over: int, levels: Floats | None) -> BargeInDecision | None:
        if not self._config.assistant.barge_in:
            return None
        need = frames_for_ms(self._config.workbench.barge_in_min_ms)
        return detect_barge_in(self._mic, self._listening.threshold, turn.last + 1, need, over, levels)

    def _watched(self, turn: UserTurn, said: Said, pieces: list[ChunkAudio]) -> tuple[Answer, BargeInDecision | None]:
        """As :meth:`_speak_out`, with MLX-Harmony's watch."""
        listening = self._listening
        watcher = MlxHarmonyBargeIn(
            listening.hearing,
            self._mic,
            listening.step_costs,
            watch_options(self._config),
            self._speak,
            self._sounds,
            listening.log_heard,
        )
        return watcher.answer(turn.at, self._token_costs(said, self._replies - 1), pieces)

    def _tell(
        self, turn: UserTurn, reply: int, said: Said, answer: Answer, stopped: BargeInDecision | None
    ) -> NextListen:
        """Say what happened, and let the microphone hear it."""
        if said.remark:
            self._events.append(Remark(turn.at, reply, said.remark))
        if not self._published and self._config.assistant.barge_in and self._beside_runs():
            self._events += self._beside(turn).steps(stopped.at if stopped else answer.over)
        if stopped is not None:
            self._events.append(BargeIn(stopped.at, reply, stopped.onset, stopped.frame_end))
            self._events.append(Cancel(stopped.at, reply, "barge_in"))
        else:
            self._events.append(Done(answer.over, reply))
        self._events += answer_events(answer, reply, said.text, self._speak.playout)
        if self._memory is None:
            self._answers.append(answer)
        if self._mic.has_echo:
            self._mic.hear(self._sounds(answer))
        if stopped is not None and not self._published:
            return NextListen(stopped.at, frame_at(stopped.frame_end - 1), turn.last + 1)
        return NextListen(answer.over, -1, first_frame(answer.over))

    def _beside_runs(self) -> bool:
        # With a device of its own the STT holds nothing up; where steps are measured it was not run there.
        return self._shared or (self._config.workbench.placement == "split" and self._measured is None)

    def all_sounds(self) -> list[tuple[int, Audio]]:
        """What left the loudspeaker in the whole session, and when."""
        return [sound for answer in self._answers for sound in self._sounds(answer)]

    def _sounds(self, answer: Answer) -> list[tuple[int, Audio]]:
        """What leaves the loudspeaker and when."""
        out = []
        for play in plays(answer, 0, self._speak.playout):
            line = answer.lines[play.chunk]
            pcm = self._speaking.pcm(line.piece.speech, line.piece.text)
            out.append((play.t, pcm[play.offset : play.offset + play.samples]))
        return out


def _played(answer: Answer) -> tuple[bytes, int]:
    """Names when each frame was played, and when the answer is over."""
    return hashlib.sha256(answer.at.tobytes()).digest(), answer.over
