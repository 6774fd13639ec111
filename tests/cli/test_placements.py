"""``workbench placements`` at the command line."""

import json
from pathlib import Path

from ..command_line import workbench

BUSY = ["--stack", "scripted", "--set", "step_costs.source=fixed", "--set", "tts_step_ms=60", "--set", "stt_step_ms=30"]


def test_who_shares_a_device_stutters(tmp_path: Path) -> None:
    """60 and 30 ms of work in 80 ms: one after the other there is time enough, together there is not."""
    done = workbench(["placements", "holds", "barge-in", "--json", *BUSY], tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["placement"]: row["scores"] for row in json.loads(done.stdout)["placements"]}
    assert list(rows) == ["serial", "shared", "split"]
    assert {name: row["deadline_miss_rate"] for name, row in rows.items()} == dict.fromkeys(rows, 0.0)
    assert rows["serial"]["late_frame_rate"] == rows["split"]["late_frame_rate"] == 0.0
    assert 0.2 < rows["shared"]["late_frame_rate"] < 0.5
    assert rows["serial"]["stall_ratio"] == rows["split"]["stall_ratio"] == 0.0 < rows["shared"]["stall_ratio"]
    assert rows["serial"]["voice_to_voice_ms_p50"] < rows["shared"]["voice_to_voice_ms_p50"]


def test_the_table_says_what_it_is_a_table_of(tmp_path: Path) -> None:
    done = workbench(["placements", "holds", *BUSY], tmp_path)
    assert "placement over 1 session; > is today" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines() if "%" in line] == [
        [">", "serial"],
        ["shared", "0.0"],
        ["split", "0.0"],
    ]
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "…" not in done.stdout


def test_a_placement_that_cannot_be_is_a_row_of_the_table(tmp_path: Path) -> None:
    command = ["placements", "barge-in", "--stack", "scripted", "--set", "barge_in_rule=words",
               "--set", "placement=shared"]  # fmt: skip
    done = workbench(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "needs the STT while the agent speaks" in done.stdout
    rows = json.loads(workbench([*command, "--json"], tmp_path).stdout)["placements"]
    assert [bool(row["refused"]) for row in rows] == [True, False, False]


def test_a_session_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = workbench(["placements", "nowhere"], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere" in done.stderr
