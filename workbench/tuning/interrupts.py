"""Ctrl-C at the right moment.

Optuna breaks where an interrupt meets it while it writes a trial down. So Ctrl-C waits while books are kept, and comes
through at once while a trial is replayed, which is nearly always. Asked for a second time it comes through anywhere.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType


class Patience(AbstractContextManager["Patience"]):
    """Holds Ctrl-C back until it is left, but for what runs :meth:`stoppable`.

    It does nothing outside the main thread, which alone is interrupted, nor where Ctrl-C means something else already.
    """

    def __init__(self) -> None:
        self._open = False
        self._asked = False
        self._holds = False

    def __enter__(self) -> "Patience":
        main = threading.current_thread() is threading.main_thread()
        self._holds = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._holds:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._holds:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if error is None:
            self.check()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again, self._asked = self._asked, True
        if self._open or again:
            self._open = False
            raise KeyboardInterrupt

    def check(self) -> None:
        """Let what was held back come through.

        Raises:
            KeyboardInterrupt: it was asked for.
        """
        if self._asked:
            raise KeyboardInterrupt

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """What may be broken off anywhere.

        Raises:
            KeyboardInterrupt: it was asked for, now or before.
        """
        self._open = True
        try:
            self.check()
            yield
        finally:
            self._open = False
