"""A terminal with a program in it: a pseudo-terminal that is read, typed into, resized, stopped and closed."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

WORKBENCH = (sys.executable, "-m", "workbench")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs ``workbench`` as the one job of a new terminal, by default that of this checkout.

    Attributes:
        process: the program, leader of its session.
    """

    def __init__(
        self,
        *arguments: str,
        where: Path,
        env: dict[str, str],
        columns: int = 100,
        program: tuple[str, ...] = WORKBENCH,
    ) -> None:
        # A worker of pytest-xdist has COLUMNS, which would hold against the size of the terminal.
        env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
        self._master, slave = pty.openpty()
        self._shown = b""
        self._size(columns)
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=where, env=env | {"TERM": "xterm-256color"}, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._master, 65_536):
                self._shown += data
        except OSError:  # closed, from either side
            pass

    @property
    def text(self) -> str:
        """All that was ever shown, without colours."""
        return _CONTROL.sub("", self._shown.decode(errors="replace"))

    @property
    def picture(self) -> list[str]:
        """The lines of the newest whole drawing of the meter; empty before the second."""
        drawings = self._shown.decode(errors="replace").split("\x1b[H")
        return [_CONTROL.sub("", line).strip("\r") for line in drawings[-2].split("\n")] if len(drawings) > 2 else []

    def wait(self, until: Callable[[], object], seconds: float = 60) -> None:
        """Until something holds; fails when the program ends or time is up."""
        end = time.monotonic() + seconds
        while not until():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, self.text[-2000:]
            time.sleep(0.02)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int) -> None:
        self._size(columns)

    def _size(self, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    @property
    def is_raw(self) -> bool:
        """Whether keys reach the program one by one, unseen."""
        return not termios.tcgetattr(self._master)[3] & (termios.ICANON | termios.ECHO)

    @property
    def is_stopped(self) -> bool:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        """As when the window is closed: the program is hung up on, and whatever it writes fails."""
        os.close(self._master)

    def ended(self, seconds: float = 60) -> int:
        """Exit code, once the program has ended."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code
