"""Ownership of a study: one process at a time asks and tells its trials, and a second one is refused.

Files (a study's folder, a journal, an SQLite database) are locked by the kernel, which takes the lock back when the
owner is killed. In a database on a server the owner holds a lease, an attribute of the study that it renews; after a
kill the lease of a process of this machine is void at once, that of another machine when it runs out.
"""

import fcntl
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna

from workbench.errors import WorkbenchError
from workbench.tuning.storage import storage_file

LEASE_SECONDS = 60.0
"""How long a lease is good without being renewed; it is renewed four times as often."""

_LEASE = "owner"


@contextmanager
def locked(folder: Path, name: str, url: str) -> Iterator[None]:
    """Own the folder of a study, and its file where it is kept in one elsewhere.

    Args:
        folder: of the study.
        name: of the study.
        url: its storage.

    Raises:
        WorkbenchError: another process owns it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = storage_file(url)
    with ExitStack() as held:
        held.enter_context(_lock(folder / "owner.lock", name))
        if file is not None and file.parent.resolve() != folder.resolve():
            file.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(_lock(file.with_name(f"{file.name}.{name}.lock"), name))
        yield


@contextmanager
def _lock(path: Path, name: str) -> Iterator[None]:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _owned(name, f"another process of this machine ({path} is locked)") from None
        yield


def _owned(name: str, by: str) -> WorkbenchError:
    return WorkbenchError(f"study {name!r} is being worked on by {by}; wait for it, or stop it")


@contextmanager
def leased(study: optuna.Study, url: str, seconds: float = LEASE_SECONDS) -> Iterator[Callable[[], None]]:
    """Hold the lease of a study in a database on a server; elsewhere :func:`locked` is enough.

    Args:
        study: on its storage.
        url: of the storage.
        seconds: see :data:`LEASE_SECONDS`.

    Yields:
        A check that the lease is still held, which raises WorkbenchError where another has taken it.

    Raises:
        WorkbenchError: another process holds it.
    """
    if storage_file(url) is not None or url == "memory:":
        yield lambda: None
        return
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "token": uuid.uuid4().hex}
    lost: list[str] = []
    ended = threading.Event()

    def check() -> None:
        if lost:
            raise _owned(study.study_name, lost[0])

    def renew() -> None:
        if by := _other_owner(study, mine):
            lost.append(by)
            return
        study.set_user_attr(_LEASE, mine | {"until": time.time() + seconds})

    def keep() -> None:
        while not ended.wait(seconds / 4) and not lost:
            with suppress(Exception):  # of a database that is away; the study's own next step meets it
                renew()

    renew()
    check()
    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()
        if not lost:
            with suppress(Exception):
                study.set_user_attr(_LEASE, {})


def _other_owner(study: optuna.Study, mine: dict[str, Any]) -> str | None:
    """Who else holds the lease; None where it is free, void or ours."""
    held: dict[str, Any] = study.user_attrs.get(_LEASE) or {}
    if not held or held["token"] == mine["token"] or held["until"] < time.time():
        return None
    if held["host"] == mine["host"] and not _is_alive(held["pid"]):
        return None
    left = held["until"] - time.time()
    return f"process {held['pid']} on {held['host']} (its lease ends in {left:.0f} s unless it is renewed)"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
