"""Action and output of ``workbench report``; ``replay`` and ``demo`` write the same page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from workbench.errors import WorkbenchError, printable
from workbench.files import read_json
from workbench.metrics import SessionScores, Summary
from workbench.metrics.budget import read_budget, read_prices
from workbench.metrics.loss import Prices, check_prices
from workbench.reports import Material, gather
from workbench.runs import Run, read_run, score_run, scores_of

Score = Callable[[Run, Prices], tuple[tuple[SessionScores, ...], Summary]]
"""Scores a run: writes ``scores.json``, or writes nothing."""


@dataclass(frozen=True)
class ReportRequest:
    """Options of ``report``.

    Attributes:
        formats: some of ``html``, ``md``, ``csv``, ``parquet`` and ``perfetto``.
        figures: whether figures are drawn.
        sliders: whether a grid of settings is replayed for the page's sliders.
        full_audio: whether the sound of long sessions goes into the page.
        budget: limits that are shown.
    """

    formats: Sequence[str]
    figures: bool
    sliders: bool
    full_audio: bool
    budget: Path


def write_and_show(folders: Sequence[Path], request: ReportRequest, open_page: bool) -> None:
    """Write what was asked for and name every file; open the page if asked to."""
    if open_page and "html" not in request.formats:
        raise WorkbenchError("--open needs html among the formats")
    written = list(_written(folders, request))
    for path in written:
        click.echo(printable(f"{path}"))
    if open_page:
        click.launch(str(written[-1].resolve()))


def _written(folders: Sequence[Path], request: ReportRequest) -> Iterator[Path]:
    """The files of a run's, a study's or a comparison's report.

    Raises:
        WorkbenchError: a folder holds no run and no study, or an option has no meaning for it.
    """
    if len(folders) > 2:
        raise WorkbenchError(f"{folders[2]}: a page shows one run or study, or compares two runs; leave the third out")
    folder = folders[0]
    if len(folders) == 1 and (folder / "run.json").exists():
        yield from _of_run(folder, request)
        return
    if set(request.formats) != {"html"} or request.figures or request.sliders or request.full_audio:
        raise WorkbenchError(f"{folder}: only a single run has other formats, figures, sliders and sound")
    if len(folders) == 2:
        from workbench.reports.comparison_page import comparison_folder, write_comparison_page

        a, b = (_gathered(each, request.budget, scores_of) for each in folders)
        yield write_comparison_page(a, b, comparison_folder(*folders))
    elif (folder / "result.json").exists() or (folder / "study.toml").exists():
        from workbench.reports.study_page import write_study_page

        yield write_study_page(folder)
    else:
        raise WorkbenchError(f"{folder}: no run.json and no study.toml; name a folder that replay or tune wrote")


def _of_run(folder: Path, request: ReportRequest) -> Iterator[Path]:
    yield from write_formats(_gathered(folder, request.budget, score_run), request)


def _gathered(folder: Path, budget: Path, score: Score) -> Material:
    run = read_run(folder)
    prices = _prices(folder, budget)
    scored, summary = score(run, prices)
    return gather(run, scored, summary, read_budget(budget), prices)


def _prices(folder: Path, budget: Path) -> Prices:
    """The prices that the run was scored with, else those of the budget file."""
    path = folder / "scores.json"
    data = read_json(path) if path.exists() else None
    found = data.get("prices") if isinstance(data, dict) else None
    return check_prices(found, str(path)) if isinstance(found, dict) else read_prices(budget)


def write_formats(data: Material, request: ReportRequest) -> Iterator[Path]:
    """Write the report of a run in every format that was asked for; yields the files, the page last."""
    if {"csv", "parquet"} & set(request.formats):
        from workbench.reports.incidents import incidents
        from workbench.reports.table_files import write_tables
        from workbench.reports.tables import run_tables

        tables = run_tables(data, incidents(data))
        for suffix in ("csv", "parquet"):
            if suffix in request.formats:
                yield from write_tables(data.run.folder, tables, suffix)
    if request.sliders:
        yield write_grid_of(data)
    if "perfetto" in request.formats:
        from workbench.reports.perfetto import write_perfetto

        yield from write_perfetto(data.run)
    if request.figures:
        from workbench.reports.figure_files import write_figures

        yield from write_figures(data)
    if "md" in request.formats:
        from workbench.reports.markdown import write_markdown

        yield write_markdown(data)
    if "html" in request.formats:
        yield write_page_of(data, request.full_audio)


def write_grid_of(data: Material, exact: bool = True) -> Path:
    """Replay the sliders' grid, and say how far it is."""
    from workbench.cli.progress import Bar
    from workbench.reports.sliders import write_grid

    with Bar() as bar:
        return write_grid(data, lambda done, total: bar.step("settings of the sliders", done, total), exact)


def write_page_of(data: Material, full_audio: bool = False) -> Path:
    """Write the page of a run, with sliders where they cost next to nothing."""
    from workbench.reports.run_page import write_run_page
    from workbench.reports.sliders import cheap, read_grid

    if cheap(data) and read_grid(data) is None:
        write_grid_of(data)
    return write_run_page(data, full_audio)
