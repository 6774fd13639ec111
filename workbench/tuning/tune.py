"""A study from its first trial to its result: begun or resumed, its trials run here or elsewhere, and summarised."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

import optuna

from workbench.dask_pool import Dask
from workbench.execution import Here, JobPool, Local
from workbench.replay.prefetch import Prefetcher
from workbench.replay.profiles import Progress
from workbench.tuning.evaluator import Evaluator, hear
from workbench.tuning.interrupts import Patience
from workbench.tuning.loading import make_evaluator, settle, setup_elsewhere, setup_here
from workbench.tuning.owner import leased, locked
from workbench.tuning.refinement import StudyWatch
from workbench.tuning.result import Result, summarise_study
from workbench.tuning.search import Objective, run_trials
from workbench.tuning.spec import StudySpec, local_url
from workbench.tuning.storage import answering, open_storage
from workbench.tuning.study import create, finished, keep, load, look_up, queue

Finished = TypeVar("Finished")


@dataclass(frozen=True)
class Where:
    """Where a study is kept, and where its trials run.

    Attributes:
        storage: URL; the study's own journal by default.
        workers: processes on this machine; with one the trials run in this process.
        dask: address of a dask scheduler, whose workers run the trials instead.
    """

    storage: str | None = None
    workers: int = 1
    dask: str | None = None

    def url(self, spec: StudySpec) -> str:
        """Storage of a study."""
        return local_url(spec) if self.storage is None else self.storage


def tune(
    spec: StudySpec,
    watch: StudyWatch,
    finish: Callable[[Result, Evaluator], Finished],
    where: Where = Where(),
    *,
    resume: bool = False,
    progress: Progress = lambda _: None,
) -> tuple[Result, Finished]:
    """Run a study to its end and judge what it found.

    Args:
        spec: from :func:`workbench.tuning.plan.plan`.
        watch: shows how it gets on.
        finish: is given the result while everything is still loaded; what it returns is handed on.
        where: storage and workers.
        resume: go on with a study that is there.
        progress: is given what is being loaded.

    Raises:
        WorkbenchError: see :func:`workbench.tuning.plan.plan`; or the study is there already, or is not, or another
            process owns it; or a worker is lost or refused.
    """
    url = where.url(spec)
    with answering(url), ExitStack() as held:
        # What can fail comes before anything of the study is made: the same command, corrected, begins it.
        look_up(spec.name, url, resume)
        pool: JobPool = Here()
        if where.dask is not None:
            pool = held.enter_context(Dask(where.dask))
        elif where.workers > 1:
            pool = held.enter_context(Local(where.workers))
        begun = None if resume else settle(spec, progress)
        held.enter_context(locked(spec.folder, spec.name, url))
        spec, evaluator, study = (*begun, None) if begun else _take_up(spec, url, progress)
        held.callback(evaluator.store.close)
        setup = setup_here(spec) if where.dask is None else setup_elsewhere(spec, evaluator)
        if isinstance(pool, Here):
            pool = Here(evaluator)
        else:
            pool.prepare(setup, evaluator.store)
        _hear_baseline(spec, evaluator, pool, watch)
        with Patience():
            study = study or create(spec, open_storage(url))
            check = held.enter_context(leased(study, url))
            keep(study, spec)
            queue(study, spec)
            spec.write()
        objective = Objective(spec, evaluator, spec.tuning, pool)

        def told(done: int) -> None:
            check()
            watch.step("trials", done, spec.trials)

        told(len(finished(study)))
        run_trials(study, spec, objective, told)
        result = summarise_study(study, spec, evaluator, objective, watch)
        return result, finish(result, evaluator)


def _take_up(spec: StudySpec, url: str, progress: Progress) -> tuple[StudySpec, Evaluator, optuna.Study]:
    """Go on with a study, with the costs and weights it was begun with."""
    study, kept = load(spec.name, open_storage(url, existing=True))
    spec = replace(spec.resumed(kept), trials=max(spec.trials, len(finished(study))))
    return spec, make_evaluator(spec, progress), study


def _hear_baseline(spec: StudySpec, evaluator: Evaluator, pool: JobPool, watch: StudyWatch) -> None:
    """Score every session under the baseline, with the models run by whoever runs the trials, or by helpers."""
    tasks = [(name, spec.config, spec.exact) for name in evaluator.names]
    with ExitStack() as held:
        if isinstance(pool, Here):
            helped = held.enter_context(Prefetcher(setup_here(spec), evaluator.store, evaluator.helpers))
            order = helped.tasks_in_order(hear, tasks)
        else:
            jobs = [pool.submit(hear, *task) for task in tasks]
            order = (number for number, job in enumerate(jobs) if job.result() is None)
        for number in order:
            watch.step("baseline", number, len(tasks))
            hear(evaluator, *tasks[number])
