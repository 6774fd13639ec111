"""Drafts: the rules on probabilities made by hand, then the real network on the demo sessions."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.sessions.draft_labels import Drafting, as_turns, draft, speech_spans
from workbench.sessions.labels import read_labels, turns, validate
from workbench.sessions.session import open_session

from ..command_line import workbench
from ..conftest import MakeSession

RECORDINGS = Path(__file__).parents[2] / "recordings"
STEP = 768
PLAIN = Drafting(pad_ms=0)


def spans(pattern: str, how: Drafting = PLAIN) -> list[tuple[float, float]]:
    """``#`` is 0.9, ``+`` 0.4 (between the thresholds), ``.`` is 0; spans in steps of 32 ms."""
    values = [{"#": 0.9, "+": 0.4, ".": 0.0}[mark] for mark in pattern]
    return [(start / STEP, end / STEP) for start, end in speech_spans(values, len(pattern) * STEP, how)]


def test_speech_begins_at_threshold_and_ends_below_release() -> None:
    assert spans("..++########++..") == [(4, 14)]


def test_short_runs_are_dropped_and_short_pauses_bridged() -> None:
    assert spans("..#######....") == []  # 7 steps are 224 ms, under 250
    assert spans("..########....") == [(2, 10)]
    assert spans("########......########") == [(0, 22)]  # 6 steps are 192 ms, under 200
    assert spans("########.......########") == [(0, 8), (15, 23)]


def test_padding_stays_inside_the_session() -> None:
    assert spans("########", Drafting(pad_ms=32)) == [(0, 8)]
    assert spans("..########..", Drafting(pad_ms=32)) == [(1, 11)]


def test_long_pauses_end_the_turn() -> None:
    labels = as_turns([(0, 24_000), (60_000, 90_000), (126_001, 150_000)], Drafting(turn_pause_ms=1_500))
    assert [label.turn for label in labels] == [1, 1, 2]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0, 100))
def test_drafts_are_valid_labels(values: list[float], pad: float) -> None:
    """Whatever the network says: in order, inside the session, at most touching."""
    how = Drafting(pad_ms=pad)
    labels = as_turns(speech_spans(values, len(values) * STEP, how), how)
    assert validate(labels, len(values) * STEP, "draft") == labels


@pytest.mark.parametrize("name", ["questions", "holds", "soft-speech", "noisy-room", "reader-holds"])
def test_the_network_finds_the_turns_of_the_demo_sessions(name: str) -> None:
    """Same turns and holds as labelled; starts within 0.1 s, ends within 0.15 s (the network lets go late)."""
    session = open_session(RECORDINGS / name)
    true, found = turns(read_labels(session.labels_path)), turns(draft(session))
    assert [len(turn.parts) for turn in found] == [len(turn.parts) for turn in true]
    for turn, guess in zip(true, found, strict=True):
        assert abs(guess.start - turn.start) <= 2_400
        assert abs(guess.end - turn.end) <= 3_600


def test_the_command_marks_drafts_and_may_redo_them(make_session: MakeSession, tmp_path: Path) -> None:
    shutil.copytree(RECORDINGS / "barge-in-short", tmp_path / "recordings" / "mine")
    for arguments in (["--auto", "--replace"], ["--auto"]):
        done = workbench(["label", "mine", *arguments], tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("recordings/mine: 2 turns (3 speech), source auto\n")
    assert open_session(tmp_path / "recordings" / "mine").labels_source == "auto"


def test_no_speech_is_said(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session([], 3)
    done = workbench(["label", str(session.folder), "--auto", "--replace"], tmp_path)
    assert done.returncode == 2
    assert "no speech was found; label it by hand" in done.stderr
