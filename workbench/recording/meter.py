"""Views of a recording: a live meter with keys in a terminal, a plain line per second elsewhere."""

import os
import signal
import sys
import time
from collections import deque
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from workbench.recording.levels import dbfs
from workbench.recording.recorder import Recorder
from workbench.recording.terminal import Keyboard, in_foreground
from workbench.units import samples_to_seconds

_FLOOR_DBFS = -80.0
_BARS = " ▁▂▃▄▅▆▇█"
_SHORT_DISK_SECONDS = 600
_HISTORY = 400


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> clock(83.25), clock(3723)
    ('01:23.2', '1:02:03.0')
    """
    tenths = int(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest / 10:04.1f}" if hours else f"{minutes:02}:{rest / 10:04.1f}"


def span(seconds: float) -> str:
    """A length of time in its largest unit.

    >>> span(59), span(180), span(86_400)
    ('59 s', '3 min', '24 h')
    """
    if seconds >= 7200:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def state(take: Recorder) -> str:
    """SPEAK, SILENT, PAUSED or, before the first sample, OPENING."""
    if not take.writer.ready.is_set():
        return "OPENING"
    if take.writer.paused:
        return "PAUSED"
    return "SPEAK" if take.levels.gate.speaking else "SILENT"


class PlainView:
    """A line per second, for logs and pipes."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, take: Recorder) -> None:
        """Print a line if the last one is a second old."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 1.0
        levels, counts = take.levels, take.writer.counts
        print(
            f"{clock(samples_to_seconds(take.writer.samples))}  {dbfs(levels.rms):6.1f} dBFS  "
            f"peak {dbfs(levels.peak):6.1f}  {state(take):7}  clipped {levels.clip_share:.2%}  "
            f"xruns {counts['xruns'] + counts['holes']}  disk {span(take.free_seconds)}"
            f"{_follower(take)}{_warning(take)}",
            file=self._out,
            flush=True,
        )

    def pressed(self) -> str:
        """None: stop a plain recording with Ctrl-C or --seconds."""
        return ""

    def marked(self) -> None:
        """Nobody can have marked anything."""


class MeterView:
    """The live meter. It takes the terminal's other screen, so that resizing leaves nothing behind.

    Ctrl-Z gives screen and keys back to the shell before the program stops, and ``fg`` takes them again.
    """

    def __init__(self, name: str, keys: bool) -> None:
        self._name = name
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._keyboard = Keyboard() if keys else None
        self._history: deque[tuple[float, bool]] = deque(maxlen=_HISTORY)
        self._frames = 0
        self._marked = 0.0
        self._came: set[int] = set()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTSTP, signal.SIGCONT):
            self._handlers[number] = signal.signal(number, lambda got, _: self._came.add(got))
        self._take_over()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._give_back()

    def _take_over(self) -> None:
        if self._keyboard is not None:
            self._keyboard.open()
        self._live.start()

    def _give_back(self) -> None:
        self._live.stop()
        if self._keyboard is not None:
            self._keyboard.close()

    def _has_terminal(self) -> bool:
        """Stop, if Ctrl-Z asks for it; whether the terminal is the meter's (again)."""
        if signal.SIGTSTP in self._came:
            self._came.clear()
            self._give_back()
            os.kill(os.getpid(), signal.SIGSTOP)  # the shell that continues us sends SIGCONT, which is noted
        if not in_foreground():
            return False
        if signal.SIGCONT in self._came:
            self._came.clear()
            self._give_back()
            self._take_over()
        return True

    def pressed(self) -> str:
        """Keys pressed since the last call."""
        return self._keyboard.read() if self._keyboard is not None and self._has_terminal() else ""

    def marked(self) -> None:
        """Say so for a moment."""
        self._marked = time.monotonic()

    def show(self, take: Recorder) -> None:
        """Draw the present state."""
        if take.levels.frames != self._frames:
            self._frames = take.levels.frames
            self._history.append((take.levels.rms, take.levels.gate.speaking))
        if not self._has_terminal():
            return
        marked = time.monotonic() - self._marked < 1.5
        self._live.update(_Picture(self._name, take, tuple(self._history), marked, self._keyboard is not None))
        self._live.refresh()


class _Picture:
    """One drawing of the meter; it asks for the width when it is drawn."""

    def __init__(
        self, name: str, take: Recorder, history: tuple[tuple[float, bool], ...], marked: bool, keys: bool
    ) -> None:
        self._name, self._take, self._history, self._marked, self._keys = name, take, history, marked, keys

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        for line in (self._head(), self._bar(width), self._figures(), self._strip(width), self._health(), self._foot()):
            line.truncate(width, overflow="ellipsis")
            yield line

    def _head(self) -> Text:
        take, now = self._take, state(self._take)
        style = {"SPEAK": "bold green", "SILENT": "cyan", "PAUSED": "bold yellow", "OPENING": "yellow"}[now]
        text = Text("● " if now != "PAUSED" else "‖ ", style="bold red")
        text.append(f"{clock(samples_to_seconds(take.writer.samples))}  ", style="bold")
        text.append(f"{now:8}", style=style)
        text.append(f"{self._name}  {take.plan.input.device.name}, {take.plan.input.words}", style="default")
        return text

    def _bar(self, width: int) -> Text:
        levels = self._take.levels
        cells = max(10, width - 14)
        level, hold, line = (_cell(dbfs(v), cells) for v in (levels.rms, levels.peak, levels.gate.threshold))
        text = Text(f"{dbfs(levels.rms):6.1f} dBFS  ")
        for cell in range(cells):
            if cell == line:
                text.append("│", style="bold yellow")
            elif cell == hold and hold > level:
                text.append("╹", style="bold red" if levels.peak >= 0.95 else "bold white")
            else:
                text.append("█" if cell < level else "·", style="green" if cell < level else "dim")
        return text

    def _figures(self) -> Text:
        levels = self._take.levels
        threshold = f"threshold {dbfs(levels.gate.threshold):.1f} dBFS ({levels.gate.threshold:.4g})"
        text = Text(f"{dbfs(levels.peak):6.1f} peak  {threshold}  ")
        return text.append(f"clipped {levels.clip_share:.2%}", style="bold red" if levels.clipped else "default")

    def _strip(self, width: int) -> Text:
        text = Text()
        for rms, speaking in self._history[-width:]:
            share = 1 - dbfs(rms) / _FLOOR_DBFS
            bar = _BARS[max(0, min(8, int(share * 9)))]
            text.append(bar, style="green" if speaking else "cyan")
        return text

    def _health(self) -> Text:
        take = self._take
        counts = take.writer.counts
        bad = counts["xruns"] + counts["holes"] + counts["starved"]
        text = Text(f"xruns {counts['xruns'] + counts['holes']}  ", style="bold red" if bad else "default")
        text.append(f"lost {samples_to_seconds(counts['hole_samples']):.2f} s  ")
        if take.plan.follower is not None:
            text.append(f"assistant {take.plan.follower.state}  ")
        elif take.tap is not None:
            text.append("playing  " if not take.tap.is_done else "played  ")
        text.append(f"disk {span(take.free_seconds)}", style="default")
        return text.append(_warning(take), style="bold red")

    def _foot(self) -> Text:
        if not self._keys:
            return Text("Ctrl-C stops", style="dim")
        text = Text("m mark   space pause   q stop", style="dim")
        return text.append("   marked", style="bold yellow") if self._marked else text


def _cell(decibels: float, cells: int) -> int:
    return max(0, min(cells - 1, round((1 - decibels / _FLOOR_DBFS) * (cells - 1))))


def _follower(take: Recorder) -> str:
    return "" if take.plan.follower is None else f"  assistant {take.plan.follower.state}"


def _warning(take: Recorder) -> str:
    if take.plan.follower is not None and (trouble := take.plan.follower.trouble):
        return f"  {trouble}"
    if take.writer.ready.is_set() and take.writer.behind_seconds >= 2.0:
        return f"  DISK IS SLOW: {take.writer.behind_seconds:.0f} s not written yet"
    return "  DISK NEARLY FULL" if 0 < take.free_seconds < _SHORT_DISK_SECONDS else ""
