"""A stack with a closed vocabulary is not charged for words it cannot know, and the report says so."""

import json

from workbench.config import Config, override
from workbench.runs import read_run, run_sessions, score_run
from workbench.sessions.labels import Label, only_known
from workbench.stages.scripted import ScriptedStack

from .conftest import MakeSession

TALK = [(1.0, 2.0, "speech", 1, "Yes, please!"), (15.0, 16.0, "speech", 2, "elephants please")]


def test_only_turns_with_an_unknown_word_lose_their_words() -> None:
    labels = (Label(0, 1, "speech", 1, "Yes, please!"), Label(5, 6, "speech", 2, "an elephant"), Label(8, 9, "noise"))
    known = frozenset({"yes", "please", "an"})
    cleared, strange = only_known(labels, known)
    assert ([label.text for label in cleared], strange) == (["Yes, please!", "", ""], 1)
    assert only_known(labels, None) == (labels, 0)


def test_word_errors_leave_unknown_turns_out_and_a_note_says_so(
    make_session: MakeSession, monkeypatch, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    session, _ = make_session(TALK, 30)
    monkeypatch.setattr(ScriptedStack, "vocabulary", frozenset({"yes", "please"}))
    run = run_sessions([session.folder], override(Config(), {"stack.name": "scripted"}), tmp_path / "run")
    _, summary = score_run(run)
    assert summary.counts["wer"][1] == 2
    assert summary.scores["turns_n"] == 2
    assert "1 turn holds words outside the stack's vocabulary: their words are not scored" in summary.notes
    monkeypatch.undo()
    assert score_run(read_run(tmp_path / "run"))[1].scores == summary.scores
    assert json.loads((tmp_path / "run" / "run.json").read_text())["vocabulary"] == ["please", "yes"]
