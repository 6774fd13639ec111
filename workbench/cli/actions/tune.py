"""Action and output of ``tune``, and the end of ``demo``."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from workbench.cli.actions.resume import resumed
from workbench.cli.actions.score import yardstick
from workbench.cli.options import build_config
from workbench.cli.progress import Bar, Output
from workbench.config import Config, load, override, to_dict
from workbench.errors import WorkbenchError, printable
from workbench.files import canonical_json, read_json, sha256_text, shipped
from workbench.moshi_json import read_moshi_json
from workbench.tuning.objective import Goal
from workbench.tuning.output.answer import StudyAnswer
from workbench.tuning.output.checklist import WIDTH, notes, wrap
from workbench.tuning.output.checklist_commands import HARMONY
from workbench.tuning.output.phrases import counted
from workbench.tuning.output.publish import publish
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.result import Result
from workbench.tuning.space import read_space
from workbench.tuning.spec import FORMAT, StudySpec, local_url
from workbench.tuning.study import known
from workbench.tuning.tune import Where, tune

BASELINE, QUICK, BUDGET = (Path(f"configs/{name}.toml") for name in ("baseline", "quick", "budget"))
OBJECTIVE = "loss_s_per_turn"

ROWS, POINTS = 5, 7
"""Most changes and trade-offs that the console shows."""


@dataclass(frozen=True)
class TuneRequest:
    """The options of ``tune``."""

    name: str
    config_file: Path
    assignments: tuple[str, ...]
    stack: str | None
    models: str | None
    listener: str | None
    space: Path
    budget: Path
    prices: tuple[str, ...]
    objectives: tuple[str, ...]
    trials: int | None
    sampler: str | None
    prune: bool
    exact: bool
    seed: int
    workers: int
    storage: str | None
    dask: str | None
    resume: bool
    keep_keys_from: Path | None
    as_json: bool
    page: bool
    given: frozenset[str]
    """Names of those that were given on the command line."""


def run_tune(folders: Sequence[Path], request: TuneRequest) -> int:
    """Tune, write the configs, print what may be claimed.

    Returns:
        The exit code; 1: no setting that was tried keeps the budget; 130: Ctrl-C.
    """
    if request.workers < 1:
        raise WorkbenchError(f"--workers is {request.workers}, must be 1 or more")
    if request.dask is not None and "workers" in request.given:
        raise WorkbenchError("--dask and --workers: trials run on one or the other; leave one out")
    own = read_moshi_json(request.keep_keys_from) if request.keep_keys_from else None
    theirs = request.config_file if request.config_file.suffix == ".json" else request.keep_keys_from
    installed = theirs.as_posix() if theirs else HARMONY
    spec = resumed(folders, request) if request.resume else _spec(folders, request)
    where = Where(request.storage, request.workers, request.dask)
    try:
        with Bar() as bar:
            result, (folder, found) = tune(
                spec,
                bar,
                lambda result, evaluator: publish(result, evaluator, own, installed),
                where,
                resume=request.resume,
                progress=bar.say,
            )
    except KeyboardInterrupt:
        begun = not request.resume and known(spec.name, where.url(spec))
        click.echo(err=True, nl=sys.stderr.isatty())  # after the terminal's ^C
        click.echo(f"stopped; the same command goes on{', with --resume' if begun else ''}", err=True)
        return 130
    if request.as_json:
        click.echo(json.dumps({"configs": str(folder)} | read_json(spec.folder / "result.json")))
    else:
        show_result(result, found, folder)
    if request.page and not request.as_json:
        write_page_and_show(spec)
    return 1 if result.over_budget else 0


def _spec(folders: Sequence[Path], request: TuneRequest) -> StudySpec:
    if not folders:
        raise WorkbenchError("no sessions given ('workbench sessions' lists them); --resume alone can do without")
    config = build_config(
        request.config_file, request.stack, request.models, request.listener, None, request.assignments
    )
    objectives = request.objectives or (OBJECTIVE,)
    options = SearchOptions(
        request.sampler or ("nsga2" if len(objectives) > 1 else "tpe"),
        request.seed,
        request.trials,
        request.prune,
        request.exact,
    )
    budget, prices = yardstick(request.budget, request.prices)
    return plan(request.name, folders, config, read_space(request.space), Goal(objectives, budget), options, prices)


DEMO_TRIALS = 40
"""Enough to show how it goes; a search that is meant takes hundreds."""


def tune_demo(folders: Sequence[Path], config: Config) -> tuple[Result, StudyAnswer, Path]:
    """Tune on the demo sessions, from the shipped baseline on the given stack; repeated, it finds what it found before.

    Args:
        folders: of the sessions.
        config: names stack, listener and costs.

    Returns:
        The result, the same in words, and the folder of the configs.
    """
    own: dict[str, object] = {"workbench.listener": config.workbench.listener}
    for section, values in (("stack", to_dict(config)["stack"]), ("step_costs", to_dict(config)["step_costs"])):
        own |= {f"{section}.{key}": value for key, value in values.items()}
    baseline = override(load(shipped(BASELINE)), own)
    budget, prices = yardstick(shipped(BUDGET), ())
    goal, options = Goal((OBJECTIVE,), budget), SearchOptions(trials=DEMO_TRIALS)
    spec = plan("demo", folders, baseline, read_space(shipped(QUICK)), goal, options, prices)
    heard = [[ref.mic, ref.reference] for ref in spec.sessions]
    spec = replace(spec, name=f"demo-{sha256_text(canonical_json([FORMAT, spec.config.fingerprint, heard]))[:8]}")
    with Bar() as bar:
        result, (folder, found) = tune(
            spec,
            bar,
            lambda result, evaluator: publish(result, evaluator, with_rules=False),
            resume=known(spec.name, local_url(spec)),
            progress=bar.say,
        )
    return result, found, folder


def write_page_and_show(spec: StudySpec) -> None:
    """Write the page of a study and name it."""
    from workbench.reports.study_page import write_study_page

    click.echo(printable(f"page: {write_study_page(spec.folder)}"))


def say(text: str, most: int = 1) -> None:
    """Print a text in at most so many lines of 100 columns, without marks of Markdown."""
    for line in wrap(re.sub(r"[`*]", "", text), most) if text else ():
        _say_line(line)


def show_rows(*rows: Sequence[str]) -> None:
    """Print an empty line, then rows in columns; what is longer than 100 columns is cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    _say_line("")
    for row in rows:
        line = gap.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        _say_line(line if len(line) <= WIDTH else f"{line[: WIDTH - 2]} …")


def _say_line(line: str) -> None:
    Output(WIDTH).print(line, soft_wrap=True, markup=False)


def show_changes(result: Result, found: StudyAnswer) -> None:
    """Print what to do in a sentence, and the changes as a table."""
    say(found.sentence, 5)
    if found.changes:
        whose = "candidate.json" if result.recommendation.mark == "keep" else "change"
        rows = [(item.name, item.turn, item.gain, item.pay, item.sure) for item in found.changes[:ROWS]]
        more = [(f"{len(found.changes) - ROWS} more", "", "", "", "")] if len(found.changes) > ROWS else []
        show_rows((whose, "from → to", "you gain", "you pay", "better"), *rows, *more)


def show_result(result: Result, found: StudyAnswer, folder: Path) -> None:
    """Print what to do, then the trade-offs: at most 30 lines of 100 columns."""
    say(f"{result.spec.name}: {found.title}")
    for words in found.banner:
        say(words, 3)
    show_changes(result, found)
    for text in notes(found):
        say(text, 2)
    trade_offs = [(row.name, *row.values, row.settings) for row in found.trade_offs[:POINTS]]
    show_rows(("", *found.heads, "differs from today in"), *trade_offs)
    say(f"Commands to apply it, and all figures of {counted(result.trials, 'setting')}: {folder / 'checklist.md'}")
