"""The built wheel, installed into an empty environment, runs every command of README.md in an empty folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.arrays import Audio
from workbench.sessions.folders import PARTIAL
from workbench.sessions.labels import read_labels
from workbench.sessions.session import open_session
from workbench.units import SAMPLE_RATE

from .installed import run
from .readme_commands import STEPS, Step
from .recording.conftest import Sound, start_sound
from .recording.terminal import Terminal

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent

SPACE = """\
[assistant]
stt_silence_ms = { type = "categorical", choices = [400, 700] }
"""
SPOKEN = """\
format = 1
seed = 1
clips = "sources/sources.json"

[[event]]
clip = "what-time-is-it"
after_s = 2.0
"""
LIMITS = """\
[budget]
endpoint_delay_ms_p50 = 1
"""
KITCHEN_SECONDS = 7
DEFAULT_DEVICE = 'pcm.!default { type asym playback.pcm "room" capture.pcm "room_mic" }\n'


@dataclass(frozen=True)
class Home:
    """A user's folder, which was empty, with ``.venv`` in it; their sound card and their cache."""

    folder: Path
    sound: Sound
    env: dict[str, str]

    def run(self, line: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """A line in a shell."""
        return subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.env | more, text=True, timeout=600,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def play(self, *parts: Audio) -> "subprocess.Popen[bytes]":
        return self.sound.play((np.concatenate(parts) * 32_767).astype(np.int16))


@pytest.fixture(scope="module")
def home(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    sound = start_sound(tmp_path_factory.mktemp("sound") / "run")
    alsa = sound.folder / "alsa.conf"
    alsa.write_text(alsa.read_text() + DEFAULT_DEVICE)
    folder = tmp_path_factory.mktemp("empty")
    (folder / ".venv").symlink_to(installed)
    shown = sound.folder / "xdg-open"
    shown.write_text('#!/bin/sh\necho "$1" > opened\n')
    shown.chmod(0o755)
    dropped = ("PYTHONPATH", "VIRTUAL_ENV", "COLUMNS", "LINES")
    env = {name: value for name, value in sound.env.items() if name not in dropped} | {
        "PATH": f"{installed / 'bin'}:{sound.folder}:{os.environ['PATH']}",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "WORKBENCH_STORE": str(sound.folder / "store"),
        "XDG_CACHE_HOME": str(sound.folder / "cache"),
    }
    yield Home(folder, sound, env)
    sound.server.terminate()
    sound.server.wait()


@pytest.fixture(scope="module")
def kitchen(home: Home) -> Home:
    """The folder with what a user has or writes before the commands, and with the recording ``kitchen``."""
    configs = home.sound.folder / "MLX-Harmony" / "configs"
    configs.mkdir(parents=True)
    (configs / "moshi.json").write_text('{"stt_silence_ms": 700}', encoding="utf-8")
    for name, text in (("space.toml", SPACE), ("limits.toml", LIMITS), ("spoken.toml", SPOKEN)):
        (home.folder / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "demo_sessions" / "sources", home.folder / "sources")
    soundfile.write(home.folder / "clip.wav", turn("questions"), SAMPLE_RATE)
    room = np.random.default_rng(0).normal(0, 0.001, 60 * SAMPLE_RATE).astype(np.float32)
    players = [home.play(room)]
    home.sound.wait_for_sound()
    terminal = Terminal(
        "record", "--name", "kitchen", "--calibrate",
        where=home.folder, env=home.env, program=(str(home.folder / ".venv/bin/workbench"),),
    )  # fmt: skip
    terminal.wait(lambda: "speak" in terminal.text)
    players.append(home.play(*[turn("reader", after=0.0)] * 4))
    terminal.wait(lambda: "suggested" in terminal.text)
    tape = home.folder / "recordings" / "kitchen" / PARTIAL / "mic.s24"
    terminal.wait(lambda: tape.exists() and tape.stat().st_size)
    players.append(home.play(turn("questions")))
    terminal.wait(lambda: tape.exists() and tape.stat().st_size > 3 * SAMPLE_RATE * KITCHEN_SECONDS)
    terminal.press("q")
    assert terminal.ended() == 0, terminal.text
    for player in players:
        player.terminate()
        player.wait()
    assert "'workbench label recordings/kitchen --auto' drafts labels" in terminal.text
    return home


def turn(name: str, before: float = 0.5, after: float = 3.0) -> Audio:
    """The first turn of a demo session with so many seconds of the room before and after it."""
    session = open_session(ROOT / "recordings" / name)
    label = read_labels(session.labels_path, session.samples)[0]
    return session.read(label.start - round(before * SAMPLE_RATE), label.end + round(after * SAMPLE_RATE))


def test_a_room_is_calibrated_and_recorded_until_q(kitchen: Home) -> None:
    session = open_session(kitchen.folder / "recordings" / "kitchen")
    assert session.calibration is not None
    assert 0.001 < session.calibration["stt_silence_threshold"] < 0.05
    assert session.samples > KITCHEN_SECONDS * SAMPLE_RATE


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.line)
def test_a_command_of_the_readme_does_what_it_says(kitchen: Home, step: Step) -> None:
    done = kitchen.run(step.line)
    assert "Traceback" not in done.stdout
    assert done.returncode == step.code, done.stdout
    assert step.says in done.stdout
    if step.code == 2:
        assert done.stdout.startswith("error: ")
        assert done.stdout.count("\n") == 1
    assert (kitchen.folder / step.leaves).exists()


def test_the_dashboard_serves_the_study(kitchen: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [".venv/bin/workbench", "dashboard", "second", "--port", str(port)]
    server = subprocess.Popen(command, cwd=kitchen.folder, env=kitchen.env, text=True, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == f"http://127.0.0.1:{port}/ shows study second; Ctrl-C stops\n"
    until, studies = time.monotonic() + 60, ""
    while not studies:
        assert server.poll() is None
        assert time.monotonic() < until
        with suppress(urllib.error.URLError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as answer:
            studies = answer.read().decode()
    assert '"second"' in studies
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 130


def test_a_shipped_spec_is_made_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "bin" / "workbench", "synth", "coughs", where=tmp_path).count("recordings/coughs-") == 3
