"""How much slower a study over an hour of audio is than the same study with a constant objective, and two workers.

``python benchmarks/tune.py [--trials N] [--minutes M] [--workers PAIRS]``; prints a table in Markdown. The hour is the
demo sessions over and over, each repetition a session of its own. Both studies run on the same journal, space, sampler
and budget: what differs is the replays. They are run with a store that has the baseline's outputs only, and with one
that has all that the study asks for. Times are of the processor, but for the worker processes, which are timed by the
clock on the wall.

Measured by ``python benchmarks/tune.py --trials 500 --workers 3`` on two x86-64 cores with nothing beside it:

| study | s | ms a trial | |
|---|---|---|---|
| constant objective | 10.8 | 21.6 | pooling scores would add 1.0 ms |
| store empty | 60.0 | 120.0 | 5.56× constant |
| store full | 63.1 | 126.3 | 5.86× constant; 65564 replays |
| 1 worker process | 60.1 to 64.1 | 125 | seven times |
| 2 worker processes | 28.3 to 37.7 | 68 | seven times: 1.69 to 2.19× of one, median 1.84× |

The aim for the first, 3×, is not reached. What bounds it is what is new in a trial: of 75,000 pairs of trial and
session 65,564 ask for a replay, since all nine knobs move at once. A full store saves nothing here: stack ``scripted``
says things sooner than they are looked up. A memo of the steps that replays share made a study at most 1.26× faster
(300 trials on 20 minutes: 31.4 s with it, 39.5 s without), which did not pay for its code; the table was measured with
it.

The table is from before one process owned a study; the two rows of workers are of processes that each asked Optuna
themselves. ``--workers 1`` now runs trials in the owner's process. Until the journal waited for the disk only when a
trial ends, two workers stood in each other's way for a quarter of the time.
"""

import argparse
import os
import shutil
import tempfile
import time
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


def hour(folder: Path, minutes: float) -> list[Path]:
    """Copies of the demo sessions, renamed, until there are so many minutes."""
    from workbench.files import pretty_json, read_json, write_text
    from workbench.sessions.folders import find_sessions
    from workbench.sessions.session import open_session

    found: list[Path] = []
    total = 0.0
    sources = find_sessions(REPOSITORY / "recordings")
    while total < minutes * 60:
        source = sources[len(found) % len(sources)]
        copy = folder / f"{source.name}-{len(found) // len(sources)}"
        shutil.copytree(source, copy)
        write_text(copy / "session.json", pretty_json(read_json(copy / "session.json") | {"name": copy.name}))
        total += open_session(copy).samples / 24_000
        found.append(copy)
    return found


def study(spec: Any, objective: Any) -> tuple[float, float]:
    """Run a study from nothing on its journal; processor seconds of this process, and of the clock."""
    from workbench.tuning.search import run_trials
    from workbench.tuning.spec import local_url
    from workbench.tuning.storage import open_storage
    from workbench.tuning.study import create, finished

    shutil.rmtree(spec.folder, ignore_errors=True)
    found = create(spec, open_storage(local_url(spec)))
    spec.write()
    begun = time.process_time(), time.perf_counter()
    run_trials(found, spec, objective)
    taken = time.process_time() - begun[0], time.perf_counter() - begun[1]
    assert len(finished(found)) == spec.trials
    return taken


def with_workers(spec: Any, workers: int) -> float:
    """Run a study as ``--workers`` does, loading included; seconds of the clock."""
    from workbench.execution import Local
    from workbench.tuning.loading import make_evaluator, setup_here
    from workbench.tuning.search import Objective

    evaluator = make_evaluator(spec)
    begun = time.perf_counter()
    with ExitStack() as held:
        pool = None
        if workers > 1:
            pool = held.enter_context(Local(workers))
            pool.prepare(setup_here(spec), evaluator.store)
        study(spec, Objective(spec, evaluator, spec.tuning, pool))
        return time.perf_counter() - begun


class Constant:
    """Scores every config alike: what is left is the study itself."""

    def __init__(self, scored: dict[str, Any]) -> None:
        self._scored = scored

    def score(self, config: Any, name: str) -> Any:
        """One and the same."""
        return self._scored[name]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=0, metavar="PAIRS", help="also --workers 1 and 2, in turns")
    parser.add_argument("--workers-only", action="store_true", help="without studies on an empty and a full cache")
    options = parser.parse_args()

    from search import spec_of

    from workbench.tuning.loading import make_evaluator, settle
    from workbench.tuning.objective import pooled
    from workbench.tuning.search import Objective

    with tempfile.TemporaryDirectory() as temporary:
        os.environ["WORKBENCH_STORE"] = f"{temporary}/store"
        os.chdir(temporary)
        folders = hour(Path("recordings"), options.minutes)
        spec = replace(spec_of(folders, 0), trials=options.trials)
        names = tuple(ref.name for ref in spec.sessions)
        spec, evaluator = settle(replace(spec, tuning=names, held_out=(), split="none"))
        baseline = spec.config
        constant = Constant({name: evaluator.score(baseline, name) for name in names})
        keys = [*spec.objectives, *spec.budget]
        begun = time.process_time()
        for _ in range(20):
            pooled(keys, [constant.score(baseline, name) for name in names])
        pooling = (time.process_time() - begun) / 20
        print("| study | s | ms a trial | |\n|---|---|---|---|")

        def row(what: str, taken: float, note: str = "") -> None:
            print(f"| {what} | {taken:.1f} | {taken / options.trials * 1000:.1f} | {note} |", flush=True)

        outcome = Objective(spec, constant, names).judge(baseline)  # type: ignore[arg-type]

        class Known:
            """Even the pooling is left out."""

            def prepare(self, setup: Any, store: Any) -> None:
                """There is nothing to be made."""

            def submit(self, function: Any, *arguments: Any) -> Any:
                """One and the same outcome."""
                future: Future[Any] = Future()
                future.set_result(outcome)
                return future

        flat, _ = study(spec, Objective(spec, constant, names, Known()))  # type: ignore[arg-type]
        row("constant objective", flat, f"pooling scores would add {pooling * 1000:.1f} ms")
        if not options.workers_only:
            empty, _ = study(spec, Objective(spec, evaluator, names))
            row("store empty", empty, f"{empty / flat:.2f}× constant")
            evaluator = make_evaluator(spec)
            full, _ = study(spec, Objective(spec, evaluator, names))
            row("store full", full, f"{full / flat:.2f}× constant; {evaluator.replays} replays")
        ratios = []
        for _ in range(options.workers):
            one, two = with_workers(spec, 1), with_workers(spec, 2)
            ratios.append(one / two)
            row("--workers 1", one)
            row("--workers 2", two, f"{ratios[-1]:.2f}× of one; median {median(ratios):.2f}×")


if __name__ == "__main__":
    main()
