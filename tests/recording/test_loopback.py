"""record --agent-device: what another program plays, on the clock of the microphone."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soxr

from workbench.errors import WorkbenchError
from workbench.recording import writer
from workbench.recording.devices import Device, StreamSettings, check_one_clock
from workbench.recording.finalize import finish
from workbench.recording.gaps import INPUT_OVERFLOW
from workbench.recording.plan import RecordingPlan
from workbench.recording.portaudio import InputCallback
from workbench.recording.recorder import Recorder
from workbench.sessions.session import Session, open_session

from ..command_line import workbench
from .conftest import ALSA, RATE, Sound
from .fed import FRAMES, FedMicrophone

SECONDS = 90
BLOCKS = SECONDS * RATE // FRAMES


class Fed(FedMicrophone):
    """An input whose clock is slower than the other's, and which may lose blocks.

    Args:
        callback: of the recorder.
        sound: all its samples.
        drift: by which its clock is slower.
        lost: numbers of blocks that never come.
    """

    def __init__(self, callback: InputCallback, sound: np.ndarray, drift: float = 0.0, lost: range = range(0)) -> None:
        super().__init__(callback, lambda _: sound[:FRAMES], BLOCKS, None)
        self._samples, self._drift, self._lost = sound, drift, lost
        self.over = threading.Event()

    def _run(self) -> None:
        flags = 0
        for number in range(len(self._samples) // FRAMES):
            if number in self._lost:
                flags = INPUT_OVERFLOW
                continue
            if not self._may_go_on():
                return
            block = self._samples[number * FRAMES : (number + 1) * FRAMES, None]
            self._callback(block, number * FRAMES / RATE * (1 + self._drift), flags, time.perf_counter())
            flags = 0
        self.over.set()


def device(index: int, host: str = "ALSA") -> StreamSettings:
    return StreamSettings(Device(index, f"device {index}", host, 1, 0, RATE, index == 0, False), "input", RATE, 1)


def recorded(folder: Path, drift: float = 0.0, lost: range = range(0)) -> Session:
    """A recording of one noise by both inputs."""
    noise = np.random.default_rng(1).normal(0, 0.1, SECONDS * RATE).astype(np.float32)
    slow = soxr.resample(noise, RATE, RATE / (1 + drift), quality="VHQ") if drift else noise
    opened: list[Fed] = []

    def open_input(how: StreamSettings, callback: InputCallback) -> Fed:
        opened.append(Fed(callback, noise) if how.device.index == 0 else Fed(callback, slow, drift, lost))
        return opened[-1]

    def no_output(*_: object) -> Fed:
        raise AssertionError("nothing is played")

    plan = RecordingPlan(folder, device(0), (0.01, 700, 200), loopback=device(1))
    take = Recorder(plan, (open_input, no_output))
    for line, fed in zip(take.lines, opened, strict=True):
        fed.waiting = lambda line=line: len(line.ring)  # type: ignore[misc]
    take.start()
    for fed in opened:
        assert fed.over.wait(120)
    facts = take.stop()
    finish(folder, facts, take.lock)
    return open_session(folder)


def lag(session: Session, at: int) -> int:
    """By how many samples the agent track is late in half a second."""
    mic, agent = session.read(at, at + RATE // 2), session.read(at, at + RATE // 2, "agent")
    size = 1 << (2 * len(mic)).bit_length()
    found = np.fft.irfft(np.fft.rfft(agent, size) * np.conj(np.fft.rfft(mic, size)), size)
    peak = int(np.argmax(found))
    return peak - size if peak > size // 2 else peak


def test_both_inputs_are_on_one_clock(tmp_path: Path) -> None:
    session = recorded(tmp_path / "one")
    assert sorted(session.tracks) == ["agent", "mic"]
    assert np.array_equal(
        session.read(0, session.samples)[RATE:-RATE], session.read(0, session.samples, "agent")[RATE:-RATE]
    )
    assert session.device is not None
    assert session.device["agent_input"]["name"] == "device 1"


@pytest.mark.parametrize("drift", [80e-6, -80e-6])
def test_a_drift_between_the_two_is_resampled(tmp_path: Path, drift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in ("_WAKE_SECONDS", "_COMMIT_SECONDS"):  # a take that is faster than real time is noted as often
        monkeypatch.setattr(writer, seconds, 0.01)
    session = recorded(tmp_path / "one", drift)
    assert session.device is not None
    assert session.device["drift_ppm"] == pytest.approx(drift * 1e6, abs=1)
    assert session.device["drift_removed"] is True
    # Without it the end would be 80 ppm of 85 s, 163 samples, off the beginning.
    assert [abs(lag(session, at * RATE)) <= 3 for at in (1, 30, 60, 83)] == [True] * 4


def test_holes_of_the_agents_device_are_filled_and_marked(tmp_path: Path) -> None:
    session = recorded(tmp_path / "one", lost=range(500, 510))
    lines = (tmp_path / "one" / "events.jsonl").read_text()
    assert '"event": "hole"' in lines
    assert '"track": "agent"' in lines
    assert '"samples": 19200' in lines
    assert [lag(session, at * RATE) for at in (5, 80)] == [0, 0]


def test_devices_without_a_clock_in_common_are_refused() -> None:
    check_one_clock(device(0), device(1))
    with pytest.raises(WorkbenchError, match="is the microphone"):
        check_one_clock(device(0), device(0))
    with pytest.raises(WorkbenchError, match="no clock in common"):
        check_one_clock(device(0), device(1, "JACK Audio Connection Kit"))


def test_it_is_refused_where_the_recorder_plays(tmp_path: Path) -> None:
    done = workbench(["record", "--agent-device", "x", "--live", "--device", "0"], tmp_path)
    assert done.returncode == 2
    assert "error:" in done.stderr


@pytest.mark.slow
def test_the_monitor_of_a_sink_is_the_agent_track(sound: Sound, tmp_path: Path) -> None:
    """Two streams of PulseAudio's on the monitor of a null sink: one is the microphone, the other the agent."""
    config = tmp_path / "alsa.conf"
    server = sound.env["PULSE_SERVER"]
    config.write_text(
        ALSA.format(server=server) + f'pcm.agent_mic {{ type pulse server "{server}" device "room.monitor" }}\n'
    )
    noise = np.random.default_rng(5).integers(-9000, 9000, 25 * RATE).astype(np.int16)
    player = sound.play(noise)
    try:
        sound.wait_for_sound()
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "record", "--name", "two", "--device", "room_mic",
             "--agent-device", "agent_mic", "--seconds", "12", "--no-meter"],
            cwd=tmp_path, env=sound.env | {"ALSA_CONFIG_PATH": str(config)},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    finally:
        player.kill()
        player.wait()
    assert done.returncode == 0, done.stderr
    assert "agent: agent_mic" in done.stderr
    session = open_session(tmp_path / "recordings" / "two")
    assert session.device is not None
    assert [abs(lag(session, at * RATE)) < 0.005 * RATE for at in (2, 6, 10)] == [True] * 3
    assert session.device["agent_input"]["name"] == "agent_mic"
