"""Processes that run trials: here, beside each other, or on other machines."""

import multiprocessing
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path

from workbench.cache import Store, default_folder
from workbench.errors import WorkbenchError, in_one_line
from workbench.replay.profiles import Progress
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import Objective
from workbench.tuning.presence import Tickets, present
from workbench.tuning.spec import Spec
from workbench.tuning.storage import HEARTBEAT, answering, open_storage
from workbench.tuning.study import load, run_trials, wanting

Done = Callable[[], None]


def settle(spec: Spec, progress: Progress = lambda _: None) -> tuple[Spec, Evaluator]:
    """Begin a study: load what it needs, and make step costs, measured here if need be, and weights a part of it.

    Raises:
        WorkbenchError: a session or the stack cannot be loaded.
    """
    folders = [Path(ref.folder) for ref in spec.sessions]
    evaluator = Evaluator(folders, spec.config, Store(default_folder()), progress)
    if spec.config.assistant.tts_stream or "assistant.tts_stream" in [item.path for item in spec.space.parameters]:
        evaluator.refuse_unknown_lm_time()
    return spec.settled(evaluator.profile, evaluator.weights), evaluator


def make_evaluator(spec: Spec, progress: Progress = lambda _: None) -> Evaluator:
    """Load what a study that was begun needs; sessions, step costs and weights must be those it was begun with.

    Raises:
        WorkbenchError: a session is not there, or is another; or the stack has other weights.
    """
    for ref in spec.sessions:
        ref.check()
    if spec.config.step_costs.source == "profile" and spec.profile is None:
        raise WorkbenchError(f"study {spec.name!r} has lost its cost profile; tune under a new --name")
    folders = [Path(ref.folder) for ref in spec.sessions]
    store = Store(default_folder())
    return Evaluator(folders, spec.config, store, progress, profile=spec.profile, weights=spec.weights)


def relocate(spec: Spec, recordings: Path | None) -> Spec:
    """The study with its sessions where this machine has them: as the study says, else by name in ``recordings``.

    Raises:
        WorkbenchError: a session is in neither place.
    """
    found = []
    for ref in spec.sessions:
        places = [Path(ref.folder)] if recordings is None else [recordings / ref.name, Path(ref.folder)]
        place = next((place for place in places if place.is_dir()), None)
        if place is None:
            raise WorkbenchError(f"session {ref.name!r} is not at {places[0]}; say with --recordings where it is")
        found.append(replace(ref, folder=str(place)))
    return replace(spec, sessions=tuple(found))


def work(
    url: str,
    name: str,
    recordings: Path | None = None,
    trials: int | None = None,
    heartbeat: int = HEARTBEAT,
    progress: Progress = lambda _: None,
    done: Done = lambda: None,
) -> int:
    """Help with a study until it has its trials (or this worker has run ``trials``).

    Returns:
        Trials run.

    Raises:
        WorkbenchError: storage, study or a session is missing.
    """
    run = 0
    with answering(url):
        study, spec = load(name, open_storage(url, heartbeat, existing=True))
        spec = relocate(spec, recordings)
        evaluator = make_evaluator(spec, progress)

        def take() -> bool:
            return (trials is None or run < trials) and wanting(study, spec) > 0

        def count() -> None:
            nonlocal run
            run += 1
            done()

        run_trials(study, Objective(spec, evaluator, spec.tuning), take, count)
    return run


def run_beside(spec: Spec, url: str, tickets: Tickets, workers: int) -> list["multiprocessing.process.BaseProcess"]:
    """Start worker processes on this machine; they share the tickets and leave when there are none.

    Ctrl-C goes to the whole group: they start with it blocked and leave the answer to their parent, which ends them.
    """
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_process, args=(spec, url, tickets), name=f"worker-{number}", daemon=True)
        for number in range(workers)
    ]
    resource_tracker.ensure_running()  # which would unblock it again on its first start
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for process in processes:
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return list(processes)


def _process(spec: Spec, url: str, tickets: Tickets) -> None:
    """One worker. It ends with its parent, after the trial it is at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    try:
        with present(spec.folder), answering(url):
            study, _ = load(spec.name, open_storage(url, existing=True))
            objective = Objective(spec, make_evaluator(spec), spec.tuning)

            def take() -> bool:
                return parent.is_alive() and wanting(study, spec) > 0 and tickets.take()

            run_trials(study, objective, take, lambda: None)
    except (WorkbenchError, OSError) as error:
        says = in_one_line(error) if isinstance(error, OSError) else error
        sys.exit(f"{multiprocessing.current_process().name}: {says}")
