"""Turns and answers in alternation, for the replay and for the live run: what each leaves, and how the next opens."""

from collections.abc import Callable, Iterator

from workbench.assistants.protocol import Assistant, NextListen
from workbench.dialogue.answer import AnswerResult, heard_text, result_events
from workbench.dialogue.background_stt import background_steps
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner
from workbench.knobs import Knobs
from workbench.trace import Event, Remark

Answerer = Callable[[UserTurn, int, tuple[str, ...]], AnswerResult]
"""Gives an answer: the turn, the number of the reply, and the user and agent texts in turn, the newest last."""


class Conversation:
    """Turns and answers of one session.

    Args:
        assistant: who converses.
        knobs: its options.
        listening: takes the user's turns.
        answer: gives the answers.
        playout: device latency in samples.
        events: where what happened is put, not in order of time.
    """

    def __init__(
        self,
        assistant: Assistant,
        knobs: Knobs,
        listening: UserTurnRunner,
        answer: Answerer,
        playout: int,
        events: list[Event],
    ) -> None:
        self._assistant, self._knobs, self._listening = assistant, knobs, listening
        self._answer, self._playout, self._events = answer, playout, events
        self._history: tuple[str, ...] = ()

    def run(self) -> Iterator[int]:
        """Until the session ends; yields the number of answers begun, after each turn and after each answer."""
        opening, replies = NextListen(0), 0
        while (turn := self._listening.next_turn(opening)) is not None:
            yield replies + 1
            opening = self._respond(turn, replies)
            replies += 1
            yield replies
        self._listening.finish()

    def _respond(self, turn: UserTurn, reply: int) -> NextListen:
        history = (*self._history, turn.text)
        result = self._answer(turn, reply, history)
        self._history = (*history, self._said(result))
        over, stopped = result.answer.over, result.stopped
        if self._stt_runs():
            self._events += background_steps(self._listening.ears, turn.last + 1, stopped.final if stopped else over)
        self._events += result_events(result, reply, self._playout)
        if result.remark:
            self._events.append(Remark(turn.at, reply, result.remark))
        return self._assistant.next_listen(turn.last, over, stopped)

    def _said(self, result: AnswerResult) -> str:
        """What the language model is given of an answer later."""
        barge_in = self._knobs.barge_in
        only_heard = barge_in is not None and barge_in.keeps_heard and result.stopped is not None
        return heard_text(result.answer) if only_heard else result.text

    def _stt_runs(self) -> bool:
        """Whether the STT hears every frame while the agent speaks."""
        if self._knobs.barge_in is None or self._assistant.watches_chunks:
            return False
        # With a device of its own the STT holds nothing up; where steps are measured it was only run if it was asked.
        is_known = self._knobs.barge_in.asks_stt or not self._listening.ears.is_measured
        alone = self._knobs.placement == "split" and is_known
        return self._knobs.placement == "shared" or alone
