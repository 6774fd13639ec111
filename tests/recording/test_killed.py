"""What was going on when the recorder was killed is marked: a pause, a hole that was not decided yet."""

import json
import os
import pty
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.recording.finalize import finish
from workbench.recording.levels import GateMeter, LevelMeter
from workbench.recording.ring import BlockRing
from workbench.recording.tape import TapeWriter
from workbench.recording.writer import TrackWriter, Writer
from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import Session, open_session

from .conftest import RATE, Sound, track

FRAMES = 1920


class Recorder:
    """The writer without its thread: ``feed`` puts a block in, ``kill`` copies what a kill leaves behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ring = BlockRing(500, FRAMES, 1)
        self.writer = Writer(
            TapeWriter(folder / "s", ("mic",), {}),
            [TrackWriter("mic", self._ring, RATE)],
            LevelMeter(GateMeter(0.01, 700, 200)),
        )
        self._clock = self._copies = 0
        self.feed(25)
        assert self.writer.ready.is_set()

    def feed(self, blocks: int, lost: int = 0, commit: bool = True) -> None:
        """Blocks of a constant, after so many lost samples."""
        self._clock += lost
        for _ in range(blocks):
            self._ring.push(np.full((FRAMES, 1), 0.25, dtype=np.float32), self._clock / RATE, 0, 0.0)
            self._clock += FRAMES
            self.writer.committed = 0.0 if commit else time.monotonic()
            self.writer.step()

    def kill(self) -> Session:
        self._copies += 1
        return finish(shutil.copytree(self._folder / "s", self._folder / f"killed{self._copies}")).session


def events(session: Session) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (session.folder / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def test_a_pause_that_goes_on_is_marked_to_the_end(recorder: Recorder) -> None:
    recorder.feed(10)
    recorder.writer.pause(True)
    assert events(recorder.kill()) == []
    recorder.feed(1, commit=False)
    assert events(recorder.kill()) == [{"sample": 10 * FRAMES, "event": "pause", "samples": FRAMES}]
    recorder.feed(20)
    session = recorder.kill()
    assert events(session) == [{"sample": 10 * FRAMES, "event": "pause", "samples": 21 * FRAMES}]
    assert not session.read(10 * FRAMES, session.samples).any()
    recorder.writer.pause(False)
    recorder.feed(5)
    assert events(recorder.kill()) == [{"sample": 10 * FRAMES, "event": "pause", "samples": 21 * FRAMES}]


def test_a_hole_in_a_pause_is_part_of_it(recorder: Recorder) -> None:
    recorder.feed(60)
    recorder.writer.pause(True)
    recorder.feed(5)
    recorder.feed(60, lost=48_000)
    found = {event["event"]: event for event in events(recorder.kill())}
    assert (found["hole"]["sample"], found["hole"]["samples"]) == (65 * FRAMES, 48_000)
    assert (found["pause"]["sample"], found["pause"]["samples"]) == (60 * FRAMES, 65 * FRAMES + 48_000)


@pytest.mark.parametrize("after", [1, 20, 49, 50, 60])
def test_a_hole_is_marked_decided_or_not(recorder: Recorder, after: int) -> None:
    recorder.feed(60)
    recorder.feed(after, lost=72_000)
    session = recorder.kill()
    assert [(e["event"], e["sample"], e["samples"]) for e in events(session)] == [("hole", 60 * FRAMES, 72_000)]
    assert session.samples == (60 + after) * FRAMES + 72_000
    assert not session.read(60 * FRAMES, 60 * FRAMES + 72_000).any()
    assert session.read(60 * FRAMES + 72_000, session.samples).all()


def test_what_turned_out_to_be_no_hole_is_not_one_after_a_kill(recorder: Recorder) -> None:
    recorder.feed(60)
    recorder.feed(10, lost=9600)
    recorder.feed(39, lost=-9600, commit=False)
    recorder.feed(1, commit=False)
    assert events(recorder.kill()) == []


def eventually(says: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not says():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_while_paused(sound: Sound, tmp_path: Path) -> None:
    """The space bar of a real terminal."""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "record", "--name", "p", "--device", "room_mic"],
        cwd=tmp_path, env=sound.env, text=True, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    reader = threading.Thread(target=_drain, args=(terminal,), daemon=True)
    reader.start()
    tape = tmp_path / "recordings" / "p" / PARTIAL
    sound.wait_for_tape(process, tape / "mic.s24", 1)
    os.write(terminal, b" ")
    eventually(lambda: '"paused"' in (tape / "events.jsonl").read_text())
    time.sleep(2)
    session = killed(sound, process, tmp_path, "p")
    os.close(theirs)
    ((event),) = events(session)
    assert event["event"] == "pause"
    assert event["samples"] > RATE
    assert event["sample"] + event["samples"] == session.samples


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 65_536):
            pass
    except OSError:
        return


@pytest.mark.slow
def test_killed_while_a_hole_is_undecided(own_sound: Sound, tmp_path: Path) -> None:
    process = own_sound.popen("record", "--name", "h", "--device", "room_mic", where=tmp_path)
    tape = tmp_path / "recordings" / "h" / PARTIAL
    own_sound.wait_for_tape(process, tape / "mic.s24", 4)
    for state in ("1", "0"):
        own_sound.control("suspend-sink", "room", state)
        time.sleep(3 if state == "1" else 0)
    eventually(lambda: '"hole"' in (tape / "journal.jsonl").read_text())
    session = killed(own_sound, process, tmp_path, "h")
    (event,) = [event for event in events(session) if event["event"] == "hole"]
    assert 2.5 * RATE < event["samples"] < 4 * RATE
    assert not track(session.folder)[event["sample"] : event["sample"] + event["samples"]].any()


def killed(sound: Sound, process: "subprocess.Popen[str]", where: Path, name: str) -> Session:
    process.kill()
    process.wait()
    done = sound.run("record", "--recover", "--name", name, where=where)
    assert done.returncode == 0, done.stderr
    session = open_session(where / "recordings" / name)
    assert session.verify() == []
    return session
