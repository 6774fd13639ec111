"""``workbench compare`` of runs, configs and recordings at the command line."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.files import SHIPPED, read_json, write_text

from ..command_line import Done, snapshot, workbench

EIGHT = ("backchannel", "barge-in", "cough-and-door", "hesitation", "holds", "questions", "reader", "soft-speech")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs ``now`` and ``later`` (80 ms more silence) of eight demo sessions."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_STORE", str(folder / "store"))
        for name, silence in (("now", 720), ("later", 800)):
            done = workbench(
                ["replay", *EIGHT, "--set", f"stt_silence_ms={silence}", "--out", name, "--no-page"], folder
            )
            assert done.returncode == 0, done.stderr
        yield folder


def compared(folder: Path, *arguments: str) -> tuple[Done, dict]:  # type: ignore[type-arg]
    done = workbench(["compare", *arguments, "--json", "--no-page"], folder)
    return done, json.loads(done.stdout)


def test_a_run_with_itself_shows_no_difference_anywhere(runs: Path) -> None:
    done, data = compared(runs, "now", "now")
    assert done.returncode == 0
    (item,) = data["compared"]
    assert {score["judged"] for score in item["scores"]} == {"no difference shown"}
    assert {score["difference"] for score in item["scores"]} <= {0.0, None}
    assert item["turns"] == []


def test_a_planted_80_ms_is_found_to_the_sample(runs: Path) -> None:
    _, data = compared(runs, "now", "later")
    scores = {score["key"]: score for score in data["compared"][0]["scores"]}
    for key in ("voice_to_voice_ms_p50", "voice_to_voice_ms_p95", "endpoint_delay_ms_p50"):
        found = scores[key]
        assert (found["difference"], found["low"], found["high"]) == (80.0, 80.0, 80.0)
        assert found["judged"] == "worse"
    alike = [turn for turn in data["compared"][0]["turns"] if turn["before"] == turn["after"]]
    assert {turn["delay_after"] - turn["delay_before"] for turn in alike} == {1920}


def test_a_turn_that_went_otherwise_is_named(runs: Path) -> None:
    done = workbench(["compare", "now", "later", "--no-page"], runs)
    assert "holds turn 2: cut in on 1× → answered" in done.stdout
    assert "other turns went alike, answered +0.08 to +0.08 s later" in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:])) <= 100


def test_fail_on_worse_decides_the_exit_code(runs: Path) -> None:
    watched = ["--no-page", "--fail-on", "worse:voice_to_voice_ms_p50"]
    assert workbench(["compare", "now", "later", *watched], runs).returncode == 1
    assert workbench(["compare", "later", "now", *watched], runs).returncode == 0
    assert workbench(["compare", "now", "now", *watched], runs).returncode == 0


def test_a_watched_score_without_evidence_fails(runs: Path) -> None:
    done = workbench(["compare", "now", "later", "--fail-on", "worse:underrun_ms_p50", "--no-page"], runs)
    assert done.returncode == 1
    assert "underrun_ms_p50 could not be measured" in done.stderr


def test_a_comparison_writes_nothing_into_the_runs(runs: Path) -> None:
    before = snapshot(runs / "now")
    compared(runs, "now", "later", "--price", "cut_in=9")
    assert snapshot(runs / "now") == before


def test_configs_are_compared_on_sessions(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"stt_silence_ms": 960, "barge_in": true}')
    command = ["configs/baseline.toml", "mine.json", "--on", "holds", "--on", "questions", "--stack", "scripted"]
    _, data = compared(tmp_path, *command)
    scores = {score["key"]: score for score in data["compared"][0]["scores"]}
    assert scores["voice_to_voice_ms_p50"]["difference"] == pytest.approx(240.0)
    assert scores["voice_to_voice_ms_p50"]["judged"] == "no difference shown"
    assert "2 sessions: a difference takes 6" in workbench(["compare", *command, "--no-page"], tmp_path).stdout


def test_sessions_before_and_after_are_paired_and_it_is_said(tmp_path: Path) -> None:
    for name in ("before", "after"):
        folder = tmp_path / "recordings" / name
        shutil.copytree(SHIPPED / "recordings" / "questions", folder)
        write_text(folder / "session.json", json.dumps(read_json(folder / "session.json") | {"name": name}))
    done = workbench(["compare", "before", "after", "--stack", "scripted", "--no-page"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "session after is compared with before" in done.stdout
    assert "no turn changed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["now", "nowhere"], "nowhere: no run"),
        (["configs/baseline.toml", "configs/quick.toml"], "say with --on"),
        (["now", "later", "--fail-on", "wer"], "must be worse:SCORE"),
        (["now", "later", "--fail-on", "worse:turns_n"], "no percentile or rate"),
        (["now", "holds", "--stack", "scripted"], "8 sessions against 1"),
    ],
)
def test_bad_input_is_one_line(runs: Path, arguments: list[str], words: str) -> None:
    done = workbench(["compare", *arguments], runs)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
