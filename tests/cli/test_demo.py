"""``workbench demo`` replays the demo sessions and no others, in any folder."""

import json
import shutil
from pathlib import Path

import pytest

from ..command_line import workbench
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
