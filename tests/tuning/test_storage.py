"""The journal file: what a power cut left of a line is mended, other files are left alone."""

import json

import optuna
import pytest

from workbench.errors import WorkbenchError
from workbench.tuning.storage import open_storage


def queued(url: str, trials: int) -> optuna.Study:
    study = optuna.create_study(study_name="queue", storage=open_storage(url))
    for number in range(trials):
        study.enqueue_trial({"x": number})
    return study


@pytest.mark.parametrize("part", [b"{", b'{"op_code":4,"wor', b'{"op_code":4,"worker_id":"' + 9000 * b"x"])
def test_a_broken_last_line_is_mended(tmp_path, part):
    path = tmp_path / "trials.journal"
    queued(f"journal:{path}", 3)
    whole = path.read_bytes()
    path.write_bytes(whole + part)
    study = optuna.load_study(study_name="queue", storage=open_storage(f"journal:{path}"))
    assert study.ask().number == 0
    lines = path.read_bytes()
    assert lines.startswith(whole)
    assert [json.loads(line)["op_code"] for line in lines.removeprefix(whole).splitlines()] == [6]


def test_a_broken_first_line_is_begun_anew(tmp_path):
    (tmp_path / "trials.journal").write_bytes(b'{"op')
    assert len(queued(f"journal:{tmp_path}/trials.journal", 2).trials) == 2


@pytest.mark.parametrize("text", ["one line", "two\nlines\n", "[1]\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, text):
    (tmp_path / "notes").write_text(text)
    with pytest.raises(WorkbenchError, match="not a journal of studies"):
        open_storage(f"journal:{tmp_path}/notes")
    assert (tmp_path / "notes").read_text() == text


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"  \n", b"\t\n\n"])
@pytest.mark.parametrize("where", ["first", "middle", "last", "everywhere"])
def test_blank_lines_are_skipped(tmp_path, blank, where):
    path = tmp_path / "trials.journal"
    before = queued(f"journal:{path}", 3).trials
    lines = path.read_bytes().splitlines(keepends=True)
    spaced = {
        "first": [blank, *lines],
        "middle": [*lines[:2], blank, *lines[2:]],
        "last": [*lines, blank],
        "everywhere": [part for line in lines for part in (blank, line)],
    }[where]
    path.write_bytes(b"".join(spaced))
    study = optuna.load_study(study_name="queue", storage=open_storage(f"journal:{path}"))
    assert [trial.number for trial in study.trials] == [trial.number for trial in before]
    study.enqueue_trial({"x": 1.0})
    again = optuna.load_study(study_name="queue", storage=open_storage(f"journal:{path}"))
    assert len(again.trials) == len(study.trials) == len(before) + 1
