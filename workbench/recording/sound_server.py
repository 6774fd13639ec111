"""Microphone behind a sound server: which one a recording really hears, and whether the server moves it to another.

A stream to PulseAudio, or to PipeWire in its place, goes on without a word when a headset is plugged in and the server
moves it there. ``pactl`` lists what it is connected to.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Source:
    """A microphone as the server knows it. ``rate`` is in Hz; 0 where it is not known."""

    name: str
    rate: int


def current_source(process: int) -> Source | None:
    """The source that a process records from; None where there is no server, or it cannot be asked."""
    try:
        outputs = _ask("source-outputs")
        heard = [each for each in outputs if each["properties"].get("application.process.id") == str(process)]
        if not heard:
            return None
        (source,) = [each for each in _ask("sources") if each["index"] == heard[0]["source"]]
        rate = source["sample_specification"].split()[-1].removesuffix("Hz")
        return Source(str(source["name"]), int(rate) if rate.isdecimal() else 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, subprocess.SubprocessError):
        return None  # an older pactl, or a server that ends right now


def _ask(what: str) -> Any:
    done = subprocess.run(
        ["pactl", "--format=json", "list", what],
        capture_output=True, timeout=_PATIENCE_SECONDS, check=True, env=os.environ | {"LC_ALL": "C"},
    )  # fmt: skip
    return json.loads(done.stdout)


class SourceWatch(threading.Thread):
    """Looks once a second which source this process records from.

    Args:
        moved: called with the source before and the one after.

    Attributes:
        first: source at the beginning; None while it is not known.
    """

    def __init__(self, moved: Callable[[Source, Source], None]) -> None:
        super().__init__(name="source", daemon=True)
        self._moved = moved
        self._stopping = threading.Event()
        self.first: Source | None = None

    def run(self) -> None:
        """Look until ``stop``; not at all where this process has no stream to such a server."""
        if not _uses_server() or shutil.which("pactl") is None:
            return
        last: Source | None = None
        while not self._stopping.is_set():
            found = current_source(os.getpid())
            if found is not None and last is not None and found.name != last.name:
                self._moved(last, found)
            self.first, last = self.first or found, found or last
            self._stopping.wait(_LOOK_SECONDS)

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()


def _uses_server() -> bool:
    """Whether PulseAudio's library is loaded. Without that, asking could start a server that nobody wants."""
    with suppress(OSError):
        return "libpulse" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    return False
