"""The language model's time: its own where it knows it, stalls included; said and not guessed where nobody does."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workbench.cache import Store
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.replay.profiles import profile_path, refuse_unknown_lm_time, stack_profile, unknown_lm_time
from workbench.runs import Run, read_run, run_sessions, score_run
from workbench.simulation.step_costs import LM_STAGES, Profile, read_profile, write_profile
from workbench.stacks import make_stack
from workbench.stages.recorded_lm import RecordedReply, add_reply
from workbench.trace import Chunk, Remark, Tokens

from ..conftest import MakeSession

QUESTION = [(1.0, 2.0, "speech", 1, "what time is it")]
WORDS = tuple(re.findall(r"\s*\S+", "It is noon. Shall I go on?"))
NANO = override(Config(), {"stack.name": "nano"})


@pytest.fixture(autouse=True)
def _heard_once(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache of what nano hears and says for all tests here; how long it takes is in the profiles."""
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path_factory.getbasetemp() / "heard-by-nano"))


def record(path: Path, times: tuple[float, ...], remark: str = "", words: tuple[str, ...] = WORDS) -> Config:
    add_reply(path, RecordedReply(("what time is it",), words, times, remark))
    return override(NANO, {"lm": f"recorded:{path}"})


def profile(tmp_path: Path) -> str:
    """Of another LM: 77 ms to the first token, 7 ms to each further."""
    costs = {"stt": (480,), "stt_reset": (48,), "lm_first": (77 * 24,), "lm_token": (7 * 24,)}
    write_profile(tmp_path / "profile.json", Profile(costs | {"tts_start": (240,), "tts": (960,)}, "elsewhere"))
    return str(tmp_path / "profile.json")


def token_times(run: Run) -> list[float]:
    """ms from the transcript to each token."""
    [tokens] = [event for event in run.sessions[0].trace.events if isinstance(event, Tokens)]
    [heard] = [event for event in run.sessions[0].trace.events if type(event).__name__ == "Transcript"]
    return [(t - heard.t) / 24 for t in tokens.times]


@pytest.mark.parametrize("times", [(800.0, 820, 840, 3840, 3850, 3860, 3870), (0.0,) * 7, (50.5,) * 6 + (9000.25,)])
@pytest.mark.parametrize(
    "stream", [{}, {"tts_stream": True}, {"tts_stream": True, "placement": "shared", "barge_in": True}]
)
def test_recorded_times_are_replayed_with_their_stalls(
    make_session: MakeSession, tmp_path: Path, times: tuple[float, ...], stream: dict[str, Any]
) -> None:
    session, _ = make_session(QUESTION, 14.0)
    changes = {"step_costs.profile": profile(tmp_path), "tts_chunk_min_chars": 4, **stream}
    config = override(record(tmp_path / "replies.jsonl", times), changes)
    run = run_sessions([session.folder], config, tmp_path / "out")
    assert token_times(run) == list(times)
    [first, *_] = [event for event in run.sessions[0].trace.events if isinstance(event, Chunk)]
    [tokens] = [event for event in run.sessions[0].trace.events if isinstance(event, Tokens)]
    assert first.t == tokens.times[3 if stream else -1]  # "Shall" shows that "noon." ends the sentence
    again = run_sessions([session.folder], config, tmp_path / "again")
    assert again.sessions[0].digest == run.sessions[0].digest


def test_a_fixed_table_stands_above_recorded_times(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(QUESTION, 8.0)
    changes = {"step_costs.source": "fixed", "lm_ttft_ms": 300.0, "lm_token_ms": 20.0}
    config = override(record(tmp_path / "replies.jsonl", (5.0,) * 7), changes)
    run = run_sessions([session.folder], config, tmp_path / "out")
    assert token_times(run)[0] == 300
    assert {round(b - a, 6) for a, b in pairwise(token_times(run))} == {20}


def test_recorded_times_count_where_steps_are_measured(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(QUESTION, 8.0)
    times = (800.0, 820, 840, 2000, 2010, 2020, 2030)
    config = override(record(tmp_path / "replies.jsonl", times), {"step_costs.source": "measured"})
    assert token_times(run_sessions([session.folder], config, tmp_path / "out")) == list(times)


def test_a_profile_without_the_lm_is_kept_apart(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(QUESTION, 4.0)
    timed, table = make_stack(record(tmp_path / "replies.jsonl", (5.0,) * 7)), make_stack(NANO)
    assert profile_path(timed) != profile_path(table)
    run_sessions([session.folder], record(tmp_path / "replies.jsonl", (5.0,) * 7), tmp_path / "out")
    kept = read_profile(profile_path(timed))
    assert not set(LM_STAGES) & set(kept.stages)
    with pytest.raises(WorkbenchError, match="the cost profile has no lm_first"):
        run_sessions([session.folder], override(NANO, {"step_costs.profile": str(profile_path(timed))}), tmp_path / "o")


def test_a_table_of_replies_is_said_to_take_no_time(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(QUESTION, 6.0)
    run = run_sessions([session.folder], NANO, tmp_path / "out")
    notes = score_run(run)[1].notes
    assert [note for note in notes if "with lm = canned replies come from a table" in note]
    assert score_run(read_run(run.folder))[1].notes == notes
    fixed = run_sessions([session.folder], override(NANO, {"step_costs.source": "fixed"}), tmp_path / "fixed")
    assert not [note for note in score_run(fixed)[1].notes if "language model" in note]


def test_tts_stream_is_not_tuned_on_a_guess(make_session: MakeSession, tmp_path: Path) -> None:
    foreign = read_profile(Path(profile(tmp_path)))
    with pytest.raises(WorkbenchError, match=r"tts_stream: .*which was not measured with this one; tune it with"):
        refuse_unknown_lm_time(make_stack(NANO), foreign)
    session, labels = make_session(QUESTION, 4.0)
    stack = make_stack(NANO)
    own = stack_profile(stack, NANO, [(session, labels)], Store(None))
    with pytest.raises(WorkbenchError, match=r"tts_stream: .*with lm = canned replies come from a table"):
        refuse_unknown_lm_time(stack, own)
    refuse_unknown_lm_time(stack, None)  # fixed
    refuse_unknown_lm_time(make_stack(record(tmp_path / "replies.jsonl", (5.0,) * 7)), foreign)
    scripted = make_stack(override(Config(), {"stack.name": "scripted"}))
    assert unknown_lm_time(scripted, scripted.profile) == ""


@pytest.mark.parametrize("words", [WORDS[:4], ()])
def test_a_remark_is_in_the_trace_and_the_report(
    make_session: MakeSession, tmp_path: Path, words: tuple[str, ...]
) -> None:
    session, _ = make_session(QUESTION, 6.0)
    config = record(tmp_path / "replies.jsonl", (5.0,) * len(words), "the reply was cut off", words)
    config = override(config, {"step_costs.profile": profile(tmp_path)})
    run = run_sessions([session.folder], config, tmp_path / "out")
    [remark] = [event for event in run.sessions[0].trace.events if isinstance(event, Remark)]
    assert (remark.reply, remark.text) == (0, "the reply was cut off")
    assert "1 reply: the reply was cut off" in score_run(run)[1].notes
    assert "1 reply: the reply was cut off" in json.loads((run.folder / "scores.json").read_text())["notes"]
    assert score_run(read_run(run.folder))[1].notes == score_run(run)[1].notes
