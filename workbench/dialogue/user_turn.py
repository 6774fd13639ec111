"""The listening half of a conversation: from the opening of a listen cycle to the final transcript of a turn."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.arrays import Times
from workbench.assistants.protocol import Assistant, Ears, ListenCycle, Listening, NextListen
from workbench.cache import Store
from workbench.dialogue.shared_model import SharedModelCycles
from workbench.errors import WorkbenchError
from workbench.knobs import Knobs
from workbench.simulation.microphone import MicrophoneSource
from workbench.simulation.scheduler import Environment
from workbench.simulation.step_costs import CostSource, MeasuredCosts
from workbench.stages.cached_stt import CachedStt
from workbench.stages.protocols import PAUSE_HEAD, Stt
from workbench.trace import Commit, Dropped, Event, Heard, Listen, Onset, Steps, Transcript, Word
from workbench.units import FRAME_SAMPLES, frame_end


@dataclass(frozen=True)
class UserTurn:
    """A user turn as the listener took it.

    Attributes:
        text: final transcript.
        at: when it was there.
        last: last frame that the STT got.
    """

    text: str
    at: int
    last: int


def check_pause_heads(knobs: Knobs, stt: Stt) -> None:
    """Check that the STT has the pause heads that the listener or the barge-in rule asks.

    Raises:
        WorkbenchError: it has none.
    """
    if knobs.listen.vad and not stt.has_pause_heads:
        raise WorkbenchError("stt_vad is true, but this STT checkpoint has no pause heads; set stt_vad to false")
    if knobs.barge_in is not None and "pause_head" in knobs.barge_in.parts and not stt.has_pause_heads:
        raise WorkbenchError(
            f"barge_in_rule is {knobs.barge_in.rule}, but this STT checkpoint has no pause heads; choose another rule"
        )


def make_ears(
    knobs: Knobs,
    stt: Stt,
    mic: MicrophoneSource,
    costs: CostSource,
    store: Store,
    environment: Environment | None = None,
) -> Ears:
    """What the listener hears with.

    Args:
        knobs: all options.
        stt: the stage.
        mic: source of frames.
        costs: of the STT's steps.
        store: cache of its outputs.
        environment: of a live run.

    Raises:
        WorkbenchError: see :func:`check_pause_heads`.
    """
    check_pause_heads(knobs, stt)
    timer = costs if isinstance(costs, MeasuredCosts) else None
    device = "device" if knobs.one_device else "stt"
    return Ears(CachedStt(stt, mic, store, timer), costs, knobs.listen, environment, device)


class UserTurnRunner:
    """Listens to one session, turn by turn.

    Args:
        assistant: whose listener it is.
        ears: what it hears with.
        events: where it puts what happened.
        pauses: if given, it also puts there the pause head that the STT gave for each frame: frame → probability.
    """

    def __init__(
        self, assistant: Assistant, ears: Ears, events: list[Event], pauses: dict[int, float] | None = None
    ) -> None:
        self._assistant = assistant
        self.ears = ears
        self._events = events
        self._pauses = pauses
        self._turns = 0
        self._cycles = SharedModelCycles()

    def next_turn(self, opening: NextListen) -> UserTurn | None:
        """Listen until somebody said something; None at the end of the session."""
        while True:
            turn = self._listen(opening)
            if turn is None or turn.text:
                self._turns += turn is not None
                return turn
            opening = NextListen(turn.at, -1, turn.last + 1)

    def _listen(self, opening: NextListen) -> UserTurn | None:
        self._events.append(Listen(opening.at))
        cycle, hears = listened = self._assistant.listen(self.ears, opening)
        self.log_heard(listened)
        if cycle.reason == "end":
            return None
        if not cycle.committed:
            return UserTurn("", cycle.ended, cycle.last)
        turn = UserTurn(hears.text, cycle.done[-1], cycle.fed[-1])
        if turn.text:
            self._log_commit(cycle, turn)
        return turn

    def finish(self) -> None:
        """The session is over: what still listens in the background hears nothing more."""
        self.ears.scheduler.finish(self.ears.environment)

    def log_heard(self, listened: Listening) -> None:
        """Put into the trace what one cycle heard, and what the STT made of it."""
        cycle, words = listened.cycle, listened.hears.words()
        self._events += self._cycles.add(cycle)
        if cycle.gate >= 0 and cycle.fed:
            self._events.append(Onset(frame_end(cycle.gate), cycle.fed[0] * FRAME_SAMPLES))
        if not cycle.fed:
            return
        done = np.asarray(cycle.done)
        position = np.asarray([*cycle.fed, *range(cycle.fed[-1] + 1, cycle.fed[-1] + 1 + len(done) - len(cycle.fed))])
        delay = self.ears.stt.stt.delay_frames
        for step, word in words:
            heard_at = max(0, frame_end(int(position[step]) - delay))
            self._events.append(Word(int(done[step]), word, heard_at))
        if self._pauses is not None:
            known = zip(cycle.fed, listened.hears.pauses, strict=False)
            self._pauses.update((frame, heads[PAUSE_HEAD]) for frame, heads in known if heads is not None)
        fed = np.asarray(cycle.fed)
        costs = self._costs_of(fed)
        self._events.append(Steps(cycle.done[0] - int(costs[0]), "stt", tuple(costs.tolist())))
        borders = [0, *(np.flatnonzero(np.diff(fed) != 1) + 1).tolist(), len(fed)]
        for first, stop in pairwise(borders):
            heard = Heard(cycle.done[-1], cycle.fed[first] * FRAME_SAMPLES, frame_end(cycle.fed[stop - 1]))
            self._events.append(heard)
        for frame in cycle.dropped:
            self._events.append(Dropped(frame_end(frame), frame * FRAME_SAMPLES, frame_end(frame)))

    def _costs_of(self, frames: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Times:
        first = int(frames[0])
        return self.ears.step_costs(first, int(frames[-1]) + 1 - first)[frames - first]

    def _log_commit(self, cycle: ListenCycle, turn: UserTurn) -> None:
        end = frame_end(cycle.last)
        silence = cycle.silence_from if cycle.reason == "silence" else end
        self._events.append(Commit(cycle.ended, end, self._turns, cycle.reason, silence))
        self._events.append(Transcript(turn.at, self._turns, turn.text))
