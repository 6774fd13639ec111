"""A JACK server of our own without a sound card, on which what a recorder plays is what it hears."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import RATE, ROOT

PERIOD = 512
"""Samples that JACK handles at once, and the latency that its dummy card states for either direction."""


@dataclass
class Jack:
    """A running JACK server, in real time, with one microphone and one loudspeaker that are not there."""

    env: dict[str, str]
    server: subprocess.Popen[bytes]

    def record(self, *arguments: str, where: Path) -> "subprocess.Popen[str]":
        """``workbench record`` on the card, its loudspeaker led into its microphone before the first sample counts."""
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "record", "--device", "system", *arguments],
            cwd=where, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lead(process)
        return process

    def lead(self, process: "subprocess.Popen[str]") -> None:
        """From PortAudio's output into its input, in place of the card."""
        while not {"PortAudio:in_0", "PortAudio:out_0"} <= set(self._run("jack_lsp").split()):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        while "system:capture_1" not in self._run("jack_lsp", "-c", "PortAudio:in_0"):
            time.sleep(0.05)
        self._run("jack_connect", "PortAudio:out_0", "PortAudio:in_0")
        self._run("jack_disconnect", "system:capture_1", "PortAudio:in_0")

    def _run(self, *command: str) -> str:
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=30).stdout


@contextmanager
def running_jack(rate: int = RATE) -> Iterator[Jack]:
    """The server, for as long as it is needed."""
    if shutil.which("jackd") is None:
        pytest.skip("jackd is not installed")
    name = f"workbench-{os.getpid()}"
    env = os.environ | {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        ["jackd", "-n", name, "-r", "-S", "-d", "dummy", "-r", str(rate), "-p", str(PERIOD), "-C", "1", "-P", "1"],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            if subprocess.run(["jack_lsp"], env=env, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            raise RuntimeError("jackd did not start")
        yield Jack(env, server)
    finally:
        server.terminate()
        server.wait()
        for left in Path("/dev/shm").glob(f"jack_sem.*_{name}_*"):
            left.unlink(missing_ok=True)
