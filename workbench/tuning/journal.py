"""The journal file that a study is kept in by default: Optuna's, with a lock and a pace of our own."""

import fcntl
import json
import os
from io import FileIO
from pathlib import Path
from typing import IO, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from workbench.errors import WorkbenchError


class JournalError(OSError):
    """A journal cannot be written, or read."""


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
        try:
            self._writing.acquire()
            try:
                with self._path.open("ab+", buffering=0) as file:
                    _append(file, lines.encode())
                    if any(log["op_code"] not in _OF_A_RUNNING_TRIAL for log in logs):
                        os.fsync(file.fileno())
            finally:
                self._writing.release()
        except OSError as error:
            raise JournalError(*error.args) from None


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


def journal(path: Path) -> JournalStorage:
    """A journal file: a few ms a trial, where SQLite takes 140.

    Raises:
        WorkbenchError: it cannot be read or made, or is something else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                if not _BEGINNING.startswith(file.read(len(_BEGINNING))):
                    raise ValueError
        return JournalStorage(_Journal(path))
    except OSError as error:
        raise WorkbenchError(f"storage journal:{path}: cannot be opened ({error.strerror})") from None
    except (ValueError, LookupError, TypeError, AssertionError):  # by what stands in a line of it
        raise WorkbenchError(f"storage journal:{path}: not a journal of studies, or damaged") from None
