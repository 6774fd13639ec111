"""Barge-in while the agent speaks: the rule that decides, the grace before it, and the pause after it.

One state machine for both drivers. It is given what happens in order of time: the end of each frame, and the end of the
STT's step on it. Of two at one moment the frame comes first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from workbench.assistants.protocol import Ears
from workbench.barge_in import make_rule
from workbench.barge_in.protocol import BargeInDecision
from workbench.barge_in_knobs import BargeInKnobs
from workbench.dialogue.background_stt import BackgroundStt
from workbench.knobs import Knobs, ListenKnobs
from workbench.stages.protocols import SttStep
from workbench.stages.voice_detector import CachedVoice
from workbench.trace import BargeIn, Event, Pause, Resume
from workbench.units import FRAME_SAMPLES, frame_end


def watch_knobs(knobs: Knobs) -> ListenKnobs:
    """Options of MLX-Harmony's watch for barge-in: its listener's, always with the pause head, and its own window."""
    assert knobs.barge_in is not None
    return replace(knobs.listen, vad=True, max_wait=knobs.barge_in.window)


class AnswerEars:
    """What a barge-in rule may ask of the frames of one answer.

    Args:
        ears: whose microphone it is.
        knobs: of barge-in.
        first: frame from which on is watched.
        level: gives the RMS of a frame.
        stt: in the background, where it is asked.
    """

    def __init__(
        self,
        ears: Ears,
        knobs: BargeInKnobs,
        first: int,
        level: Callable[[int], float],
        stt: BackgroundStt | None,
    ) -> None:
        self.first, self.level, self.stt = first, level, stt
        self.delay = ears.stt.stt.delay_frames
        self._voice = CachedVoice(ears.stt.mic, ears.stt.store, first) if "vad" in knobs.parts else None

    def voice(self, frame: int) -> float:
        """Probability of speech."""
        assert self._voice is not None
        return self._voice.probability(frame)

    def step(self, frame: int) -> SttStep:
        """Output of the STT."""
        assert self.stt is not None
        return self.stt.step(frame)

    def close(self) -> None:
        """Keep what the models said."""
        if self._voice is not None:
            self._voice.close()
        if self.stt is not None:
            self.stt.close()


@dataclass(frozen=True, slots=True)
class _Overheard:
    """See :class:`workbench.barge_in.protocol.ShownFrame`."""

    ears: AnswerEars
    number: int

    @property
    def place(self) -> int:
        return self.number - self.ears.first

    @property
    def delay(self) -> int:
        return self.ears.delay

    @property
    def level(self) -> float:
        return self.ears.level(self.number)

    @property
    def voice(self) -> float:
        return self.ears.voice(self.number)

    @property
    def step(self) -> SttStep:
        return self.ears.step(self.number)


class AnswerWatch:
    """Finds when the user interrupts one answer, and when that was a false alarm.

    With ``barge_in_resume_ms`` the agent only pauses when the rule says so: a word that came since the sound began
    gives the answer up, and without one it goes on.

    Args:
        knobs: of barge-in.
        threshold: frame RMS from which a frame is loud.
        ears: what the rule asks.
        playing: gives when playback began; None while that is not known.

    Attributes:
        paused: the decision after which the agent is silent and may go on.
        pauses: false alarms: the decision, and when the agent went on.
        stopped: the decision that gave the answer up.
    """

    def __init__(
        self, knobs: BargeInKnobs, threshold: float, ears: AnswerEars, playing: Callable[[], int | None]
    ) -> None:
        self._knobs, self._threshold, self._ears, self._playing = knobs, threshold, ears, playing
        self._rule = make_rule(knobs, threshold)
        self._rule_asks_stt = knobs.rule_asks_stt
        self._is_fresh = True
        self._word = -1
        """Frame in which the sound of the latest word ended."""
        self.paused: BargeInDecision | None = None
        self.pauses: list[tuple[BargeInDecision, int]] = []
        self.stopped: BargeInDecision | None = None

    @property
    def silences(self) -> tuple[tuple[int, int], ...]:
        """When the agent paused, and when it went on."""
        return tuple((decision.at, until) for decision, until in self.pauses)

    def expire(self, now: int | None) -> None:
        """End a pause whose time is over; ask before each thing that happens. None: nothing more will come."""
        if self.paused is None:
            return
        until = self.paused.at + self._knobs.resume
        if now is None or now > until:
            self.pauses.append((self.paused, until))
            self.paused, self._rule, self._is_fresh = None, make_rule(self._knobs, self._threshold), True

    def frame(self, number: int, at: int) -> None:
        """A frame has come, at this moment."""
        if self.paused is None and not self._rule_asks_stt:
            self._ask(number, at)

    def step(self, number: int, at: int) -> None:
        """The STT's step on a frame ended, at this moment."""
        if self._ears.step(number).piece.strip():
            self._word = number - self._ears.delay
        if self.paused is None and self._rule_asks_stt:
            self._ask(number, at)
        elif self.paused is not None:
            self._confirm(self.paused, at)

    def _ask(self, number: int, at: int) -> None:
        begun = self._playing() if self._knobs.grace else None
        if begun is not None and begun < frame_end(number) <= begun + self._knobs.grace:
            if not self._is_fresh:
                self._rule, self._is_fresh = make_rule(self._knobs, self._threshold), True
            return
        self._is_fresh = False
        if not (run := self._rule.see(_Overheard(self._ears, number))):
            return
        decision = BargeInDecision(at, (number - run + 1) * FRAME_SAMPLES, frame_end(number))
        if not self._knobs.resume:
            self.stopped = decision
            return
        self.paused = decision
        self._confirm(decision, at)

    def _confirm(self, decision: BargeInDecision, at: int) -> None:
        if self._word * FRAME_SAMPLES >= decision.onset:
            self.paused, self.stopped = None, replace(decision, confirmed=at)

    def events(self, reply: int) -> Iterator[Event]:
        """Of the false alarms."""
        for decision, until in self.pauses:
            yield BargeIn(decision.at, reply, decision.onset, decision.frame_end)
            yield Pause(decision.at, reply)
            yield Resume(until, reply)
