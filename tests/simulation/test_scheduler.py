"""Devices: the closed forms equal the scheduler, and nothing overlaps."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.simulation.scheduler import Job, Process, Scheduler, back_to_back, queued, run_until_done, sharing_device

costs = st.lists(st.integers(0, 5000), min_size=1, max_size=40)
busy = st.lists(st.integers(1, 5000), min_size=1, max_size=40)


def alone(ready: list[int], cost: list[int], ends: list[int]) -> Process:
    for at, spent in zip(ready, cost, strict=True):
        ends.append((yield Job(at, spent, "device")))


def chained(begun: int, cost: list[int], ends: list[int]) -> Process:
    now = begun
    for spent in cost:
        now = yield Job(now, spent, "device")
        ends.append(now)


@given(costs, st.integers(0, 10_000))
def test_chain_is_what_the_scheduler_does(cost: list[int], begun: int) -> None:
    ends: list[int] = []
    run_until_done([chained(begun, cost, ends)])
    assert back_to_back(begun, cost).tolist() == ends


@given(costs, st.integers(1, 4000), st.integers(0, 3000))
def test_arrivals_are_what_the_scheduler_does(cost: list[int], period: int, free: int) -> None:
    ready = [period * (i + 1) for i in range(len(cost))]
    ends: list[int] = []
    run_until_done([alone([free, *ready], [0, *cost], ends)])
    assert queued(ready, cost, free).tolist() == ends[1:]


@given(busy, busy, st.integers(1, 3000))
def test_a_shared_device_does_one_job_at_a_time(first: list[int], second: list[int], period: int) -> None:
    ends: tuple[list[int], list[int]] = ([], [])
    run_until_done([chained(0, first, ends[0]), alone([period * (i + 1) for i in range(len(second))], second, ends[1])])
    done = sorted(zip(ends[0] + ends[1], first + second, strict=True))
    for (end, _), (later, cost) in itertools.pairwise(done):
        assert later - cost >= end
    assert len(done) == len(first) + len(second)


@given(costs, st.lists(st.integers(0, 5000), max_size=40), st.integers(0, 20_000), st.integers(1, 3000))
def test_interleaved_is_what_the_scheduler_does(cost: list[int], beside: list[int], begun: int, period: int) -> None:
    ready = [period * (i + 1) for i in range(len(beside))]
    ends: list[int] = []
    run_until_done([alone(ready, beside, []), chained(begun, cost, ends)], {"device": begun})
    assert sharing_device(begun, np.array(cost), np.array(ready), np.array(beside)).tolist() == ends


def test_jobs_run_in_order_and_ties_go_to_the_first_process() -> None:
    ends: tuple[list[int], list[int]] = ([], [])
    run_until_done([alone([0, 100], [50, 10], ends[0]), alone([0, 60], [30, 10], ends[1])])
    assert ends == ([50, 110], [80, 90])


def test_blocked_processes_go_on_when_another_got_on() -> None:
    told: list[int] = []
    ends: list[int] = []

    def waits() -> Process:
        while not told:
            yield None
        ends.append((yield Job(told[0], 5, "device")))

    def tells() -> Process:
        told.append((yield Job(10, 7, "device")))

    run_until_done([waits(), tells()])
    assert (told, ends) == ([17], [22])


def test_the_background_goes_on_from_one_run_to_the_next() -> None:
    """It takes its turns on the device, comes last among equals, and holds nobody up but by that."""
    scheduler, ends = Scheduler(), ([], [], [])  # type: ignore[var-annotated]
    assert scheduler.is_idle(0)
    scheduler.start(alone([10, 40, 100, 200], [5, 5, 5, 5], ends[0]))
    assert scheduler.has_background
    scheduler.run([chained(0, [20, 20], ends[1])])
    # The first job of the background became ready at 10 and comes after the one that ran then; the second waits.
    assert (ends[0], ends[1]) == ([25], [20, 45])
    scheduler.run([chained(100, [20], ends[2])])
    assert (ends[0], ends[2]) == ([25, 50], [120])
    assert not scheduler.is_idle(1000)
    scheduler.finish()
    assert ends[0] == [25, 50, 125, 205]
    assert not scheduler.has_background
    assert (scheduler.is_idle(204), scheduler.is_idle(205)) == (False, True)


def test_two_in_the_background_keep_the_order_in_which_they_began() -> None:
    scheduler, order = Scheduler({"device": 50}), list[str]()

    def steps(name: str, ready: int) -> Process:
        yield Job(ready, 10, "device")
        order.append(name)

    scheduler.start(steps("older", 20))
    scheduler.start(steps("younger", 20))
    scheduler.start(steps("earlier", 10))
    scheduler.run([steps("in front", 20)])
    scheduler.finish()
    assert order == ["earlier", "in front", "older", "younger"]


def test_a_run_that_fails_leaves_the_background_alone() -> None:
    scheduler, ends = Scheduler(), list[int]()

    def fails() -> Process:
        yield Job(10, 5, "device")
        raise ValueError

    scheduler.start(alone([0, 30], [5, 5], ends))
    with pytest.raises(ValueError):  # noqa: PT011
        scheduler.run([fails()])
    scheduler.finish()
    assert ends == [5, 35]


def test_nothing_to_do() -> None:
    run_until_done([])
    assert back_to_back(5, []).tolist() == []
    assert queued([], []).tolist() == []
    assert np.asarray(queued([], [])).dtype == np.int64
