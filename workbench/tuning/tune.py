"""A study from its first trial to its result: begun or taken up, run on this machine, concluded."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeVar

import optuna

from workbench.errors import WorkbenchError
from workbench.replay.profiles import Progress
from workbench.tuning.cluster import executor, fill
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.interrupts import Patience
from workbench.tuning.objective import Objective
from workbench.tuning.presence import Presence, Tickets, at_work
from workbench.tuning.result import Result, Watch, summarise_study
from workbench.tuning.spec import Spec, local_url
from workbench.tuning.storage import answering, open_storage
from workbench.tuning.study import Elsewhere, create, finished, keep, load, look_up, queue, run_trials, take_up, wanting
from workbench.tuning.workers import make_evaluator, run_beside, settle

Finished = TypeVar("Finished")


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
    url = local_url(spec) if storage is None else storage
    if url == "memory:" and workers > 1:
        raise WorkbenchError("--storage memory: is seen by one process only; leave --workers out, or name another")
    with answering(url), ExitStack() as held:
        # What can fail comes before anything of the study is made: the same command, put right, begins it.
        look_up(spec.name, url, resume)
        pool = held.enter_context(executor(scheduler)) if scheduler is not None else None
        begun = None if resume else settle(spec, progress)
        presence = held.enter_context(at_work(spec.folder))
        study, spec, evaluator = _take_up(spec, url, progress) if begun is None else (None, *begun)
        if pool is not None:
            fill(pool, spec, evaluator.store, lambda done, total: watch.step("models", done, total))
        evaluator.begin(lambda done, total: watch.step("baseline", done, total))
        with Patience():
            study = study or create(spec, open_storage(url))
            spec.write()
        objective = Objective(spec, evaluator, spec.tuning)
        _run(study, spec, url, objective, watch, workers, presence, progress, remote=storage is not None)
        result = summarise_study(study, spec, evaluator, objective, watch)
        try:
            return result, finish(result, evaluator)
        finally:
            evaluator.store.close()


def _take_up(spec: Spec, url: str, progress: Progress) -> tuple[optuna.Study | None, Spec, Evaluator]:
    """Go on with a study, with the costs and weights it was begun with."""
    study, kept = load(spec.name, open_storage(url, existing=True))
    spec = replace(spec.resumed(kept), trials=max(spec.trials, len(finished(study))))
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
    progress: Progress,
    remote: bool,
) -> None:
    """Rounds of trials until there are enough; the trials of killed workers are queued again between rounds."""
    tickets = Tickets(spec.folder / "tickets")
    elsewhere = Elsewhere(study)

    def told() -> None:
        watch.step("trials", len(finished(study)), spec.trials)

    while True:
        if not remote and presence.alone():
            take_up(study)
        told()
        if len(finished(study)) >= spec.trials:
            return
        if not (left := wanting(study, spec)):
            if not (running := elsewhere.running()):
                return  # a point that took too many workers with it was given up
            progress(f"waiting for {running} of others")
            time.sleep(1.0)
            continue
        tickets.issue(left)
        if workers == 1:
            run_trials(study, objective, lambda: wanting(study, spec) > 0 and tickets.take(), told)
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
            raise WorkbenchError(f"study {spec.name!r}: every worker failed, see above; --resume goes on")
