"""Where trials are kept: a journal file by default, a database for a team.

URLs: ``journal:PATH`` (or nothing: the study's own journal), ``grpc://HOST:PORT`` (Optuna's proxy), ``memory:``, and
all that SQLAlchemy takes (``postgresql://…``, ``sqlite:///…``).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback

from workbench.errors import WorkbenchError, install
from workbench.tuning.journal import JournalError, journal

HEARTBEAT = 10
"""Seconds between a worker's signs of life in a database; after three times that its trial is another's."""

SQLITE_WAIT = 60
"""Seconds in which another may let go of an SQLite database; a transaction takes a hundredth of one."""

RETRIES = 3
"""A trial that has taken three workers with it is not given to a fourth."""

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
# Of sessions in which one of two trials had nothing to measure: they are left out of the test, as they must be.
warnings.filterwarnings("ignore", message="WilcoxonPruner finds")


def missing(url: str) -> Path | None:
    """The file of a journal or an SQLite database that is not there; None for one that is, and for all other URLs."""
    if url.startswith("journal:"):
        name = url.removeprefix("journal:")
    elif url.startswith("sqlite") and not _in_memory(url):
        name = _sqlite_file(url)
    else:
        return None
    return None if Path(name).exists() else Path(name)


def _sqlite_file(url: str) -> str:
    return url.partition(":///")[2].partition("?")[0]


def _in_memory(url: str) -> bool:
    return url.startswith("sqlite") and _sqlite_file(url) in ("", ":memory:")


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
    if _in_memory(url):
        raise WorkbenchError(
            f"--storage {url}: a database in memory ends with its process; name a file, sqlite:///PATH"
        )
    try:
        return _database(url, heartbeat)
    except ImportError as error:
        raise WorkbenchError(f"--storage: needs a package ({error}); {install('postgres')}") from None
    except Exception as error:  # SQLAlchemy has a class for each way in which a database can be out of reach.
        raise WorkbenchError(f"--storage: {_without_password(url)} cannot be opened ({_first_line(error)})") from None


class _Database(RDBStorage):
    """A database that may be away for a moment between two signs of life."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Give a sign of life, or leave it to the next."""
        with suppress(Exception):  # Optuna's thread would print a traceback and end, and with it all further signs.
            super().record_heartbeat(trial_id)


def _database(url: str, heartbeat: int) -> RDBStorage:
    scheme, _, rest = url.partition("://")
    sqlite = scheme.startswith("sqlite")
    # SQLAlchemy's own choice for this scheme changes with its version; the extra installs psycopg2.
    if scheme in ("postgresql", "postgres"):
        scheme = "postgresql+psycopg2"
    storage = _Database(
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


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Say in one line that a storage went away while a study was at work on it.

    Raises:
        WorkbenchError: it did.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        if (why := lost(error)) is None:
            raise
        raise WorkbenchError(
            f"storage {_without_password(url)}: lost on the way ({why}); finished trials are safe in it: "
            "when it is back, repeat the command ('tune' with --resume)"
        ) from None


def lost(error: BaseException) -> str | None:
    """Why a storage could not be read or written, where that is what an error comes from.

    Optuna's own clean-up may fail in turn on a storage that is gone, and hide the first failure behind its own.
    """
    item: BaseException | None = error
    while item is not None:
        if isinstance(item, JournalError) or type(item).__module__.partition(".")[0] in ("sqlalchemy", "grpc"):
            return _first_line(item)
        item = item.__cause__ or item.__context__
    return None


def _first_line(error: BaseException) -> str:
    details = getattr(error, "details", None)  # gRPC's; its text has many lines
    text = details() if details else getattr(error, "strerror", None) or str(error)
    return str(text).strip().partition("\n")[0]


def study_names(storage: BaseStorage) -> list[str]:
    """All studies of a storage, sorted."""
    return sorted(optuna.get_all_study_names(storage=storage))


def _without_password(url: str) -> str:
    scheme, there, rest = url.partition("://")
    return f"{scheme}{there}{rest.rpartition('@')[2]}"


def _proxy(url: str) -> BaseStorage:
    host, _, port = url.removeprefix("grpc://").partition(":")
    if not host or not port.isdecimal():
        raise WorkbenchError(f"--storage {url}: must be grpc://HOST:PORT")
    try:
        proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
        proxy.wait_server_ready(timeout=10)
    except ImportError as error:
        raise WorkbenchError(f"--storage: needs a package ({error}); {install('grpc')}") from None
    except ConnectionError:
        raise WorkbenchError(f"--storage {url}: no proxy answers there") from None
    return proxy
