"""Interface of the view of a recording, and a wrapper that keeps recording when the view breaks."""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self, TypeVar

from workbench.recording.recorder import Recorder

T = TypeVar("T")


class View(Protocol):
    """Display and keys of a recording, called by the recording loop."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, take: Recorder) -> None:
        """Show the present state; called some ten times a second."""

    def pressed(self) -> str:
        """Keys pressed since the last call."""

    def marked(self) -> None:
        """A moment has been marked."""


class LastingView:
    """A view that may break, as when its terminal is closed: from then on nothing is shown, and the recording goes on.

    Attributes:
        remarks: what broke, for people.
    """

    def __init__(self, view: View) -> None:
        self._view: View | None = view
        self.remarks: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self._try(lambda view: view.__enter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._try(lambda view: view.__exit__(kind, error, trace))

    def show(self, take: Recorder) -> None:
        """Show the present state, if it can be shown."""
        self._try(lambda view: view.show(take))

    def pressed(self) -> str:
        """Keys pressed since the last call; none once the view broke."""
        return self._try(lambda view: view.pressed()) or ""

    def marked(self) -> None:
        """A moment has been marked."""
        self._try(lambda view: view.marked())

    def _try(self, act: Callable[[View], T]) -> T | None:
        if self._view is None:
            return None
        try:
            return act(self._view)
        except Exception as error:  # termios has errors of its own, and a drawing's fault must not end the recording
            broken, self._view = self._view, None
            self.remarks = (f"the meter ended early ({error}); the recording went on without it",)
            with suppress(Exception):  # what of the terminal can be given back
                broken.__exit__(None, None, None)
            return None
