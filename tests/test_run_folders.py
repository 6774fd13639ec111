"""Runs are not overwritten by runs of other sessions or with another config, unless by force."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench import run_folders
from workbench.files import SHIPPED, read_json, write_text
from workbench.sessions.tracks import write_track

from .command_line import snapshot, workbench


def replayed(folder: Path, *arguments: str) -> str:
    done = workbench(["replay", *arguments, "--no-page", "--json"], folder)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["run"])


def test_two_replays_of_different_sessions_leave_two_runs(tmp_path: Path) -> None:
    first, second = replayed(tmp_path, "holds"), replayed(tmp_path, "questions")
    assert first != second
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == sorted(
        Path(name).name for name in (first, second)
    )
    assert "-holds-" in first
    assert "-questions-" in second


def test_the_same_inputs_give_the_same_bytes_again(tmp_path: Path) -> None:
    run = replayed(tmp_path, "holds")
    before = snapshot(tmp_path / run)
    assert replayed(tmp_path, "holds") == run
    assert snapshot(tmp_path / run) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["questions"], "holds a run of other sessions (holds)"),
        (["holds", "--set", "stt_silence_ms=960"], "holds a run with another config"),
    ],
)
def test_another_run_is_replaced_only_by_force(tmp_path: Path, arguments: list[str], words: str) -> None:
    replayed(tmp_path, "holds", "--out", "run")
    before = snapshot(tmp_path / "run")
    done = workbench(["replay", *arguments, "--no-page", "--out", "run"], tmp_path)
    assert (done.returncode, snapshot(tmp_path / "run")) == (2, before)
    assert words in done.stderr
    assert "--force" in done.stderr
    replayed(tmp_path, *arguments, "--out", "run", "--force")
    session = arguments[0]
    assert [path.name for path in sorted((tmp_path / "run").glob("*.trace.jsonl"))] == [f"{session}.trace.jsonl"]


def test_more_sessions_join_a_run(tmp_path: Path) -> None:
    replayed(tmp_path, "holds", "--out", "run")
    replayed(tmp_path, "holds", "questions", "--out", "run")
    assert len(list((tmp_path / "run").glob("*.trace.jsonl"))) == 2


def test_a_limit_without_evidence_fails_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("[budget]\nselectivity_noise = 0.5\n")
    done = workbench(["replay", "holds", "--no-page", "--budget", "b.toml"], tmp_path)
    assert done.returncode == 1
    assert "selectivity_noise: no noise label over agent speech; without evidence no limit is kept" in done.stderr
    allowed = workbench(["replay", "holds", "--no-page", "--budget", "b.toml", "--allow-unmeasured"], tmp_path)
    assert allowed.returncode == 0


def test_unanswered_turns_fail_their_limit(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("[budget]\nunanswered_rate = 0.1\n")
    deaf = ["--set", "stt_silence_threshold=0.9"]
    done = workbench(["replay", "holds", "--no-page", "--budget", "b.toml", *deaf], tmp_path)
    assert done.returncode == 1
    assert "unanswered_rate is 1, over its budget of 0.1" in done.stderr


def test_a_session_without_labels_says_how_to_label_it(tmp_path: Path) -> None:
    bare = tmp_path / "recordings" / "bare"
    shutil.copytree(SHIPPED / "recordings" / "holds", bare)
    (bare / "labels.csv").unlink()
    manifest = read_json(bare / "session.json")
    manifest["labels"] = None
    manifest["name"] = "bare"
    write_text(bare / "session.json", json.dumps(manifest))
    done = workbench(["replay", "bare", "--no-page"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 session without labels (bare)" in done.stdout
    assert "'workbench label SESSION --auto' drafts labels" in done.stdout


def test_a_run_is_not_scored_against_another_recording(tmp_path: Path) -> None:
    mine = tmp_path / "recordings" / "mine"
    shutil.copytree(SHIPPED / "recordings" / "holds", mine)
    write_text(mine / "session.json", json.dumps(read_json(mine / "session.json") | {"name": "mine"}))
    replayed(tmp_path, "mine", "--out", "run")
    shutil.rmtree(mine)
    shutil.copytree(SHIPPED / "recordings" / "questions", mine)
    write_text(mine / "session.json", json.dumps(read_json(mine / "session.json") | {"name": "mine"}))
    done = workbench(["score", "run"], tmp_path)
    assert done.returncode == 2
    assert "holds another recording than was replayed; replay it again" in done.stderr


def test_audio_of_an_unchanged_run_is_not_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, damaged or of another trace is."""
    written: list[str] = []

    def counted(path: Path, blocks: Iterator[Any]) -> int:
        written.append(path.name)
        return write_track(path, blocks)

    monkeypatch.setattr(run_folders, "write_track", counted)
    run = tmp_path / replayed(tmp_path, "holds")
    audio = run / "holds.agent.flac"
    whole = audio.read_bytes()
    replayed(tmp_path, "holds")
    assert written == [audio.name]
    audio.write_bytes(whole[:-1])
    replayed(tmp_path, "holds")
    audio.unlink()
    replayed(tmp_path, "holds")
    assert audio.read_bytes() == whole
    assert written == 3 * [audio.name]
    replayed(tmp_path, "holds", "--set", "stt_silence_ms=960", "--out", str(run), "--force")
    assert written == 4 * [audio.name]
