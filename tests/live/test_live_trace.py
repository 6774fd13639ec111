"""The log of a live run becomes a trace on the session's clock, kept with the session and checked with it."""

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from workbench.config import Config, to_dict
from workbench.errors import WorkbenchError
from workbench.metrics import evaluate
from workbench.recording.finalize import finish
from workbench.recording.live_trace import causal_offset, live_trace, read_log
from workbench.recording.observer import LIVE
from workbench.recording.tape import TapeWriter
from workbench.sessions.folders import LIVE_TRACE, PARTIAL
from workbench.sessions.session import open_session
from workbench.trace import (
    Chunk,
    Commit,
    Done,
    Event,
    Header,
    Heard,
    Onset,
    Pcm,
    Play,
    Tokens,
    Trace,
    Transcript,
    Underrun,
    Word,
    Xrun,
    in_order,
)
from workbench.trace_file import format_event, read_trace

HEADER = Header("s", 0, playout=2400, stack="scripted", costs="live")
TALK: list[Event] = [
    Onset(9600, 5760),
    Word(20_000, "hello", 15_360),
    Heard(30_001, 5760, 30_000 - 240),
    Commit(30_000, 29_760, 0, "silence", 15_360),
    Transcript(30_001, 0, "hello"),
    Tokens(30_010, 0, "Yes.", (30_010,)),
    Chunk(30_010, 0, 0, "Yes."),
    Pcm(30_100, 0, 0, (30_100, 30_200), "11", 5),
    Done(39_000, 0),
    Play(34_000, 0, 0, 0, 1920),
    Underrun(35_920, 0, 480, True),
    Play(36_400, 0, 0, 1920, 1920),
]
"""Moments of the two plays and of the hole are the agent tape's."""


def log(folder: Path, events: list[Event], header: Header = HEADER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    first = json.dumps({"header": asdict(header), "config": to_dict(Config())})
    (folder / LIVE).write_text("".join(line + "\n" for line in (first, *map(format_event, events))))


def made(folder: Path, told: list[Event], **more: object) -> Trace:
    log(folder, told)
    given: dict[str, object] = {"events": [], "holes": {}, "agent_offset": 0, "samples": 96_000, **more}
    read = read_log(folder)
    assert read is not None
    given["agent_offset"] = causal_offset(read, given["holes"], given["agent_offset"])  # type: ignore[arg-type]
    return live_trace(read, **given)  # type: ignore[arg-type]


def plays(trace: Trace) -> list[int]:
    return [event.t for event in trace.events if isinstance(event, Play)]


def test_without_a_log_there_is_no_trace(tmp_path: Path) -> None:
    assert read_log(tmp_path) is None


def test_played_audio_moves_with_the_agent_track(tmp_path: Path) -> None:
    trace = made(tmp_path, TALK, agent_offset=120)
    assert plays(trace) == [34_120, 36_520]
    (hole,) = (event for event in trace.events if isinstance(event, Underrun))
    assert hole.t == 36_040
    (done,) = (event for event in trace.events if isinstance(event, Done))
    assert done.t == 38_440
    untouched = [event for event in TALK if not isinstance(event, Play | Underrun | Done)]
    assert [event for event in trace.events if not isinstance(event, Play | Underrun | Done)] == list(
        in_order(untouched)
    )
    assert trace.header.samples == 96_000
    evaluate(trace, ())


def test_holes_move_all_that_comes_after_them_on_their_track(tmp_path: Path) -> None:
    trace = made(tmp_path, TALK, holes={"mic": [(16_000, 1000)], "agent": [(35_000, 77)]})
    assert [event.fed_from for event in trace.events if isinstance(event, Onset)] == [5760]
    (word,) = (event for event in trace.events if isinstance(event, Word))
    assert (word.t, word.at) == (21_000, 15_360)
    (heard,) = (event for event in trace.events if isinstance(event, Heard))
    assert (heard.start, heard.end) == (5760, 30_760)
    (pcm,) = (event for event in trace.events if isinstance(event, Pcm))
    assert pcm.ready == (31_100, 31_200)
    assert plays(trace) == [34_000, 35_077, 36_477], "the first is torn where the agent track has a hole"
    assert [(e.t, e.samples) for e in trace.events if isinstance(e, Underrun)] == [(35_000, 77), (35_997, 480)]
    evaluate(trace, ())


@pytest.mark.parametrize(
    ("stamps", "holes"),
    [
        (0, []),
        (120, [(34_000, 50)]),
        (-12_000, []),
        (-12_000, [(34_500, 5), (34_500, 7)]),
        (-40_000, [(1000, 300), (35_920, 33), (36_400, 11), (38_320, 9)]),
    ],
)
def test_trace_and_agent_track_agree_on_time(tmp_path: Path, stamps: int, holes: list[tuple[int, int]]) -> None:
    """Whatever the time stamps say and wherever samples are missing."""
    folder = tmp_path / "s"
    tape = TapeWriter(folder, ("mic", "agent"), {"name": "s"})
    tape.append("mic", np.zeros(96_000, dtype=np.int32))
    tape.append("agent", np.arange(1, 96_001, dtype=np.int32))
    for at, missing in holes:
        tape.event({"sample": at, "event": "hole", "track": "agent", "samples": missing, "cause": "x"})
    tape.commit({"mic": 0.0, "agent": float(stamps)})
    tape.close()
    log(folder / PARTIAL, TALK)
    session = finish(folder).session
    assert session.live is not None
    trace = read_trace(session.live.path)
    evaluate(trace, ())
    track = np.rint(session.read(0, session.samples, "agent") * 2**23).astype(np.int64)
    said = [event for event in trace.events if isinstance(event, Play)]
    held = np.concatenate([track[play.t : play.t + play.samples] for play in said])
    assert held.tolist() == [*range(34_001, 35_921), *range(36_401, 38_321)], "these samples of the tape were played"
    late = session.device.get("agent_offset_raised", 0)
    assert session.device["agent_offset"] == stamps + late
    assert (late > 0) == (stamps < -4000)
    for one, two in pairwise(said):
        (gap,) = (e for e in trace.events if isinstance(e, Underrun) and e.t == one.t + one.samples)
        assert gap.samples == two.t - gap.t


def test_sound_never_comes_before_it_is_made(tmp_path: Path) -> None:
    """Time stamps are off by half a second: everything that sounds moves by the same."""
    trace = made(tmp_path, TALK, agent_offset=-12_000)
    assert plays(trace) == [30_100, 32_500]
    assert trace.header.playout == 0, "no latency is left between asking and sounding"
    evaluate(trace, ())
    assert made(tmp_path, TALK, agent_offset=-3000).header.playout == 900
    assert made(tmp_path, TALK).header.playout == 2400


def test_what_would_sound_after_the_end_is_not_there(tmp_path: Path) -> None:
    trace = made(tmp_path, TALK, samples=37_000)
    assert [(event.t, event.samples) for event in trace.events if isinstance(event, Play)] == [
        (34_000, 1920),
        (36_400, 600),
    ]
    assert plays(made(tmp_path, TALK, samples=36_400)) == [34_000]


def test_what_the_devices_reported_stands_in_the_trace(tmp_path: Path) -> None:
    happened = [
        {"sample": 500, "event": "hole", "track": "agent", "samples": 77},
        {"sample": 600, "event": "mark", "text": ""},
        {"sample": 700, "event": "xrun", "track": "mic", "samples": 0},
    ]
    trace = made(tmp_path, TALK, events=happened)
    assert [event for event in trace.events if isinstance(event, Xrun)] == [
        Xrun(500, "agent", 77),
        Xrun(700, "mic", 0),
    ]


def test_a_log_that_was_cut_off_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    log(tmp_path, TALK)
    text = (tmp_path / LIVE).read_text()
    (tmp_path / LIVE).write_text(text[: text.index('{"event":"transcript"') + 20])
    found = read_log(tmp_path)
    assert found is not None
    assert [type(event) for event in live_trace(found, [], {}, 0, 96_000).events] == [Onset, Word, Commit, Heard]
    (tmp_path / LIVE).write_text("{}\n")
    with pytest.raises(WorkbenchError, match=r"live\.jsonl: line 1: must hold header and config"):
        read_log(tmp_path)


def session_with_live(tmp_path: Path) -> Path:
    folder = tmp_path / "s"
    tape = TapeWriter(folder, ("mic", "agent"), {"name": "s"})
    for track in ("mic", "agent"):
        tape.append(track, np.arange(96_000, dtype=np.int32))
    tape.commit({"mic": 0.0, "agent": 120.0})
    tape.close()
    log(folder / PARTIAL, TALK)
    finish(folder)
    return folder


def test_finishing_keeps_the_live_trace_and_its_checksum(tmp_path: Path) -> None:
    """Also after a kill: the log lies in the tape's folder."""
    folder = session_with_live(tmp_path)
    session = open_session(folder)
    assert session.live is not None
    assert session.live.config == to_dict(Config())
    assert session.verify() == []
    trace = read_trace(session.live.path)
    assert plays(trace) == [34_120, 36_520]
    assert not (folder / PARTIAL).exists()
    path = folder / LIVE_TRACE
    path.write_text(path.read_text().replace("hello", "hullo"))
    (problem,) = open_session(folder).verify()
    assert problem.startswith(f"{path}: checksum differs")
    path.unlink()
    with pytest.raises(WorkbenchError, match="the live trace is missing"):
        open_session(folder)


@pytest.mark.parametrize(
    ("live", "says"),
    [
        ({"file": LIVE_TRACE}, "sha256 is missing"),
        ({"file": "../x", "sha256": "", "config": {}}, "file is '../x', must be 'live.trace.jsonl'"),
        ({"file": LIVE_TRACE, "sha256": "", "config": {"stack": 1}}, "config.stack is 1, must be an object"),
        ("x", "is 'x', must be an object"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, live: object, says: str) -> None:
    folder = session_with_live(tmp_path)
    data = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps(data | {"live": live}))
    with pytest.raises(WorkbenchError, match=rf"session\.json: live.*{says}"):
        open_session(folder)
