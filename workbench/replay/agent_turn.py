"""The answering half of a replay: from the final transcript of a turn to the next opening of the listener."""

from typing import NamedTuple

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
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import CostSource, MeasuredCosts
from workbench.stages.cached_tts import CachedTts
from workbench.stages.lm import CachedLm
from workbench.stages.protocols import Stages
from workbench.trace import BargeIn, Cancel, Done, Event
from workbench.units import frame_at, frames_for_ms


class NextListen(NamedTuple):
    """How the next listen cycle opens: when, the frame at which its gate has opened already (or -1), and the first
    frame it may hear.
    """

    at: int
    onset: int
    earliest: int


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
    ) -> None:
        timer = costs if isinstance(costs, MeasuredCosts) else None
        self._mic = mic
        self._listening = listening
        self._config = config
        self._costs = costs
        self._measured = timer
        self._events = events
        self._thinking = CachedLm(stages.lm, store, timer)
        self._speaking = CachedTts(stages.tts, store, config.workbench.seed, timer)
        self._published = config.workbench.listener == "mlx-harmony"
        self._shared = config.workbench.placement == "shared"
        self._speak = speak_options(config)
        self._history: tuple[str, ...] = ()
        self._replies = 0
        self._answers: list[Answer] = []

    def answer(self, turn: UserTurn) -> NextListen:
        """Answer a turn."""
        reply = self._replies
        self._replies += 1
        history = (*self._history, turn.text)
        tokens = self._thinking.reply(history, reply)
        said = "".join(tokens)
        self._history = (*history, said)
        pieces = speak_pieces(
            cut_reply(tokens, self._speak.chunks, self._speak.stream), self._speaking, self._costs, reply
        )
        token_cost = token_costs(self._costs, reply, len(tokens))
        how = self._watched if self._published and self._config.assistant.barge_in else self._speak_out
        answer, stopped = how(turn, token_cost, pieces)
        return self._tell(turn, reply, said, answer, stopped)

    def _speak_out(
        self, turn: UserTurn, token_cost: Times, pieces: list[ChunkAudio]
    ) -> tuple[Answer, BargeInDecision | None]:
        """Put an answer on the clock, and stop it where the listener finds that the user interrupts."""
        answer = schedule_playback(*self._lines(turn, token_cost, pieces), self._speak, turn.at)
        stopped = self._stopped(turn, answer)
        return (truncate(answer, stopped.at, self._speak.playout) if stopped else answer), stopped

    def _lines(self, turn: UserTurn, tokens: Times, pieces: list[ChunkAudio]) -> tuple[Times, list[TimedChunk]]:
        if not (self._shared and self._config.assistant.barge_in):
            return time_lines(turn.at, tokens, pieces, self._speak)
        beside = self._beside(turn)
        return time_lines(turn.at, tokens, pieces, self._speak, beside.process, beside.jobs())

    def _beside(self, turn: UserTurn) -> BackgroundStt:
        listening = self._listening
        return BackgroundStt(listening.hearing, listening.step_costs, turn.last + 1, self._measured is not None)

    def _levels(self, turn: UserTurn, answer: Answer) -> Floats | None:
        """What the listener measures while the agent speaks, where that is more than the recording."""
        sounds = self._sounds(answer) if self._mic.has_echo else []
        if not sounds:
            return None
        return self._mic.levels_with(sounds, turn.last + 1, min(self._mic.frames, frame_at(answer.over)))

    def _stopped(self, turn: UserTurn, answer: Answer) -> BargeInDecision | None:
        if not self._config.assistant.barge_in:
            return None
        need = frames_for_ms(self._config.workbench.barge_in_min_ms)
        threshold, levels = self._listening.options.threshold, self._levels(turn, answer)
        return detect_barge_in(self._mic, threshold, turn.last + 1, need, answer.over, levels)

    def _watched(
        self, turn: UserTurn, token_cost: Times, pieces: list[ChunkAudio]
    ) -> tuple[Answer, BargeInDecision | None]:
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
        return watcher.answer(turn.at, token_cost, pieces)

    def _tell(
        self, turn: UserTurn, reply: int, said: str, answer: Answer, stopped: BargeInDecision | None
    ) -> NextListen:
        """Say what happened, and let the microphone hear it."""
        if not self._published and self._config.assistant.barge_in and self._beside_runs():
            self._events += self._beside(turn).steps(stopped.at if stopped else answer.over)
        if stopped is not None:
            self._events.append(BargeIn(stopped.at, reply, stopped.onset, stopped.frame_end))
            self._events.append(Cancel(stopped.at, reply, "barge_in"))
        else:
            self._events.append(Done(answer.over, reply))
        self._events += answer_events(answer, reply, said, self._speak.playout)
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
