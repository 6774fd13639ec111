"""A real PortAudio device. What goes out is what comes in, bit for bit, for a minute and on one clock; and whoever is
killed, stopped or starved of disk keeps what was heard, and says what happened.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.session import PARTIAL, open_session

from .conftest import RATE, Noise, Sound, find, noise, start_sound, track
from .crashes import Listener, crash

pytestmark = pytest.mark.slow

PLAYED = noise(120, seed=7)


@pytest.fixture(scope="module")
def noisy(sound: Sound) -> Iterator[Sound]:
    """Noise in the room for as long as these tests take."""
    player = sound.play(PLAYED)
    yield sound
    player.terminate()
    player.wait()


def events(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def assert_is_what_was_played(folder: Path) -> None:
    mic = track(folder)
    start = find(mic[:960], PLAYED)
    assert start >= 0
    assert not [event for event in events(folder) if event["event"] == "hole"]
    heard = mic[
        mic != 0
    ]  # the noise holds no zero: where one is heard, the player was late, and all else must be there
    assert np.array_equal(heard, PLAYED[start : start + len(heard)])
    if len(heard) == len(mic):
        assert np.array_equal(mic, PLAYED[start : start + len(mic)])


def test_kill_9_loses_less_than_a_second(noisy: Sound, tmp_path: Path) -> None:
    """Five of the hundred moments of ``benchmarks/record.py kill``, at once."""
    listener = Listener(noisy)
    waits = np.random.default_rng(5).uniform(0.1, 4.0, 5)
    with ThreadPoolExecutor(5) as pool:
        crashes = list(pool.map(lambda i: crash(noisy, tmp_path, f"k{i}", PLAYED, listener, float(waits[i])), range(5)))
    listener.close()
    assert max(done.lost_seconds for done in crashes) <= 1.0
    sessions = [f"recordings/k{i}" for i in range(5)]
    done = noisy.run("replay", *sessions, "--out", "run", "--stack", "scripted", "--costs", "fixed", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run").glob("*.trace.jsonl"))) == 5


def test_a_stopped_recorder_loses_nothing_and_says_so(noisy: Sound, tmp_path: Path) -> None:
    process = noisy.popen("record", "--name", "s", "--device", "room_mic", "--seconds", "6", where=tmp_path)
    tape = tmp_path / "recordings" / "s" / PARTIAL / "mic.s24"
    while not (tape.exists() and tape.stat().st_size > 72_000):
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    before = tape.read_bytes()
    time.sleep(2.8)
    assert tape.read_bytes() == before
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    folder = tmp_path / "recordings" / "s"
    assert_is_what_was_played(folder)
    stalled = [event for event in events(folder) if event["event"] == "stalled"]
    assert [event["cause"] for event in stalled] == ["the program was stopped"]
    assert 2.5 < float(str(stalled[0]["seconds"])) < 10
    assert "stopped for" in out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 400 kB, which holds 5 s of tape."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_keeps_what_was_written(noisy: Sound, tmp_path: Path, small_disk: Path) -> None:
    done = noisy.run(
        "record", "--name", "f", "--device", "room_mic", "--seconds", "60", "--dir", "small", where=tmp_path
    )
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: small/f: the recording is safe but could not be finished")
    assert "No space left" in last
    assert "--recover" in last
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    listed = noisy.run("replay", "small/f", where=tmp_path)
    assert listed.returncode == 2
    assert "finish it with 'workbench record --recover'" in listed.stderr
    recovered = noisy.run("record", "--recover", "--dir", "small", where=tmp_path)
    assert recovered.returncode == 0, recovered.stderr
    session = open_session(small_disk / "f")
    assert session.verify() == []
    assert session.samples > 4 * RATE
    assert_is_what_was_played(small_disk / "f")


@pytest.fixture
def freezing_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that can be made to keep writers waiting."""
    image, folder = tmp_path / "disk.img", tmp_path / "slow"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    for command in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(folder)]):
        try:
            made = subprocess.run(command, capture_output=True).returncode == 0
        except FileNotFoundError:
            made = False
        if not made:
            pytest.skip("a disk that can be frozen takes root, mkfs.ext4 and loop devices")
    yield folder
    subprocess.run(["fsfreeze", "-u", folder], capture_output=True)
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_stalls_is_reported_and_loses_nothing(noisy: Sound, tmp_path: Path, freezing_disk: Path) -> None:
    process = noisy.popen(
        "record", "--name", "w", "--device", "room_mic", "--seconds", "8", "--dir", "slow", where=tmp_path
    )
    tape = freezing_disk / "w" / PARTIAL / "mic.s24"
    while not (tape.exists() and tape.stat().st_size > 72_000):
        time.sleep(0.05)
    subprocess.run(["fsfreeze", "-f", freezing_disk], check=True)
    time.sleep(4)
    subprocess.run(["fsfreeze", "-u", freezing_disk], check=True)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "DISK IS SLOW" in err
    assert_is_what_was_played(freezing_disk / "w")
    stalled = [event for event in events(freezing_disk / "w") if event["event"] == "stalled"]
    assert [event["cause"] for event in stalled] == ["the disk was slow"]
    assert float(str(stalled[0]["seconds"])) > 3


def test_ctrl_c_ends_in_order(noisy: Sound, tmp_path: Path) -> None:
    process = noisy.popen("record", "--name", "c", "--device", "room_mic", where=tmp_path)
    tape = tmp_path / "recordings" / "c" / PARTIAL / "mic.s24"
    while not (tape.exists() and tape.stat().st_size > 72_000):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out.startswith("recordings/c: ")
    assert_is_what_was_played(tmp_path / "recordings" / "c")


def test_a_suspended_source_becomes_a_hole_of_its_length(own_sound: Sound, tmp_path: Path) -> None:
    """The source delivers nothing for 3 s: time goes on, and the zeros are marked."""
    player = own_sound.play(PLAYED)
    process = own_sound.popen("record", "--name", "h", "--device", "room_mic", "--seconds", "9", where=tmp_path)
    tape = tmp_path / "recordings" / "h" / PARTIAL / "mic.s24"
    while not (tape.exists() and tape.stat().st_size > 2 * 72_000):
        time.sleep(0.05)
    began = time.monotonic()
    own_sound.control("suspend-sink", "room", "1")
    time.sleep(3)
    own_sound.control("suspend-sink", "room", "0")
    lasted = time.monotonic() - began
    _, err = process.communicate(timeout=60)
    player.terminate()
    player.wait()
    assert process.returncode == 0, err
    folder = tmp_path / "recordings" / "h"
    (hole,) = [event for event in events(folder) if event["event"] == "hole"]
    start, samples = int(str(hole["sample"])), int(str(hole["samples"]))
    assert abs(samples / RATE - lasted) < 0.5
    mic = track(folder)
    assert not mic[start : start + samples].any()
    assert len(mic) == 9 * RATE


@dataclass
class Minute:
    """Two recordings of a minute that go on while the other tests run.

    Attributes:
        heard: what another program plays, far ahead of time, into the room of the other tests.
        duplex: the recorder plays and records, in a room of its own.
    """

    folder: Path
    played: Noise
    heard: "subprocess.Popen[str]"
    duplex: "subprocess.Popen[str]"


@pytest.fixture(scope="module")
def minute(noisy: Sound, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minute]:
    folder = tmp_path_factory.mktemp("minute")
    sound = start_sound(folder / "sound")
    played = noise(62)
    soundfile.write(folder / "agent.wav", played, RATE, subtype="PCM_16")
    arguments = ("--name", "duplex", "--device", "room_mic", "--output", "room", "--play", "agent.wav")
    duplex = sound.popen("record", *arguments, where=folder)
    heard = noisy.popen("record", "--name", "heard", "--device", "room_mic", "--seconds", "61", where=folder)
    yield Minute(folder, played, heard, duplex)
    for process in (duplex, heard):
        process.kill()
        process.wait()
    sound.server.terminate()
    sound.server.wait()


def test_a_minute_of_what_was_played_is_heard_bit_for_bit_at_one_offset(minute: Minute) -> None:
    """After the others in this file, when the minute is nearly over."""
    _, err = minute.heard.communicate(timeout=150)
    assert minute.heard.returncode == 0, err
    folder = minute.folder / "recordings" / "heard"
    assert open_session(folder).samples == 61 * RATE
    assert_is_what_was_played(folder)
    assert [event for event in events(folder) if event["event"] != "xrun"] == []


def test_a_minute_in_duplex_is_on_one_clock(minute: Minute) -> None:
    _, err = minute.duplex.communicate(timeout=150)
    assert minute.duplex.returncode == 0, err
    played = minute.played
    session = open_session(minute.folder / "recordings" / "duplex")
    assert session.verify() == []
    mic, agent = track(session.folder), track(session.folder, "agent")
    assert len(mic) == len(agent) == session.samples
    assert np.array_equal(agent[agent != 0], played), "all that was handed over: the noise holds no zero"
    start, heard = find(played[:480], agent), find(played[:480], mic)
    assert session.device is not None
    measured = session.device["round_trip"]
    assert abs(measured["lag_samples"]) < 0.08 * RATE, "time stamps alone have put the tracks on one clock"
    holes = [event for event in events(session.folder) if event["event"] == "hole"]
    if not holes:
        assert np.array_equal(agent[start : start + len(played)], played)
        assert np.array_equal(mic[heard : heard + len(played)], played)
        assert (measured["lag_samples"], measured["lag_spread_samples"]) == (heard - start, 0)
    else:  # this machine is so busy that its sound output ran dry: that is marked, and bounded
        assert {event["track"] for event in holes} == {"agent"}
        assert measured["lag_spread_samples"] < 0.1 * RATE
