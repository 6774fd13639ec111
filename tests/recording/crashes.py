"""Kill recorders at random moments and see what is left; used by a test and by ``benchmarks/record.py``."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import open_session

from .conftest import RATE, Noise, Sound, find, track
from .heard import assert_heard

_NEEDLE = 240
"""Samples that identify a place in the noise: 10 ms."""


class Listener(threading.Thread):
    """Reads the room's monitor beside the recorder, to know what sounded at any moment."""

    def __init__(self, sound: Sound) -> None:
        super().__init__(daemon=True)
        self._process = subprocess.Popen(
            ["parec", "-d", "room.monitor", "--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=20"],
            stdout=subprocess.PIPE, env=sound.env,
        )  # fmt: skip
        self._last = b""
        self.start()

    def run(self) -> None:
        assert self._process.stdout is not None
        while data := os.read(self._process.stdout.fileno(), 4096):
            self._last = (self._last + data)[-_NEEDLE * 8 :]

    def last(self) -> Noise:
        """The newest samples that sounded."""
        data = self._last
        pcm = np.frombuffer(data[len(data) % 2 :], dtype=np.int16)
        return pcm[pcm != 0][-_NEEDLE:]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


@dataclass(frozen=True)
class Crash:
    """What came of one killed recorder.

    Attributes:
        lost_seconds: what sounded before the kill and is not in the session.
        kept_seconds: length of the session.
        unwritten_seconds: how long before the kill the recorder had last got to write: 0.1 s, unless the machine keeps
            it waiting.
    """

    lost_seconds: float
    kept_seconds: float
    unwritten_seconds: float


def crash(sound: Sound, where: Path, name: str, played: Noise, listener: Listener, wait: float) -> Crash:
    """Record, kill after ``wait`` seconds of tape, recover, verify, compare with what was played, bit for bit."""
    process = sound.popen("record", "--name", name, "--device", "room_mic", where=where)
    folder = where / "recordings" / name
    tape = folder / PARTIAL / "mic.s24"
    sound.wait_for_tape(process, tape, 0.08)
    time.sleep(wait)
    needle = listener.last()
    unwritten = time.time() - tape.stat().st_mtime
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = sound.run("record", "--recover", "--name", name, where=where)
    assert done.returncode == 0, done.stderr
    session = open_session(folder)
    assert session.verify() == []
    mic = track(folder)
    assert session.frames == sum(len(part) for part in session.stream())
    heard = assert_heard(folder, played)
    sounded = find(needle, played)
    assert sounded >= 0
    missing = sounded + len(needle) - heard.end + heard.lost
    return Crash(missing / RATE, len(mic) / RATE, unwritten)
