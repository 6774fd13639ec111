"""Differences between two traces of one session, turn by turn.

A live run and its replay agree where the turns begin and end at the same frames and hold the same words. When their
answers come they differ: live they took real time and went through real buffers; the replay draws costs.

A model that hears and speaks at once takes no turns. Its utterances are compared: an utterance in
place of a turn, from the frame that made it speak, with its own words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.trace import Cancel, Commit, Onset, Pcm, Play, Tokens, Trace, Transcript
from workbench.units import SAMPLE_RATE

_SAME_TURN = SAMPLE_RATE
"""Turns whose ends lie closer than 1 s are the same turn, if no other is closer in order."""


@dataclass(frozen=True)
class Exchange:
    """A turn and its answer, in samples of the session's clock; or an utterance of a model that takes no turns.

    Attributes:
        start: first sample that the STT got; of an utterance ``end``.
        end: end of the frame that decided.
        text: of the turn, or of the utterance.
        answer: first sample of the answer at the loudspeaker, None where nothing was played.
        answer_end: end of the last one.
        is_stopped: whether the user interrupted it.
        frames: PCM frames of an utterance; None of a turn, whose answer is made as far as it is heard.
    """

    start: int
    end: int
    text: str
    answer: int | None
    answer_end: int | None
    is_stopped: bool
    frames: int | None = None


@dataclass(frozen=True)
class Pairing:
    """The same turn on both sides, or a turn that only one side has."""

    a: Exchange | None
    b: Exchange | None

    @property
    def is_same(self) -> bool:
        """Whether the turn begins and ends at the same frames and holds the same words; so an utterance."""
        a, b = self.a, self.b
        if a is None or b is None:
            return False
        return (a.start, a.end, a.text, a.frames) == (b.start, b.end, b.text, b.frames)

    @property
    def answer_later_by(self) -> int | None:
        """Samples by which ``a`` was answered later than ``b``; None where one was not answered at all."""
        if self.a is None or self.b is None or self.a.answer is None or self.b.answer is None:
            return None
        return self.a.answer - self.b.answer


def exchanges(trace: Trace) -> list[Exchange]:
    """The turns of a trace and their answers, in order."""
    onsets = sorted(event.fed_from for event in trace.events if isinstance(event, Onset))
    texts = {event.reply: event.text for event in trace.events if isinstance(event, Transcript)}
    said = {event.reply: event.text for event in trace.events if isinstance(event, Tokens)}
    made = {event.reply: len(event.ready) for event in trace.events if isinstance(event, Pcm)}
    stopped = {event.reply for event in trace.events if isinstance(event, Cancel)}
    plays: dict[int, list[Play]] = {}
    for event in trace.events:
        if isinstance(event, Play):
            plays.setdefault(event.reply, []).append(event)
    out = []
    for commit in sorted((e for e in trace.events if isinstance(e, Commit)), key=lambda e: e.frame_end):
        played = plays.get(commit.reply, [])
        onset = max((onset for onset in onsets if onset < commit.frame_end), default=0)
        is_turn = commit.reason != "model"
        out.append(
            Exchange(
                start=onset if is_turn else commit.frame_end,
                end=commit.frame_end,
                text=(texts if is_turn else said).get(commit.reply, ""),
                answer=played[0].t if played else None,
                answer_end=played[-1].t + played[-1].samples if played else None,
                is_stopped=commit.reply in stopped,
                frames=None if is_turn else made.get(commit.reply, 0),
            )
        )
    return out


def pair(a: Sequence[Exchange], b: Sequence[Exchange]) -> list[Pairing]:
    """Put the turns of two traces side by side, in order of time."""
    out, left, right = [], list(a), list(b)
    while left and right:
        if abs(left[0].end - right[0].end) < _SAME_TURN:
            out.append(Pairing(left.pop(0), right.pop(0)))
        elif left[0].end < right[0].end:
            out.append(Pairing(left.pop(0), None))
        else:
            out.append(Pairing(None, right.pop(0)))
    return [*out, *(Pairing(one, None) for one in left), *(Pairing(None, one) for one in right)]
