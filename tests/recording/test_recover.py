"""``record --recover`` and the hints to it: what is finished, what is left alone, what is said."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.recording.finalize import finish
from workbench.recording.levels import GateMeter, LevelMeter
from workbench.recording.ring import BlockRing
from workbench.recording.tape import TapeWriter
from workbench.recording.tape_folder import cut_off
from workbench.recording.writer import TrackWriter, Writer
from workbench.sessions.folders import PARTIAL, is_recording, recover_command
from workbench.sessions.session import open_session

from .conftest import ROOT
from .test_tape import write


def popen(*arguments: str, where: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments], cwd=where, env={"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(*arguments: str, where: Path) -> "subprocess.CompletedProcess[str]":
    process = popen(*arguments, where=where)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def test_whatever_is_wrong_with_one_the_others_are_finished(tmp_path: Path) -> None:
    here = tmp_path / "recordings"
    for name in ("a", "b", "c", "d", "e"):
        write(here / name)
    (here / "a" / PARTIAL / "journal.jsonl").write_text("{}\n")
    (here / "b" / PARTIAL / "lock").unlink()
    (here / "b" / PARTIAL / "lock").mkdir()  # a folder that cannot be written
    (here / "c" / PARTIAL / "header.json").write_text('{"format": 2}')
    (here / "d" / PARTIAL / "mic.s24").write_bytes(b"")
    done = run("record", "--recover", where=tmp_path)
    assert done.returncode == 2
    assert [line.split(" ")[:2] for line in done.stderr.splitlines()] == [
        ["error:", "recordings/b:"],
        ["error:", "recordings/c/.recording/header.json:"],
        ["note:", "recordings/d:"],
    ]
    assert "recordings/a: 3.00 s, mic.flac" in done.stdout
    assert "recordings/e: 3.00 s, mic.flac" in done.stdout
    assert [path.name for path in cut_off(here)] == ["b", "c"]


def test_two_at_once_share_the_work(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(6)]
    for name in names:
        write(tmp_path / "recordings" / name, 20)
    both = [popen("record", "--recover", where=tmp_path) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        assert "error" not in err
    for name in names:
        assert open_session(tmp_path / "recordings" / name).verify() == []
    assert cut_off(tmp_path / "recordings") == []


def test_a_living_recording_is_named_as_such_and_left_alone(tmp_path: Path) -> None:
    here = tmp_path / "recordings"
    write(here / "old")
    tape = write(here / "now", close=False)
    assert cut_off(here) == [here / "old"]
    listed = run("sessions", where=tmp_path)
    assert listed.returncode == 2, "for the one that was cut off"
    assert listed.stderr.splitlines() == [
        "note: recordings/now: is being recorded right now",
        "error: recordings/old: recording was cut off; finish it with 'workbench record --recover'",
    ]
    replayed = run("replay", "now", "--stack", "scripted", where=tmp_path)
    assert replayed.returncode == 2
    assert replayed.stderr == "error: recordings/now: is being recorded right now; stop that recording first\n"
    done = run("record", "--recover", where=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    again = run("record", "--recover", where=tmp_path)
    assert (again.returncode, again.stdout) == (0, "recordings: no recording was cut off here\n")
    named = run("record", "--recover", "--name", "now", where=tmp_path)
    assert named.returncode == 2
    assert "recordings/now: is being recorded right now" in named.stderr
    tape.close()
    assert finish(here / "now").session.verify() == []


def test_a_recording_is_its_own_until_it_is_a_session(tmp_path: Path) -> None:
    """The writer has ended, and an assistant may still take its time."""
    ring = BlockRing(100, 1920, 1)
    tape = TapeWriter(tmp_path / "s", ("mic",), {})
    writer = Writer(tape, [TrackWriter("mic", ring, 24_000)], LevelMeter(GateMeter(0.01, 700, 200)))
    for number in range(50):
        ring.push(np.zeros((1920, 1), dtype=np.float32), number * 0.08, 0, 0.0)
        writer.step()
    writer.stop()
    writer.run()
    assert is_recording(tmp_path / "s")
    assert cut_off(tmp_path) == []
    with pytest.raises(WorkbenchError, match="is being recorded right now"):
        finish(tmp_path / "s")
    assert finish(tmp_path / "s", lock=tape.lock).session.samples == 25 * 1920
    assert not is_recording(tmp_path / "s")


def test_the_hint_finds_the_session_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert recover_command(Path("recordings/a")) == "workbench record --recover"
    assert recover_command(tmp_path / "recordings" / "a") == "workbench record --recover"
    assert recover_command(Path("a")) == "workbench record --recover --dir ."
    write(Path("my takes/a"))
    said = run("replay", "my takes/a", "--stack", "scripted", where=tmp_path).stderr
    assert said.endswith('record --recover --dir "my takes"\'\n')
    assert run("record", "--recover", "--dir", "my takes", where=tmp_path).returncode == 0
    assert open_session(Path("my takes/a")).verify() == []


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match=r"file.*: is not a folder; choose one with --dir"):
        TapeWriter(tmp_path / "file" / below / "x", ("mic",), {})


def test_a_tape_that_cannot_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.recording.tape.write_text", full)
    with pytest.raises(WorkbenchError, match=r"cannot be written \(No space left on device\)"):
        TapeWriter(tmp_path / "s", ("mic",), {})
    assert list(tmp_path.iterdir()) == []
