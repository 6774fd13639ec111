"""Loudspeaker: no frame lost or doubled, played + missing = expected, time never runs backwards."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.stages.playback import OpenStream, continuous, per_chunk, runs
from workbench.units import FRAME_SAMPLES, ms_to_samples

steps = st.lists(st.integers(0, 6000), min_size=1, max_size=60)


def ready_from(gaps: list[int]) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return np.cumsum(np.asarray(gaps, dtype=np.int64))


@given(steps, st.integers(0, 80))
def test_every_frame_plays_once_in_order_when_it_is_there(gaps: list[int], prebuffer: int) -> None:
    ready = ready_from(gaps)
    at = continuous(ready, prebuffer).at
    assert len(at) == len(ready)
    assert np.all(at >= ready)
    assert np.all(np.diff(at) >= FRAME_SAMPLES)
    assert np.all(at % FRAME_SAMPLES == 0)
    wanted = min(max(prebuffer, 1), len(ready))
    assert at[0] >= ready[wanted - 1]
    assert at[0] < ready[wanted - 1] + FRAME_SAMPLES


@given(steps, st.integers(0, 80))
def test_frame_by_frame_it_is_the_same_stream(gaps: list[int], prebuffer: int) -> None:
    stream, at = OpenStream(prebuffer), []
    for number, ready in enumerate(ready_from(gaps).tolist()):
        known = stream.queue(ready)
        assert bool(known) == (number + 1 >= prebuffer), "as soon as it can be told"
        at += known
    at += stream.flush()
    assert at == continuous(ready_from(gaps), prebuffer).at.tolist()
    assert stream.flush() == []


@given(steps)
def test_the_device_never_waits_for_a_frame_that_is_there(gaps: list[int]) -> None:
    ready = ready_from(gaps)
    at = continuous(ready, 0).at
    late = np.flatnonzero(np.diff(at) > FRAME_SAMPLES) + 1
    assert np.all(ready[late] > at[late] - FRAME_SAMPLES)


@given(steps)
def test_played_and_missing_make_the_whole(gaps: list[int]) -> None:
    at = continuous(ready_from(gaps), 0).at
    pieces = runs(at, np.zeros(len(at), dtype=np.int64))
    played = sum(last - first for first, last in pieces) * FRAME_SAMPLES
    missing = sum(int(at[b[0]]) - int(at[a[1] - 1]) - FRAME_SAMPLES for a, b in itertools.pairwise(pieces))
    assert played == len(at) * FRAME_SAMPLES
    assert played + missing == at[-1] + FRAME_SAMPLES - at[0]


@given(steps, st.integers(0, 5000), st.integers(0, 60_000))
def test_a_stream_per_chunk_loses_only_late_frames(gaps: list[int], opened: int, wait: int) -> None:
    ready = ready_from(gaps) + opened
    closed = int(ready[-1]) + wait
    out = per_chunk(ready, opened, closed)
    assert len(out.at) + out.lost == len(ready)
    assert np.all((out.at - opened) % FRAME_SAMPLES == 0)
    assert np.all(out.at < closed)
    unlimited = per_chunk(ready, opened, 1 << 60).at
    assert np.array_equal(unlimited[: len(out.at)], out.at)
    assert np.all(unlimited[len(out.at) :] >= closed)


def test_a_step_that_comes_240_ms_late_leaves_a_hole_of_240_ms() -> None:
    ready = np.array([0, 1920, 3840 + ms_to_samples(240), 5760 + ms_to_samples(240)])
    at = continuous(ready, 0).at
    assert runs(at, np.zeros(4, dtype=np.int64)) == [(0, 2), (2, 4)]
    assert at[2] - at[1] - FRAME_SAMPLES == ms_to_samples(240)
