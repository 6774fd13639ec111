"""Who works on a study on this machine, and how many more trials they may begin; nothing of it outlives a kill."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from workbench.errors import WorkbenchError


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
