"""Files of a session folder, and which folders are sessions: finished, being recorded, or cut off."""

import fcntl
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError, quoted
from workbench.files import RECORDINGS

MANIFEST = "session.json"
LABELS = "labels.csv"
EVENTS = "events.jsonl"
LIVE_TRACE = "live.trace.jsonl"
PARTIAL = ".recording"
"""Folder inside a session that is still being recorded, or was cut off: ``record --recover`` finishes it."""
LOCK = "lock"
"""File in there that the recording process has locked."""


def is_recording(folder: Path) -> bool:
    """Whether a process records or finishes this session right now."""
    try:
        lock = os.open(folder / PARTIAL / LOCK, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place is not waited for
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(lock)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def why_unfinished(folder: Path) -> str:
    """Why a folder with a tape is no session, and what to do about it."""
    if is_recording(folder):
        return f"{folder}: is being recorded right now; stop that recording first"
    return f"{folder}: recording was cut off; finish it with '{recover_command(folder)}'"


def recover_command(folder: Path) -> str:
    """The command that finishes this session.

    >>> recover_command(Path("recordings/a")), recover_command(Path("other/a"))
    ('workbench record --recover', 'workbench record --recover --dir other')
    """
    parent = folder.parent if folder.name not in ("", "..") else folder.resolve().parent
    if parent.resolve() == RECORDINGS.resolve():
        return "workbench record --recover"
    return f"workbench record --recover --dir {as_argument(parent)}"


def as_argument(path: Path) -> str:
    """A path as it is typed behind a command, so that a command that is advised can be pasted.

    >>> as_argument(Path("recordings/a")), as_argument(Path("a b"))
    ('recordings/a', '"a b"')
    """
    is_plain = shlex.quote(str(path)) == str(path)
    return str(path) if is_plain else json.dumps(str(path), ensure_ascii=False)


def find_sessions(folder: Path) -> list[Path]:
    """Folders directly inside ``folder`` that are sessions, cut-off recordings included, sorted by name.

    A manifest that is a broken link counts, so that it is named. Hidden folders are imports at work.
    """
    if not folder.is_dir():
        raise WorkbenchError(f"{folder}: no such folder of sessions")
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise WorkbenchError(f"{folder}: cannot be listed ({error.strerror})") from None
    return sorted(path for path in inside if _is_meant(path))


def _is_meant(folder: Path) -> bool:
    """Whether a folder is meant to be a session; a link to nothing is, since nobody can tell."""
    is_lost = folder.is_symlink() and not folder.exists()
    return is_lost or any(os.path.lexists(folder / part) for part in (MANIFEST, PARTIAL))


def check_name(name: Any, where: str) -> str:
    """A session's name is also the stem of its output files: letters, digits, dot, dash and underscore.

    Raises:
        WorkbenchError: names ``where``.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise WorkbenchError(f"{where}: name {quoted(name)} must be letters, digits, '.', '-' and '_'")
    return name
