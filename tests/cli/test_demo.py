"""``workbench demo`` replays the demo sessions and no others, in any folder."""

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from workbench.tuning import evaluator

from ..command_line import snapshot, workbench
from ..conftest import MakeSession

PROJECT = Path(__file__).parents[2]
DEMO = ["demo", "--stack", "scripted", "--no-page"]


@pytest.fixture
def own(make_session: MakeSession) -> Path:
    """The user's folder: a recording of their own in recordings/."""
    session, _ = make_session([(1.0, 2.0, "speech", 1, "hello")], 4, name="mine")
    return session.folder.parents[1]


def test_the_demo_runs_in_a_folder_without_demo_sessions(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.cli.actions.tune.DEMO_TRIALS", 2)
    done = workbench(DEMO, own)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Replaying 20 demo sessions on the scripted stack.\n")
    run = json.loads((own / "reports" / "demo" / "run.json").read_text(encoding="utf-8"))
    assert "mine" not in [entry["name"] for entry in run["sessions"]]
    assert len(list((own / "configs").glob("demo-*/moshi.json"))) == 1


def test_a_demo_session_is_found_by_name_from_anywhere(tmp_path: Path) -> None:
    done = workbench(["replay", "questions", "--stack", "scripted", "--config", "configs/baseline.toml"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_users_own_recordings_stay_out_of_it(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.cli.actions.tune.DEMO_TRIALS", 2)
    shutil.copytree(PROJECT / "recordings" / "questions", own / "recordings" / "questions")
    (own / "recordings" / "broken").mkdir()
    (own / "recordings" / "broken" / "session.json").write_text("{", encoding="utf-8")
    done = workbench(DEMO, own)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Replaying 1 demo session on the scripted stack.\n")
    run = json.loads((own / "reports" / "demo" / "run.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in run["sessions"]] == ["questions"]


def test_the_demo_again_searches_nothing_and_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and console too; and in a folder whose cache was empty it is the same again."""
    monkeypatch.setattr("workbench.cli.actions.tune.DEMO_TRIALS", 2)
    for where in ("a", "b"):
        shutil.copytree(PROJECT / "recordings" / "questions", tmp_path / where / "recordings" / "questions")
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    first = workbench(DEMO[:-1], tmp_path / "a")
    written = results(tmp_path / "a")
    counted = Mock(wraps=evaluator.replay)
    monkeypatch.setattr(evaluator, "replay", counted)
    again = workbench(DEMO[:-1], tmp_path / "a")
    assert counted.call_count == 0
    assert again == first
    assert again.returncode == 0, again.stderr
    assert results(tmp_path / "a") == written
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "other"))
    cold = workbench(DEMO[:-1], tmp_path / "b")
    assert counted.call_count > 0
    assert cold == first
    assert results(tmp_path / "b") == written


def results(folder: Path) -> dict[str, bytes]:
    """All files but the study's journal, in which Optuna keeps when things happened."""
    return {name: data for name, data in snapshot(folder).items() if not name.endswith("journal.log")}
