"""Whatever is lost, when and how loudly: the finder says where and how much, and never invents a hole."""

from hypothesis import given
from hypothesis import strategies as st

from workbench.recording.gaps import (
    FLAGGED_BLOCKS,
    INPUT_OVERFLOW,
    SUSPECT_BLOCKS,
    BlockStamp,
    Gap,
    HoleFinder,
)

RATE, FRAMES = 24_000, 1920
START = 1_795_367_000.25


def stamp(samples: float) -> float:
    return START + samples / RATE


def hear(marks: list[BlockStamp]) -> tuple[list[Gap], HoleFinder]:
    finder = HoleFinder(RATE, FRAMES)
    found = [finding for mark in marks for finding in finder.hear(mark)]
    return found + finder.decide(), finder


@given(
    losses=st.lists(
        st.tuples(st.integers(2000, 200_000), st.booleans(), st.integers(SUSPECT_BLOCKS + 1, 90)), max_size=4
    ),
    jitter=st.lists(st.integers(-11, 11), min_size=500, max_size=500),
    ppm=st.integers(-50, 50),
)
def test_every_loss_is_found_where_it_is(losses: list[tuple[int, bool, int]], jitter: list[int], ppm: int) -> None:
    marks: list[BlockStamp] = []
    expected = []
    missing = 0
    drift = 1 + ppm * 1e-6

    def add(blocks: int, flags: int = 0) -> None:
        for _ in range(blocks):
            number = len(marks)
            marks.append(BlockStamp(number, stamp((number * FRAMES + missing) * drift + jitter[number]), flags))
            flags = 0

    add(60)
    for size, flagged, gap in losses:
        missing += size
        expected.append((len(marks) * FRAMES, size))
        add(gap, INPUT_OVERFLOW if flagged else 0)
    found, finder = hear(marks)
    assert [f.at for f in found] == [at for at, _ in expected]
    for finding, (_, size) in zip(found, expected, strict=True):
        assert abs(finding.missing - size) <= 50, "within 2 ms for this jitter and drift"
    assert finder.heard == len(marks) * FRAMES


@given(
    shakes=st.lists(st.tuples(st.integers(40, 400), st.integers(-20_000, 20_000), st.integers(1, 20)), max_size=5),
)
def test_time_stamps_that_shake_for_a_while_are_no_hole(shakes: list[tuple[int, int, int]]) -> None:
    """Twenty blocks are 1.6 s; the samples kept coming."""
    offsets = [0] * 600
    for at, size, blocks in shakes[:1]:
        offsets[at : at + blocks] = [size] * blocks
    found, _ = hear([BlockStamp(n, stamp(n * FRAMES + offset), 0) for n, offset in enumerate(offsets)])
    assert found == []


def test_blocks_lost_to_a_full_ring_are_counted_exactly() -> None:
    numbers = [*range(50), *range(73, 120)]
    found, _ = hear([BlockStamp(n, stamp(n * FRAMES), 0) for n in numbers])
    assert found == [Gap(50 * FRAMES, 23 * FRAMES, "the writer was behind and the ring full")]


def test_many_small_losses_are_not_taken_for_drift() -> None:
    """20 ms lost every second for a minute, and no flag: never more than 80 ms are left unmarked."""
    found, _ = hear([BlockStamp(n, stamp(n * FRAMES + n // 12 * 480), 0) for n in range(750)])
    assert sum(finding.missing for finding in found) > 750 // 12 * 480 - 0.08 * RATE - 480


def test_stamps_that_are_still_settling_are_no_hole() -> None:
    settling = [0] * 5 + [7000] * 200
    found, finder = hear([BlockStamp(n, stamp(n * FRAMES + s), 0) for n, s in enumerate(settling)])
    assert found == []
    assert abs(finder.offset - START * RATE - 7000) < 1


@given(
    at=st.integers(0, 30),
    size=st.integers(2500, 100_000),
    given_up=st.integers(8, 70),
    jitter=st.lists(st.integers(-11, 11), min_size=200, max_size=200),
)
def test_a_loss_in_the_first_seconds_is_found(at: int, size: int, given_up: int, jitter: list[int]) -> None:
    finder = HoleFinder(RATE, FRAMES)
    finder.settled([stamp(jitter[n]) for n in range(8)])
    found = []
    for heard in range(100):
        number = given_up + heard
        missing = size if heard >= at else 0
        found += finder.hear(BlockStamp(number, stamp(number * FRAMES + missing + jitter[number]), 0))
    (finding,) = found + finder.decide()
    assert finding.at == at * FRAMES
    assert abs(finding.missing - size) <= 22, "jitter either way"


def test_a_start_whose_stamps_disagree_is_no_reference() -> None:
    finder = HoleFinder(RATE, FRAMES)
    finder.settled([stamp(500 * n) for n in range(8)])
    found = [f for n in range(60, 200) for f in finder.hear(BlockStamp(n, stamp(n * FRAMES + 7000 * (n > 63)), 0))]
    assert found + finder.decide() == []


def test_an_xrun_without_loss_is_named_and_fills_nothing() -> None:
    marks = [BlockStamp(n, stamp(n * FRAMES), INPUT_OVERFLOW if n == 40 else 0) for n in range(41 + FLAGGED_BLOCKS)]
    found, _ = hear(marks)
    assert [(f.at, f.missing) for f in found] == [(40 * FRAMES, 0)]


def test_a_loss_near_the_end_is_decided_on_what_there_is() -> None:
    lost = [0] * 60 + [9600] * 5
    found, _ = hear([BlockStamp(n, stamp(n * FRAMES + loss), 0) for n, loss in enumerate(lost)])
    assert [(f.at, f.missing) for f in found] == [(60 * FRAMES, 9600)]


def test_stamps_that_go_back_for_good_are_followed() -> None:
    shift = [0] * 60 + [-9600] * 120 + [0] * 60
    found, finder = hear([BlockStamp(n, stamp(n * FRAMES + s), 0) for n, s in enumerate(shift)])
    assert [(f.at, f.missing) for f in found] == [(180 * FRAMES, 9600)]
    assert finder.heard == 240 * FRAMES
