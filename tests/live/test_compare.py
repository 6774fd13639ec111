"""In what a live run and its replay differ."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli import cli
from workbench.config import Config, override, to_dict
from workbench.files import pretty_json, read_json, sha256_file
from workbench.live.compare import Exchange, exchanges, pair
from workbench.session import LIVE_TRACE, open_session
from workbench.trace import Header, Play, Trace, Transcript, write_trace

from .feeding import Simulated, record_live, run_live

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"


def turn(end: float, text: str = "a", answer: int | None = 1) -> Exchange:
    return Exchange(0, round(end * 24_000), text, answer, answer, False)


def test_turns_are_put_side_by_side_in_order_of_time() -> None:
    a, b = [turn(1), turn(5), turn(9)], [turn(1.5), turn(7), turn(9, "b"), turn(20)]
    pairs = pair(a, b)
    assert [(p.a and p.a.end / 24_000, p.b and p.b.end / 24_000) for p in pairs] == [
        (1, 1.5), (5, None), (None, 7), (9, 9), (None, 20),
    ]  # fmt: skip
    assert [p.is_same for p in pairs] == [False] * 5
    assert pair([turn(1)], [turn(1)])[0].is_same
    assert pair([turn(1, answer=90)], [turn(1, answer=50)])[0].answer_later_by == 40
    assert pair([turn(1, answer=None)], [turn(1)])[0].answer_later_by is None
    assert pair([], []) == []


@pytest.fixture
def live_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo session as if its assistant had run live; the scripted stack hears sound, as it has no labels."""
    monkeypatch.chdir(tmp_path)
    demo = open_session(RECORDINGS / "barge-in")
    config = override(Config(), {"stack": "scripted", "barge_in": True, "echo": "off"})
    session, _ = record_live(demo, tmp_path / "recordings" / "l", Simulated(demo, (), config))
    trace = Trace(Header("l", session.samples), run_live(demo, (), config, 1920))
    write_trace(session.folder / LIVE_TRACE, trace)
    live = {"file": LIVE_TRACE, "sha256": sha256_file(session.folder / LIVE_TRACE), "config": to_dict(config)}
    manifest = session.folder / "session.json"
    manifest.write_text(pretty_json(read_json(manifest) | {"live": live}))
    return session.folder


def test_a_run_that_went_as_its_replay_says_so(live_session: Path) -> None:
    done = CliRunner().invoke(cli, ["compare", "l", "--json"], standalone_mode=False)
    assert done.return_value == 0, done.output
    found = json.loads(done.output)
    assert found["same"]
    assert len(found["turns"]) > 1
    assert all(row["live"] == row["replay"] for row in found["turns"]), "answers too: the costs are the same"
    shown = CliRunner().invoke(cli, ["compare", "l"], standalone_mode=False)
    turns = len(found["turns"])
    assert f"l: {turns} of {turns} turns begin, end and read the same live and replayed" in shown.output
    assert "answers came 0 ms later live than replayed" in shown.output


def test_another_setting_is_another_replay(live_session: Path) -> None:
    done = CliRunner().invoke(cli, ["compare", "l", "--set", "stt_silence_ms=1500", "--json"], standalone_mode=False)
    assert done.return_value == 1
    assert not json.loads(done.output)["same"]
    shown = CliRunner().invoke(cli, ["compare", "l", "--set", "stt_silence_ms=1500"], standalone_mode=False)
    assert "l: 0 of " in shown.output


def test_a_session_that_was_not_live_is_named() -> None:
    done = CliRunner().invoke(cli, ["compare", str(RECORDINGS / "questions")])
    assert "was not recorded with --live" in str(done.exception)


def test_exchanges_are_read_from_any_trace() -> None:
    from workbench.trace import Cancel, Commit, Onset

    trace = Trace(
        Header("x", 100_000),
        (
            Onset(10, 5),
            Commit(20, 20, 0, "silence", 15),
            Transcript(21, 0, "hi"),
            Play(30, 0, 0, 0, 10),
            Play(50, 0, 1, 0, 10),
            Cancel(55, 0, "barge_in"),
            Onset(60, 52),
            Commit(80, 80, 1, "silence", 70),
        ),
    )
    assert exchanges(trace) == [Exchange(5, 20, "hi", 30, 60, True), Exchange(52, 80, "", None, None, False)]
