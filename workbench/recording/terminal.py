"""Terminal of the meter: single keys, and whether this process has it."""

import os
import select
import sys
import termios
import tty


def in_foreground() -> bool:
    """Whether the terminal is ours to draw on and to read. It is not after Ctrl-Z and ``bg``: touching it stops us."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:  # no terminal that knows of jobs
        return True


class Keyboard:
    """Single keys from the terminal, without Enter and without echo."""

    def __init__(self) -> None:
        self._saved: list[object] | None = None

    def open(self) -> None:
        """Switch the terminal over."""
        self._saved = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        mode = termios.tcgetattr(sys.stdin)
        mode[0] &= ~termios.IXON  # or Ctrl-S would hold the loop at its next drawing
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, mode)

    def close(self) -> None:
        """Give the terminal back as it was; once, since it may be another program's by then."""
        saved, self._saved = self._saved, None
        if saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)  # type: ignore[arg-type]

    def read(self) -> str:
        """Keys pressed since the last call."""
        pressed = b""
        while select.select([sys.stdin], [], [], 0)[0]:
            data = os.read(sys.stdin.fileno(), 64)
            if not data:
                break
            pressed += data
        return pressed.decode(errors="ignore")
