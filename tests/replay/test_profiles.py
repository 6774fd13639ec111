"""Where step costs come from, on the stack that most people begin with: the real ``nano``."""

import os
from pathlib import Path

import pytest

from workbench.cli.actions.cache import show_cache
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.files import read_json
from workbench.replay.profiles import profile_path
from workbench.runs import read_run, run_sessions, score_run
from workbench.sessions.folders import PARTIAL
from workbench.simulation.step_costs import STAGES, read_profile
from workbench.stacks import make_stack
from workbench.trace import Commit

from ..conftest import MakeSession

NANO = override(Config(), {"stack.name": "nano"})


def test_sessions_without_speech_are_replayed(make_session: MakeSession, tmp_path: Path) -> None:
    """They run no step of the LM and the TTS, and the silent one none of the STT: those are measured without them."""
    silent, _ = make_session([], 2.0, name="silent")
    coughs, _ = make_session([(0.5, 0.9, "noise", None, "cough")], 2.0, name="coughs")
    run = run_sessions([silent.folder], NANO, tmp_path / "first")
    assert not [event for event in run.sessions[0].trace.events if isinstance(event, Commit)]
    score_run(run)
    kept = read_profile(profile_path(make_stack(NANO)))
    assert sorted(kept.stages) == sorted(STAGES)
    assert len(kept.stages["stt"]) >= 50
    assert len(kept.stages["tts"]) >= 10
    assert min(kept.stages["stt"][0], kept.stages["tts"][0]) > 0
    again = run_sessions([coughs.folder, silent.folder], NANO, tmp_path / "again")
    assert [read_json(out / "run.json")["profile"]["digest"] for out in (run.folder, again.folder)] == 2 * [kept.digest]
    assert again.sessions[1].digest == run.sessions[0].digest


def test_an_unfinished_recording_is_named_before_models_load(tmp_path: Path) -> None:
    (tmp_path / "cut" / PARTIAL).mkdir(parents=True)
    without_models = override(Config(), {"stack.name": "moshi"})
    with pytest.raises(WorkbenchError, match="finish it with 'workbench record --recover --dir "):
        run_sessions([tmp_path / "cut"], without_models, tmp_path / "out")


def test_a_profile_that_is_named_and_gone_is_said(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session([], 1.0)
    config = override(Config(), {"stack.name": "scripted", "step_costs.profile": "gone.json"})
    with pytest.raises(WorkbenchError, match=r"costs\.profile: gone\.json: no such file; '--set profile=' takes"):
        run_sessions([session.folder], config, tmp_path / "out")


def test_step_costs_of_a_busy_machine_are_named(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session, _ = make_session([], 1.0)
    path = profile_path(make_stack(NANO))
    for load, said in ((0.5, False), (99.0, True)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        run = run_sessions([session.folder], NANO, tmp_path / str(load))
        notes = " ".join(score_run(run)[1].notes)
        assert ("step costs were measured beside other work (load 99.0 on " in notes) == said
        assert score_run(read_run(run.folder))[1].notes == score_run(run)[1].notes
        show_cache(clear=False, clear_profiles=True, as_json=False)
        assert capsys.readouterr().out == f"cleared the step costs {path.stem}\n"
        assert not path.exists()
