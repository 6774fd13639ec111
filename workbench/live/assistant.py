"""The live assistant: listens, answers, listens again; and writes down what happened."""

from workbench.assistants import assistant
from workbench.cache import Store
from workbench.dialogue.answer import AnswerResult
from workbench.dialogue.conversation import Conversation
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner, check_pause_heads, make_ears
from workbench.errors import WorkbenchError
from workbench.knobs import Knobs
from workbench.live.agent_turn import OneStreamTurn
from workbench.live.chunk_turn import StreamPerChunkTurn
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import LiveParts
from workbench.live.loudspeaker import Log, Playback
from workbench.live.microphone import LiveMicrophone
from workbench.stages.protocols import DuplexModel, Stages
from workbench.trace import Event


def check_live(knobs: Knobs, stages: Stages | DuplexModel) -> Stages | DuplexModel:
    """The stages, if they and the knobs can run live.

    Raises:
        WorkbenchError: names the setting that cannot.
    """
    if knobs.filters:
        raise WorkbenchError(
            "canceller and filter act in replays only: a live run hears the microphone as it is; set both to none, or "
            "record first and replay with them"
        )
    if isinstance(stages, Stages):  # a duplex model takes no turns: there is no listener whose knobs could be wrong
        check_pause_heads(knobs, stages.stt)
    return stages


class LiveAssistant:
    """One live run.

    Args:
        stages: of the stack.
        knobs: all options.
        mic: what it hears.
        playback: clock and loudspeaker.
        log: is given the events of each turn and each answer, not in order of time.

    Attributes:
        doing: ``listening``, ``answering`` or ``over``, to be shown.
        replies: answers begun.
    """

    def __init__(self, stages: Stages, knobs: Knobs, mic: LiveMicrophone, playback: Playback, log: Log) -> None:
        self._log = log
        self._events: list[Event] = []
        who = assistant(knobs.assistant)
        environment = LiveEnvironment(mic, playback, answering=False)
        ears = make_ears(knobs, stages.stt, mic, playback.costs, Store(None), environment)
        listening = UserTurnRunner(who, ears, self._events)
        self._parts = LiveParts(who, knobs, stages, mic, playback, listening)
        self._conversation = Conversation(who, knobs, listening, self._answer, playback.playout, self._events)
        self.doing = "listening"
        self.replies = 0

    def run(self) -> None:
        """Until the microphone ends."""
        for replies in self._conversation.run():
            self.doing = "answering" if replies > self.replies else "listening"
            self.replies = replies
            self._flush()
            # A watch for barge-in that still listens will ask what its steps have cost.
            if self.doing == "listening" and not self._parts.listening.ears.scheduler.has_background:
                self._parts.playback.forget()
        self._flush()
        self.doing = "over"

    def _flush(self) -> None:
        self._log(list(self._events))
        self._events.clear()

    def _answer(self, turn: UserTurn, reply: int, history: tuple[str, ...]) -> AnswerResult:
        how = StreamPerChunkTurn if self._parts.assistant.playout.closes_streams else OneStreamTurn
        return how(self._parts, turn, reply).give(history)
