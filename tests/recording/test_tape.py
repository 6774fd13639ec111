"""The tape: what a crash or a bad disk leaves behind is read as far as it is good, and becomes a session."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.recording.finalize import finish
from workbench.recording.resample import Fitter, dequantise, quantise
from workbench.recording.ring import BlockRing
from workbench.recording.tape import TapeWriter, pack, unpack
from workbench.recording.tape_folder import cut_off
from workbench.sessions.folders import PARTIAL
from workbench.sessions.labels import read_labels
from workbench.sessions.session import open_session

SECOND = 24_000


def ramp(samples: int, start: int = 0) -> np.ndarray:
    return ((np.arange(start, start + samples) * 7919) % (1 << 24) - (1 << 23)).astype(np.int32)


def write(folder: Path, seconds: int = 3, agent: bool = False, close: bool = True) -> TapeWriter:
    tape = TapeWriter(folder, ("mic", "agent") if agent else ("mic",), {"name": folder.name})
    for second in range(seconds):
        tape.append("mic", ramp(SECOND, second * SECOND))
        if agent:
            tape.append("agent", ramp(SECOND, second * SECOND))
        tape.commit({"mic": 100.0, "agent": 340.4} if agent else {"mic": 100.0})
    if close:
        tape.close()
    return tape


def samples(folder: Path, track: str = "mic") -> np.ndarray:
    import soundfile

    return soundfile.read(folder / f"{track}.flac", dtype="int32")[0] >> 8


@given(st.lists(st.integers(-(1 << 23), (1 << 23) - 1), max_size=50))
def test_24_bits_go_round(values: list[int]) -> None:
    pcm = np.array(values, dtype=np.int32)
    assert np.array_equal(unpack(pack(pcm)), pcm)
    assert np.array_equal(quantise(dequantise(pcm)), pcm)


def test_every_16_bit_sample_survives_float_and_flac(tmp_path: Path) -> None:
    every = np.arange(-(1 << 15), 1 << 15, dtype=np.int32)
    tape = TapeWriter(tmp_path / "s", ("mic",), {})
    tape.append("mic", quantise((every / 32768).astype(np.float32)))
    tape.commit({})
    tape.close()
    session = finish(tmp_path / "s").session
    assert np.array_equal(samples(session.folder), every << 8)
    assert np.array_equal(session.read(0, 1 << 16), (every / 32768).astype(np.float32))


def test_a_tape_becomes_a_session_and_goes(tmp_path: Path) -> None:
    tape = write(tmp_path / "s", close=False)
    tape.event({"sample": SECOND, "event": "mark", "text": "here"})
    tape.close()
    session = finish(tmp_path / "s").session
    assert session.verify() == []
    assert np.array_equal(samples(session.folder), ramp(3 * SECOND))
    assert not (tmp_path / "s" / PARTIAL).exists()
    (note,) = read_labels(session.labels_path, session.samples)
    assert (note.start, note.kind, note.text) == (SECOND, "note", "here")
    assert session.labels_source is None  # nobody has said what was there


@pytest.mark.parametrize("cut", [1, 2, 3, 71_999, 72_000, 72_001, 200_000])
def test_a_cut_file_is_read_to_its_last_whole_sample(tmp_path: Path, cut: int) -> None:
    """The process was killed: what came after the last journal line counts too."""
    tape = write(tmp_path / "s", close=False)
    tape.append("mic", ramp(SECOND, 3 * SECOND))
    tape.close()
    path = tmp_path / "s" / PARTIAL / "mic.s24"
    os.truncate(path, path.stat().st_size - cut)
    done = finish(tmp_path / "s")
    whole = (4 * SECOND * 3 - cut) // 3
    assert np.array_equal(samples(done.session.folder), ramp(whole))
    assert any("before its journal does" in text for text in done.remarks) == (whole < 3 * SECOND)


def test_half_a_journal_line_is_no_line(tmp_path: Path) -> None:
    write(tmp_path / "s")
    with (tmp_path / "s" / PARTIAL / "journal.jsonl").open("a") as journal:
        journal.write('{"tracks": {"mic": [96000, 12')
    assert finish(tmp_path / "s").session.samples == 3 * SECOND


def test_tracks_are_laid_on_one_clock_by_their_stamps(tmp_path: Path) -> None:
    write(tmp_path / "s", agent=True)
    session = finish(tmp_path / "s").session
    agent = samples(session.folder, "agent")
    assert len(agent) == 3 * SECOND
    assert not agent[:240].any()
    assert np.array_equal(agent[240:], ramp(3 * SECOND - 240))
    assert session.device is not None
    assert session.device["agent_offset"] == 240


def test_holes_become_zeros_and_later_events_move(tmp_path: Path) -> None:
    tape = write(tmp_path / "s", close=False)
    tape.event({"sample": 2 * SECOND, "event": "mark", "text": "after"})
    tape.event({"sample": SECOND, "event": "hole", "track": "mic", "samples": 500, "cause": "test"})
    tape.close()
    session = finish(tmp_path / "s").session
    heard = samples(session.folder)
    assert len(heard) == 3 * SECOND + 500
    assert np.array_equal(heard[:SECOND], ramp(SECOND))
    assert not heard[SECOND : SECOND + 500].any()
    assert np.array_equal(heard[SECOND + 500 :], ramp(2 * SECOND, SECOND))
    events = [json.loads(line) for line in (session.folder / "events.jsonl").read_text().splitlines()]
    assert [(e["event"], e["sample"]) for e in events] == [("hole", SECOND), ("mark", 2 * SECOND + 500)]


def test_a_living_recording_is_not_recovered(tmp_path: Path) -> None:
    tape = write(tmp_path / "s", close=False)
    with pytest.raises(WorkbenchError, match="is being recorded right now"):
        finish(tmp_path / "s")
    tape.close()
    assert finish(tmp_path / "s").session.samples == 3 * SECOND


def test_cut_off_while_finishing_starts_again(tmp_path: Path) -> None:
    """Killed at any moment of finishing: half a FLAC, whole tracks without a manifest, a manifest beside its tape."""
    write(tmp_path / "a")
    (tmp_path / "a" / ".mic.77.tmp.flac").write_bytes(b"half")
    (tmp_path / "a" / "mic.flac").write_bytes(b"older")
    assert finish(tmp_path / "a").session.samples == 3 * SECOND
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["events.jsonl", "mic.flac", "session.json"]
    (tmp_path / "a" / PARTIAL).mkdir()
    write(tmp_path / "b")
    for left in (tmp_path / "b" / PARTIAL).iterdir():
        left.rename(tmp_path / "a" / PARTIAL / left.name)
    assert "complete already" in finish(tmp_path / "a").remarks[0]
    assert open_session(tmp_path / "a").verify() == []


def test_an_empty_tape_is_removed_and_said(tmp_path: Path) -> None:
    write(tmp_path / "s", seconds=0)
    assert cut_off(tmp_path) == [tmp_path / "s"]
    with pytest.raises(WorkbenchError, match="nothing was recorded"):
        finish(tmp_path / "s")
    assert cut_off(tmp_path) == []


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    write(tmp_path / "s")
    with pytest.raises(WorkbenchError, match="the name is taken"):
        TapeWriter(tmp_path / "s", ("mic",), {})


def test_the_tape_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "s")
    (tmp_path / "s" / PARTIAL / "header.json").write_text('{"format": 99}')
    with pytest.raises(WorkbenchError, match=r"header\.json: not a header this version reads"):
        finish(tmp_path / "s")
    assert cut_off(tmp_path) == [tmp_path / "s"]


@given(st.lists(st.sampled_from(["push", "pop"]), max_size=200))
def test_the_ring_loses_nothing_but_what_it_says(steps: list[str]) -> None:
    ring = BlockRing(slots=5, frames=2, channels=1)
    waiting: list[int] = []
    for step in steps:
        if step == "push":
            number = ring.pushed
            room = ring.push(np.full((2, 1), number, dtype=np.float32), number / 10, 0, 0.0)
            assert room == (len(waiting) < 5)
            waiting += [number] if room else []
        elif waiting:
            expected = waiting.pop(0)
            assert ring.mark()[0] == expected
            assert ring.audio().ravel().tolist() == [expected, expected]
            ring.pop()
        assert len(ring) == len(waiting)


@pytest.mark.parametrize("rate", [44_100, 48_000, 16_000])
def test_a_stream_is_resampled_as_a_whole_file_would_be(rate: int) -> None:
    import soxr

    tone = np.sin(np.arange(rate * 2) * (2 * np.pi * 440 / rate)).astype(np.float32)
    fitter = Fitter(rate, 2)
    stereo = np.stack([tone, tone], axis=1)
    block = rate * 80 // 1000
    parts = [fitter(stereo[at : at + block]) for at in range(0, len(tone), block)]
    streamed = np.concatenate([*parts, fitter.flush()])
    whole = soxr.resample(tone, rate, SECOND, quality="HQ")
    assert len(streamed) == 2 * SECOND
    assert np.abs(streamed - whole).max() < 1e-5


def duplex(folder: Path, lag: int, gain: float, shake: int = 0, seconds: int = 20) -> tuple[str, ...]:
    """Remarks on a recording whose microphone hears the loudspeaker so much later and softer."""
    random = np.random.default_rng(3)
    agent = (random.normal(0, 0.1, seconds * SECOND) * (1 << 23)).astype(np.int32)
    mic = np.zeros_like(agent)
    for second in range(seconds):
        late = lag + (shake if second % 8 >= 4 else 0)
        part = slice(second * SECOND, (second + 1) * SECOND)
        mic[part] = (np.roll(agent, late)[part] * gain).astype(np.int32)
    tape = TapeWriter(folder, ("mic", "agent"), {"name": folder.name})
    tape.append("mic", mic)
    tape.append("agent", agent)
    tape.commit({"mic": 0.0, "agent": 0.0})
    tape.close()
    return finish(folder).remarks


def test_the_echo_path_is_given_as_knobs(tmp_path: Path) -> None:
    (remark,) = duplex(tmp_path / "s", lag=480, gain=0.1)
    assert remark.startswith("the loudspeaker is heard 20.0 ms later at -20.0 dB (5 windows of 4 s)")
    assert remark.endswith('in the config under [echo]: path = "config", echo_delay_ms = 20.0, echo_gain_db = -20.0')
    (unsteady,) = duplex(tmp_path / "u", lag=480, gain=0.1, shake=480)
    assert unsteady.endswith("20.0 ms apart): too unsteady to be replayed as an echo path")
    (once,) = duplex(tmp_path / "o", lag=480, gain=0.1, seconds=6)
    assert once.endswith("(1 window of 4 s): too little of it to be replayed as an echo path")
    assert [text for text in duplex(tmp_path / "n", lag=480, gain=0.0) if "loudspeaker" in text] == []


def test_a_dead_microphone_is_said(tmp_path: Path) -> None:
    (remark,) = duplex(tmp_path / "s", lag=480, gain=0.0)
    assert remark.startswith("mic.flac holds nothing but digital zeros: the microphone is muted, or the system")


def test_what_was_not_ready_in_time_is_counted(tmp_path: Path) -> None:
    tape = write(tmp_path / "s", agent=True, close=False)
    for at in (4800, 9600):
        tape.event({"sample": at, "event": "starved", "track": "agent", "samples": 1920})
    tape.close()
    (remark,) = [text for text in finish(tmp_path / "s").remarks if "ready" in text]
    assert remark == (
        "2 times nothing was ready to be played in time: 0.16 s of silence inside what was played, "
        "marked in events.jsonl"
    )
