"""The table of barge-in rules: made from its rows, every rule, canceller and filter, and a row that a replay gives."""

from pathlib import Path

import pytest

import benchmarks.bargein_page as bargein_page
from benchmarks.bargein import choices, fronts, make, row_of, scored
from benchmarks.bargein_page import BEGIN, END, FRONTS, PAGE, README, ROWS, Cell, Row, Table, add_row, page, read_rows
from workbench.cache import Store
from workbench.config import Config, override
from workbench.metrics import summarise
from workbench.sessions.synth_spec import shipped_specs
from workbench.stacks import make_stack

TABLE = Table(read_rows())


def test_the_page_and_readme_are_made_from_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = (ROWS, PAGE, README)
    for name, path in zip(("ROWS", "PAGE", "README"), shipped, strict=True):
        monkeypatch.setattr(bargein_page, name, tmp_path / path.name)
    lines = ROWS.read_text(encoding="utf-8").splitlines(keepends=True)
    bargein_page.ROWS.write_text("".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    bargein_page.README.write_text(before + BEGIN + END + rest.partition(END)[2], encoding="utf-8")
    bargein_page.write_page()
    for path in shipped:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), "python -m benchmarks.bargein --write"


def test_every_cause_has_every_rule_and_every_front() -> None:
    single = {rule for rule in choices("workbench.barge_in_rule") if not set(rule) & set("+/")}
    assert {front.name for front in fronts()} == set(FRONTS)
    assert {(spec, rule) for spec, rule, front in TABLE.rows if front == "none"} >= {
        (spec, rule) for spec in shipped_specs() for rule in single
    }
    behind = {(spec, front) for spec, _, front in TABLE.rows}
    for spec in ("barge-in-ladder", "coughs"):
        assert {front for name, front in behind if name == spec} == set(FRONTS)


def test_the_best_rule_misses_few_interruptions() -> None:
    zero, ten, eleven = (Cell(value, value, value) for value in (0, 10, 11))
    rows = []
    for rule, front, false, missed in (("vad", "none", ten, zero), ("words", "none", zero, eleven)):
        rows += [Row("coughs", rule, front, false, None, None, None)]
        rows += [Row("barge-in-ladder", rule, front, zero, missed, ten, ten)]
    assert Table(rows).best("coughs")[0].rule == "vad"
    rows += [Row("coughs", "energy", "aec3", ten, None, None, None)]
    rows += [Row("barge-in-ladder", "energy", "aec3", zero, zero, zero, zero)]
    assert Table(rows).best("coughs")[0].rule == "vad", "of equals the one with nothing in front"


def test_of_two_rows_the_later_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bargein_page, "ROWS", tmp_path / "rows.csv")
    assert read_rows() == []
    for value in (1, 2):
        add_row(Row("coughs", "vad", "none", Cell(value, 0, 3), None, None, None))
    assert read_rows() == [Row("coughs", "vad", "none", Cell(2, 0, 3), None, None, None)]


def test_a_row_is_what_a_replay_gives(tmp_path: Path) -> None:
    stack = make_stack(override(Config(), {"stack.name": "nano"}))
    found = scored(make("coughs", tmp_path), stack, "energy", fronts()[0], Store(None))
    row = row_of("coughs", "energy", "none", summarise(list(found)))
    assert TABLE.rows[row.key] == row


def test_page_marks_what_was_not_measured() -> None:
    assert ("·" in page(TABLE)) == TABLE.lacks
