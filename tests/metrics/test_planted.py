"""Planted faults are found, all of them and no others; the document shows the whole benchmark."""

import re

import pytest

from benchmarks.planted import BEGIN, END, PAGE, Tally, run

ROW = re.compile(r"^\| ([a-z][a-z, -]+) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def tally() -> Tally:
    """One session of each kind."""
    return run(10, seed=7)


def test_planted_faults_are_found_and_no_others(tally: Tally) -> None:
    assert tally.remarks == []
    assert len(tally.planted) == 9
    assert tally.planted.total() == tally.right.total() > 20


def test_the_document_shows_a_hundred_sessions(tally: Tally) -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0])
    assert {row[0] for row in rows} == {*tally.planted}
    for _, planted, right, invented, precision, recall in rows:
        assert int(planted) >= 10
        assert (invented, float(precision)) == ("0", 1.0)
        assert float(recall) == round(int(right) / int(planted), 3) >= 0.98


def test_a_fault_that_is_missed_or_invented_is_named() -> None:
    tally = Tally()
    tally.add("kitchen", [("cut-in", 24_000), ("underrun", 48_000)], [("cut-in", 30_000), ("cut-in", 90_000)])
    assert tally.remarks == [
        "kitchen: missed: underrun at 2.00 s",
        "kitchen: invented: cut-in at 3.75 s",
    ]
    assert not tally.is_good
