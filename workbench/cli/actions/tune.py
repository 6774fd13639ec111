"""Action and output of ``tune``, and the end of ``demo``."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from workbench.cli.actions.resume import resumed
from workbench.cli.options import build_config
from workbench.cli.progress import Bar, Output
from workbench.config import Config, load, override, to_dict
from workbench.errors import WorkbenchError
from workbench.files import canonical_json, read_json, sha256_text, shipped
from workbench.metrics.budget import read_budget
from workbench.moshi_json import read_moshi_json
from workbench.tuning.inactive_knobs import told
from workbench.tuning.objective import Goal
from workbench.tuning.output.phrases import advice, caveats, figure, headline, knob, verdict, warnings
from workbench.tuning.output.publish import publish
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.result import Result
from workbench.tuning.space import read_space
from workbench.tuning.spec import FORMAT, StudySpec, local_url
from workbench.tuning.study import known
from workbench.tuning.tune import Where, tune

BASELINE, QUICK, BUDGET = (Path(f"configs/{name}.toml") for name in ("baseline", "quick", "budget"))
OBJECTIVE = "voice_to_voice_ms_p95"


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
    objectives: tuple[str, ...]
    trials: int | None
    sampler: str | None
    prune: bool
    seed: int
    workers: int
    storage: str | None
    dask: str | None
    resume: bool
    keep_keys_from: Path | None
    as_json: bool
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
    spec = resumed(folders, request) if request.resume else _spec(folders, request)
    where = Where(request.storage, request.workers, request.dask)
    try:
        with Bar() as bar:
            result, folder = tune(
                spec,
                bar,
                lambda result, evaluator: publish(result, evaluator, own),
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
        show_result(result, folder)
    return 1 if result.over_budget else 0


def _spec(folders: Sequence[Path], request: TuneRequest) -> StudySpec:
    if not folders:
        raise WorkbenchError("no sessions given ('workbench sessions' lists them); --resume alone can do without")
    config = build_config(
        request.config_file, request.stack, request.models, request.listener, None, request.assignments
    )
    objectives = request.objectives or (OBJECTIVE,)
    options = SearchOptions(
        request.sampler or ("nsga2" if len(objectives) > 1 else "tpe"), request.seed, request.trials, request.prune
    )
    goal = Goal(objectives, read_budget(request.budget))
    return plan(request.name, folders, config, read_space(request.space), goal, options)


DEMO_TRIALS = 40
"""Enough to show how it goes; a search that is meant takes hundreds."""


def tune_demo(folders: Sequence[Path], config: Config) -> int:
    """Tune on the demo sessions, from the shipped baseline on the given stack; repeated, it shows what it found before.

    Args:
        folders: of the sessions.
        config: names stack, listener and costs.
    """
    own: dict[str, object] = {"workbench.listener": config.workbench.listener}
    for section, values in (("stack", to_dict(config)["stack"]), ("step_costs", to_dict(config)["step_costs"])):
        own |= {f"{section}.{key}": value for key, value in values.items()}
    baseline = override(load(shipped(BASELINE)), own)
    goal = Goal((OBJECTIVE,), read_budget(shipped(BUDGET)))
    spec = plan("demo", folders, baseline, read_space(shipped(QUICK)), goal, SearchOptions(trials=DEMO_TRIALS))
    heard = [[ref.mic, ref.reference] for ref in spec.sessions]
    spec = replace(spec, name=f"demo-{sha256_text(canonical_json([FORMAT, spec.config.fingerprint, heard]))[:8]}")
    with Bar() as bar:
        result, folder = tune(
            spec,
            bar,
            lambda result, evaluator: publish(result, evaluator, None),
            resume=known(spec.name, local_url(spec)),
            progress=bar.say,
        )
    show_result(result, folder)
    return 0


def show_result(result: Result, folder: Path) -> None:
    """Print the claim, the changes and the figures."""
    console = Output(120)
    spec = result.spec
    judged = result.held_out or result.tuning
    table = Table("score", "baseline", "tuned", "difference", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.title = f"{'held out' if result.held_out else 'tuned on'}: {len(judged.sessions)} sessions"
    for item in judged.differences:
        if item.a is None and item.b is None:
            continue
        table.add_row(item.key, figure(judged.baseline, item.key), figure(judged.tuned, item.key), verdict(item))
    console.print(table)
    for row in result.sensitivity.ranges:
        before = _before(spec, row.name)
        console.print(
            f"{row.name}: {before} -> {knob(row.chosen)}" if before != knob(row.chosen) else f"{row.name}: {before}",
            markup=False,
        )
    if spec.unread:
        console.print(f"not searched: {told(spec.unread)}", soft_wrap=True, markup=False)
    for text in [*warnings(judged), *caveats(spec)]:
        console.print(f"- {text}", soft_wrap=True, markup=False)
    if result.over_budget:
        broken = ", ".join(result.over_budget)
        console.print(f"- no setting that was tried keeps the whole budget; over it: {broken}", soft_wrap=True)
    console.print(headline(result), soft_wrap=True, markup=False)
    console.print(advice(result), soft_wrap=True, markup=False)
    console.print(f"{result.trials} trials; configs and checklist: {folder}", soft_wrap=True, markup=False)


def _before(spec: StudySpec, name: str) -> str:
    from workbench.config import get

    return knob(get(spec.config, name))
