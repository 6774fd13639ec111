"""One stream or two: where the recorder takes which, and that one stream locks both tracks."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.errors import WorkbenchError
from workbench.recording.alignment import alignment
from workbench.recording.devices import Device, StreamSettings, one_stream
from workbench.recording.levels import GateMeter, LevelMeter
from workbench.recording.ring import BlockRing
from workbench.recording.tape import TapeWriter, open_tape
from workbench.recording.writer import TrackWriter, Writer
from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import open_session

from .conftest import RATE, find, noise, track
from .heard import events
from .jack import PERIOD, running_jack

JACK = "JACK Audio Connection Kit"
FRAMES = 1920


def on(host: str, index: int = 0, rate: int = RATE) -> StreamSettings:
    return StreamSettings(Device(index, "card", host, 1, 1, rate, True, True), "input", rate, 1)


def test_one_device_is_one_stream_and_two_are_two() -> None:
    assert one_stream(on("Core Audio"), on("Core Audio"))
    assert not one_stream(on("Core Audio"), on("Core Audio", index=1))
    assert not one_stream(on("Core Audio"), on("Core Audio", rate=48_000))


def test_all_of_jack_is_one_stream() -> None:
    assert one_stream(on(JACK), on(JACK, index=3))


def test_alsa_is_two_streams() -> None:
    assert not one_stream(on("ALSA"), on("ALSA"))


@pytest.mark.parametrize("hosts", [(JACK, "ALSA"), ("ALSA", JACK)])
def test_time_stamps_that_do_not_compare_are_refused(hosts: tuple[str, str]) -> None:
    with pytest.raises(WorkbenchError, match=r"no clock in common: choose both from one of them"):
        one_stream(on(hosts[0]), on(hosts[1]))


@pytest.mark.parametrize("seed", range(4))
def test_shaking_time_stamps_keep_both_tracks_aligned(tmp_path: Path, seed: int) -> None:
    """Whenever the writer looks, between the two halves of a callback too."""
    random = np.random.default_rng(seed)
    apart = int(random.integers(-2000, 5000))
    rings = [BlockRing(200, FRAMES, 1) for _ in range(2)]
    lines = [TrackWriter(name, ring, RATE) for name, ring in zip(("mic", "agent"), rings, strict=True)]
    tape = TapeWriter(tmp_path / "s", ("mic", "agent"), {"name": "s"})
    writer = Writer(tape, lines, LevelMeter(GateMeter(0.01, 700, 200)), locked=True)
    block = np.zeros((FRAMES, 1), dtype=np.float32)
    for number in range(200):
        at = number * FRAMES + int(random.integers(-400, 400))
        for ring, stamp in ((rings[1], at + apart), (rings[0], at)):  # the loudspeaker comes first
            ring.push(block, stamp / RATE, 0, 0.0)
            if random.random() < 0.4:
                writer.committed = math.inf if number % 20 else 0.0  # a commit waits for the disk
                writer.step()
    writer.stop()
    writer.run()
    found = open_tape(tmp_path / "s")
    assert found.samples["mic"] == found.samples["agent"] > 0
    assert len(found.offsets["mic"]) > 3
    assert alignment(found)["agent_offset"] == apart
    assert alignment(found)["agent_offset_spread"] < 0.1


@pytest.mark.slow
def test_on_jack_playing_and_hearing_are_one_stream_bit_for_bit(tmp_path: Path) -> None:
    played = noise(20)
    soundfile.write(tmp_path / "agent.wav", played, RATE, subtype="PCM_16")
    with running_jack() as jack:
        process = jack.record("--output", "system", "--name", "d", "--play", "agent.wav", where=tmp_path)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "loudspeaker: system (24 kHz mono, sample for sample; one stream with the microphone)" in err
    folder = tmp_path / "recordings" / "d"
    session = open_session(folder)
    assert session.verify() == []
    assert session.device is not None
    assert session.device["one_stream"] is True
    assert session.device["agent_offset_spread"] <= 1
    mic, agent = track(folder), track(folder, "agent")
    assert np.array_equal(agent[agent != 0], played), "all that was handed over: the noise holds no zero"
    if np.array_equal(mic[mic != 0], played) and not events(folder):
        lag = find(played[:480], mic) - find(played[:480], agent)
        assert lag == -PERIOD, "the card states a period either way, and is left out; the lead takes one"
        assert session.device["round_trip"]["lag_samples"] == lag
        assert session.device["round_trip"]["lag_spread_samples"] == 0
    else:  # this machine is so busy that its sound server was late
        assert events(folder, "hole", "xrun", "starved"), "and nothing says so"


@pytest.mark.slow
def test_a_jack_server_that_ends_leaves_a_whole_session(tmp_path: Path) -> None:
    played = noise(60)
    soundfile.write(tmp_path / "agent.wav", played, RATE, subtype="PCM_16")
    with running_jack() as jack:
        process = jack.record("--output", "system", "--name", "g", "--play", "agent.wav", where=tmp_path)
        tape = tmp_path / "recordings" / "g" / PARTIAL / "mic.s24"
        while not (tape.exists() and tape.stat().st_size > 3 * 3 * RATE):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        jack.server.terminate()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "warning: the microphone (system) went away; the session holds what was heard until then" in err
    session = open_session(tmp_path / "recordings" / "g")
    assert session.verify() == []
    assert session.samples >= 3 * RATE
    assert [event["event"] for event in events(session.folder, "device_lost")] == ["device_lost"]
