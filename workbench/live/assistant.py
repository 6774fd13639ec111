"""The live assistant: listens, answers, listens again; and writes down what happened."""

from collections.abc import Callable

from workbench.assistants.listener import first_frame
from workbench.cache import Store
from workbench.config import Config
from workbench.dialogue.answer import answer_events, speak_options
from workbench.dialogue.interruption import BackgroundStt
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner, watch_options
from workbench.errors import WorkbenchError
from workbench.live.agent_turn import LiveAgentTurnRunner
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import AnswerGenerator, AnswerOptions, AnswerResult
from workbench.live.loudspeaker import Playback
from workbench.live.microphone import LiveMicrophone
from workbench.live.mlx_harmony_turn import MlxHarmonyAgentTurnRunner
from workbench.simulation.step_costs import MeasuredCosts
from workbench.stages.protocols import DuplexModel, Stages
from workbench.trace import BargeIn, Cancel, Done, Event, Remark
from workbench.units import frame_at, frames_for_ms

Log = Callable[[list[Event]], None]


def check_live(config: Config, stages: Stages | DuplexModel) -> Stages | DuplexModel:
    """The stages, if they and the config can run live.

    Raises:
        WorkbenchError: names the setting that cannot.
    """
    if not isinstance(stages, Stages):
        return stages  # it takes no turns: there is no listener whose settings could be wrong
    if config.assistant.stt_vad and not stages.stt.has_pause_heads:
        raise WorkbenchError("stt_vad is true, but this STT checkpoint has no pause heads; set stt_vad to false")
    return stages


class LiveAssistant:
    """One live run.

    Args:
        stages: of the stack.
        config: the knobs.
        mic: what it hears.
        room: clock and loudspeaker.
        log: is given the events of each turn and each answer, not in order of time.

    Attributes:
        doing: ``listening``, ``answering`` or ``over``, for whoever shows it.
        replies: answers begun.
    """

    def __init__(self, stages: Stages, config: Config, mic: LiveMicrophone, room: Playback, log: Log) -> None:
        self._stages, self._config, self._mic, self._room, self._log = stages, config, mic, room, log
        self._events: list[Event] = []
        own = config.workbench
        self._published = own.listener == "mlx-harmony"
        world = LiveEnvironment(mic, room, answering=False)
        self._listening = UserTurnRunner(stages.stt, mic, config, room.costs, Store(None), self._events, world=world)
        barge_in = config.assistant.barge_in and not self._published
        self._options = AnswerOptions(
            speak=speak_options(config),
            need=max(1, frames_for_ms(own.barge_in_min_ms)) if barge_in else None,
            beside=own.placement == "shared" and barge_in,
            watch=watch_options(config) if config.assistant.barge_in and self._published else None,
            seed=own.seed,
        )
        # With a device of its own the STT holds nothing up; where steps are measured it does not run there.
        alone = own.placement == "split" and barge_in and not isinstance(room.costs, MeasuredCosts)
        self._beside_runs = self._options.beside or alone
        self._history: tuple[str, ...] = ()
        self.doing = "listening"
        self.replies = 0

    def run(self) -> None:
        """Until the microphone ends."""
        at, onset, earliest = 0, -1, 0
        while (turn := self._listening.next_turn(at, onset, earliest)) is not None:
            self._flush()
            self.doing = "answering"
            at, onset, earliest = self._answer(turn)
            self.doing = "listening"
            self._flush()
        self._flush()
        self.doing = "over"

    def _flush(self) -> None:
        self._log(list(self._events))
        self._events.clear()

    def _answer(self, turn: UserTurn) -> tuple[int, int, int]:
        """Answer; where the next cycle opens, the frame at which its gate has opened, and the first it may hear."""
        reply = self.replies
        self.replies += 1
        self._history = (*self._history, turn.text)
        stages, options = self._stages, self._options
        how = MlxHarmonyAgentTurnRunner if self._published else LiveAgentTurnRunner
        making = AnswerGenerator(stages.lm, stages.tts, self._room, options, turn.at, reply)
        given = how(making, self._listening, self._mic, self._room, options, turn).give(self._history)
        self._history = (*self._history, given.text)
        if making.remark:
            self._events.append(Remark(turn.at, reply, making.remark))
        self._note(given, turn, reply)
        self._room.forget()
        if given.stopped is not None and not self._published:
            return given.stopped.at, frame_at(given.stopped.frame_end - 1), turn.last + 1
        return given.answer.over, -1, first_frame(given.answer.over)

    def _note(self, given: AnswerResult, turn: UserTurn, reply: int) -> None:
        stopped, over = given.stopped, given.answer.over
        if stopped is not None:
            self._events.append(BargeIn(stopped.at, reply, stopped.onset, stopped.frame_end))
            self._events.append(Cancel(stopped.at, reply, "barge_in"))
        elif given.is_whole:
            self._events.append(Done(over, reply))
        self._events += answer_events(given.answer, reply, given.text, self._room.playout)
        if self._beside_runs:
            costs = self._listening.step_costs
            beside = BackgroundStt(self._listening.hearing, costs, turn.last + 1, measured=True)
            self._events += beside.steps(stopped.at if stopped else over)
