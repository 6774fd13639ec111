"""Pool of workers on a dask cluster: that of :mod:`workbench.execution` for other machines.

Functions and arguments travel pickled, so all machines need the same versions of Python, dask and this package. What a
job computes for the cache comes back with its result.
"""

import hashlib
import logging
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from workbench.cache import CarrierStore, Store
from workbench.errors import WorkbenchError, install
from workbench.execution import TRIES, Deferred, JobResult, Setup, WorkerLost

CONNECT_SECONDS = 5
"""How long a dask scheduler may take to answer, and its first worker to be there."""


class Dask(AbstractContextManager["Dask"]):
    """The workers of a dask scheduler. What they compute for the cache comes back with each result.

    Args:
        address: ``tcp://HOST:PORT`` of the scheduler.

    Raises:
        WorkbenchError: the address is none, no scheduler or worker answers, or dask is not installed.
    """

    def __init__(self, address: str) -> None:
        _check_address(address)
        try:
            import distributed
        except ImportError:
            raise WorkbenchError(f"--dask needs a package; {install('dask')}") from None
        for name in ("distributed", "distributed.client"):  # each has a level of its own; errors come with the results
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._address = address
        connect: Any = distributed.Client
        try:
            self._client = connect(address, timeout=f"{CONNECT_SECONDS}s", set_as_default=False)
        except (OSError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise WorkbenchError(f"--dask {address}: no dask scheduler answers there ({first})") from None
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            self._client.close()
            raise WorkbenchError(f"--dask {address}: the scheduler has no workers; start 'dask worker' first") from None

    def prepare(self, setup: Setup, store: Store) -> None:
        """See :class:`JobPool`; every worker gets the setup once."""
        self._packed, self._store = pickle.dumps(setup), store
        self._key = hashlib.sha256(self._packed).hexdigest()
        self._setup = self._client.scatter(self._packed, broadcast=True, hash=False)

    def submit(self, function: Callable[..., JobResult], *arguments: Any) -> Future[JobResult]:
        """See :class:`JobPool`."""
        job = self._start(function, arguments)
        found: Future[JobResult] = Deferred(lambda: self._receive(job, function, arguments))
        found.add_done_callback(lambda done: job.cancel() if done.cancelled() else None)
        return found

    def _start(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        return self._client.submit(_run_there, self._key, self._setup, function, arguments, pure=False)

    def _receive(self, job: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        for _ in range(TRIES):
            try:
                found, new = job.result()
                break
            except KilledWorker:
                raise WorkerLost(f"--dask {self._address}: a job ended every worker that it was given to") from None
            except ImportError as error:
                raise WorkbenchError(f"--dask {self._address}: a worker lacks a package ({error})") from None
            except (CancelledError, CommClosedError) as error:  # what it needed was lost with a worker
                job = self._start_again(function, arguments, error)
        else:
            raise WorkerLost(f"--dask {self._address}: a job was lost {TRIES} times with its workers")
        for key, data in new.items():
            self._store.add(key, data)
        return found

    def _start_again(self, function: Callable[..., Any], arguments: tuple[Any, ...], error: Exception) -> Any:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            self._setup = self._client.scatter(self._packed, broadcast=True, hash=False)
            return self._start(function, arguments)
        except (CancelledError, OSError, TimeoutError, RuntimeError, ValueError):
            raise WorkbenchError(
                f"--dask {self._address}: the scheduler or all of its workers are gone ({type(error).__name__}); "
                "finished trials are safe: repeat the command with --resume"
            ) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the scheduler; it drops the jobs that are not done."""
        self._client.close()


_states: dict[str, tuple[Any, CarrierStore]] = {}
_one_job = threading.Lock()


def _run_there(key: str, setup: bytes, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Run a job in a dask worker, whose threads take turns: what it gave, and what is new in the cache."""
    with _one_job:
        if key not in _states:
            _states.clear()  # models of another study
            store = CarrierStore()
            _states[key] = pickle.loads(setup)(store), store
        state, store = _states[key]
        return function(state, *arguments), store.take_new()


def _check_address(address: str) -> None:
    """Refuse what dask would stumble over for ten seconds."""
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        good = parts.scheme in ("tcp", "tls", "ucx", "ws", "wss") and parts.hostname and parts.port
    except ValueError:
        good = False
    if not good:
        raise WorkbenchError(f"--dask {address}: must be tcp://HOST:PORT")
