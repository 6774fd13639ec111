"""Folders that are there whole or not at all: filled under a hidden name, then renamed into place."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import WorkbenchError

SUFFIX = ".unfinished"
_REPLACED = ".replaced"


@contextmanager
def new_folder(folder: Path, replace: bool = False) -> Iterator[Path]:
    """A hidden folder next to ``folder`` to fill; renamed into place on success, removed on failure.

    It is locked while it is filled, so that the next command that makes a folder there recognises and removes what a
    killed one left.

    Args:
        folder: to be; empty or not there yet.
        replace: whether a folder of that name, with whatever it holds, is replaced.

    Raises:
        WorkbenchError: it cannot be written, or is taken.
    """
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}{SUFFIX}")
    made = [parent for parent in hidden.parents if not parent.exists()]
    done = False
    try:
        hidden.mkdir(parents=True)
        with _locked(hidden):
            _remove_leftovers(folder.parent, hidden)
            yield hidden
            _put_in_place(hidden, folder, replace)
        done = True
    except OSError as error:
        raise WorkbenchError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        for parent in [] if done else made:
            with suppress(OSError):
                parent.rmdir()


def _put_in_place(hidden: Path, folder: Path, replace: bool) -> None:
    """Rename the new folder to its name; one that is replaced goes, and comes back if the renaming fails."""
    if not replace or not folder.exists():
        os.rename(hidden, folder)
        return
    old = hidden.with_name(hidden.name.removesuffix(SUFFIX) + _REPLACED + SUFFIX)
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
    """Remove the hidden folders of commands that were killed."""
    for left in sorted(folder.glob(f".*{SUFFIX}")):
        if left != own and left.is_dir() and not left.is_symlink():
            with suppress(OSError), _locked(left) as is_mine:
                if is_mine:
                    shutil.rmtree(left, ignore_errors=True)
