"""Storages of trials: a journal file by default, a database for a team.

URLs: ``journal:PATH`` (or nothing: the study's own journal), ``memory:``, and all that SQLAlchemy takes
(``postgresql://…``, ``sqlite:///…``). One process at a time owns a study and writes it.
"""

import fcntl
import json
import os
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from workbench.errors import WorkbenchError, install

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
# Of sessions in which one of two trials had nothing to measure: they are left out of the test, as they must be.
warnings.filterwarnings("ignore", message="WilcoxonPruner finds")
# A trial that a kill met while it was told is told again, with the same values.
warnings.filterwarnings("ignore", message="The constraint value is ignored")


def storage_file(url: str) -> Path | None:
    """The file of a journal or an SQLite database; None for all other URLs."""
    if url.startswith("journal:"):
        return Path(url.removeprefix("journal:"))
    return Path(_sqlite_file(url)) if url.startswith("sqlite") and not _in_memory(url) else None


def missing(url: str) -> bool:
    """Whether the file of a journal or an SQLite database is not there."""
    path = storage_file(url)
    return path is not None and not path.exists()


def _sqlite_file(url: str) -> str:
    return url.partition(":///")[2].partition("?")[0]


def _in_memory(url: str) -> bool:
    return url.startswith("sqlite") and _sqlite_file(url) in ("", ":memory:")


def open_storage(url: str, *, existing: bool = False) -> BaseStorage:
    """Open a storage by URL.

    Args:
        url: see above.
        existing: there must be something in it; without, a file that is not there is made.

    Raises:
        WorkbenchError: it cannot be reached, is not there, or needs a package that is not installed.
    """
    if existing and missing(url):
        raise WorkbenchError(f"storage {url}: no such file")
    if url == "memory:":
        return optuna.storages.InMemoryStorage()
    if url.startswith("journal:"):
        return _open_journal(Path(url.removeprefix("journal:")))
    if "://" not in url or url.startswith("grpc:"):
        raise WorkbenchError(f"--storage {url}: must be journal:PATH or a database URL (postgresql://USER@HOST/NAME)")
    if _in_memory(url):
        raise WorkbenchError(
            f"--storage {url}: a database in memory ends with its process; name a file, sqlite:///PATH"
        )
    scheme, _, rest = url.partition("://")
    # SQLAlchemy's own choice for this scheme changes with its version; the extra installs psycopg2.
    if scheme in ("postgresql", "postgres"):
        scheme = "postgresql+psycopg2"
    try:
        return RDBStorage(f"{scheme}://{rest}", engine_kwargs={"pool_pre_ping": True})
    except ImportError as error:
        raise WorkbenchError(f"--storage: needs a package ({error}); {install('postgres')}") from None
    except Exception as error:  # SQLAlchemy has a class for each way in which a database can be out of reach.
        raise WorkbenchError(f"--storage: {_without_password(url)} cannot be opened ({_first_line(error)})") from None


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
        if (why := _lost(error)) is None:
            raise
        raise WorkbenchError(
            f"storage {_without_password(url)}: lost on the way ({why}); finished trials are safe in it: "
            "when it is back, repeat the command ('tune' with --resume)"
        ) from None


def _lost(error: BaseException) -> str | None:
    """Why a storage could not be read or written, where that is what an error comes from.

    Optuna's own clean-up may fail in turn on a storage that is gone, and hide the first failure behind its own.
    """
    item: BaseException | None = error
    while item is not None:
        if isinstance(item, JournalError) or type(item).__module__.partition(".")[0] == "sqlalchemy":
            return _first_line(item)
        item = item.__cause__ or item.__context__
    return None


def _first_line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip().partition("\n")[0]


def study_names(storage: BaseStorage) -> list[str]:
    """All studies of a storage, sorted."""
    return sorted(optuna.get_all_study_names(storage=storage))


def _without_password(url: str) -> str:
    scheme, there, rest = url.partition("://")
    return f"{scheme}{there}{rest.rpartition('@')[2]}"


class JournalError(OSError):
    """A journal cannot be written, or read."""


_OF_A_RUNNING_TRIAL = frozenset((4, 5, 7, 8, 9))
"""Operations of the journal's format (Optuna's ``JournalOperation``): a trial begins, gets a parameter, a value on the
way, an attribute. A trial that a power cut ends is run again, so these need not be on the disk before the rest is."""


class _Journal(JournalFileBackend):
    """Optuna's journal file, under a lock that the kernel takes back when its holder is killed (Optuna's own stay, and
    are waited for), and on the disk itself when a trial is finished, not two dozen times before.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write operations down, a line each."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        try:
            with open(self._file_path, "ab+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _append(file, lines.encode())
                if any(log["op_code"] not in _OF_A_RUNNING_TRIAL for log in logs):
                    os.fsync(file.fileno())
        except OSError as error:
            raise JournalError(*error.args) from None

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Read operations from a number on. Blank lines are skipped, and so is what a power cut left of the last."""
        broken: ValueError | None = None
        with open(self._file_path, "rb") as file:
            number = log_number_from if log_number_from in self._log_number_offset else 0
            at = file.seek(self._log_number_offset[number])
            for line in file:
                at += len(line)
                if not line.strip():
                    continue
                if broken is not None:
                    raise broken
                try:
                    log = json.loads(line if line.endswith(b"\n") else b"")
                except ValueError as error:
                    broken = error
                    continue
                number += 1
                self._log_number_offset[number] = at
                if number > log_number_from:
                    yield log


def _append(file: FileIO, lines: bytes) -> None:
    """Write lines, or nothing. What a power cut left of one is cut off first; without its end nobody has read it."""
    end = _whole(file)
    file.truncate(end)
    try:
        while lines:
            lines = lines[file.write(lines) :]
    except OSError:
        file.truncate(end)
        raise


def _whole(file: FileIO) -> int:
    """How many bytes of a file are whole lines."""
    at = file.seek(0, os.SEEK_END)
    while at > 0:
        step = min(at, 4096)
        file.seek(at - step)
        if found := file.read(step).rfind(b"\n") + 1:
            return at - step + found
        at -= step
    return 0


_BEGINNING = b'{"op_code":'
"""Of every line; another's file is not to be mended."""


def _open_journal(path: Path) -> JournalStorage:
    """A journal file: a few ms a trial, where SQLite takes 140.

    Raises:
        WorkbenchError: it cannot be read or made, or is something else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                if not _BEGINNING.startswith(file.read(4096).lstrip()[: len(_BEGINNING)]):
                    raise ValueError
        return JournalStorage(_Journal(str(path)))
    except OSError as error:
        raise WorkbenchError(f"storage journal:{path}: cannot be opened ({error.strerror})") from None
    except (ValueError, LookupError, TypeError, AssertionError):  # by what stands in a line of it
        raise WorkbenchError(f"storage journal:{path}: not a journal of studies, or damaged") from None
