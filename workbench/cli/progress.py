"""The progress bar of what takes long."""

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar(AbstractContextManager["Bar"]):
    """A progress bar on a terminal, and nothing where there is none."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console) if console.is_terminal else None
        self._task = None if self._progress is None else self._progress.add_task("loading", total=None)
        self._live = nullcontext() if self._progress is None else self._progress

    def __enter__(self) -> "Bar":
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def step(self, what: str, done: int, total: int) -> None:
        """See :class:`workbench.tuning.conclude.Watch`."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what, completed=done, total=total)

    def say(self, what: str) -> None:
        """What is being done, where there is nothing to count."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what)
