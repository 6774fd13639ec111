"""Passages of a recording: what a person said or did at one go, and the agent's speech that it refers to.

A passage is a labelled turn with its pauses, or a labelled sound; labels that overlap are one passage. Each refers to
the agent's answer that was heard before it: to its beginning, where it fell into the answer, else to its end. Where no
agent was recorded, an answer is assumed to have begun :data:`ASSUMED` after the end of each turn; how long it was
nobody knows, so all refers to its beginning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.sessions.labels import Label, turns
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

ASSUMED = 3 * SAMPLE_RATE // 2
"""Where no agent was recorded: from a turn's end to the answer's first sound, 1.5 s, as the demo's agent takes."""


@dataclass(frozen=True)
class Anchor:
    """What a passage keeps its distance to.

    Attributes:
        edge: ``start`` or ``end`` of a recorded answer; ``before``: the passage before it, or the session's start.
        answer: number of the recorded answer, from 0; -1 for ``before``.
        distance: samples from there to the passage's first sample; 0 for ``before``.
    """

    edge: str = "before"
    answer: int = -1
    distance: int = 0


@dataclass(frozen=True)
class Passage:
    """A stretch of the recording that moves as a whole.

    Attributes:
        start, end: first sample of its labels, and the first after them; equal for the session's end.
        kind: ``turn``, ``sound``, or ``end``: the end of the session.
        anchor: see :class:`Anchor`.
    """

    start: int
    end: int
    kind: str
    anchor: Anchor

    @property
    def first(self) -> int:
        """First frame that holds a part of it."""
        return self.start // FRAME_SAMPLES

    @property
    def stop(self) -> int:
        """First frame after it."""
        return -(-self.end // FRAME_SAMPLES)


def passages(labels: Sequence[Label], agent: Sequence[tuple[int, int]], frames: int) -> tuple[Passage, ...]:
    """Passages of a recording in order of time, its end the last.

    Args:
        labels: of the session; notes belong to no passage.
        agent: when the recorded agent spoke, in samples, in order and apart; empty where none was recorded.
        frames: whole frames of the session.

    Examples:
        >>> speech = [Label(0, 24_000, "speech", 1), Label(240_000, 264_000, "speech", 2)]
        >>> found = passages(speech, [(48_000, 96_000)], 200)
        >>> [(one.kind, one.anchor.edge, one.anchor.distance) for one in found]
        [('turn', 'before', 0), ('turn', 'end', 144000), ('end', 'before', 0)]
    """
    stretches = [*_stretches(labels, frames), (frames * FRAME_SAMPLES, frames * FRAME_SAMPLES, "end", -1)]
    anchors = _recorded(stretches, agent) if agent else _assumed(stretches)
    return tuple(
        Passage(start, end, kind, anchor) for (start, end, kind, _), anchor in zip(stretches, anchors, strict=True)
    )


_Stretch = tuple[int, int, str, int]
"""Start, end, kind, and the first sample of a turn's speech in it (-1 where there is none)."""


def _stretches(labels: Sequence[Label], frames: int) -> Iterator[_Stretch]:
    """Turns and sounds; those that share a frame are one."""
    close = frames * FRAME_SAMPLES
    found = [(turn.start, turn.end, "turn", turn.start) for turn in turns(labels)]
    sounds = [label for label in labels if label.kind not in ("speech", "note")]
    found += [(label.start, label.end, "sound", -1) for label in sounds]
    held: _Stretch | None = None
    for start, end, kind, speech in sorted(found):
        if start >= close:  # in the part of a frame that no model hears
            break
        if held is not None and start // FRAME_SAMPLES < -(-held[1] // FRAME_SAMPLES):
            kind = "turn" if "turn" in (kind, held[2]) else kind
            held = (held[0], max(held[1], min(end, close)), kind, held[3] if held[3] >= 0 else speech)
            continue
        if held is not None:
            yield held
        held = (start, min(end, close), kind, speech)
    if held is not None:
        yield held


def _answers(stretches: Sequence[_Stretch], agent: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Agent speech by answers: what is spoken with no turn begun between is one."""
    starts = [speech for *_, speech in stretches if speech >= 0]
    answers: list[tuple[int, int]] = []
    for start, end in agent:
        if answers and not any(answers[-1][0] < turn < start for turn in starts):
            answers[-1] = answers[-1][0], end
        else:
            answers.append((start, end))
    return answers


def _recorded(stretches: Sequence[_Stretch], agent: Sequence[tuple[int, int]]) -> Iterator[Anchor]:
    answers = _answers(stretches, agent)
    for index, (start, _, _, speech) in enumerate(stretches):
        refers = speech if speech >= 0 else start
        number = sum(begun <= refers for begun, _ in answers) - 1
        if number < 0:
            yield Anchor()
            continue
        begun, ended = answers[number]
        earlier = stretches[:index]
        if refers < ended:
            yield Anchor("start", number, start - begun)
        elif any(other[0] >= ended or other[3] > begun for other in earlier):
            yield Anchor()  # it goes on from what the person did since
        else:
            yield Anchor("end", number, start - ended)


def _assumed(stretches: Sequence[_Stretch]) -> Iterator[Anchor]:
    turn, ended = -1, 0
    for start, end, kind, _ in stretches:
        begun = ended + ASSUMED
        yield Anchor("start", turn, start - begun) if turn >= 0 and start >= begun else Anchor()
        if kind == "turn":
            turn, ended = turn + 1, end
