"""The text of the report: complete, escaped, the same bytes again."""

import json
import re

import pytest
from click.testing import CliRunner
from made_runs import make_run, make_session, questions

from workbench.cli import cli
from workbench.errors import WorkbenchError
from workbench.metrics.rows import PARTS
from workbench.reports import write_report
from workbench.reports.markdown import escape, table


def section(text, title):
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE).group(1)


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def rows(text):
    return [cells(line) for line in text.splitlines() if line.startswith("|")]


def test_report_has_every_session_and_every_turn(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path), barge_in=True)
    path = write_report(run, scored, summary)
    text = path.read_text()
    assert path == run.folder / "report.md"
    assert [row[0] for row in rows(section(text, "Sessions"))[2:]] == ["clean", "held"]
    turns = rows(section(text, "Turns"))[2:]
    assert [row[:2] for row in turns] == [[item.session, str(row.turn)] for item in scored for row in item.turns]
    assert turns[0][3] == r"what \| does \*this\* cost: \$5 or \$6"
    assert "cut in on 1×" in turns[1][-1]
    assert "scripted" in text.lower().split("## sessions")[0]
    assert "made up" in text.split("## Sessions")[0]


def test_waterfall_rows_add_up_and_say_the_residual(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path))
    header, _, *lines = rows(section(write_report(run, scored, summary).read_text(), "Latency: where the waiting goes"))
    answered = [line for line in lines if line[1]]
    assert len(answered) == sum(row.waterfall is not None for item in scored for row in item.turns) == 2
    for line in answered:
        figures = dict(zip(header, line, strict=True))
        assert sum(int(figures[part]) for part in PARTS) == pytest.approx(int(figures["voice_to_voice"]), abs=5)
        assert figures["residual"] == "0"


def test_early_answers_are_marked_and_left_out_of_one_mean(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path))
    header, _, *lines = rows(section(write_report(run, scored, summary).read_text(), "Latency: where the waiting goes"))
    column = header.index("endpoint_hold")
    by_name = {line[0].strip("*"): line[column].strip("*") for line in lines}
    # Quiet from the frame at 1.52 s on, nine frames for 700 ms: cut at 2.24 s of a turn that ends at 4.0 s.
    assert float(by_name["held †"]) == -1760
    assert float(by_name["mean without †"]) == float(by_name["clean"]) > 0 > float(by_name["mean"])


def test_a_cut_in_is_named_with_its_pause_and_missed_end(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path))
    lines = rows(section(write_report(run, scored, summary).read_text(), "Turn taking"))[2:]
    assert [line[:2] + line[3:4] for line in lines] == [["held", "1", "cut-in"], ["held", "1", "missed end"]]
    assert "in a pause of 1200 ms" in lines[0][-1]


def test_false_barge_in_names_its_cause(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path), barge_in=True, stt_silence_ms=1300)
    lines = rows(section(write_report(run, scored, summary).read_text(), "Barge-in"))[2:]
    assert [(line[0], line[2], line[3], line[4]) for line in lines] == [("held", "stopped", "noise", "**false**")]


def test_changed_knobs_fingerprint_and_profile_are_named(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path)[:1], stt_silence_ms=560)
    text = section(write_report(run, scored, summary).read_text(), "What was run")
    assert run.config.fingerprint in text
    assert [row[:3] for row in rows(text) if row[0].startswith("`")] == [
        ["`stack.name`", "scripted", "nano"],
        ["`assistant.stt_silence_ms`", "560", "700"],
    ]
    assert "made up, for tests" in text


def test_budget_verdicts_stand_in_the_report(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path))
    limits = {"voice_to_voice_ms_p50": 1.0, "underrun_events": 0.0, "missed_bargein_rate": 0.1}
    lines = rows(section(write_report(run, scored, summary, limits).read_text(), "Budget"))[2:]
    assert [line[3] for line in lines] == ["**over**", "within", "nothing to measure"]
    assert "## Budget" not in write_report(run, scored, summary).read_text()


def test_unlabelled_session_is_reported(tmp_path):
    run, scored, summary = make_run(tmp_path, [make_session(tmp_path / "bare", 3)])
    text = write_report(run, scored, summary).read_text()
    assert rows(section(text, "Sessions"))[2][:4] == ["bare", "3.0 s", "none", "–"]
    assert "No labels: turn taking cannot be scored." in text
    assert not (run.folder / "figures" / "waterfall.png").exists()
    assert (run.folder / "figures" / "bare.timeline.png").exists()


def test_a_session_under_one_frame_has_no_picture(tmp_path):
    run, scored, summary = make_run(tmp_path, [make_session(tmp_path / "tiny", 0.05)])
    assert "1 more sessions were not drawn" not in write_report(run, scored, summary).read_text()
    assert list((run.folder / "figures").iterdir()) == []


def test_report_and_pictures_are_the_same_bytes_again(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path), barge_in=True)

    def files():
        write_report(run, scored, summary)
        return {path.name: path.read_bytes() for path in run.folder.rglob("*") if path.suffix in (".md", ".png")}

    first = files()
    assert sorted(first) == ["clean.timeline.png", "held.timeline.png", "latency.png", "report.md", "waterfall.png"]
    assert first == files()


def test_links_lead_to_files_of_the_run(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path))
    targets = re.findall(r"\]\(([^)]+)\)", write_report(run, scored, summary).read_text())
    assert len(targets) > 6
    assert all((run.folder / target).is_file() for target in targets)


def test_stale_picture_goes(tmp_path):
    run, scored, summary = make_run(tmp_path, [make_session(tmp_path / "bare", 3)])
    stale = run.folder / "figures" / "latency.png"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    write_report(run, scored, summary)
    assert not stale.exists()


def test_links_to_audio_that_is_gone_are_left_out(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path))
    (run.folder / "held.agent.flac").unlink()
    text = section(write_report(run, scored, summary).read_text(), "Sessions")
    assert "clean.agent.flac" in text
    assert "held.agent.flac" not in text


def test_score_writes_the_report_anew_and_says_where(tmp_path):
    run, _, _ = make_run(tmp_path, questions(tmp_path))
    (tmp_path / "budget.toml").write_text("[budget]\nvoice_to_voice_ms_p50 = 1\n")
    result = CliRunner().invoke(cli, ["score", str(run.folder), "--budget", str(tmp_path / "budget.toml")])
    assert f"report: {run.folder / 'report.md'}" in result.stdout
    assert "**over**" in (run.folder / "report.md").read_text()


def test_missing_run_json_is_one_line(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path)[:1])
    (run.folder / "run.json").unlink()
    with pytest.raises(WorkbenchError, match=r"run\.json: no such file"):
        write_report(run, scored, summary)


def test_many_underruns_are_cut_to_the_longest(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path), **{"step_costs.source": "fixed", "tts_step_ms": 130})
    events = sum(len(item.underruns) for item in scored)
    text = section(write_report(run, scored, summary).read_text(), "Stutter")
    assert events > 50
    assert f"{events} underruns; the 50 longest:" in text
    assert len(rows(text)) == 52


def test_cells_keep_to_their_cell():
    line = table(("a",), [(escape("x|y\nz"),)])[2]
    assert line == r"| x\|y z |"
    assert json.dumps(cells(line)) == json.dumps([r"x\|y z"])
