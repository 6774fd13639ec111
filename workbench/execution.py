"""Pools of workers: this process when a result is asked for, or processes of this machine.

A job is a function with arguments, and a future of what it gives. What jobs need and takes long to load (models,
sessions) is made once in each process by a ``setup``, and is the first argument of every job. A pool changes where and
when a job runs, never what it gives. :mod:`workbench.dask_pool` is a third.

A process of this machine does one job at a time, so that one that dies costs only that job: it is started anew, and the
job submitted again. It ignores Ctrl-C, which is its parent's to answer, and ends with its parent.
"""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing import connection, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from workbench.cache import Store
from workbench.errors import WorkbenchError

TRIES = 3
"""A job that has ended this many processes is not given to another."""

JobResult = TypeVar("JobResult")
Setup = Callable[[Store], Any]
"""Makes what jobs need, with the cache that they are to use. It is pickled, so it must be importable."""


class WorkerLost(WorkbenchError):
    """A job ended every process that it was given to."""


class JobPool(Protocol):
    """Where jobs run."""

    def prepare(self, setup: Setup, store: Store) -> None:
        """Say what jobs need, before the first is submitted; what they compute for the cache gets into ``store``."""
        ...

    def submit(self, function: Callable[..., JobResult], *arguments: Any) -> Future[JobResult]:
        """Submit a job: ``function(what setup made, *arguments)``."""
        ...


class Deferred(Future[JobResult]):
    """A future that is worked out when its result is asked for; a failure is raised and not kept."""

    def __init__(self, work: Callable[[], JobResult]) -> None:
        super().__init__()
        self._work = work

    def result(self, timeout: float | None = None) -> JobResult:
        """The result; ``timeout`` is ignored."""
        if not self.done():
            self.set_result(self._work())
        return super().result()


class Here:
    """Jobs of this process, each run when its result is asked for.

    Args:
        state: first argument of every job; by default what ``setup`` makes.
    """

    def __init__(self, state: Any = None) -> None:
        self._state = state

    def prepare(self, setup: Setup, store: Store) -> None:
        """See :class:`JobPool`."""
        self._state = setup(store) if self._state is None else self._state

    def submit(self, function: Callable[..., JobResult], *arguments: Any) -> Future[JobResult]:
        """See :class:`JobPool`."""
        return Deferred(lambda: function(self._state, *arguments))


class Local(AbstractContextManager["Local"]):
    """Processes of this machine, started when there are jobs for them and ended with the context.

    Args:
        workers: most processes.
    """

    def __init__(self, workers: int) -> None:
        # One thread for each process: it hands over a job, waits, and starts the process anew where that died.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._started: list[_Process] = []
        self._closed = False
        self._setup: Setup | None = None
        self._folder: Path | None = None

    @property
    def pids(self) -> list[int]:
        """Process ids of those that were started and are alive."""
        return [item.process.pid for item in self._started if item.process.is_alive() and item.process.pid]

    def prepare(self, setup: Setup, store: Store) -> None:
        """See :class:`JobPool`; the processes use the store's folder."""
        self._setup, self._folder = setup, store.folder

    def submit(self, function: Callable[..., JobResult], *arguments: Any) -> Future[JobResult]:
        """See :class:`JobPool`."""
        return self._threads.submit(self._run, function, arguments)

    def _run(self, function: Callable[..., JobResult], arguments: tuple[Any, ...]) -> JobResult:
        for _ in range(TRIES):
            process = self._take()
            try:
                well, found = process.call(function, arguments)
            except (EOFError, OSError):
                process.kill()
                continue
            self._idle.append(process)
            if not well:
                raise found
            return found  # type: ignore[no-any-return]
        how = -(process.process.exitcode or 0)
        why = f"by signal {how} ({signal.Signals(how).name})" if how > 0 else f"with exit code {-how}"
        raise WorkerLost(
            f"a worker process ended {why}, {TRIES} times at the same job; fewer --workers need less memory"
        )

    def _take(self) -> "_Process":
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._idle:
                return self._idle.pop()
            self._started = [item for item in self._started if item.process.is_alive()]
            self._started.append(_Process(self._setup, self._folder))
            return self._started[-1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes, whatever they are at; what they have put into the cache stays there."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._started:
            process.kill()
        self._threads.shutdown()


class _Process:
    """One process and the pipe to it."""

    def __init__(self, setup: Setup | None, folder: Path | None) -> None:
        # Ctrl-C goes to the whole group: the process starts with it blocked and leaves the answer to its parent.
        resource_tracker.ensure_running()  # which would unblock it again on its first start
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            context = get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs, setup, folder), name="worker", daemon=True)
            self.process.start()
            theirs.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Run a job: whether it went well, and what it gave or raised."""
        self._pipe.send((function, arguments))
        return self._pipe.recv()

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection, setup: Setup | None, folder: Path | None) -> None:
    """Main function of a process: runs jobs until its parent is gone or has no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    state, ready = None, setup is None
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            if not ready and setup is not None:
                state, ready = setup(Store(folder)), True
            answer = True, function(state, *arguments)
        except Exception as error:
            answer = False, error
        pipe.send(answer)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
