"""Where trials are kept: a journal file by default, a database for a team, and what a kill leaves behind.

URLs: ``journal:PATH`` (or nothing: the study's own journal), ``grpc://HOST:PORT`` (Optuna's proxy), ``memory:``, and
all that SQLAlchemy takes (``postgresql://…``, ``sqlite:///…``).
"""

import fcntl
import json
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

HEARTBEAT = 10
"""Seconds between a worker's signs of life in a database; after three times that its trial is another's."""

SQLITE_WAIT = 60
"""Seconds in which another may let go of an SQLite database; a transaction takes a hundredth of one."""

RETRIES = 3
"""A trial that has taken three workers with it is not given to a fourth."""

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class _FileLock(JournalFileOpenLock):
    """A lock that the kernel takes back when its holder is killed; Optuna's own stay and are waited for."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._held: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        held = self._path.open("ab")
        fcntl.flock(held, fcntl.LOCK_EX)
        self._held = held
        return True

    def release(self) -> None:
        """Let go."""
        if self._held is not None:
            self._held.close()
            self._held = None


_OF_A_RUNNING_TRIAL = frozenset((4, 5, 7, 8, 9))
"""Operations of the journal's format (Optuna's ``JournalOperation``): a trial begins, gets a parameter, a value on the
way, an attribute. A trial that a power cut ends is run again, so these need not be on the disk before the rest is."""


class _Journal(JournalFileBackend):
    """A journal that waits for the disk when a trial is finished, not two dozen times before: workers that share a
    disk otherwise wait for each other. A kill loses nothing either way.
    """

    def __init__(self, path: Path) -> None:
        lock = _FileLock(path.with_suffix(".lock"))
        super().__init__(str(path), lock)
        self._path, self._writing = path, lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write operations down, a line each."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._writing.acquire()
        try:
            with self._path.open("ab") as file:
                file.write(lines.encode())
                file.flush()
                if any(log["op_code"] not in _OF_A_RUNNING_TRIAL for log in logs):
                    os.fsync(file.fileno())
        finally:
            self._writing.release()


def journal(path: Path) -> JournalStorage:
    """A journal file: a few ms a trial, where SQLite takes 140.

    Raises:
        WorkbenchError: it cannot be read or made, or is something else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(_Journal(path))
    except OSError as error:
        raise WorkbenchError(f"storage journal:{path}: cannot be opened ({error.strerror})") from None
    except (ValueError, LookupError, TypeError, AssertionError):  # by what stands in a line of it
        raise WorkbenchError(f"storage journal:{path}: not a journal of studies, or damaged") from None


def mend(path: Path) -> None:
    """Cut a journal's last line off if a kill or a full disk left it torn; nobody may be writing."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        at = size
        while at > 0:
            step = min(at, 4096)
            file.seek(at - step)
            found = file.read(step).rfind(b"\n")
            if found >= 0:
                at = at - step + found + 1
                break
            at -= step
        if at < size:
            file.truncate(at)


def missing(url: str) -> Path | None:
    """The file of a journal or an SQLite database that is not there; None for one that is, and for all other URLs."""
    if url.startswith("journal:"):
        name = url.removeprefix("journal:")
    elif url.startswith("sqlite"):
        name = url.partition(":///")[2].partition("?")[0]
    else:
        return None
    return None if name in ("", ":memory:") or Path(name).exists() else Path(name)


def open_storage(url: str, heartbeat: int = HEARTBEAT, *, existing: bool = False) -> BaseStorage:
    """Open a storage by URL.

    Args:
        url: see above.
        heartbeat: seconds between signs of life, in a database.
        existing: there must be something in it; without, a file that is not there is made.

    Raises:
        WorkbenchError: it cannot be reached, is not there, or needs a package that is not installed.
    """
    if existing and missing(url):
        raise WorkbenchError(f"storage {url}: no such file")
    if url == "memory:":
        return optuna.storages.InMemoryStorage()
    if url.startswith("journal:"):
        return journal(Path(url.removeprefix("journal:")))
    if url.startswith("grpc://"):
        return _proxy(url)
    if "://" not in url:
        raise WorkbenchError(f"--storage {url}: must be journal:PATH, grpc://HOST:PORT or a database URL")
    try:
        return _database(url, heartbeat)
    except ImportError as error:
        raise WorkbenchError(f"--storage: needs a package ({error}); pip install 'moshi-workbench[postgres]'") from None
    except Exception as error:  # SQLAlchemy has a class for each way in which a database can be out of reach.
        first = str(error).strip().splitlines()[0]
        raise WorkbenchError(f"--storage: {_without_password(url)} cannot be opened ({first})") from None


def _database(url: str, heartbeat: int) -> RDBStorage:
    scheme, _, rest = url.partition("://")
    sqlite = scheme.startswith("sqlite")
    # SQLAlchemy's own choice for this scheme changes with its version; the extra installs psycopg2.
    if scheme in ("postgresql", "postgres"):
        scheme = "postgresql+psycopg2"
    storage = RDBStorage(
        f"{scheme}://{rest}",
        engine_kwargs={"connect_args": {"timeout": SQLITE_WAIT}} if sqlite else {"pool_pre_ping": True},
        heartbeat_interval=heartbeat,
        grace_period=3 * heartbeat,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
    )
    if sqlite:
        _one_at_a_time(storage)
    return storage


def _one_at_a_time(storage: RDBStorage) -> None:
    """Begin each transaction on SQLite with the lock to write.

    Optuna looks whether a trial waits and then takes it, and relies on ``SELECT … FOR UPDATE`` in between, which
    SQLite does not have: of 60 queued trials four workers took 17 twice. The two listeners are SQLAlchemy's own way
    for it (its documentation of SQLite, "serializable isolation").
    """
    from sqlalchemy import event

    @event.listens_for(storage.engine, "connect")
    def leave_it_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(storage.engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # those that were opened before they were told


def study_names(storage: BaseStorage) -> list[str]:
    """All studies of a storage, sorted."""
    return sorted(optuna.get_all_study_names(storage=storage))


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _proxy(url: str) -> BaseStorage:
    host, _, port = url.removeprefix("grpc://").partition(":")
    if not host or not port.isdecimal():
        raise WorkbenchError(f"--storage {url}: must be grpc://HOST:PORT")
    try:
        proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
        proxy.wait_server_ready(timeout=10)
    except ImportError as error:
        raise WorkbenchError(f"--storage: needs a package ({error}); pip install 'moshi-workbench[grpc]'") from None
    except ConnectionError:
        raise WorkbenchError(f"--storage {url}: no proxy answers there") from None
    return proxy


_OF_A_QUEUED_TRIAL = ("fixed_params", "failed_trial", "retry_history")
"""What a trial is queued with. The constraints that it was given before it was broken off are given anew."""


def again(study: optuna.Study, trial: "FrozenTrial", retries: int | None = RETRIES) -> None:
    """Give a trial up that nobody works on any more, and queue it once more, unless it was so many times before."""
    storage = study._storage
    try:
        if not storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL):
            return
    except optuna.exceptions.UpdateFinishedTrialError:
        return
    bare = copy(trial)
    bare.system_attrs = {key: value for key, value in trial.system_attrs.items() if key in _OF_A_QUEUED_TRIAL}
    RetryHeartbeatStaleTrialCallback(max_retry=retries)(study, bare)


@contextmanager
def at_work(folder: Path, wait: float = 60.0) -> Iterator["Presence"]:
    """Be present at a study on this machine: whoever works on it holds a shared lock that a kill gives back.

    Args:
        folder: of the study.
        wait: seconds to wait for workers of a killed main process, which leave after their trial.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "at-work").open("ab") as file:
        presence = Presence(file, folder)
        presence.settle(wait)
        fcntl.flock(file, fcntl.LOCK_SH)
        yield presence


class Presence:
    """Who works on a study: asked for sole presence before trials of the dead are taken up again."""

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self._file = file
        self._folder = folder

    def alone(self) -> bool:
        """Whether nobody else works on the study."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._file, fcntl.LOCK_SH)
            return False
        fcntl.flock(self._file, fcntl.LOCK_SH)
        return True

    def settle(self, wait: float) -> None:
        """Wait to be alone.

        Raises:
            WorkbenchError: somebody else stays.
        """
        waited = 0.0
        while not self.alone():
            if waited >= wait:
                raise WorkbenchError(f"{self._folder}: somebody else is working on this study; wait, or stop them")
            time.sleep(0.1)
            waited += 0.1


@contextmanager
def present(folder: Path) -> Iterator[None]:
    """Work on a study for another process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "at-work").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


class Tickets:
    """How many more trials may begin, shared by the workers of one machine: no trial too many, no lock left behind."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def issue(self, number: int) -> None:
        """Set the number."""
        self._path.write_text(str(number), encoding="ascii")

    def take(self) -> bool:
        """Take one; whether there was one."""
        with self._path.open("r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            left = int(file.read() or 0)
            if left <= 0:
                return False
            file.seek(0)
            file.truncate()
            file.write(str(left - 1))
            file.flush()
        return True
