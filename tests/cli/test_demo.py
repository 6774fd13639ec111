"""``workbench demo`` replays what came with the project and nothing else, and begins only where it can end."""

import json
import shutil
from pathlib import Path

import pytest

from ..command_line import workbench
from ..conftest import MakeSession

PROJECT = Path(__file__).parents[2]
DEMO = ["demo", "--stack", "scripted"]


@pytest.fixture
def own(make_session: MakeSession) -> Path:
    """The user's folder: a recording of their own in recordings/."""
    session, _ = make_session([(1.0, 2.0, "speech", 1, "hello")], 4, name="mine")
    return session.folder.parents[1]


def test_where_no_demo_session_is_it_says_so(own: Path) -> None:
    done = workbench(DEMO, own)
    assert done.returncode == 2
    assert done.stderr == "error: recordings: holds no demo session; run the demo from the project's folder\n"


def test_what_it_will_need_is_asked_for_before_anything_is_replayed(own: Path) -> None:
    shutil.copytree(PROJECT / "recordings" / "questions", own / "recordings" / "questions")
    done = workbench(DEMO, own)
    assert done.returncode == 2
    assert done.stderr == "error: configs/baseline.toml: no such config file; run the demo from the project's folder\n"
    assert not (own / "reports").exists()


def test_the_users_own_recordings_stay_out_of_it(own: Path) -> None:
    shutil.copytree(PROJECT / "recordings" / "questions", own / "recordings" / "questions")
    shutil.copytree(PROJECT / "configs", own / "configs")
    (own / "recordings" / "broken").mkdir()
    (own / "recordings" / "broken" / "session.json").write_text("{", encoding="utf-8")
    done = workbench(DEMO, own)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Replaying 1 demo session on the scripted stack.\n")
    run = json.loads((own / "reports" / "demo" / "run.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in run["sessions"]] == ["questions"]
