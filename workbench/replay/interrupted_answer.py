"""An answer of a replay up to where the user interrupts it, with the pauses of false alarms in it.

The answer is on the clock already, as if nobody interrupted it. Frame by frame is looked at what the rule would have
decided, on what the microphone heard: nothing that a frame holds depends on what comes after it.
"""

from collections.abc import Callable
from dataclasses import replace

from workbench.arrays import Audio
from workbench.assistants.protocol import Ears
from workbench.barge_in.protocol import BargeInDecision
from workbench.barge_in_knobs import BargeInKnobs
from workbench.dialogue.answer import Answer, truncate
from workbench.dialogue.background_stt import BackgroundStt
from workbench.dialogue.interruption import AnswerEars, AnswerWatch
from workbench.knobs import Knobs
from workbench.simulation.microphone import Microphone
from workbench.stages.playback import held
from workbench.trace import Event
from workbench.units import FRAME_SAMPLES, frame_at

PlayedOf = Callable[[Answer], list[tuple[int, Audio]]]
"""Gives what an answer puts out of the loudspeaker, and when."""


class InterruptedAnswer:
    """One answer and who interrupts it.

    Args:
        answer: on the clock, as if nobody did.
        knobs: all options; the user can interrupt.
        ears: what the listener hears with; their microphone is a replay's.
        sounds: see :data:`PlayedOf`.
        stt: in the background, from the first frame on that is watched.
        changed: is given the answer that goes on after a false alarm, and the moment from which on it is another.
    """

    def __init__(
        self,
        answer: Answer,
        knobs: Knobs,
        ears: Ears,
        sounds: PlayedOf,
        stt: BackgroundStt,
        changed: Callable[[Answer, int], None],
    ) -> None:
        mic = ears.stt.mic
        assert knobs.barge_in is not None
        assert isinstance(mic, Microphone)
        self.answer = answer
        self._knobs: BargeInKnobs = knobs.barge_in
        self._playout, self._mic, self._sounds, self._stt = knobs.playback.playout, mic, sounds, stt
        self._first, self._changed = stt.first, changed
        self._levels: list[float] = []
        self._asks, self._is_paused = self._knobs.asks_stt, False
        self._ears = AnswerEars(ears, self._knobs, self._first, self._level, stt if self._asks else None)
        self._watch = AnswerWatch(self._knobs, knobs.listen.threshold, self._ears, self._began)

    def _began(self) -> int | None:
        at = self.answer.at
        return int(at[0]) + self._playout if len(at) else None

    def _level(self, frame: int) -> float:
        return self._mic.level(frame) if self._mic.is_lazy else self._levels[frame - self._first]

    def give(self) -> tuple[Answer, BargeInDecision | None]:
        """The answer as far as it was given, and what stopped it."""
        self._hear()
        self._look()
        stopped = self._watch.stopped
        if self._mic.has_echo:
            self._mic.listen_to(None)
        self._ears.close()
        if stopped is not None:
            self.answer = truncate(self.answer, stopped, self._playout)
        return self.answer, stopped

    def events(self, reply: int) -> tuple[Event, ...]:
        """False alarms, and the words that the STT heard meanwhile."""
        stopped = self._watch.stopped
        until = stopped.final + 1 if stopped is not None else self.answer.over
        words = self._stt.words(until) if self._asks else ()
        return (*self._watch.events(reply), *words)

    def _hear(self) -> None:
        """What the agent plays is as it stands now; while it pauses, nothing after that moment."""
        answer, over, paused = self.answer, self.answer.over, self._watch.paused
        if paused is not None:
            answer, over = truncate(answer, paused, self._playout), paused.at + self._knobs.resume + 2 * FRAME_SAMPLES
        sounds = self._sounds(answer) if self._mic.has_echo else []
        if self._mic.has_echo:
            self._mic.listen_to(lambda: sounds)
        last = min(self._mic.frames, frame_at(over)) if not self._mic.is_lazy else self._first
        self._levels = self._mic.levels_with(sounds, self._first, last).tolist()

    def _look(self) -> None:
        """Frames and the STT's steps on them in order of time, until the answer is given up or over."""
        if not self._asks:
            self._look_at_frames()
            return
        step = frame = self._first
        while frame < self._mic.frames:  # where people react, a pause makes the session longer
            end = self._mic.arrived(frame)
            while step < frame and (done := self._stt.done_at(step)) < end:
                if not self._goes_on(self._watch.step, step, done):
                    return
                step += 1
            if not self._goes_on(self._watch.frame, frame, end):
                break
            frame += 1
        if self._watch.stopped is not None:
            return
        # Steps that end after the last frame.
        while step < self._mic.frames:
            if not self._goes_on(self._watch.step, step, self._stt.done_at(step)):
                return
            step += 1
        self._watch.expire(None)
        self._take_over()

    def _look_at_frames(self) -> None:
        """Frames alone: without the STT no pause can end, so that the first decision is the last."""
        watch, over = self._watch, self.answer.over
        for frame in range(self._first, self._mic.frames):
            if (at := self._mic.arrived(frame)) >= over:
                return
            watch.frame(frame, at)
            if watch.stopped is not None:
                return

    def _goes_on(self, happens: Callable[[int, int], None], frame: int, at: int) -> bool:
        """Let something happen; False where the answer is over by then, or is given up because of it."""
        self._watch.expire(at)
        self._take_over()
        if self._watch.paused is None and at >= self.answer.over:
            return False
        happens(frame, at)
        self._take_over()
        return self._watch.stopped is None

    def _take_over(self) -> None:
        """What the watch found changes what is played and heard."""
        silences, before = self._watch.silences, self.answer.silences
        if len(silences) > len(before):
            at = held(self.answer.at, silences[len(before) :])
            ends = (at[-1:] + FRAME_SAMPLES + self._playout).tolist()
            self.answer = replace(self.answer, at=at, over=max([self.answer.over, silences[-1][1], *ends]))
            self.answer.silences = silences
            self._changed(self.answer, silences[-1][1])
            self._hear()
        elif self._watch.paused is not None and not self._is_paused:
            self._hear()
        self._is_paused = self._watch.paused is not None
