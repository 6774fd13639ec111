"""Tables as files, CSV and Parquet, and their cells as text."""

import importlib.util
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from workbench.errors import WorkbenchError, install
from workbench.files import replacing
from workbench.reports.tables import DataTable


def cell_text(value: object) -> str:
    """A cell for people; the exact figure stands in the files of the table."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def write_tables(folder: Path, tables: Sequence[DataTable], suffix: str) -> Iterator[Path]:
    """Write each table into ``folder/tables/``; the same tables give the same bytes.

    Args:
        folder: of the run.
        tables: to write.
        suffix: ``csv`` or ``parquet``.

    Yields:
        The files.

    Raises:
        WorkbenchError: what writes Parquet is not installed.
    """
    import pandas

    if suffix == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise WorkbenchError(f"--format parquet needs pyarrow; {install('parquet')}")

    target = folder / "tables"
    target.mkdir(parents=True, exist_ok=True)
    for table in tables:
        frame = pandas.DataFrame(table.rows, columns=list(table.columns)).convert_dtypes()
        write = {"csv": partial(frame.to_csv, index=False, lineterminator="\n"), "parquet": frame.to_parquet}[suffix]
        path = target / f"{table.name}.{suffix}"
        with replacing(path) as beside:
            write(beside)
        yield path
