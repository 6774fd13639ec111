"""Recordings that nobody named are named by the time, and never in each other's way."""

from dataclasses import replace
from pathlib import Path

import pytest

from workbench.cli.actions import record as module
from workbench.cli.actions.record import RecordRequest
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.recording.devices import Device, StreamSettings
from workbench.recording.plan import RecordingPlan
from workbench.recording.tape_folder import NameTakenError
from workbench.recording.view import View
from workbench.sessions.session import open_session

from .conftest import RATE, Sound


def request(folder: Path, name: str | None) -> RecordRequest:
    return RecordRequest(name, None, None, None, None, None, None, False, None, False, Config(), True, folder)


def test_a_name_that_was_taken_meanwhile_is_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def record(plan: RecordingPlan, view: View) -> str:
        tried.append(plan.folder.name)
        if len(tried) < 3:
            raise NameTakenError("taken")
        return "done"

    monkeypatch.setattr(module, "record", record)
    device = Device(0, "feed", "none", 1, 1, RATE, True, True)
    asked = request(tmp_path, None)
    names = module._names(asked)
    first = next(names)
    (tmp_path / f"{first}-2").mkdir()
    plan = RecordingPlan(tmp_path / first, StreamSettings(device, "input", RATE, 1), (0.01, 700, 200))
    assert module._record(plan, asked, names) == "done"
    assert tried == [first, f"{first}-3", f"{first}-4"]
    tried.clear()
    given = replace(asked, name="mine")
    names = module._names(given)
    with pytest.raises(WorkbenchError, match="taken"):
        module._record(replace(plan, folder=tmp_path / next(names)), given, names)
    assert tried == ["mine"]


def test_three_at_once_without_a_name(sound: Sound, tmp_path: Path) -> None:
    command = ("record", "--device", "room_mic", "--seconds", "1")
    for process in [sound.popen(*command, where=tmp_path) for _ in range(3)]:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    sessions = list((tmp_path / "recordings").iterdir())
    assert len(sessions) == 3
    assert all(open_session(folder).verify() == [] for folder in sessions)
