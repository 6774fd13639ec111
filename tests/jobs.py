"""Jobs for the pools of :mod:`workbench.execution`: importable without pytest, so that a process is soon there."""

import os
import signal
import time
from pathlib import Path

from workbench.cache import Store
from workbench.errors import WorkbenchError


def counter(store: Store) -> dict[str, object]:
    """A setup: what jobs share in one process."""
    return {"store": store, "jobs": 0}


def broken(store: Store) -> None:
    """A setup that fails."""
    raise WorkbenchError("models: no such folder")


def add(state: dict[str, int], a: int, b: int) -> int:
    return a + b


def pid(state: object) -> int:
    return os.getpid()


def count(state: dict[str, int]) -> int:
    """Jobs that this process has done."""
    state["jobs"] += 1
    return state["jobs"]


def refuse(state: object) -> None:
    raise WorkbenchError("no")


def missing_file(state: object) -> None:
    Path("/no/such/file").read_text()


def die_once(state: object, mark: Path) -> str:
    """Kills its process the first time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def die(state: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupted(state: object) -> str:
    """As Ctrl-C in a terminal, which goes to every process."""
    os.kill(os.getpid(), signal.SIGINT)
    return "went on"


def sleep(state: object, seconds: float, mark: Path) -> None:
    mark.write_text(str(os.getpid()))
    time.sleep(seconds)


def remember(state: dict[str, Store], key: str, text: str) -> str:
    """Puts something into the cache."""
    state["store"].put(key, text, str.encode)
    return text
