"""From sessions to a config: search, centre, survey, judge on sessions that the search did not see."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import optuna
from optuna.trial import FrozenTrial

from workbench.budget import Evidence, certify
from workbench.config import Config, Knob, get, override
from workbench.errors import WorkbenchError
from workbench.metrics import Difference, SessionScores, Summary, compare, summarise
from workbench.metrics.measures import BY_KEY, Points, Rate
from workbench.profiles import Progress
from workbench.running import open_labelled
from workbench.session import Session, check_name
from workbench.tuning.cluster import executor, fill
from workbench.tuning.objective import Evaluator
from workbench.tuning.samplers import make_sampler
from workbench.tuning.sensitivity import Sensitivity, centre, climb, simplify, survey
from workbench.tuning.space import Space
from workbench.tuning.spec import SessionRef, Spec
from workbench.tuning.splitting import split
from workbench.tuning.stopping import Patience
from workbench.tuning.storage import Presence, Tickets, at_work, mend, open_storage
from workbench.tuning.study import (
    SHOWN,
    Objective,
    Outcome,
    best,
    create,
    finished,
    front,
    keep,
    load,
    look_up,
    make_pruner,
    queue,
    run_trials,
    search,
    take_up,
    waits,
)
from workbench.tuning.unread import find_unread, searched
from workbench.tuning.workers import make_evaluator, run_beside, settle

Finished = TypeVar("Finished")

TRIALS = 200
"""Trials of a study, unless more or fewer are asked for."""


class Watch(Protocol):
    """Is told how a study gets on."""

    def step(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` of something."""
        ...


@dataclass(frozen=True)
class Comparison:
    """Baseline and tuned on the same sessions.

    Attributes:
        baseline, tuned: scores with intervals.
        differences: tuned − baseline, paired by session.
        evidence: whether the sessions are enough to hold the tuned config to its budget.
    """

    sessions: tuple[str, ...]
    baseline: Summary
    tuned: Summary
    differences: tuple[Difference, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class PutBack:
    """One change taken back, all others kept.

    Attributes:
        value: the baseline's.
        difference: of the first objective, put back − tuned; on held-out sessions where a third was held out, else on
            the tuning sessions.
        broken: limits that are broken on the tuning sessions with the knob put back.
    """

    name: str
    value: Knob
    difference: Difference
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What a study found.

    Attributes:
        trial: number of the best trial.
        params: its values, before floats were moved to the middle of their range.
        config: the tuned config.
        outcome: of the tuned config on the tuning sessions.
        over_budget: limits that it oversteps there.
        tuning: comparison on the sessions the search saw.
        held_out: comparison on those it did not see; None where there are none.
        front: (trial, values) of a study with several objectives.
    """

    spec: Spec
    trials: int
    pruned: int
    trial: int
    config: Config
    outcome: Outcome
    over_budget: tuple[str, ...]
    sensitivity: Sensitivity
    put_back: tuple[PutBack, ...]
    tuning: Comparison
    held_out: Comparison | None
    front: tuple[tuple[int, tuple[float, ...]], ...] = ()


def plan(
    name: str,
    folders: Sequence[Path],
    config: Config,
    space: Space,
    budget: dict[str, float],
    objectives: Sequence[str],
    *,
    sampler: str = "tpe",
    seed: int = 0,
    trials: int | None = None,
    prune: bool = False,
) -> Spec:
    """Open the sessions, split them, and put the study down; knobs that nothing reads are taken out of the space.

    Args:
        trials: finished trials wanted; :data:`TRIALS` by default, and of a grid as many as it has points.

    Raises:
        WorkbenchError: names the session, score, knob or option that is wrong.
    """
    check_name(name, "--name")
    for key in objectives:
        if not isinstance(BY_KEY.get(key), Points | Rate) or key.endswith("_n"):
            raise WorkbenchError(f"--objective {key}: not a percentile or a rate (docs/metrics.md lists them)")
    check_trials(trials, sampler)
    opened = [open_labelled(folder) for folder in folders]
    _check_twins([session for session, _ in opened])
    for session, labels in opened:
        if not labels:
            raise WorkbenchError(f"{session.folder}: has no labels to tune against; 'workbench label' drafts them")
    parts = split({session.name: labels for session, labels in opened}, seed)
    unread = find_unread(space, config)
    space = searched(space, unread)
    first = space.point(config)
    if sampler == "grid":
        space.check_grid()
        trials = space.size() + (not space.holds(first))
    spec = Spec(
        name=name,
        sessions=tuple(SessionRef(item.name, item.folder.as_posix(), item.mic.sha256) for item, _ in opened),
        split=parts.kind,
        tuning=parts.tuning,
        held_out=parts.held_out,
        config=config,
        space=space,
        objectives=tuple(objectives),
        budget=budget,
        sampler=sampler,
        seed=seed,
        prune=prune,
        unread=unread,
        trials=TRIALS if trials is None else trials,
    )
    make_pruner(spec)
    make_sampler(sampler, seed, spec.trials)
    return spec


def check_trials(trials: int | None, sampler: str) -> None:
    """Refuse a number of trials that a study cannot have.

    Raises:
        WorkbenchError: it is too small, or the sampler's own.
    """
    if trials is None:
        return
    if sampler == "grid":
        raise WorkbenchError(
            "--trials: a grid has a trial for each of its points; leave it out, or take --sampler random"
        )
    if trials < 1:
        raise WorkbenchError(f"--trials is {trials}, must be 1 or more")


def _check_twins(sessions: Sequence[Session]) -> None:
    seen: dict[str, Path] = {}
    for session in sessions:
        other = seen.get(session.name)
        if other is not None and other.resolve() == session.folder.resolve():
            raise WorkbenchError(f"{session.folder}: given twice; leave one out")
        if other is not None:
            raise WorkbenchError(
                f"{other} and {session.folder}: two sessions have the name {session.name!r}; rename one"
            )
        seen[session.name] = session.folder


def local_url(spec: Spec) -> str:
    """Where a study is kept if nothing else is said."""
    return f"journal:{spec.folder / 'journal.log'}"


def tune(
    spec: Spec,
    watch: Watch,
    *,
    storage: str | None = None,
    workers: int = 1,
    resume: bool = False,
    scheduler: str | None = None,
    progress: Progress = lambda _: None,
    finish: Callable[[Result, Evaluator], Finished],
) -> tuple[Result, Finished]:
    """Run a study to its end and judge what it found.

    Args:
        spec: from :func:`plan`.
        watch: told how it gets on.
        storage: URL; the study's own journal by default.
        workers: processes on this machine.
        resume: go on with a study that is there.
        scheduler: of dask, where the models are run before the trials.
        progress: told what is being loaded.
        finish: given the result while everything is still loaded; what it returns is handed on.

    Raises:
        WorkbenchError: see :func:`plan`; or the study is there already, or is not.
    """
    url = storage or local_url(spec)
    with ExitStack() as held:
        # What can fail comes before anything of the study is made: the same command, put right, begins it.
        look_up(spec.name, url, resume)
        pool = held.enter_context(executor(scheduler)) if scheduler is not None else None
        begun = None if resume else settle(spec, progress)
        presence = held.enter_context(at_work(spec.folder))
        if url == local_url(spec) and presence.alone():
            mend(spec.folder / "journal.log")
        study, spec, evaluator = _take_up(spec, url, progress) if begun is None else (None, *begun)
        if pool is not None:
            fill(pool, spec, evaluator.store, lambda done, total: watch.step("models", done, total))
        evaluator.begin(lambda done, total: watch.step("baseline", done, total))
        with Patience():
            study = study or create(spec, open_storage(url))
            spec.write()
        objective = Objective(spec, evaluator, spec.tuning)
        _run(study, spec, url, objective, watch, workers, presence, remote=storage is not None)
        result = conclude(study, spec, evaluator, objective, watch)
        try:
            return result, finish(result, evaluator)
        finally:
            evaluator.store.close()


def _take_up(spec: Spec, url: str, progress: Progress) -> tuple[optuna.Study | None, Spec, Evaluator]:
    """Go on with a study, with the costs and weights it was begun with."""
    study, kept = load(spec.name, open_storage(url, existing=True))
    spec = spec.resumed(kept)
    evaluator = make_evaluator(spec, progress)
    keep(study, spec)
    queue(study, spec)
    return study, spec, evaluator


def _run(
    study: optuna.Study,
    spec: Spec,
    url: str,
    objective: Objective,
    watch: Watch,
    workers: int,
    presence: Presence,
    remote: bool,
) -> None:
    """Rounds of trials until there are enough; the trials of killed workers are queued again between rounds."""
    tickets = Tickets(spec.folder / "tickets")

    def told() -> None:
        watch.step("trials", len(finished(study)), spec.trials)

    while True:
        if not remote and presence.alone():
            take_up(study)
        left = spec.trials - len(finished(study))
        told()
        if left <= 0:
            return
        if not waits(study, spec):
            if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
                return  # a point that took too many workers with it was given up
            time.sleep(1.0)  # the last points of the grid are with workers elsewhere
            continue
        tickets.issue(left)
        if workers == 1:
            run_trials(study, objective, lambda: waits(study, spec) and tickets.take(), told)
            continue
        processes = run_beside(spec, url, tickets, workers)
        try:
            while any(process.is_alive() for process in processes):
                next(process for process in processes if process.is_alive()).join(timeout=0.5)
                told()
        finally:
            for process in processes:
                process.terminate()
        if all(process.exitcode not in (0, None) and process.exitcode > 0 for process in processes):
            raise WorkbenchError(f"study {spec.name!r}: every worker failed; run it with --workers 1 to see why")


def conclude(study: optuna.Study, spec: Spec, evaluator: Evaluator, objective: Objective, watch: Watch) -> Result:
    """Choose, centre, survey, compare."""
    goal = spec.goal
    chosen = best(study, goal)
    _check_measured(spec, chosen)
    watch.step("sensitivity", 0, 1)
    config = refine(spec, chosen, objective)
    sensitivity = survey(spec.space, config, goal, objective.judge, study)
    watch.step("sensitivity", 1, 1)
    held = None
    if spec.held_out:
        before = evaluator.scores(spec.config, spec.held_out)
        held = _compare(spec, before, _unseen(spec, evaluator, config, watch))
    done = finished(study)
    outcome = objective.judge(config)
    return Result(
        spec=spec,
        trials=len(done),
        pruned=sum(trial.state == optuna.trial.TrialState.PRUNED for trial in done),
        trial=chosen.number,
        config=config,
        outcome=outcome,
        over_budget=goal.broken(outcome.scores),
        sensitivity=sensitivity,
        put_back=put_back(spec, evaluator, config, objective),
        tuning=_compare(spec, evaluator.scores(spec.config, spec.tuning), evaluator.scores(config, spec.tuning)),
        held_out=held,
        front=tuple((t.number, tuple(t.values)) for t in front(study)) if len(spec.objectives) > 1 else (),
    )


def _check_measured(spec: Spec, trial: FrozenTrial) -> None:
    """Refuse to judge by a score that no trial had.

    Raises:
        WorkbenchError: names it.
    """
    for key, value in zip(spec.objectives, trial.values, strict=True):
        if not math.isfinite(value):
            raise WorkbenchError(
                f"--objective {key}: the tuning sessions have nothing to measure it by, under any setting that was "
                "tried (docs/metrics.md says what it counts); choose another, under a new --name"
            )


def _unseen(spec: Spec, evaluator: Evaluator, config: Config, watch: Watch) -> list[SessionScores]:
    """Scores of the held-out sessions under a config found without them."""
    if spec.split != "leave-one-out":
        return evaluator.scores(config, spec.held_out)
    scored = []
    for number, name in enumerate(spec.held_out):
        watch.step("leaving one session out", number, len(spec.held_out))
        others = tuple(other for other in spec.tuning if other != name)
        scored.append(evaluator.score(_search_without(spec, evaluator, others), name))
    watch.step("leaving one session out", len(scored), len(scored))
    return scored


def _search_without(spec: Spec, evaluator: Evaluator, sessions: tuple[str, ...]) -> Config:
    trial = search(spec, evaluator, sessions, spec.trials)
    return refine(spec, trial, Objective(spec, evaluator, sessions))


def refine(spec: Spec, trial: FrozenTrial, objective: Objective) -> Config:
    """From the best trial to the config: no neighbour is better, no change brings nothing, and floats lie in the middle
    of their range.
    """
    config = spec.space.config(spec.config, trial.params)
    if objective.judge(spec.config).no_worse(objective.judge(config), spec.goal):
        config = spec.config
    before = None
    while config != before:
        before = config
        climbed = climb(spec.space, config, spec.goal, objective.judge)
        config = simplify(spec.space, spec.config, climbed, spec.goal, objective.judge)
    moved = space_without(spec.space, spec.config, config)
    return centre(moved, config, objective.judge)


def space_without(space: Space, baseline: Config, config: Config) -> Space:
    """The space of those knobs that differ from the baseline."""
    return Space(tuple(item for item in space.parameters if get(config, item.path) != get(baseline, item.path)))


def put_back(spec: Spec, evaluator: Evaluator, config: Config, objective: Objective) -> tuple[PutBack, ...]:
    """What each single change is good for: the tuned config against itself with that knob as it was."""
    sessions = spec.held_out if spec.split == "held-out" else spec.tuning
    tuned = evaluator.scores(config, sessions)
    found = []
    for item in space_without(spec.space, spec.config, config).parameters:
        was = get(spec.config, item.path)
        try:
            other = override(config, {item.path: was})
        except WorkbenchError:
            continue
        without = evaluator.scores(other, sessions)
        broken = tuple(key for key, over in objective.judge(other).over.items() if over > 0)
        found.append(PutBack(item.name, was, compare(tuned, without, spec.objectives[:1])[0], broken))
    return tuple(found)


def _compare(spec: Spec, before: list[SessionScores], after: list[SessionScores]) -> Comparison:
    keys = list(dict.fromkeys([*spec.objectives, *spec.budget, *SHOWN]))
    comparable = [key for key in keys if isinstance(BY_KEY[key], Points | Rate)]
    comparable = [key for key in comparable if not isinstance(m := BY_KEY[key], Points) or key in m.keys]
    tuned = summarise(after)
    return Comparison(
        sessions=tuple(item.session for item in after),
        baseline=summarise(before),
        tuned=tuned,
        differences=compare(before, after, comparable),
        evidence=tuple(certify(tuned, spec.budget)),
    )
