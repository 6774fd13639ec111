"""Events of a duplex model, which hears and speaks at once, made while it goes on.

Its speech is one stream without end; for the scores it is cut into answers where it was silent for almost a second.
The moment it decides to speak, with its first text or its first sound, stands in the trace as the ``commit`` that an
endpointer would have made, with the reason ``model``. Replay and live run share this code.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from workbench.arrays import Audio
from workbench.simulation.step_costs import CostSource
from workbench.stages.cached_tts import AUDIBLE
from workbench.stages.playback import runs
from workbench.stages.protocols import DuplexStep
from workbench.trace import Commit, Done, Event, Heard, Listen, Onset, Play, Steps, Tokens, Underrun
from workbench.trace import Pcm as PcmEvent
from workbench.units import FRAME_SAMPLES, frame_end

PAUSE_FRAMES = 12
"""0.96 s of silence end an answer: longer than a pause between sentences, shorter than waiting for a reply."""

BLOCK_STEPS = 125
"""Steps go into the trace in blocks of 10 s: a run may go on for hours, or be cut off at any moment."""


def job_of(step: int) -> tuple[int, int]:
    """Group and number under which the cost of a step is drawn, as a step of the stage ``tts``: a group is a block.

    >>> job_of(0), job_of(126)
    ((0, 0), (1, 1))
    """
    return divmod(step, BLOCK_STEPS)


class _Text(NamedTuple):
    step: int
    done: int
    piece: str


@dataclass
class _Utterance:
    """Frames from the first voiced one on, and who they belong to.

    Attributes:
        reply: its number.
        begin: text counts from this step on.
        frame, step: of the first frame, its number and the step that brought it.
        lead: silent samples in the first frame.
        ready, flags: of each frame, when it was there and whether it is voiced.
        spoken: frames up to the last voiced one.
        last_step: the step that brought that one.
    """

    reply: int
    begin: int
    frame: int
    step: int
    lead: int
    ready: "array[int]" = field(default_factory=lambda: array("q"))
    flags: bytearray = field(default_factory=bytearray)
    spoken: int = 0
    last_step: int = 0
    text: list[_Text] = field(default_factory=list)

    def add(self, step: int, done: int, is_voiced: bool) -> None:
        """Go on with a frame."""
        self.ready.append(done)
        self.flags += b"1" if is_voiced else b"0"
        if is_voiced:
            self.spoken, self.last_step = len(self.ready), step

    @property
    def last(self) -> int:
        """Number of the last voiced frame."""
        return self.frame + self.spoken - 1

    def events(self, sounded: Sequence[tuple[int, int]], playout: int) -> list[Event]:
        """All there is to say of it.

        Args:
            sounded: number of each of its frames that went out, and when the device asked for it, in order.
            playout: device latency in samples.
        """
        ready, flags = tuple(self.ready[: self.spoken]), self.flags[: self.spoken].decode()
        decided, at = self.step, ready[0]
        if self.text and self.text[0].step < self.step:
            decided, at = self.text[0].step, self.text[0].done
        out: list[Event] = [Commit(at, frame_end(decided), self.reply, "model", frame_end(decided))]
        if self.text:
            # Text that comes with or after the first sound begins, for the waterfall, where the sound does.
            times = (min(self.text[0].done, ready[0]), *(text.done for text in self.text[1:]))
            out.append(Tokens(times[0], self.reply, "".join(text.piece for text in self.text).strip(), times))
        out.append(PcmEvent(ready[0], self.reply, 0, ready, flags, self.lead))
        out += self._played(flags, sounded, playout)
        if sounded and sounded[-1][0] == self.last:
            out.append(Done(sounded[-1][1] + FRAME_SAMPLES + playout, self.reply))
        return out

    def _played(self, flags: str, sounded: Sequence[tuple[int, int]], playout: int) -> list[Event]:
        frames = np.array([frame - self.frame for frame, _ in sounded], dtype=np.int64)
        at = np.array([moment for _, moment in sounded], dtype=np.int64)
        out: list[Event] = []
        ended = 0
        for a, b in runs(at, frames - np.arange(len(frames))):
            begun = int(at[a]) + playout
            if a and begun > ended:
                both = flags[frames[a - 1]] == flags[frames[a]] == "1"
                out.append(Underrun(ended, self.reply, begun - ended, both))
            out.append(Play(begun, self.reply, 0, int(frames[a]) * FRAME_SAMPLES, (b - a) * FRAME_SAMPLES))
            ended = begun + (b - a) * FRAME_SAMPLES
        return out


class DuplexEventBuilder:
    """Builds the events of a conversation from steps and frames.

    Args:
        costs: of the steps; see :func:`job_of`.
        playout: device latency in samples.
        events: are added here, in no particular order; an utterance when it is over and all of it has gone out.

    Attributes:
        steps: taken until now.
        frames: PCM frames made until now.
        replies: utterances begun.
    """

    def __init__(self, costs: CostSource, playout: int, events: list[Event]) -> None:
        self._costs, self._playout, self._events = costs, playout, events
        self._block_begun = self._done = 0
        self._text: deque[_Text] = deque()
        self._before = 0
        """Text counts from this step on: what was before belongs to the utterance before."""
        self._open: _Utterance | None = None
        self._over: deque[_Utterance] = deque()
        self._sounded: deque[tuple[int, int]] = deque()
        self._latest = -1
        self.steps = self.frames = self.replies = 0
        events.append(Listen(0))

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance goes on, as far as it was thought."""
        return self._open is not None

    def stepped(self, begun: int, done: int, step: DuplexStep) -> None:
        """A step was taken: when it began and ended, and what it brought."""
        number, self._done = self.steps, done
        self.steps += 1
        if not number:
            self._events.append(Onset(0, 0))
        if not number % BLOCK_STEPS:
            self._block_begun = begun
        if step.piece:
            self._text.append(_Text(number, done, step.piece))
        if step.pcm is not None:
            self._add(number, done, step.pcm)
        while self._open is None and self._text and self._text[0].step <= number - PAUSE_FRAMES:
            self._text.popleft()
        if not self.steps % BLOCK_STEPS:
            self._add_steps()

    def _add(self, number: int, done: int, pcm: Audio) -> None:
        loud = np.abs(pcm) >= AUDIBLE
        is_voiced = bool(loud.any())
        if self._open is None and is_voiced:
            begin = max(self._before, number - PAUSE_FRAMES)
            self._open = _Utterance(self.replies, begin, self.frames, number, int(np.argmax(loud)))
            self.replies += 1
        self.frames += 1
        if self._open is None:
            return
        self._open.add(number, done, is_voiced)
        if len(self._open.ready) - self._open.spoken == PAUSE_FRAMES:
            self._close(self._open)

    def _close(self, utterance: _Utterance) -> None:
        self._open, self._before = None, utterance.last_step + 1
        utterance.text = [text for text in self._text if utterance.begin <= text.step < self._before]
        self._text = deque(text for text in self._text if text.step >= self._before)
        self._over.append(utterance)
        self._add_utterances()

    def sounded(self, frame: int, at: int) -> None:
        """A frame went out when the device asked for it; frames come in order, some may be lost on the way."""
        self._latest = frame
        self._sounded.append((frame, at))
        self._add_utterances()

    def _add_utterances(self, all_of_them: bool = False) -> None:
        while self._over and (all_of_them or self._over[0].last <= self._latest):
            utterance = self._over.popleft()
            its = [item for item in self._sounded if utterance.frame <= item[0] <= utterance.last]
            self._events += utterance.events(its, self._playout)
        kept = self._over[0] if self._over else self._open
        wanted = self.frames if kept is None else kept.frame
        while self._sounded and self._sounded[0][0] < wanted:
            self._sounded.popleft()

    def _add_steps(self) -> None:
        block = (self.steps - 1) // BLOCK_STEPS
        costs = self._costs.draw("tts", block, self.steps - block * BLOCK_STEPS)
        self._events.append(Heard(self._done, block * BLOCK_STEPS * FRAME_SAMPLES, frame_end(self.steps - 1)))
        self._events.append(Steps(self._block_begun, "tts", tuple(costs.tolist())))

    def end(self) -> None:
        """It is over, in the middle of whatever it was saying."""
        if self.steps % BLOCK_STEPS:
            self._add_steps()
        if self._open is not None:
            self._close(self._open)
        self._add_utterances(all_of_them=True)
