"""Tables as files: typed columns, documented, the same bytes again."""

from pathlib import Path

import pandas
import pytest
from made_runs import make_report, questions

from workbench.reports.incidents import incidents
from workbench.reports.table_files import write_tables
from workbench.reports.tables import run_tables

DOCUMENT = Path(__file__).parents[2] / "docs" / "report.md"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_give_the_tables_back(tmp_path, suffix):
    data = make_report(tmp_path, questions(tmp_path), barge_in=True)
    tables = run_tables(data, incidents(data))
    paths = list(write_tables(data.run.folder, tables, suffix))
    first = [path.read_bytes() for path in paths]
    read = {"csv": pandas.read_csv, "parquet": pandas.read_parquet}[suffix]
    for item, path in zip(tables, paths, strict=True):
        frame = read(path)
        assert list(frame.columns) == list(item.columns)
        assert len(frame) == len(item.rows)
        for column, name in enumerate(item.columns):
            for row, got in zip(item.rows, frame[name], strict=True):
                empty = row[column] is None or (row[column] == "" and suffix == "csv")
                assert pandas.isna(got) if empty else got == pytest.approx(row[column])
    assert first == [path.read_bytes() for path in write_tables(data.run.folder, tables, suffix)]


def test_every_column_is_documented(tmp_path):
    data = make_report(tmp_path, questions(tmp_path))
    text = DOCUMENT.read_text("utf-8")
    for item in run_tables(data, incidents(data)):
        assert f"| `{item.name}` |" in text
        for name, words in item.columns.items():
            assert f"`{name}`: {words}" in text, (item.name, name)
