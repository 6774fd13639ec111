"""Figures for notebooks: DataFrames with the documented columns, equal to what the command line gives."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from workbench import notebook
from workbench.errors import WorkbenchError
from workbench.metrics.definitions import BY_KEY

from .command_line import workbench

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_worked_example_runs_as_written(here: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, pd.DataFrame] = {}
    exec(code, names)
    assert list(names["wait"].index) == [480, 720, 1200]
    assert list(names["wait"]["today"]) == [False, True, False]
    assert names["wait"]["cutin_per_hold"].is_monotonic_decreasing
    assert names["change"].loc["voice_to_voice_ms_p50", "difference"] == pytest.approx(480, abs=1)
    assert names["now"].attrs["scores"]["cutin_per_hold"] > names["patient"].attrs["scores"]["cutin_per_hold"]


def test_every_column_of_turns_is_documented(here: Path) -> None:
    turns = notebook.replay("holds", name="scripted")
    assert tuple(turns.columns) == notebook.TURN_COLUMNS
    for column in turns.columns:
        assert f"`{column}`" in DOCUMENT


def test_a_replay_and_its_run_on_disk_have_equal_turns(here: Path) -> None:
    turns = notebook.replay(["holds"], name="scripted", out="run")
    pd.testing.assert_frame_equal(turns, notebook.load("run"))
    cut = turns[turns["cutins"] > 0].iloc[0]
    assert cut["remedy"].startswith("stt_silence_ms = ")
    printed = json.loads(workbench(["score", "run", "--json"], here).stdout)
    assert printed["scores"] == turns.attrs["scores"]


def test_compare_with_itself_shows_no_difference(here: Path) -> None:
    turns = notebook.replay("holds", name="scripted")
    change = notebook.compare(turns, turns.attrs["run"])
    assert set(change["verdict"]) == {"no difference shown"}


def test_a_trace_written_by_hand_is_scored(here: Path) -> None:
    text = (ROOT / "docs" / "trace.md").read_text(encoding="utf-8")
    Path("t.jsonl").write_text(re.findall(r"```jsonl\n(.*?)```", text, re.DOTALL)[0])
    Path("labels.csv").write_text(re.findall(r"```csv\n(.*?)```", text, re.DOTALL)[0])
    by_file = notebook.score("t.jsonl", "labels.csv")
    by_hand = notebook.score(
        "t.jsonl",
        [(1.0, 1.6, "speech", 1, "what time"), (2.0, 3.01, "speech", 1, "is it now"), (4.3, 4.4, "noise", None, "")],
    )
    pd.testing.assert_frame_equal(by_file, by_hand)
    assert by_file.loc["voice_to_voice_ms_p50", "value"] == 1120.0
    assert set(by_file.index) == set(BY_KEY)
    done = workbench(["score", "t.jsonl", "--labels", "labels.csv", "--json"], here)
    assert json.loads(done.stdout)["scores"]["voice_to_voice_ms_p50"] == 1120.0


def test_wrong_names_are_refused(here: Path) -> None:
    with pytest.raises(WorkbenchError, match="did you mean stt_silence_ms"):
        notebook.replay("holds", stt_silnce_ms=3)
    with pytest.raises(WorkbenchError, match="nowhere"):
        notebook.replay("nowhere", name="scripted")
