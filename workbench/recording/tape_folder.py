"""Folder of a recording in progress: made, locked by the process that records, found again after a crash, removed."""

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from workbench.errors import WorkbenchError
from workbench.files import check_file
from workbench.sessions.folders import LOCK, PARTIAL, find_sessions, is_recording

_MOST_BYTES = 1 << 28
"""Largest journal, list of events or log of an assistant that is read: those of a day have some 100 MB at most."""
_LOCK_TRIES = 10
"""Every 50 ms: a process that only asks whether a session is being recorded holds the lock for a moment."""


class NameTakenError(WorkbenchError):
    """There is something of this name."""


def ensure_new(folder: Path) -> None:
    """Refuse a session name that is taken, or has a file in place of its folder, before anything is opened for it.

    Raises:
        WorkbenchError: names the folder.
    """
    if folder.parent.exists() and not folder.parent.is_dir():
        raise WorkbenchError(f"{folder.parent}: is not a folder; choose one with --dir")
    if folder.exists():
        raise WorkbenchError(f"{folder}: the name is taken; choose another with --name")


def make_folder(session: Path) -> None:
    """Make the folder of a new session.

    Raises:
        NameTakenError: there is something of this name.
        WorkbenchError: it cannot be made.
    """
    try:
        session.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise WorkbenchError(f"{session.parent}: is not a folder; choose one with --dir") from None
    except OSError as error:
        raise WorkbenchError(f"{session.parent}: cannot be made ({error.strerror})") from None
    try:
        session.mkdir()
    except FileExistsError:
        raise NameTakenError(f"{session}: the name is taken; choose another with --name") from None
    except OSError as error:
        raise WorkbenchError(f"{session}: cannot be made ({error.strerror})") from None


def _check_files(folder: Path, lock: BinaryIO) -> None:
    """Check the files of a tape that is locked, so that no other process removes them meanwhile."""
    try:
        with suppress(FileNotFoundError):  # finished and removed by the process that had the lock before
            for path in sorted(folder.iterdir()):
                _check(path)
    except BaseException:
        lock.close()
        raise


def _check(path: Path) -> None:
    """Refuse what is no file of the recorder's; nothing and a folder fail where they are opened."""
    if path.is_dir():
        return
    try:
        check_file(path, None if path.suffix == ".s24" else _MOST_BYTES)
    except WorkbenchError:
        if os.path.lexists(path):
            raise


def lock_tape(session: Path) -> BinaryIO:
    """Lock a tape for this process, until the file is closed.

    Raises:
        WorkbenchError: there is no tape, something in it is no file or too large to be the recorder's, or another
            process records or finishes it right now.
        OSError: the folder cannot be written.
    """
    folder = session / PARTIAL
    if not folder.is_dir():
        raise WorkbenchError(f"{session}: no recording to finish here")
    _check(folder / LOCK)
    lock = (folder / LOCK).open("ab")
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            _check_files(folder, lock)
            return lock
    lock.close()
    raise WorkbenchError(f"{session}: is being recorded right now, or finished by another command; wait for that")


def remove_empty(session: Path) -> None:
    """Remove a tape that holds no audio, and its folder where nothing else is in there."""
    shutil.rmtree(session / PARTIAL, ignore_errors=True)
    with suppress(OSError):
        session.rmdir()


def cut_off(recordings: Path) -> list[Path]:
    """Sessions in a folder whose recording was not finished, and that nobody records or finishes now; by name."""
    if not recordings.is_dir():
        return []
    return [path for path in find_sessions(recordings) if is_cut_off(path)]


def is_cut_off(folder: Path) -> bool:
    """Whether there is a tape here that nobody works on."""
    return (folder / PARTIAL).exists() and not is_recording(folder)
