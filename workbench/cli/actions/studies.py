"""Action and output of ``workbench studies``."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from workbench.cli.progress import Output
from workbench.errors import WorkbenchError, printable
from workbench.files import read_json
from workbench.tuning.spec import STUDIES, StudySpec, local_url, read_spec
from workbench.tuning.storage import answering, missing, open_storage, study_names
from workbench.tuning.study import best, finished, outcome_of
from workbench.tuning.study import load as load_study


def show_studies(storage: str | None, as_json: bool) -> None:
    """Print a line per study."""
    rows = _studies_here() if storage is None else _studies_in(storage)
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo("no studies yet ('workbench tune' makes one)")
        return
    columns = ("study", "trials", "objective", "best trial", "tuned", "sessions")
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        trial = "" if row["trial"] is None else f" (trial {row['trial']})"
        table.add_row(
            row["name"],
            f"{row['trials']} of {row['wanted']}",
            row["objective"],
            _worth(row["value"], row["feasible"]) + trial,
            _worth(row["tuned"], row["tuned_feasible"]),
            str(row["sessions"]),
        )
    Output(120).print(table)


def _worth(value: float | None, feasible: bool | None) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}{'' if feasible else ', over budget'}"


def _studies_here() -> list[dict[str, Any]]:
    found = sorted(STUDIES.glob("*/study.toml")) if STUDIES.is_dir() else []

    def row(path: Path) -> dict[str, Any]:
        spec = read_spec(path.parent)
        return _row(spec.name, url_here(spec))

    return _rows([partial(row, path) for path in found])


def url_here(spec: StudySpec) -> str:
    """Storage of a study whose trials are in its own folder.

    Raises:
        WorkbenchError: they are not.
    """
    url = local_url(spec)
    if missing(url):
        raise WorkbenchError(f"{spec.folder}: its trials are not in this folder; name their storage with --storage")
    return url


def _studies_in(storage: str) -> list[dict[str, Any]]:
    with answering(storage):
        names = study_names(open_storage(storage, existing=True))
    return _rows([partial(_row, name, storage) for name in names])


def _rows(wanted: Sequence[Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the studies that can be read; the others are named on stderr."""
    rows = []
    for read in wanted:
        try:
            rows.append(read())
        except WorkbenchError as error:
            click.echo(printable(f"note: {error}"), err=True)
    return rows


def _row(name: str, url: str) -> dict[str, Any]:
    with answering(url):
        study, spec = load_study(name, open_storage(url, existing=True))
        done = len(finished(study))
    chosen = best(study, spec.goal) if done else None
    outcome = outcome_of(chosen) if chosen else None
    tuned = _result(spec)
    return {
        "name": name,
        "trials": done,
        "wanted": spec.trials,
        "objective": ", ".join(spec.objectives),
        "value": outcome.values[0] if outcome else None,
        "feasible": outcome.feasible and not spec.goal.broken(outcome.scores) if outcome else None,
        "trial": chosen.number if chosen else None,
        "tuned": tuned["values"][0] if tuned else None,
        "tuned_feasible": tuned["feasible"] if tuned else None,
        "sessions": len(spec.sessions),
    }


def _result(spec: StudySpec) -> dict[str, Any] | None:
    """Result of the study's last complete run; None if there is none in this folder."""
    path = spec.folder / "result.json"
    return read_json(path) if path.exists() else None
