"""What runs beside what: model jobs on devices, on the virtual clock.

A device does one job at a time, in the order in which the jobs became ready, and never breaks one off. A process is a
generator that yields :class:`Job` and is sent back when that job ended. :func:`run` is the scheduler; the closed forms
(:func:`chain`, :func:`arrivals`) give the same times where one process has its device to itself.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]


class Job(NamedTuple):
    """One model step: may begin at ``ready``, takes ``cost`` samples of the clock, needs ``device``."""

    ready: int
    cost: int
    device: str


Process = Generator[Job | None, int, None]
"""Yields jobs and is sent the time at which each ended; yields None to wait until another process got on."""


def chain(ready: int, costs: npt.ArrayLike) -> Times:
    """When each job ended, if each begins when the one before it ended and the device is free.

    >>> chain(100, [5, 5, 10]).tolist()
    [105, 110, 120]
    """
    return ready + np.cumsum(np.asarray(costs, dtype=np.int64))


def arrivals(ready: npt.ArrayLike, costs: npt.ArrayLike, free: int = 0) -> Times:
    """When each job ended, if job *i* may begin at ``ready[i]`` and the device does them in order.

    ``end[i] = max(ready[i], end[i-1]) + cost[i]``: with C the running sum of the costs, ``end - C`` is the running
    maximum of ``ready - (C - cost)``.

    >>> arrivals([0, 80, 160], [30, 200, 10]).tolist()
    [30, 280, 290]
    """
    spent = np.cumsum(np.asarray(costs, dtype=np.int64))
    begun = np.asarray(ready, dtype=np.int64) - np.concatenate(([0], spent[:-1]))
    if len(begun):
        begun[0] = max(int(begun[0]), free)
    ended: Times = np.maximum.accumulate(begun) + spent
    return ended


def run(processes: Sequence[Process]) -> None:
    """Run processes to their end. Jobs are done in the order of ``ready``; of equals, the process named first wins."""
    free: dict[str, int] = {}
    waiting: dict[int, Job | None] = {}
    for index, process in enumerate(processes):
        _advance(waiting, index, process, None)
    while jobs := [(job.ready, index) for index, job in waiting.items() if job is not None]:
        index = min(jobs)[1]
        job = waiting[index]
        assert job is not None
        ended = free[job.device] = max(job.ready, free.get(job.device, 0)) + job.cost
        _advance(waiting, index, processes[index], ended)
        for blocked in [other for other, job in waiting.items() if job is None and other != index]:
            _advance(waiting, blocked, processes[blocked], ended)


def _advance(waiting: dict[int, Job | None], index: int, process: Process, ended: int | None) -> None:
    try:
        waiting[index] = next(process) if ended is None else process.send(ended)
    except StopIteration:
        waiting.pop(index, None)
