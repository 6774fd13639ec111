"""Passages on the clock of a replay: whole frames, in order, at their distance to the answer, or said why not."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workbench.sessions.labels import Label
from workbench.simulation.passages import ASSUMED, passages
from workbench.simulation.placement import PATIENCE, Place, Placement
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

S = SAMPLE_RATE


def label(start: float, end: float, kind: str = "speech", turn: int | None = None) -> Label:
    return Label(round(start * S), round(end * S), kind, turn)


FIRST = label(1, 2, turn=1)


def placed(labels: list[Label], agent: list[tuple[float, float]], frames: int = 500) -> Placement:
    spans = [(round(start * S), round(end * S)) for start, end in agent]
    return Placement(passages(labels, spans, frames), not agent)


def answer(placement: Placement, reply: int, start: float, end: float, stopped: float | None = None) -> list[Place]:
    """The places after an answer that is heard from ``start`` to ``end``, or is stopped."""
    placement.coming()
    placement.begin(reply, round(start * S))
    placement.end(reply, round(end * S), 0)
    if stopped is not None:
        placement.end(reply, round(stopped * S), round(stopped * S))
    return placement.places


def test_a_turn_that_waited_keeps_its_distance_to_the_end() -> None:
    second = answer(placed([FIRST, label(10, 11, turn=2)], [(3, 8)]), 0, 4.0, 7.0)[1]
    assert (second.how, second.reply) == ("answer", 0)
    assert abs(second.start - 9 * S) <= FRAME_SAMPLES // 2


def test_a_turn_that_interrupted_keeps_its_distance_to_the_start() -> None:
    second = answer(placed([FIRST, label(4, 5, turn=2)], [(3, 5.5)]), 0, 6.0, 12.0)[1]
    assert (second.how, second.reply) == ("answer", 0)
    assert abs(second.start - 7 * S) <= FRAME_SAMPLES // 2


def test_an_interruption_of_an_answer_that_is_over_is_said() -> None:
    second = answer(placed([FIRST, label(7, 8, turn=2)], [(3, 8.5)]), 0, 3.0, 5.0)[1]
    assert second.how == "answer_over"
    assert abs(second.start - 7 * S) <= FRAME_SAMPLES // 2


def test_a_cough_keeps_its_place_in_the_answer_or_is_left_out() -> None:
    labels = [FIRST, label(5, 5.5, "noise"), label(10, 11, turn=2)]
    cough, later = answer(placed(labels, [(3, 8)]), 0, 4.0, 9.0)[1:3]
    assert (cough.how, later.how) == ("answer", "answer")
    assert abs(cough.start - 6 * S) <= FRAME_SAMPLES // 2
    cough, later = answer(placed(labels, [(3, 8)]), 0, 4.0, 5.5)[1:3]
    assert (cough.how, later.how) == ("left_out", "answer")
    assert abs(later.start - 7.5 * S) <= FRAME_SAMPLES // 2


def test_a_stop_moves_only_what_waited_for_the_end() -> None:
    labels = [FIRST, label(4, 4.5, "noise"), label(10, 11, turn=2)]
    cough, later = answer(placed(labels, [(3, 8)]), 0, 3.0, 9.0, stopped=4.4)[1:3]
    assert (cough.how, later.how) == ("answer", "answer")
    assert cough.shift == 0
    assert abs(later.start - 6.4 * S) <= FRAME_SAMPLES // 2


def test_without_the_answer_a_person_waits_ten_seconds() -> None:
    second = placed([FIRST, label(6, 7, turn=2)], [(3, 5)]).places[1]
    assert second.how == "no_answer"
    assert 0 <= second.start - (2 * S + PATIENCE) < FRAME_SAMPLES
    second = placed([FIRST, label(20, 21, turn=2)], [(3, 5)]).places[1]
    assert (second.how, second.shift) == ("no_answer", 0)


def test_an_answer_where_the_recorded_agent_was_silent_is_said() -> None:
    labels = [FIRST, label(8, 9, turn=2), label(14, 15, turn=3)]
    second = answer(placed(labels, [(10, 13)]), 0, 4.0, 6.0)[1]
    assert (second.how, second.shift) == ("new_answer", 0)


def test_an_answer_within_the_turn_alone_moves_nobody() -> None:
    turn = [label(1, 2, turn=1), label(4, 5, turn=1), label(10, 11, turn=2)]
    placement = placed(turn, [(6, 8)])
    before = list(placement.places)
    assert answer(placement, 0, 2.8, 4.5) == before
    assert answer(placement, 1, 7.0, 9.0)[1].how == "answer"


def test_a_second_answer_is_waited_for_as_well() -> None:
    placement = placed([FIRST, label(10, 11, turn=2)], [(3, 8)])
    answer(placement, 0, 3.0, 5.0)
    second = answer(placement, 1, 6.0, 9.0)[1]
    assert second.reply == 1
    assert abs(second.start - 11 * S) <= FRAME_SAMPLES // 2


def test_an_agent_that_never_ends_is_not_waited_for() -> None:
    placement = placed([FIRST, label(10, 11, turn=2)], [(3, 8)])
    for number in range(20):
        *_, second, end = answer(placement, number, 3.0 + 10 * number, 12.0 + 10 * number)
    assert second.how == "late"
    # It waits for what begins up to 38 s after its turn: 8 s as recorded, and 30 s.
    assert 40 * S < second.start < 55 * S
    assert end.start < 100 * S


def test_without_an_agent_track_an_answer_is_assumed() -> None:
    labels = [FIRST, label(2.5, 2.7, "noise"), label(9, 10, turn=2)]
    assert [item.anchor.edge for item in passages(labels, [], 500)] == ["before", "before", "start", "start"]
    door, second = answer(placed(labels, []), 0, 4.0, 12.0)[1:3]
    assert (door.how, door.shift) == ("kept", 0)
    assert second.how == "assumed"
    assert abs(second.start - (4 * S + 9 * S - 2 * S - ASSUMED)) <= FRAME_SAMPLES // 2


def test_labels_that_overlap_move_together() -> None:
    labels = [FIRST, label(3.0, 9.0, "background"), label(8.5, 9.5, turn=2), label(9.51, 9.6, "noise")]
    found = passages(labels, [], 500)
    assert [(item.kind, item.start, item.end) for item in found] == [
        ("turn", 1 * S, 2 * S),
        ("turn", 3 * S, round(9.6 * S)),
        ("end", 500 * FRAME_SAMPLES, 500 * FRAME_SAMPLES),
    ]


MOMENTS = st.lists(st.integers(1, 400), min_size=2, max_size=24, unique=True).map(sorted)
KINDS = ("speech", "speech", "noise", "backchannel")


@given(MOMENTS, MOMENTS, st.booleans(), MOMENTS, st.integers(0, 1919))
def test_passages_stay_apart_and_in_order(
    said: list[int], spoken: list[int], has_agent: bool, replayed: list[int], grain: int
) -> None:
    labels = []
    for number, (start, end) in enumerate(zip(said[::2], said[1::2], strict=False)):
        kind = KINDS[(start + end) % len(KINDS)]
        labels.append(Label(start * 1920, end * 1920, kind, number + 1 if kind == "speech" else None))
    agent = [(start * 1920, end * 1920) for start, end in zip(spoken[::2], spoken[1::2], strict=False)]
    placement = Placement(passages(labels, agent if has_agent else [], 450), not (agent and has_agent))
    for number, (start, end) in enumerate(zip(replayed[::2], replayed[1::2], strict=False)):
        sound, silence = start * 1920 + grain, end * 1920 + grain
        before = placement.places
        placement.coming()
        placement.begin(number, sound)
        placement.end(number, silence, 0)
        for old, new in zip(before, placement.places, strict=True):
            if old.is_there and old.first * 1920 < sound:
                assert new.shift == old.shift, "what has begun does not move"
            if new.how == "answer" and new.reply == number and new.passage.anchor.edge == "end":
                assert new.start >= silence
                assert new.start - silence - new.passage.anchor.distance <= FRAME_SAMPLES
        there = [place for place in placement.places if place.is_there and place.passage.kind != "end"]
        assert all(a.stop <= b.first for a, b in pairwise(there))
    assert all(place.shift is not None for place in placement.places)
