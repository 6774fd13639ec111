"""A sound server of our own, with null sinks whose monitors are the microphones. Nothing is mocked."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

ROOT = Path(__file__).parent.parent.parent
ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.room {{ type pulse server "{server}" device "room" }}
pcm.room_mic {{ type pulse server "{server}" device "room.monitor" }}
pcm.deck {{ type pulse server "{server}" device "deck" }}
pcm.deck_mic {{ type pulse server "{server}" device "deck.monitor" }}
"""
RATE = 24_000
Noise = npt.NDArray[np.int16]


@dataclass
class Sound:
    """A running PulseAudio with two sinks: ``room`` (24 kHz mono) and ``deck`` (48 kHz stereo)."""

    folder: Path
    env: dict[str, str]
    server: subprocess.Popen[bytes]

    def popen(self, *arguments: str, where: Path, module: str = "workbench", **more: object) -> "subprocess.Popen[str]":
        """The command line in a process of its own."""
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", module, *arguments],
            cwd=where, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{"env": self.env, **more},
        )  # fmt: skip

    def run(self, *arguments: str, where: Path, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        process = self.popen(*arguments, where=where)
        out, err = process.communicate(timeout=timeout)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def play(self, noise: Noise) -> "subprocess.Popen[bytes]":
        """Play 16-bit samples into the room, well ahead of time."""
        path = self.folder / f"{time.monotonic_ns()}.raw"
        noise.tofile(path)
        with path.open("rb") as file:
            return subprocess.Popen(
                ["nice", "-n", "-10", "pacat", "-p", "-d", "room",
                 "--format=s16le", "--rate=24000", "--channels=1", "--latency-msec=2000"],
                stdin=file, env=self.env,
            )  # fmt: skip

    def wait_for_sound(self) -> None:
        """Until something sounds in the room."""
        process = subprocess.Popen(
            ["parec", "-d", "room.monitor", "--format=s16le", "--rate=24000", "--channels=1", "--latency-msec=20"],
            stdout=subprocess.PIPE, env=self.env,
        )  # fmt: skip
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 4096):
            if any(data):
                break
        process.terminate()
        process.wait()

    def wait_for_tape(self, process: "subprocess.Popen[str]", tape: Path, seconds: float) -> None:
        """Until a recorder has so much on its tape."""
        until = time.monotonic() + 120
        while not (tape.exists() and tape.stat().st_size >= 3 * RATE * seconds):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "the recorder did not start"
            time.sleep(0.02)

    def control(self, *arguments: str) -> None:
        subprocess.run(["pactl", *arguments], env=self.env, check=True, capture_output=True)


def start_sound(folder: Path) -> Sound:
    if shutil.which("pulseaudio") is None:
        pytest.skip("pulseaudio is not installed")
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    socket = f"unix:{folder}/native"
    (folder / "alsa.conf").write_text(ALSA.format(server=socket))
    env = dict(os.environ) | {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": f"{folder}/runtime",
        "PULSE_STATE_PATH": f"{folder}/state",
        "PULSE_SERVER": socket,
        "ALSA_CONFIG_PATH": f"{folder}/alsa.conf",
        "JACK_NO_START_SERVER": "1",
        "PYTHONPATH": str(ROOT),
    }
    server = subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
         "--load=module-null-sink sink_name=room rate=24000 channels=1 format=s16le",
         "--load=module-null-sink sink_name=deck rate=48000 channels=2 format=s16le",
         f"--load=module-native-protocol-unix socket={folder}/native auth-anonymous=1"],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(100):
        if subprocess.run(["pactl", "info"], env=env, capture_output=True).returncode == 0:
            return Sound(folder, env, server)
        time.sleep(0.1)
    server.kill()
    raise RuntimeError("pulseaudio did not start")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # players and listeners, too, must keep time while other tests compute
    sound = start_sound(tmp_path_factory.mktemp("sound") / "run")
    yield sound
    sound.server.terminate()
    sound.server.wait()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture
def own_sound(tmp_path: Path) -> Iterator[Sound]:
    """A server that the test may break."""
    sound = start_sound(tmp_path / "sound")
    yield sound
    sound.server.kill()
    sound.server.wait()


def noise(seconds: float, seed: int = 0) -> Noise:
    """White noise without a zero sample, so that silence and holes stand out."""
    random = np.random.default_rng(seed)
    return (random.integers(1, 3000, round(seconds * RATE)) * random.choice([-1, 1], round(seconds * RATE))).astype(
        np.int16
    )


def track(folder: Path, name: str = "mic") -> npt.NDArray[np.int32]:
    """A session's track in steps of a 16-bit device; fails where finer bits are set."""
    pcm, rate = soundfile.read(folder / f"{name}.flac", dtype="int32")
    assert rate == RATE
    assert not np.any(pcm & 0xFFFF), "a 16-bit device has no finer steps"
    return pcm >> 16


def find(part: npt.NDArray[np.integer], whole: npt.NDArray[np.integer]) -> int:
    """Where ``part`` begins in ``whole``; -1 if nowhere."""
    needle, hay = part.astype(np.int32).tobytes(), whole.astype(np.int32).tobytes()
    at = hay.find(needle)
    while at >= 0 and at % 4:
        at = hay.find(needle, at + 1)
    return at // 4 if at >= 0 else -1
