"""Damaged tapes: what is good becomes a session, what is not is marked, and no audio is ever deleted."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.recording.finalize import DAMAGED, finish
from workbench.recording.observer import LIVE
from workbench.recording.tape_folder import cut_off
from workbench.sessions.folders import MANIFEST, PARTIAL, is_recording
from workbench.sessions.session import Session, open_session

from .test_tape import SECOND, ramp, samples, write

AGENT_AT = 240
"""Where ``write`` has the agent track begin."""


def flip(path: Path, byte: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(data)


def events(session: Session) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (session.folder / "events.jsonl").read_text().splitlines()]


def expected(seconds: int, damaged: list[int]) -> np.ndarray:
    """What ``write`` recorded, zeros where a second is damaged."""
    pcm = ramp(seconds * SECOND)
    for second in damaged:
        pcm[second * SECOND : (second + 1) * SECOND] = 0
    return pcm


@pytest.mark.parametrize("second", [0, 1, 4])
@pytest.mark.parametrize("track", ["mic", "agent"])
def test_one_damaged_second_is_zeros_and_the_rest_is_kept(tmp_path: Path, track: str, second: int) -> None:
    write(tmp_path / "s", 5, agent=True)
    flip(tmp_path / "s" / PARTIAL / f"{track}.s24", second * SECOND * 3 + 100)
    before = (tmp_path / "s" / PARTIAL / f"{track}.s24").read_bytes()
    done = finish(tmp_path / "s")
    assert done.session.verify() == []
    assert np.array_equal(samples(done.session.folder), expected(5, [second] if track == "mic" else []))
    agent = expected(5, [second] if track == "agent" else [])
    assert np.array_equal(samples(done.session.folder, "agent")[AGENT_AT:], agent[:-AGENT_AT])
    (event,) = events(done.session)
    at = second * SECOND + (AGENT_AT if track == "agent" else 0)
    end = min(at + SECOND, 5 * SECOND)
    assert event == {"sample": at, "event": "damaged", "track": track, "samples": end - at}
    assert f"{track}: 1.00 s differ from their checksums or are gone; zeros stand in their place" in done.remarks[0]
    assert any(text.startswith("the damaged tape is kept in ") for text in done.remarks)
    assert (tmp_path / "s" / DAMAGED / f"{track}.s24").read_bytes() == before
    assert cut_off(tmp_path) == []


def test_damaged_seconds_side_by_side_are_one_place(tmp_path: Path) -> None:
    write(tmp_path / "s", 5)
    for second in (1, 2, 4):
        flip(tmp_path / "s" / PARTIAL / "mic.s24", second * SECOND * 3)
    session = finish(tmp_path / "s").session
    assert np.array_equal(samples(session.folder), expected(5, [1, 2, 4]))
    assert [(e["sample"], e["samples"]) for e in events(session)] == [(SECOND, 2 * SECOND), (4 * SECOND, SECOND)]


@pytest.mark.parametrize("left", [0, 2 * SECOND + 7, None])
def test_a_cut_microphone_track_keeps_the_agent_track(tmp_path: Path, left: int | None) -> None:
    write(tmp_path / "s", 5, agent=True)
    mic = tmp_path / "s" / PARTIAL / "mic.s24"
    if left is None:
        mic.unlink()
    else:
        os.truncate(mic, left * 3)
    session = finish(tmp_path / "s").session
    kept = ramp(5 * SECOND)
    kept[left or 0 :] = 0
    assert np.array_equal(samples(session.folder), kept)
    assert np.array_equal(samples(session.folder, "agent")[AGENT_AT:], ramp(5 * SECOND - AGENT_AT))
    assert [(e["event"], e["sample"], e["samples"]) for e in events(session)] == [
        ("damaged", left or 0, 5 * SECOND - (left or 0))
    ]


def test_an_agent_track_that_is_gone_keeps_the_microphone(tmp_path: Path) -> None:
    write(tmp_path / "s", 5, agent=True)
    (tmp_path / "s" / PARTIAL / "agent.s24").unlink()
    session = finish(tmp_path / "s").session
    assert np.array_equal(samples(session.folder), ramp(5 * SECOND))
    assert not samples(session.folder, "agent").any()


@pytest.mark.parametrize("line", ["{}", "junk", '{"tracks": {"mic": [1e999, 0]}, "offsets": {}}', "[]"])
def test_a_damaged_journal_line_keeps_its_second_unchecked(tmp_path: Path, line: str) -> None:
    write(tmp_path / "s", 5)
    journal = tmp_path / "s" / PARTIAL / "journal.jsonl"
    lines = journal.read_text().splitlines()
    lines[2] = line
    journal.write_text("\n".join(lines) + "\n")
    flip(tmp_path / "s" / PARTIAL / "mic.s24", 4 * SECOND * 3)
    done = finish(tmp_path / "s")
    assert np.array_equal(samples(done.session.folder), expected(5, [4])), "what comes after it is still checked"
    assert "line 3 of journal.jsonl cannot be read" in done.remarks


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', "", '{"format": 1, "tracks": "mic"}', None])
def test_a_damaged_header_is_made_good_from_the_files(tmp_path: Path, content: str | None) -> None:
    write(tmp_path / "s", agent=True)
    header = tmp_path / "s" / PARTIAL / "header.json"
    if content is None:
        header.unlink()
    else:
        header.write_text(content)
    done = finish(tmp_path / "s")
    assert set(done.session.tracks) == {"mic", "agent"}
    assert any("header.json is damaged" in text for text in done.remarks)
    assert np.array_equal(samples(done.session.folder), ramp(3 * SECOND))


def test_a_damaged_event_is_said_and_those_after_it_count(tmp_path: Path) -> None:
    tape = write(tmp_path / "s", close=False)
    tape.event({"sample": 10, "event": "mark", "text": "first"})
    for bad in ({}, {"event": "hole", "track": "mic"}, {"sample": 1, "event": "hole", "track": "x", "samples": 1}):
        tape.event(bad)
    tape.event({"sample": SECOND, "event": "hole", "track": "mic", "samples": 500, "cause": "test"})
    tape.close()
    path = tmp_path / "s" / PARTIAL / "events.jsonl"
    path.write_text("junk\n" + path.read_text())
    done = finish(tmp_path / "s")
    assert [event["event"] for event in events(done.session)] == ["mark", "hole"]
    assert done.session.samples == 3 * SECOND + 500
    assert sum("of events.jsonl cannot be read" in text for text in done.remarks) == 4


def test_a_damaged_assistant_log_costs_only_the_live_trace(tmp_path: Path) -> None:
    tape = write(tmp_path / "s", agent=True, close=False)
    first = '{"header": {"session": "s", "samples": 0, "playout": 0, "stack": "scripted"}, "config": {}}\n'
    play = '{"event":"play","t":0,"reply":0,"chunk":0,"offset":0,"samples":1920}\n'
    tape.close()
    pcm = '{"event":"pcm","t":0,"reply":0,"chunk":0,"ready":[],"voiced":"1","lead":0}\n'
    unmade = "plays what no line made"
    cases = {
        "junk\n": "line 2: not valid JSON (Expecting value: line 1 column 1 (char 0))",
        play: f"line 2: {unmade}",
        pcm + play: f"line 3: {unmade}",
    }
    for number, (lines, says) in enumerate(cases.items()):
        folder = tmp_path / f"t{number}"
        shutil.copytree(tmp_path / "s", folder)
        (folder / PARTIAL / LIVE).write_text(first + lines)
        done = finish(folder)
        assert done.session.live is None
        assert f"{LIVE}: {says}: the session is made without the live trace" in done.remarks
        assert (folder / DAMAGED / LIVE).read_text() == first + lines
        assert np.array_equal(samples(folder), ramp(3 * SECOND))


@pytest.mark.parametrize("gone", [["header.json"], ["header.json", "lock", "journal.jsonl"], ["mic.s24"]])
def test_killed_while_the_tape_was_removed(tmp_path: Path, gone: list[str]) -> None:
    write(tmp_path / "s")
    shutil.copytree(tmp_path / "s" / PARTIAL, tmp_path / "tape")
    finish(tmp_path / "s")
    shutil.copytree(tmp_path / "tape", tmp_path / "s" / PARTIAL)
    for name in gone:
        (tmp_path / "s" / PARTIAL / name).unlink()
    assert "complete already" in finish(tmp_path / "s").remarks[0]
    assert cut_off(tmp_path) == []
    assert open_session(tmp_path / "s").verify() == []


@pytest.mark.parametrize("broken", [MANIFEST, "mic.flac"])
def test_an_incomplete_session_with_a_tape_is_made_again(tmp_path: Path, broken: str) -> None:
    write(tmp_path / "s")
    shutil.copytree(tmp_path / "s" / PARTIAL, tmp_path / "tape")
    finish(tmp_path / "s")
    (tmp_path / "s" / broken).write_bytes(b"")
    shutil.copytree(tmp_path / "tape", tmp_path / "s" / PARTIAL)
    finish(tmp_path / "s")
    assert np.array_equal(samples(tmp_path / "s"), ramp(3 * SECOND))
    assert open_session(tmp_path / "s").verify() == []


def test_an_incomplete_session_without_a_tape_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "s")
    finish(tmp_path / "s")
    (tmp_path / "s" / MANIFEST).write_bytes(b"{")
    (tmp_path / "s" / PARTIAL).mkdir()
    with pytest.raises(WorkbenchError, match=r"session\.json: not valid JSON"):
        finish(tmp_path / "s")
    assert (tmp_path / "s" / "mic.flac").exists()


def test_a_folder_that_cannot_be_written_is_one_line_and_stays(tmp_path: Path) -> None:
    write(tmp_path / "s")
    lock = tmp_path / "s" / PARTIAL / "lock"
    lock.unlink()
    lock.mkdir()
    with pytest.raises(WorkbenchError, match=r"safe but could not be finished \(Is a directory\).*record --recover"):
        finish(tmp_path / "s")
    assert cut_off(tmp_path) == [tmp_path / "s"]


def test_killed_before_the_first_file_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "s" / PARTIAL
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    with pytest.raises(WorkbenchError, match="nothing was recorded before it was cut off"):
        finish(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_foreign_files_next_to_an_empty_tape_stay(tmp_path: Path) -> None:
    write(tmp_path / "s", 0)
    (tmp_path / "s" / "notes.txt").write_text("mine")
    with pytest.raises(WorkbenchError, match="nothing was recorded"):
        finish(tmp_path / "s")
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["notes.txt"]


def test_any_damage_ends_in_a_session_or_in_one_line(tmp_path: Path) -> None:
    """Two hundred tapes, a file of each cut, flipped, filled with junk or removed."""
    tape = write(tmp_path / "whole", 2, agent=True, close=False)
    tape.event({"sample": 10, "event": "hole", "track": "agent", "samples": 5, "cause": "x"})
    tape.event({"sample": 20, "event": "paused"})
    tape.event({"sample": 20, "event": "pause", "samples": 7})
    tape.close()
    random, failed = np.random.default_rng(5), 0
    harms: tuple[Callable[[bytearray, int], bytes], ...] = (
        lambda data, at: bytes(data[:at]),
        lambda data, at: bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]),
        lambda data, at: bytes(data[:at] + bytes(7) + data[at + 7 :]),
        lambda data, at: bytes(data[:at] + data[at + 3 :]),
    )
    for number in range(200):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        for path in random.choice(sorted((folder / PARTIAL).iterdir()), size=2, replace=False):
            data = bytearray(path.read_bytes())
            if not data or number % 10 == 0:
                path.unlink()
            else:
                path.write_bytes(harms[random.integers(len(harms))](data, int(random.integers(len(data)))))
        kept = {path.name for path in (folder / PARTIAL).glob("*.s24") if path.stat().st_size}
        try:
            session = finish(folder).session
        except WorkbenchError:
            failed += 1
        else:
            assert session.verify() == []
        left = {path.name for path in folder.rglob("*.s24")} | {f"{path.stem}.s24" for path in folder.glob("*.flac")}
        assert kept <= left
        shutil.rmtree(folder, ignore_errors=True)
    assert failed < 5, "a flipped bit may make the header a later version's"


@pytest.mark.parametrize("name", ["journal.jsonl", "events.jsonl", "header.json", "mic.s24", "lock", "live.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_tape_with_a_pipe_or_device_is_refused(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    write(tmp_path / "s").close()
    (tmp_path / "s" / PARTIAL / name).unlink(missing_ok=True)
    make(tmp_path / "s" / PARTIAL / name)
    with pytest.raises(WorkbenchError, match=f"{name}: is a pipe, socket or device, must be a file"):
        finish(tmp_path / "s")
    assert is_recording(tmp_path / "s") is False


def test_a_journal_larger_than_any_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "s").close()
    with (tmp_path / "s" / PARTIAL / "journal.jsonl").open("r+b") as file:
        file.truncate(1 << 33)  # a hole: it takes no room
    with pytest.raises(WorkbenchError, match=r"journal.jsonl: 8590 MB are too much"):
        finish(tmp_path / "s")
