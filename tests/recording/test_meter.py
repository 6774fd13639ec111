"""The meter and its keys: what is pressed is what the session holds, and what is drawn fits the terminal."""

import io
import json
import os
import pty
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import soundfile
from rich.console import Console

from workbench.recording import meter
from workbench.recording.finalize import finish
from workbench.recording.loop import _run
from workbench.recording.meter import PlainView, state
from workbench.recording.plan import StopReason
from workbench.recording.recorder import Recorder
from workbench.recording.terminal import Keyboard
from workbench.recording.view import LastingView
from workbench.sessions.folders import PARTIAL
from workbench.sessions.labels import read_labels
from workbench.sessions.session import Session

from .conftest import RATE, Sound, noise
from .fed import FRAMES, Pace, fed_take, loud
from .heard import events
from .terminal import Terminal


class Hand:
    """A view that shows nothing and presses each key once the tape is so many samples long.

    Each look lets the microphone give 0.96 s more, so that a key takes effect on the block after it, however rarely
    the loop comes to look.

    Attributes:
        states: as the meter would show them, each once in a row.
        marks: how often it was told of one.
    """

    def __init__(self, keys: list[tuple[int, str]]) -> None:
        self._keys = keys
        self._samples = 0
        self.pace = Pace(12)
        self.states: list[str] = []
        self.marks = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, take: Recorder) -> None:
        if self._samples or self.states:
            self.pace.step(take)
        self._samples = take.writer.samples
        if state(take) not in self.states[-1:]:
            self.states.append(state(take))

    def pressed(self) -> str:
        due = "".join(key for at, key in self._keys if at <= self._samples)
        self._keys = [(at, key) for at, key in self._keys if at > self._samples]
        return due

    def marked(self) -> None:
        self.marks += 1


def record_with(take: Recorder, view: object) -> tuple[Session, StopReason, LastingView]:
    shown = LastingView(view)  # type: ignore[arg-type]
    ended = _run(take, shown, [])
    facts = take.stop()
    return finish(take.plan.folder, facts, take.lock).session, ended, shown


def test_a_pause_is_zeros_of_its_length_and_time_goes_on(tmp_path: Path) -> None:
    hand = Hand([(3 * RATE, " "), (8 * RATE, " "), (12 * RATE, "q")])
    session, ended, _ = record_with(fed_take(tmp_path / "s", pace=hand.pace), hand)
    assert ended == StopReason(True, "stopped")
    pause = [event for event in events(session.folder) if event["event"] == "pause" and "samples" in event][-1]
    mic, _ = soundfile.read(session.folder / "mic.flac")
    zeros = np.flatnonzero(mic == 0)
    assert (zeros[0], len(zeros), zeros[-1] + 1 - zeros[0]) == (pause["sample"], pause["samples"], pause["samples"])
    looks = range(11 * FRAMES, 15 * RATE, 12 * FRAMES)  # 25 blocks are given up at first, one of the third look's 12
    due = [next(samples for samples in looks if samples >= seconds * RATE) for seconds in (3, 8, 12)]
    assert [pause["sample"], pause["sample"] + pause["samples"], len(mic)] == due
    assert hand.states == ["OPENING", "SPEAK", "PAUSED", "SPEAK"]


def test_a_pause_that_lasts_to_the_end_is_marked(tmp_path: Path) -> None:
    hand = Hand([(2 * RATE, " "), (5 * RATE, "q")])
    session, _, _ = record_with(fed_take(tmp_path / "s", pace=hand.pace), hand)
    pause = [event for event in events(session.folder) if event["event"] == "pause" and "samples" in event][-1]
    assert pause["sample"] + pause["samples"] == session.samples


def test_marks_become_notes(tmp_path: Path) -> None:
    hand = Hand([(2 * RATE, "m"), (4 * RATE, "xm"), (6 * RATE, "q")])
    session, _, _ = record_with(fed_take(tmp_path / "s", pace=hand.pace), hand)
    marks = [event["sample"] for event in events(session.folder, "mark")]
    assert [mark >= at * RATE for mark, at in zip(marks, (2, 4), strict=True)] == [True, True]
    labels = read_labels(session.folder / "labels.csv", session.samples)
    assert [(label.kind, label.start) for label in labels] == [("note", mark) for mark in marks]
    assert hand.marks == 2


def test_keys_before_the_first_sample_do_nothing(tmp_path: Path) -> None:
    hand = Hand([(0, "m "), (2 * RATE, "q")])
    session, _, _ = record_with(fed_take(tmp_path / "s", pace=hand.pace), hand)
    assert hand.states[0] == "OPENING"
    assert "PAUSED" not in hand.states
    assert hand.marks == 0
    assert events(session.folder) == []


@pytest.mark.parametrize("breaks", ["__enter__", "show", "pressed", "__exit__"])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), BrokenPipeError(32, "Broken pipe")])
def test_a_view_that_breaks_ends_no_recording(tmp_path: Path, breaks: str, error: OSError) -> None:
    hand = Hand([] if breaks != "__exit__" else [(RATE, "q")])

    def broken(*_: object) -> None:
        raise error

    session, ended, shown = record_with(
        fed_take(tmp_path / "s", blocks=120), type("Broken", (Hand,), {breaks: broken})(hand._keys)
    )
    assert ended.why == ("the microphone (fed) went away" if breaks != "__exit__" else "stopped")
    assert session.verify() == []
    assert shown.remarks == (f"the meter ended early ({error}); the recording went on without it",)


def test_the_keyboard_is_given_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that ends after Ctrl-Z and ``bg`` leaves alone what is the shell's by then."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(master)
        keyboard = Keyboard()
        keyboard.open()
        assert termios.tcgetattr(master) != before
        keyboard.close()
        assert termios.tcgetattr(master) == before
        tty.setraw(terminal)
        theirs = termios.tcgetattr(master)
        keyboard.close()
        assert termios.tcgetattr(master) == theirs
    os.close(master)


@contextmanager
def heard(folder: Path, sound: Callable[[int], object] = loud, seconds: float = 3) -> Iterator[Recorder]:
    """A take that has heard so much."""
    take = fed_take(folder, sound)  # type: ignore[arg-type]
    take.start()
    while take.levels.samples < seconds * RATE:
        assert take.watch() is None
        time.sleep(0.01)
    yield take
    take.stop()


def test_clip_share_counts_samples_at_0_95_and_above(tmp_path: Path) -> None:
    def sound(number: int) -> object:
        pcm = loud(number)
        pcm[: FRAMES // 4] = -0.96
        return pcm

    out = io.StringIO()
    with heard(tmp_path / "s", sound) as take:
        assert take.levels.clip_share == 0.25
        PlainView(out).show(take)
    assert "clipped 25.00%" in out.getvalue()


@pytest.mark.parametrize("columns", [20, 40, 80, 120, 200])
def test_the_meter_fits_every_width(tmp_path: Path, columns: int) -> None:
    out = io.StringIO()
    with heard(tmp_path / "s") as take:
        history = ((0.25, True),) * 400
        Console(file=out, width=columns).print(meter._Picture("a-long-name" * 5, take, history, True, True))
    lines = out.getvalue().splitlines()
    assert len(lines) == 6
    assert max(len(line) for line in lines) <= columns
    assert lines[3] == meter._BARS[7] * columns


def test_every_line_of_the_meter(tmp_path: Path) -> None:
    out = io.StringIO()
    with heard(tmp_path / "s") as take:
        Console(file=out, width=100).print(meter._Picture("n", take, (), False, True))
    head, bar, figures, strip, health, foot = out.getvalue().splitlines()
    assert "SPEAK   n  fed, 24 kHz mono, sample for sample" in head
    assert bar.startswith(" -12.0 dBFS  ██████")
    assert "│" in bar
    assert figures == " -12.0 peak  threshold -40.0 dBFS (0.01)  clipped 0.00%"
    assert strip == ""
    assert health.startswith("xruns 0  lost 0.00 s  disk ")
    assert foot == "m mark   space pause   q stop"


@pytest.fixture
def noisy(sound: Sound) -> Iterator[Sound]:
    player = sound.play(noise(300, seed=3))
    yield sound
    player.terminate()
    player.wait()


def running(sound: Sound, where: Path, name: str, columns: int = 100) -> Terminal:
    """A recorder in a terminal, its meter drawn, with a second of tape."""
    terminal = Terminal("record", "--name", name, "--device", "room_mic", where=where, env=sound.env, columns=columns)
    tape = where / "recordings" / name / PARTIAL / "mic.s24"
    terminal.wait(lambda: tape.exists() and tape.stat().st_size > 3 * RATE)
    terminal.wait(lambda: "SPEAK" in terminal.text)
    return terminal


@pytest.mark.slow
def test_keys_and_width_in_a_real_terminal(noisy: Sound, tmp_path: Path) -> None:
    terminal = running(noisy, tmp_path, "k", columns=120)
    assert terminal.is_raw
    for columns in (80, 41, 120):
        terminal.resize(columns)
        terminal.wait(lambda width=columns: terminal.picture and {len(x) for x in terminal.picture} == {width})  # type: ignore[misc]
    terminal.press("m")
    terminal.wait(lambda: "marked" in terminal.text)
    terminal.press(" ")
    terminal.wait(lambda: "PAUSED" in terminal.text)
    tape = tmp_path / "recordings" / "k" / PARTIAL / "mic.s24"
    size = tape.stat().st_size
    terminal.wait(lambda: tape.stat().st_size > size + 3 * RATE // 2)
    terminal.press("\x13 ")  # Ctrl-S holds nothing up
    terminal.wait(lambda: any("SPEAK" in line for line in terminal.picture))
    terminal.press("q")
    assert terminal.ended() == 0, terminal.text
    folder = tmp_path / "recordings" / "k"
    assert {"mark", "pause"} <= {event["event"] for event in events(folder)}
    assert "recordings/k: " in terminal.text
    assert not terminal.is_raw
    assert not (folder / PARTIAL).exists()


@pytest.mark.slow
def test_ctrl_z_gives_the_terminal_back_and_keys_work_again(noisy: Sound, tmp_path: Path) -> None:
    terminal = running(noisy, tmp_path, "z")
    terminal.press("\x1a")
    terminal.wait(lambda: terminal.is_stopped)
    assert not terminal.is_raw
    time.sleep(2.5)
    terminal.signal(signal.SIGCONT)
    terminal.wait(lambda: terminal.is_raw)
    terminal.press("m")
    terminal.wait(lambda: "marked" in terminal.text)
    terminal.press("q")
    assert terminal.ended() == 0, terminal.text
    found = events(tmp_path / "recordings" / "z")
    assert [event["cause"] for event in found if event["event"] == "stalled"] == ["the program was stopped"]
    assert "mark" in {event["event"] for event in found}


@pytest.mark.slow
def test_a_closed_terminal_ends_the_recording_in_order(noisy: Sound, tmp_path: Path) -> None:
    terminal = running(noisy, tmp_path, "c")
    terminal.close()
    terminal.ended()
    folder = tmp_path / "recordings" / "c"
    assert not (folder / PARTIAL).exists()
    session = json.loads((folder / "session.json").read_text())
    assert session["device"]["ended"] == "stopped"
