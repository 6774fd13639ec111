"""``--json`` is on every command that reports, and prints JSON and nothing else."""

import json
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

from workbench.cli import cli
from workbench.files import SHIPPED

from ..command_line import workbench

NO_REPORT = {"dashboard", "demo", "record", "report", "models pull", "models init", "voices audition"}
"""Commands that do something and have nothing to report but a file, a page or a demonstration."""

NANO = Path(__file__).parents[2] / "workbench" / "data" / "nano"


def commands(group: click.Group, path: str = "") -> list[tuple[str, click.Command]]:
    found = []
    for name, command in sorted(group.commands.items()):
        inner = f"{path} {name}".strip()
        found += commands(command, inner) if isinstance(command, click.Group) else [(inner, command)]
    return found


@pytest.mark.parametrize(("name", "command"), commands(cli), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_that_reports_has_json(name: str, command: click.Command) -> None:
    assert any("--json" in option.opts for option in command.params) != (name in NO_REPORT)


def printed(folder: Path, *arguments: str) -> object:
    done = workbench([*arguments, "--json"], folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_import_and_its_labels_as_json(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(48_000, dtype=np.float32), 24_000)
    (tmp_path / "a.csv").write_text("start,end,kind,turn,text\n0.5,1.0,speech,1,hello\n")
    made = printed(tmp_path, "import", "a.wav", "--labels", "a.csv")
    assert isinstance(made, dict)
    assert (made["session"], made["seconds"], made["tracks"]) == ("recordings/a", 2.0, ["mic"])
    assert made["labels"] == {"turns": 1, "kinds": {"speech": 1}, "source": "human"}
    assert printed(tmp_path, "label", "a", "--export", "b.csv") == {
        "session": "recordings/a", "file": "b.csv", "labels": 1,
    }  # fmt: skip
    again = printed(tmp_path, "label", "a", "--import", "b.csv", "--replace")
    assert isinstance(again, dict)
    assert again["labels"]["turns"] == 1


def test_models_and_voices_as_json(tmp_path: Path) -> None:
    known = printed(tmp_path, "models", "list")
    assert isinstance(known, list)
    assert {"name", "kind", "repository"} == set(known[0])
    here = printed(tmp_path, "models", "list", str(NANO))
    assert isinstance(here, list)
    assert {row["kind"] for row in here} >= {"stt", "tts"}
    assert all(row["usable"] for row in here)


def test_a_bad_model_is_a_row_of_json(tmp_path: Path) -> None:
    done = workbench(["models", "check", str(tmp_path), "--json"], tmp_path)
    assert done.returncode == 1
    (row,) = json.loads(done.stdout)
    assert not row["usable"]
    assert row["problem"]


def test_demo_sessions_are_listed_as_json(tmp_path: Path) -> None:
    rows = printed(tmp_path, "sessions", str(SHIPPED / "recordings"))
    assert isinstance(rows, dict)
    assert len(rows["sessions"]) >= 13
