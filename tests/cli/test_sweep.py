"""``workbench sweep`` at the command line."""

import json
from pathlib import Path

import pytest

from ..command_line import workbench

SCRIPTED = ["--stack", "scripted"]


def test_a_sweep_prints_a_table_and_leaves_a_folder(tmp_path: Path) -> None:
    done = workbench(["sweep", "holds", "stt_silence_ms", "--values", "400,720,1280", *SCRIPTED], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "> 720" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:10])) <= 100
    (folder,) = (tmp_path / "reports").iterdir()
    assert folder.name.startswith("sweep-stt_silence_ms-holds-")
    assert sorted(path.name for path in folder.iterdir()) == ["sweep.json", "sweep.png", "sweep.svg"]
    data = json.loads((folder / "sweep.json").read_text())
    assert [point["values"] for point in data["points"]] == [[400], [720], [1280]]


def test_json_holds_what_the_file_holds(tmp_path: Path) -> None:
    done = workbench(["sweep", "holds", "stt_flush", "--json", "--out", "swept", *SCRIPTED], tmp_path)
    printed = json.loads(done.stdout)
    kept = json.loads((tmp_path / "swept" / "sweep.json").read_text())
    assert printed["points"] == kept["points"]
    assert printed["figures"] == ["swept/sweep.png", "swept/sweep.svg"]


def test_another_sweep_is_replaced_only_by_force(tmp_path: Path) -> None:
    first = ["sweep", "holds", "stt_silence_ms", "--values", "400,720", "--out", "swept", *SCRIPTED]
    assert workbench(first, tmp_path).returncode == 0
    before = (tmp_path / "swept" / "sweep.json").read_bytes()
    assert workbench(first, tmp_path).returncode == 0
    assert (tmp_path / "swept" / "sweep.json").read_bytes() == before
    other = ["sweep", "holds", "stt_flush", "--out", "swept", *SCRIPTED]
    done = workbench(other, tmp_path)
    assert (done.returncode, (tmp_path / "swept" / "sweep.json").read_bytes()) == (2, before)
    assert "holds another sweep" in done.stderr
    assert workbench([*other, "--force"], tmp_path).returncode == 0


def test_two_knobs_make_a_grid(tmp_path: Path) -> None:
    values = ["--values", "0.01,0.05", "--values", "400,720"]
    command = ["sweep", "holds", "stt_silence_threshold", "stt_silence_ms", *values, *SCRIPTED]
    done = workbench(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "> 0.01" in done.stdout
    assert "across: stt_silence_ms" in done.stdout


def test_a_knob_that_does_nothing_is_named(tmp_path: Path) -> None:
    command = ["sweep", "holds", "barge_in_window_seconds", "--values", "1,4", *SCRIPTED]
    assert "no score moves; barge_in_window_seconds does nothing" in workbench(command, tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["holds", "stt_silnce_ms"], "did you mean stt_silence_ms"),
        (["holds", "questions"], "questions is a session: the knob to sweep comes last"),
        (["stt_silence_ms"], "no session before stt_silence_ms"),
        (["holds", "stt_flush", "stt_flush"], "given twice"),
        (["holds", "stt_flush", "--values", "true", "--values", "false"], "once for each"),
        (["nowhere", "stt_flush"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = workbench(["sweep", *arguments, *SCRIPTED], tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "reports").exists()
