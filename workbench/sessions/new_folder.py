"""Folder of a new session: filled under a hidden name, then renamed, so that it is complete or not there."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import WorkbenchError

_SUFFIX = ".importing"
_REPLACED = ".replaced"


@contextmanager
def new_folder(folder: Path, replace: bool = False) -> Iterator[Path]:
    """A hidden folder next to ``folder`` to fill; renamed into place on success, removed on failure.

    It is locked while it is filled, so that the next session made there recognises and removes what a killed process
    left.

    Args:
        folder: the session to be.
        replace: whether a folder of that name is replaced.

    Raises:
        WorkbenchError: the name is taken, or the folder cannot be written.
    """
    if folder.exists() and not replace:
        raise WorkbenchError(f"{folder}: name is taken; choose another with --name")
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}{_SUFFIX}")
    made = [parent for parent in hidden.parents if not parent.exists()]
    done = False
    try:
        hidden.mkdir(parents=True)
        with _locked(hidden):
            _remove_leftovers(folder.parent, hidden)
            yield hidden
            _put_in_place(hidden, folder)
        done = True
    except OSError as error:
        raise WorkbenchError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        for parent in [] if done else made:
            with suppress(OSError):
                parent.rmdir()


def _put_in_place(hidden: Path, folder: Path) -> None:
    """Rename the new folder to its name; the one that had the name goes, and comes back if the renaming fails."""
    old = hidden.with_name(hidden.name.removesuffix(_SUFFIX) + _REPLACED + _SUFFIX)
    if not folder.exists():
        os.rename(hidden, folder)
        return
    os.rename(folder, old)
    try:
        os.rename(hidden, folder)
    except OSError:
        os.rename(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder; yields whether nobody else has it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        is_free = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_free = False
        yield is_free
    finally:
        os.close(handle)


def _remove_leftovers(folder: Path, own: Path) -> None:
    """Remove what commands left here that were killed while they made a session."""
    for left in sorted(folder.glob(f".*{_SUFFIX}")):
        if left != own and left.is_dir() and not left.is_symlink():
            with suppress(OSError), _locked(left) as is_mine:
                if is_mine:
                    shutil.rmtree(left, ignore_errors=True)
