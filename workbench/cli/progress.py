"""Progress bar for long commands, and the console that tables are printed on."""

import errno
import os
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment

from workbench.errors import printable

SILENT = 60.0
"""Seconds between progress lines where there is no terminal for a bar."""


class Output(Console):
    """Console on stdout; without a terminal it is ``width`` columns wide.

    Raises:
        BrokenPipeError: the reader of stdout has gone; :func:`workbench.cli.main` ends quietly then.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width=None if sys.stdout.isatty() else width, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See :class:`rich.console.Console`; control characters in names and labels are shown, not sent."""
        for segment in super().render(renderable, options):
            lines = segment.text.split("\n")
            yield segment if segment.control else Segment("\n".join(map(printable, lines)), segment.style)

    def on_broken_pipe(self) -> None:
        """See :class:`rich.console.Console`, which would exit with 1: here that means that a check failed."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Bar(AbstractContextManager["Bar"]):
    """Progress bar on a terminal; elsewhere a line per minute on stderr."""

    def __init__(self) -> None:
        self._said = time.monotonic()
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
        """See :class:`workbench.tuning.refinement.StudyWatch`."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what, completed=done, total=total)
        else:
            self._line(f"{what}: {done} of {total}")

    def say(self, what: str) -> None:
        """Show the current activity, where there is nothing to count."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what)
        else:
            self._line(what)

    def _line(self, text: str) -> None:
        now = time.monotonic()
        if now - self._said >= SILENT:
            self._said = now
            click.echo(text, err=True)
