"""Scheduler of model jobs on devices, on the virtual clock.

A device does one job at a time, in the order in which the jobs became ready, and never breaks one off. A process is a
generator that yields :class:`Job` and is sent back when that job ended. :func:`run_until_done` is the scheduler; the
closed forms (:func:`back_to_back`, :func:`queued`) give the same times where one process has its device to itself.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from workbench.arrays import Times


class Job(NamedTuple):
    """One model step: may begin at ``ready``, takes ``cost`` samples of the clock, needs ``device``."""

    ready: int
    cost: int
    device: str


Process = Generator[Job | None, int, None]
"""Yields jobs and is sent the time at which each ended; yields None to wait until another process got on (then it is
sent when that was) or, in a :class:`Environment`, until something came (then it is sent None)."""

BARRIER = "turn"
"""Device of jobs without cost that only wait for their moment: what may begin before it has been done then. When such
a job ended is not to be relied on."""


class Environment(Protocol):
    """Surroundings of a live run: things come by themselves, and jobs take what they take."""

    def come(self, until: int | None) -> None:
        """Let come what comes before the job that may begin then; None: no process has one, so wait for something."""
        ...

    def ended(self, begun: int, cost: int) -> int:
        """End of a job that could begin then."""
        ...


def back_to_back(ready: int, costs: npt.ArrayLike) -> Times:
    """When each job ended, if each begins when the one before it ended and the device is free.

    >>> back_to_back(100, [5, 5, 10]).tolist()
    [105, 110, 120]
    """
    return ready + np.cumsum(np.asarray(costs, dtype=np.int64))


def queued(ready: npt.ArrayLike, costs: npt.ArrayLike, free: int = 0) -> Times:
    """When each job ended, if job *i* may begin at ``ready[i]`` and the device does them in order.

    ``end[i] = max(ready[i], end[i-1]) + cost[i]``: with C the running sum of the costs, ``end - C`` is the running
    maximum of ``ready - (C - cost)``.

    >>> queued([0, 80, 160], [30, 200, 10]).tolist()
    [30, 280, 290]
    """
    spent = np.cumsum(np.asarray(costs, dtype=np.int64))
    begun = np.asarray(ready, dtype=np.int64) - np.concatenate(([0], spent[:-1]))
    if len(begun):
        begun[0] = max(int(begun[0]), free)
    ended: Times = np.maximum.accumulate(begun) + spent
    return ended


def sharing_device(begun: int, costs: Times, ready: Times, background: Times) -> Times:
    """When each job of a chain ended, if jobs that become ready at known times share its device.

    What :func:`run_until_done` gives for the two processes, without running them: a job of the chain becomes ready when
    the one before it ended; the device takes what became ready first, and of two at once the background job.

    Args:
        begun: when the chain may begin; until then the device does what came before.
        costs: of the chain's jobs.
        ready: of the background jobs, ascending; each waits for the one before it.
        background: their costs.

    >>> sharing_device(0, np.array([50, 50]), np.array([10, 60]), np.array([30, 30])).tolist()
    [50, 130]
    """
    ended: list[int] = []
    free, now, other = begun, begun, 0
    waits, takes = ready.tolist(), background.tolist()
    last = len(waits)
    turn = waits[0] if last else 0
    for cost in costs.tolist():
        while other < last and turn <= now:
            free = (free if free > turn else turn) + takes[other]
            other += 1
            if other < last:
                turn = waits[other]
        free = now = (free if free > now else now) + cost
        ended.append(now)
    return np.asarray(ended, dtype=np.int64)


def run_until_done(
    processes: Sequence[Process], busy: Mapping[str, int] | None = None, environment: Environment | None = None
) -> None:
    """Run processes to their end. Jobs are done in the order of ``ready``; of equals, the process named first wins.

    Args:
        processes: what is to be done.
        busy: until when a device still does what came before.
        environment: of a live run; what comes may let a waiting process go on, and jobs take what they take.
    """
    free = dict(busy or {})
    waiting: dict[int, Job | None] = {}
    for index, process in enumerate(processes):
        _advance(waiting, index, process, None)
    while waiting:
        next_job = _first(waiting)
        if environment is not None:
            environment.come(next_job[0] if next_job else None)
            _wake(waiting, processes, None)
            next_job = _first(waiting)
        if next_job is None:
            if environment is None:
                return
            continue
        index = next_job[1]
        job = waiting[index]
        assert job is not None
        begun = max(job.ready, free.get(job.device, 0))
        ended = free[job.device] = begun + job.cost if environment is None else environment.ended(begun, job.cost)
        _advance(waiting, index, processes[index], ended)
        _wake(waiting, processes, ended, but=index)


def _first(waiting: Mapping[int, Job | None]) -> tuple[int, int] | None:
    """(ready, process) of the job whose turn it is."""
    return min(((job.ready, index) for index, job in waiting.items() if job is not None), default=None)


def _wake(waiting: dict[int, Job | None], processes: Sequence[Process], ended: int | None, but: int = -1) -> None:
    for blocked in [index for index, job in waiting.items() if job is None and index != but]:
        _advance(waiting, blocked, processes[blocked], ended)


def _advance(waiting: dict[int, Job | None], index: int, process: Process, ended: int | None) -> None:
    try:
        waiting[index] = next(process) if ended is None else process.send(ended)
    except StopIteration:
        waiting.pop(index, None)
