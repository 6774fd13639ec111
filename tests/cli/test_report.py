"""``workbench report``: what it writes, what it says, and what it refuses in one line."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import MakeSession
from workbench.cli import cli, main


@pytest.fixture
def run(make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of one question, without a page."""
    make_session([(0.5, 2.5, "speech", 1, "hello")], 8)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    done = CliRunner().invoke(cli, ["replay", "made", "--stack", "scripted", "--out", str(out), "--no-page"])
    assert done.exit_code == 0, done.output
    assert "page:" not in done.output
    assert not (out / "index.html").exists()
    return out


def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command ends with."""
    monkeypatch.setattr(sys, "argv", ["workbench", "report", *words])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err


def test_replay_names_its_page_last(make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_session([(0.5, 2.5, "speech", 1, "hello")], 8)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["replay", "made", "--stack", "scripted", "--out", "run"])
    assert done.output.splitlines()[-1] == "page:   run/index.html"
    assert (tmp_path / "run" / "index.html").exists()
    assert not (tmp_path / "run" / "figures").exists(), "nothing is drawn unless asked for"


def test_each_format_is_written_and_named(run: Path) -> None:
    done = CliRunner().invoke(cli, ["report", str(run), "--format", "html, md,csv,parquet,perfetto", "--figures"])
    assert done.exit_code == 0, done.output
    written = [Path(line) for line in done.output.splitlines()]
    assert all(path.exists() for path in written)
    names = {path.relative_to(run).as_posix() for path in written}
    assert {"report.md", "tables/turns.csv", "tables/turns.parquet", "run.perfetto.json"} <= names
    assert {"figures/waterfall.png", "figures/waterfall.svg", "figures/made.timeline.svg"} <= names
    assert written[-1] == run / "index.html"


def test_score_draws_nothing_and_leaves_the_page_alone(run: Path) -> None:
    for options in ([], ["--json"]):
        assert CliRunner().invoke(cli, ["score", str(run), *options]).exit_code == 0
    assert {path.name for path in run.iterdir()} == {
        "run.json", "scores.json", "report.md", "made.trace.jsonl", "made.agent.flac", "made.pauses.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent"], "absent: no run.json and no study.toml"),
        (["a", "b", "c"], "c: a page shows one run or study, or compares two runs"),
        (["run", "--format", "pdf"], "'pdf' is not one of html, md, csv, parquet, perfetto"),
        (["run", "--format", ","], "',' is not one of"),
        (["run", "--open", "--format", "md"], "--open needs html among the formats"),
        (["run", "run", "--figures"], "only a single run has other formats, figures"),
        (["run", "--budget", "absent.toml"], "absent.toml"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_one_line(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert said in refusal(monkeypatch, capsys, *words)


def test_prices_of_the_run_stay(run: Path) -> None:
    assert CliRunner().invoke(cli, ["score", str(run), "--price", "cut_in=7.5"]).exit_code == 0
    before = (run / "scores.json").read_bytes()
    assert b'"cut_in": 7.5' in before
    assert CliRunner().invoke(cli, ["report", str(run)]).exit_code == 0
    assert (run / "scores.json").read_bytes() == before
