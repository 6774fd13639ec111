"""A real PortAudio device. What goes out is what comes in, bit for bit and on one clock; and whoever is killed, stopped
or starved of disk keeps what was heard, and says what happened.

Real time cannot be had on every machine. So these tests ask for what must hold on a busy one too (see ``heard``): what
is in the track was played, and what is missing is marked. How little is missing on an idle one is for
``benchmarks/record.py`` to measure.
"""

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

from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import open_session

from ..conftest import SmallDisk
from .conftest import RATE, Noise, Sound, find, noise, start_sound, track
from .crashes import Listener, crash
from .heard import assert_heard, events

pytestmark = pytest.mark.slow

PLAYED = noise(300, seed=7)
"""More than any of these tests takes."""


@pytest.fixture
def noisy(sound: Sound) -> Iterator[Sound]:
    """Noise in the room, from its beginning, for as long as the test takes."""
    player = sound.play(PLAYED)
    sound.wait_for_sound()
    yield sound
    player.terminate()
    player.wait()


def test_kill_9_loses_less_than_a_second(noisy: Sound, tmp_path: Path) -> None:
    """Five of the hundred moments of ``benchmarks/record.py kill``, at once."""
    listener = Listener(noisy)
    waits = np.random.default_rng(5).uniform(0.1, 4.0, 5)
    with ThreadPoolExecutor(5) as pool:
        crashes = list(pool.map(lambda i: crash(noisy, tmp_path, f"k{i}", PLAYED, listener, float(waits[i])), range(5)))
    listener.close()
    for done in crashes:
        assert done.lost_seconds <= max(1.0, done.unwritten_seconds + 0.5), done
    sessions = [f"recordings/k{i}" for i in range(5)]
    replayed = noisy.run(
        "replay", *sessions, "--out", "run", "--stack", "scripted", "--step-costs", "fixed", where=tmp_path
    )
    assert replayed.returncode == 0, replayed.stderr
    assert len(list((tmp_path / "run").glob("*.trace.jsonl"))) == 5


def test_a_stopped_recorder_loses_nothing_and_says_so(noisy: Sound, tmp_path: Path) -> None:
    process = noisy.popen("record", "--name", "s", "--device", "room_mic", "--seconds", "6", where=tmp_path)
    tape = tmp_path / "recordings" / "s" / PARTIAL / "mic.s24"
    noisy.wait_for_tape(process, tape, 1)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    before = tape.read_bytes()
    time.sleep(2.8)
    assert tape.read_bytes() == before
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    folder = tmp_path / "recordings" / "s"
    assert assert_heard(folder, PLAYED).lost < RATE / 2, "3 s of it were heard while nobody listened"
    stalled = events(folder, "stalled")
    assert "the program was stopped" in [event["cause"] for event in stalled]
    assert max(event["seconds"] for event in stalled) > 2.5
    assert "stopped for" in out


def test_a_full_disk_keeps_what_was_written(noisy: Sound, tmp_path: Path, small_disk: SmallDisk) -> None:
    small_disk.resize("400k")  # 5 s of tape
    done = noisy.run(
        "record", "--name", "f", "--device", "room_mic", "--seconds", "60", "--dir", "small", where=tmp_path
    )
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: small/f: the recording is safe but could not be finished")
    assert "No space left" in last
    small_disk.resize("4m")
    listed = noisy.run("replay", "small/f", where=tmp_path)
    assert listed.returncode == 2
    hint = "workbench record --recover --dir small"
    assert hint in last
    assert listed.stderr == f"error: small/f: recording was cut off; finish it with '{hint}'\n"
    recovered = noisy.run("record", "--recover", "--dir", "small", where=tmp_path)
    assert recovered.returncode == 0, recovered.stderr
    session = open_session(small_disk.folder / "f")
    assert session.verify() == []
    assert session.samples > 4 * RATE
    assert_heard(small_disk.folder / "f", PLAYED)


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
    noisy.wait_for_tape(process, tape, 1)
    subprocess.run(["fsfreeze", "-f", freezing_disk], check=True)
    time.sleep(4)
    subprocess.run(["fsfreeze", "-u", freezing_disk], check=True)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "DISK IS SLOW" in err
    assert assert_heard(freezing_disk / "w", PLAYED).lost < RATE / 2, "4 s of it were heard while the disk stood still"
    stalled = [event for event in events(freezing_disk / "w", "stalled") if event["cause"] == "the disk was slow"]
    assert max(event["seconds"] for event in stalled) > 3


def test_ctrl_c_ends_in_order(noisy: Sound, tmp_path: Path) -> None:
    process = noisy.popen("record", "--name", "c", "--device", "room_mic", where=tmp_path)
    tape = tmp_path / "recordings" / "c" / PARTIAL / "mic.s24"
    noisy.wait_for_tape(process, tape, 1)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out.startswith("recordings/c: ")
    assert_heard(tmp_path / "recordings" / "c", PLAYED)


@pytest.mark.parametrize(("begins", "lasts"), [(2, 3), (0.1, 1.5)], ids=["later", "at once"])
def test_a_suspended_source_becomes_a_hole_of_its_length(
    own_sound: Sound, tmp_path: Path, begins: float, lasts: float
) -> None:
    """The source delivers nothing for a while: time goes on, and the zeros are marked."""
    player = own_sound.play(PLAYED)
    process = own_sound.popen("record", "--name", "h", "--device", "room_mic", "--seconds", "9", where=tmp_path)
    tape = tmp_path / "recordings" / "h" / PARTIAL / "mic.s24"
    own_sound.wait_for_tape(process, tape, begins)
    began = time.monotonic()
    own_sound.control("suspend-sink", "room", "1")
    time.sleep(lasts)
    own_sound.control("suspend-sink", "room", "0")
    lasted = time.monotonic() - began
    _, err = process.communicate(timeout=60)
    player.terminate()
    player.wait()
    assert process.returncode == 0, err
    folder = tmp_path / "recordings" / "h"
    hole = max(events(folder, "hole"), key=lambda event: int(event["samples"]))
    start, samples = hole["sample"], hole["samples"]
    assert abs(samples / RATE - lasted) < 0.5
    mic = track(folder)
    assert not mic[start : start + samples].any()
    assert len(mic) == 9 * RATE


@dataclass
class Recorded:
    """Two recordings of a minute, each in a room of its own, made at the same time.

    Attributes:
        heard: what another program played, far ahead of time.
        duplex: the recorder played and recorded.
    """

    played: Noise
    heard: Path
    duplex: Path


@pytest.fixture(scope="module")
def recorded(sound: Sound, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorded")
    rooms = [start_sound(folder / name) for name in ("one", "two")]
    played = noise(60)
    soundfile.write(folder / "agent.wav", played, RATE, subtype="PCM_16")
    player = rooms[0].play(PLAYED)
    rooms[0].wait_for_sound()
    started = [
        rooms[0].popen("record", "--name", "heard", "--device", "room_mic", "--seconds", "60", where=folder),
        rooms[1].popen(
            "record", "--name", "duplex", "--device", "room_mic", "--output", "room", "--play", "agent.wav",
            where=folder,
        ),
    ]  # fmt: skip
    try:
        for process in started:
            _, err = process.communicate(timeout=200)
            assert process.returncode == 0, err
        yield Recorded(played, folder / "recordings" / "heard", folder / "recordings" / "duplex")
    finally:
        for process in (player, *started, *(room.server for room in rooms)):
            process.kill()
            process.wait()


def test_what_was_played_is_heard_bit_for_bit_at_one_offset(recorded: Recorded) -> None:
    assert open_session(recorded.heard).samples == 60 * RATE
    assert assert_heard(recorded.heard, PLAYED).lost < 0.01 * 60 * RATE
    assert {event["event"] for event in events(recorded.heard)} <= {"xrun", "hole", "stalled"}


def test_playing_and_hearing_are_on_one_clock(recorded: Recorded) -> None:
    played, folder = recorded.played, recorded.duplex
    session = open_session(folder)
    assert session.verify() == []
    mic, agent = track(folder), track(folder, "agent")
    assert len(mic) == len(agent) == session.samples
    assert np.array_equal(agent[agent != 0], played), "all that was handed over: the noise holds no zero"
    start, heard = find(played[:480], agent), find(played[:480], mic)
    assert start >= 0
    assert session.device is not None
    assert session.device["one_stream"] is False
    measured = session.device["round_trip"]
    assert abs(measured["lag_samples"]) < RATE / 2, "time stamps alone have put the tracks on one clock"
    whole = [pcm[at : at + len(played)] for pcm, at in ((agent, start), (mic, heard))]
    if all(np.array_equal(pcm, played) for pcm in whole):
        assert (measured["lag_samples"], measured["lag_spread_samples"]) == (heard - start, 0)
    else:  # this machine is so busy that its sound output ran dry
        assert events(folder, "hole", "xrun", "starved"), "and nothing says so"
