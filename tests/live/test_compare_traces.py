"""In what a live run and its replay differ."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli import cli
from workbench.config import Config, override, to_dict
from workbench.files import pretty_json, read_json, sha256_file
from workbench.live.compare_traces import Exchange, exchanges, pair
from workbench.sessions.folders import LIVE_TRACE
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.trace import Header, Pcm, Play, Tokens, Trace, Transcript
from workbench.trace_file import write_trace
from workbench.units import FRAME_SAMPLES

from .fake_microphone import Simulated, record_live, run_live

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


def as_recorded(tmp_path: Path, of: Session, config: Config) -> Path:
    """A session as if its assistant had run live."""
    session, _ = record_live(of, tmp_path / "recordings" / "l", Simulated(of, (), config))
    trace = Trace(Header("l", session.samples), run_live(of, (), config, 1920))
    write_trace(session.folder / LIVE_TRACE, trace)
    live = {"file": LIVE_TRACE, "sha256": sha256_file(session.folder / LIVE_TRACE), "config": to_dict(config)}
    manifest = session.folder / "session.json"
    manifest.write_text(pretty_json(read_json(manifest) | {"live": live}))
    return session.folder


@pytest.fixture
def live_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo session as if its assistant had run live; the scripted stack hears sound, as it has no labels."""
    monkeypatch.chdir(tmp_path)
    demo = open_session(RECORDINGS / "barge-in")
    config = override(Config(), {"stack.name": "scripted", "barge_in": True, "echo.path": "off"})
    return as_recorded(tmp_path, demo, config)


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


def test_duplex_utterances_are_compared_pairwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.moshi.generate import Recipe, init

    monkeypatch.chdir(tmp_path)
    init(tmp_path / "tiny", Recipe("duplex"))
    (tmp_path / "said").mkdir()
    write_track(tmp_path / "said" / "mic.flac", iter([open_session(RECORDINGS / "barge-in").read(0, 96_000)]))
    said = write_manifest(tmp_path / "said", tracks={"mic": "mic.flac"})
    stack = {
        "stack.name": "moshi-duplex",
        "models": str(tmp_path / "tiny"),
        "step_costs.source": "fixed",
        "echo.path": "off",
    }
    as_recorded(tmp_path, said, override(Config(), stack))
    done = CliRunner().invoke(cli, ["compare", "l"], standalone_mode=False)
    assert done.return_value == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].split() == ["utterance", "decided", "s", "sounds", "s", "until", "s", "long", "s", "words"]
    assert lines[2].split()[:2] == ["replay", "="]
    assert lines[2].split()[-2:] == ["=", "="]
    assert "l: 1 of 1 utterances begin, end and read the same live and replayed" in lines
    assert "sound came 0 ms later live than replayed (median of 1; +0 to +0 ms)" in lines
    assert "it heard" not in done.output, "all of it"
    other = CliRunner().invoke(cli, ["compare", "l", "--set", "seed=1", "--json"], standalone_mode=False)
    assert other.return_value == 1, "another seed says something else"
    (row,) = json.loads(other.output)["turns"]
    assert row["live"]["frames"] == 49
    wrong = CliRunner().invoke(cli, ["compare", "l", "--set", "stack.name=scripted"])
    assert "moshi-duplex has no turns to compare with those of scripted" in str(wrong.exception)


def test_a_session_that_was_not_live_is_named() -> None:
    done = CliRunner().invoke(cli, ["compare", str(RECORDINGS / "questions")])
    assert "not recorded with --live, so there is no live trace to compare" in str(done.exception)


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


def test_an_utterance_is_read_with_its_words_and_its_length() -> None:
    from workbench.trace import Commit, Onset

    trace = Trace(
        Header("x", 100_000),
        (
            Onset(0, 0),
            Commit(20, 20, 0, "model", 20),
            Tokens(25, 0, "well", (25,)),
            Pcm(30, 0, 0, (30, 40), "11", 0),
            Play(50, 0, 0, 0, 2 * FRAME_SAMPLES),
            Commit(90_000, 90_000, 1, "model", 90_000),
        ),
    )
    first, second = exchanges(trace)
    assert first == Exchange(20, 20, "well", 50, 50 + 2 * FRAME_SAMPLES, False, 2)
    assert second == Exchange(90_000, 90_000, "", None, None, False, 0)
    assert pair([first], [first])[0].is_same
    assert not pair([first], [replace(first, frames=3)])[0].is_same, "another length is another utterance"
