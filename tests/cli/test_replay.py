"""``workbench replay`` starts from what the assistant runs, and says so."""

import json
from pathlib import Path

from ..command_line import workbench


def test_replay_uses_the_baseline_and_says_how_it_differs(tmp_path: Path) -> None:
    done = workbench(["replay", "holds", "--no-page"], tmp_path)
    line = next(line for line in done.stdout.splitlines() if line.startswith("config: "))
    assert line.startswith("config: configs/baseline.toml; differs from the defaults: ")
    assert "barge_in = true" in line
    assert "enabled" not in line


def test_a_config_of_the_users_own_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"stt_silence_ms": 960}')
    done = workbench(["replay", "holds", "--config", "mine.json", "--no-page"], tmp_path)
    assert "config: mine.json; differs from the defaults: name = scripted, stt_silence_ms = 960\n" in done.stdout
    assert "nothing to measure: barge_in is off" in done.stdout


def test_json_names_changed_knobs_and_missing_scores(tmp_path: Path) -> None:
    printed = json.loads(workbench(["replay", "questions", "--no-page", "--json"], tmp_path).stdout)
    assert printed["config"] == {"name": "scripted", "barge_in": True}
    assert set(printed["missing"]) == {key for key, value in printed["scores"].items() if value is None}
