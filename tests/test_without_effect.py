"""Knobs that do nothing are named, on every stack."""

from pathlib import Path
from typing import Any

import pytest

from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.runs import read_run, run_sessions, score_run
from workbench.stacks import WITHOUT_LM, make_stack

from .conftest import MakeSession

SCRIPTED = override(Config(), {"stack.name": "scripted"})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"barge_in_window_seconds": 4.0, "barge_in": True}, ["barge_in_window_seconds"]),
        ({"listener": "mlx-harmony", "stt_preroll_ms": 80, "stt_flush": False}, ["stt_preroll_ms", "stt_flush"]),
        ({"barge_in_min_ms": 480}, ["barge_in_min_ms"]),
        ({"quantize": 4, "models": "elsewhere", "tts_voice_path": "x"}, ["quantize", "models", "tts_voice_path"]),
        ({"stt_block_ms": 20, "use_stt": False, "smoke_test": True}, ["stt_block_ms", "use_stt", "smoke_test"]),
        ({"lm_ttft_ms": 99.0}, ["lm_ttft_ms"]),
        ({"stt_silence_ms": 560, "tts_chunk_chars": 80, "enabled": True}, []),
        ({}, []),
    ],
)
def test_a_knob_that_does_nothing_is_named(
    make_session: MakeSession, tmp_path: Path, changes: dict[str, Any], named: list[str]
) -> None:
    session, _ = make_session([(0.5, 1.5, "speech", 1, "hello")], 4.0)
    run = run_sessions([session.folder], override(SCRIPTED, changes), tmp_path / "out")
    listed = [note.split()[0].partition(".")[2] for note in score_run(run)[1].notes if " does nothing " in note]
    assert sorted(listed) == sorted(named)
    assert score_run(read_run(run.folder))[1].notes == score_run(run)[1].notes


@pytest.mark.parametrize("stack", sorted(WITHOUT_LM))
@pytest.mark.parametrize("lm", ["nonsense", "http://127.0.0.1:9/v1", "recorded:none.jsonl", "mlx-lm:none"])
def test_an_lm_that_is_not_asked_is_refused(stack: str, lm: str) -> None:
    with pytest.raises(WorkbenchError, match=r"\[stack\] lm is .* no effect with stack .*; leave lm out"):
        make_stack(override(Config(), {"stack.name": stack, "lm": lm}))
