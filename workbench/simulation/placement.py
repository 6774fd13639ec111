"""Places of a recording's passages on the clock of a replay, where people react to the replayed agent.

An answer moves what refers to it and has not begun: a turn that interrupted it keeps its distance to the answer's
first sound, one that waited keeps its distance to its last. What follows keeps its distance to what came before. All
moves are whole frames. Pure: no audio, no model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from workbench.simulation.passages import Passage
from workbench.trace import Moved
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

PATIENCE = 10 * SAMPLE_RATE
"""From the end of a turn: so long a person waits for the answer that the next passage refers to. 10 s is the limit for
keeping a user's attention (Nielsen, *Usability Engineering*, 1993, ch. 5)."""

LONGER = 30 * SAMPLE_RATE
"""So much longer than in the recording a person waits for the end of what the agent says, where one answer follows on
the other: an agent that hears itself may answer itself for ever."""


@dataclass(frozen=True)
class Place:
    """Where a passage is on the clock of the replay.

    Attributes:
        passage: in the recording.
        shift: frames that it moves by; None while it waits for an answer to end.
        how: see ``docs/trace.md``, event ``moved``.
        reply: number of the replayed answer that it keeps its distance to; -1 where it keeps it to no answer.
    """

    passage: Passage
    shift: int | None = 0
    how: str = "kept"
    reply: int = -1

    @property
    def is_there(self) -> bool:
        """Whether it has a place: it neither waits nor is left out."""
        return self.shift is not None and self.how != "left_out"

    @property
    def start(self) -> int:
        """First sample on the clock of the replay."""
        assert self.shift is not None
        return self.passage.start + self.shift * FRAME_SAMPLES

    @property
    def first(self) -> int:
        """First frame on the clock of the replay."""
        assert self.shift is not None
        return self.passage.first + self.shift

    @property
    def stop(self) -> int:
        """First frame after it on the clock of the replay."""
        assert self.shift is not None
        return self.passage.stop + self.shift


class Placement:
    """Places of all passages, as far as the agent has spoken.

    Args:
        passages: see :func:`workbench.simulation.passages.passages`.
        assumed: whether the answers that they refer to are assumed, not recorded.
    """

    def __init__(self, passages: Sequence[Passage], assumed: bool) -> None:
        self._assumed = assumed
        self.places: list[Place] = []
        for item in passages:
            self.places.append(self._without_answer(Place(item), self.places))
        self._before = self.places
        """Places before the answer that is being given; those after its first sound are in ``_begun``."""
        self._begun: list[Place] | None = None
        self._answer = -1
        self._turn_end = 0

    def coming(self) -> None:
        """An answer will be given."""
        self._before, self._begun, self._answer = self.places, None, -1

    def begin(self, reply: int, sound: int) -> None:
        """An answer can be heard from a sample on: what refers to it and has not begun by then gets its place."""
        later = self._unbegun(self.places, first_frame_from(sound))
        begun = self.places[: len(self.places) - len(later)]
        self._turn_end = max((place.start + _length(place) for place in begun if _is_turn(place)), default=0)
        for place in later:
            if place.passage.anchor.answer >= 0 and place.how != "left_out":
                if self._has_waited(place, begun, sound):
                    self._replace(place, replace(place, how="late"))
                else:
                    self._answer = place.passage.anchor.answer
                break
            if place.passage.kind == "turn":
                # The recorded agent was silent here: the person had more to say.
                self._replace(place, replace(place, how="new_answer"))
                break
        if self._answer >= 0:
            heard = max(sound, self._turn_end)  # an answer that begins too early is heard when the turn is over
            self.places = self._placed(reply, heard, None, first_frame_from(sound))
        self._begun = self.places

    def _has_waited(self, place: Place, begun: Sequence[Place], sound: int) -> bool:
        """Whether a passage waited through an answer already, and so long that no further one keeps it waiting."""
        ended = next((item.passage.end for item in reversed(begun) if _is_turn(item)), 0)
        return place.reply >= 0 and sound - self._turn_end > place.passage.start - ended + LONGER

    def end(self, reply: int, silence: int | None, now: int) -> None:
        """The answer was last heard before ``silence`` (None: nothing was heard); may be called again with another.

        Args:
            reply: number of the answer.
            silence: first sample after its last sound.
            now: moment by which the microphone was heard already; nothing begins before it.
        """
        if silence is None or self._begun is None or silence <= self._turn_end:
            # Nothing of it was heard, or during the turn alone: nobody refers to it.
            self.places = self._before
            return
        self.places = self._begun
        if self._answer >= 0:
            self.places = self._placed(reply, None, silence, first_frame_from(max(silence, now)))

    def _placed(self, reply: int, sound: int | None, silence: int | None, earliest: int) -> list[Place]:
        """All places, when an answer's first sound or its end has become known."""
        waiting = len(self._unbegun(self.places, earliest if sound is not None else first_frame_from(silence or 0)))
        done: list[Place] = []
        free = 0
        for index, place in enumerate(self.places):
            if index >= len(self.places) - waiting and place.how != "left_out":
                place = self._place(place, reply, (sound, silence), done)
                if place.is_there and place.first < max(earliest, free):
                    late = max(earliest, free) - place.passage.first
                    place = replace(place, shift=late, how=place.how if place.how == "kept" else "late")
            done.append(place)
            free = place.stop if place.is_there else free
        return done

    def _without_answer(self, place: Place, before: Sequence[Place]) -> Place:
        """A passage whose answer has not come: it follows what is before it, and waits for the answer."""
        passage, shift = place.passage, before[-1].shift if before else 0
        refers = passage.anchor.answer >= 0
        if shift is None:
            return replace(place, shift=None)
        kept = Place(passage, shift, "no_answer" if refers and not self._assumed else "kept")
        turn = next((item for item in reversed(before) if _is_turn(item)), None)
        if not refers or turn is None:
            return replace(kept, how=place.how if place.how == "new_answer" else kept.how)
        waits = first_frame_from(turn.start + _length(turn) + PATIENCE - passage.start)
        return Place(passage, waits, "no_answer") if waits > shift else kept

    def _place(self, place: Place, reply: int, heard: tuple[int | None, int | None], before: list[Place]) -> Place:
        """One passage that has not begun.

        Args:
            place: until now.
            reply: number of the answer.
            heard: its first sound, or the end of its last; None where the other has become known.
            before: places of the passages before it.
        """
        passage, anchor, (sound, silence) = place.passage, place.passage.anchor, heard
        if anchor.answer != self._answer:
            return self._without_answer(place, before)
        if anchor.edge == "end":
            if silence is None:
                return replace(place, shift=None, reply=reply)
            moved = _whole_frames(silence + anchor.distance - passage.start)
            moved += passage.start + moved * FRAME_SAMPLES < silence
            return Place(passage, moved, "answer", reply)
        if sound is not None:
            how = "assumed" if self._assumed else "answer"
            return Place(passage, _whole_frames(sound + anchor.distance - passage.start), how, reply)
        if self._assumed or passage.kind == "end" or (silence is not None and place.start < silence):
            return place
        return replace(place, how="answer_over" if passage.kind == "turn" else "left_out")

    def _unbegun(self, places: Sequence[Place], frame: int) -> list[Place]:
        """Places from the first passage that does not begin before a frame."""
        for index, place in enumerate(places):
            if place.shift is None or (place.is_there and place.first >= frame):
                return list(places[index:])
        return []

    def _replace(self, old: Place, new: Place) -> None:
        self.places = [new if place is old else place for place in self.places]

    def events(self) -> Iterator[Moved]:
        """Where each passage came to lie."""
        for place in self.places:
            passage = place.passage
            if passage.kind != "end" and place.shift is not None:
                by = place.shift * FRAME_SAMPLES
                yield Moved(max(0, place.start), passage.start, passage.end, by, place.how, place.reply)


def first_frame_from(sample: int) -> int:
    """First frame that begins at a sample or later."""
    return -(-sample // FRAME_SAMPLES)


def _is_turn(place: Place) -> bool:
    return place.passage.kind == "turn" and place.is_there


def _length(place: Place) -> int:
    return place.passage.end - place.passage.start


def _whole_frames(samples: int) -> int:
    """The nearest number of frames; of two the greater.

    >>> [_whole_frames(samples) for samples in (959, 960, -960, -961)]
    [0, 1, 0, -1]
    """
    return (2 * samples + FRAME_SAMPLES) // (2 * FRAME_SAMPLES)
