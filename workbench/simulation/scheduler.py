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
    Scheduler(busy).run(processes, environment)


class Scheduler:
    """Devices of a session, and the processes in the background: they go on from one :meth:`run` to the next.

    Args:
        busy: until when a device still does what came before.
    """

    def __init__(self, busy: Mapping[str, int] | None = None) -> None:
        self._free = dict(busy or {})
        self._processes: dict[_Place, Process] = {}
        self._waiting: dict[_Place, Job | None] = {}
        self._begun = 0

    def start(self, process: Process) -> None:
        """Begin a process in the background: it gets on while others run, and holds nobody up but by its jobs."""
        self._begun += 1
        self._add((_BACKGROUND, self._begun), process)

    @property
    def has_background(self) -> bool:
        """Whether something goes on in the background."""
        return any(kind == _BACKGROUND for kind, _ in self._waiting)

    def is_idle(self, moment: int) -> bool:
        """Whether from a moment on no device is busy and nothing goes on in the background."""
        return not self._waiting and all(free <= moment for device, free in self._free.items() if device != BARRIER)

    def run(self, processes: Sequence[Process], environment: Environment | None = None) -> None:
        """Run processes to their end; see :func:`run_until_done`. Those in the background come last among equals."""
        places = [(_FOREGROUND, number) for number in range(len(processes))]
        try:
            for place, process in zip(places, processes, strict=True):
                self._add(place, process)
            self._run(places, environment)
        finally:
            for place in places:
                self._waiting.pop(place, None)
                self._processes.pop(place, None)

    def finish(self, environment: Environment | None = None) -> None:
        """Run what is in the background to its end."""
        self._run(list(self._waiting), environment)

    def _run(self, places: Sequence["_Place"], environment: Environment | None) -> None:
        while not self._waiting.keys().isdisjoint(places):
            next_job = self._first()
            if environment is not None:
                environment.come(next_job[0] if next_job else None)
                self._wake(None)
                next_job = self._first()
            if next_job is None:
                if environment is None:
                    return
                continue
            ready, place = next_job
            job = self._waiting[place]
            assert job is not None
            begun = max(ready, self._free.get(job.device, 0))
            ended = begun + job.cost if environment is None else environment.ended(begun, job.cost)
            self._free[job.device] = ended
            self._advance(place, ended)
            self._wake(ended, but=place)

    def _first(self) -> tuple[int, "_Place"] | None:
        """(ready, process) of the job whose turn it is."""
        first = None
        for place, job in self._waiting.items():  # a plain loop: this is what a replay does most often
            if job is not None and (first is None or (job.ready, place) < first):
                first = job.ready, place
        return first

    def _wake(self, ended: int | None, but: "_Place | None" = None) -> None:
        if None not in self._waiting.values():
            return
        for blocked in sorted(place for place, job in self._waiting.items() if job is None and place != but):
            self._advance(blocked, ended)

    def _add(self, place: "_Place", process: Process) -> None:
        self._processes[place] = process
        self._advance(place, None)

    def _advance(self, place: "_Place", ended: int | None) -> None:
        process = self._processes[place]
        try:
            self._waiting[place] = next(process) if ended is None else process.send(ended)
        except StopIteration:
            self._waiting.pop(place, None)
            del self._processes[place]


_Place = tuple[int, int]
"""Of a process: foreground before background, then the order in which they began."""
_FOREGROUND, _BACKGROUND = 0, 1
