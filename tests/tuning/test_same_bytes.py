"""A study gives the same bytes wherever its trials run and are kept, and whatever is killed on the way."""

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optuna
import pytest
from click.testing import CliRunner
from made_sessions import conversation, make_session, with_noises
from servers import OPTIONS, SPACE, command, dask, postgres, small, wait_for, write_files

from workbench.cache import Store
from workbench.cli import cli
from workbench.errors import WorkbenchError
from workbench.execution import Local
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.loading import setup_here
from workbench.tuning.search import Objective, run_trials
from workbench.tuning.storage import open_storage
from workbench.tuning.study import create, finished
from workbench.tuning.study import load as load_study

pytestmark = pytest.mark.slow

TRIALS = 24
WRITTEN = ("studies/one/result.json", "configs/one/moshi.json", "configs/one/tuned.toml")
JOURNAL = "journal:studies/one/journal.log"


@pytest.fixture
def files(here) -> Path:
    """Space and budget of a small study."""
    write_files(here, SPACE)
    return here


def arguments(recordings: list[Path], *options: str) -> tuple[str, ...]:
    asked = ("--name", "one", "--sampler", "tpe", "--trials", str(TRIALS), "--json")
    return ("tune", *map(str, recordings), *asked, *OPTIONS, *options)


def written() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in WRITTEN}


def done(process) -> None:
    """It ends well, and says no more on stderr than how far it is, once a minute."""
    _, errors = process.communicate(timeout=300)
    said = [line for line in errors.splitlines() if not re.fullmatch(r"[a-z ]+: \d+ of \d+", line)]
    assert (process.returncode in (0, 1), said) == (True, []), errors


def trials(url: str) -> tuple[object, ...]:
    study, _ = load_study("one", open_storage(url))
    return tuple((t.number, t.state, t.params, t.values, t.constraints) for t in study.get_trials())


@pytest.fixture(scope="module")
def undisturbed(recordings, tmp_path_factory) -> tuple[dict[str, bytes], tuple[object, ...]]:
    """What one process writes, and its trials."""
    folder = tmp_path_factory.mktemp("undisturbed")
    before = Path.cwd()
    os.chdir(folder)
    try:
        write_files(folder, SPACE)
        CliRunner().invoke(cli, arguments(recordings), catch_exceptions=False)
        return written(), trials(JOURNAL)
    finally:
        os.chdir(before)


def test_the_same_with_several_workers(files, recordings, undisturbed):
    done(command(*arguments(recordings, "--workers", "4")))
    assert (written(), trials(JOURNAL)) == undisturbed


def test_the_same_on_dask(files, recordings, undisturbed):
    """A scheduler and two workers, of which one is killed; what they heard is in the cache here afterwards."""
    with dask() as (address, processes):
        running = command(*arguments(recordings, "--dask", address))
        wait_for(lambda: told(JOURNAL) >= 3)
        processes[-1].kill()
        done(running)
    assert (written(), trials(JOURNAL)) == undisturbed
    store = Store(Path("store"))
    assert store.usage().entries > 100
    store.close()


def test_a_cluster_that_goes_away_ends_a_study_in_one_line(files, recordings, undisturbed):
    """It goes on without the cluster."""
    with dask() as (address, processes):
        running = command(*arguments(recordings, "--dask", address))
        wait_for(lambda: told(JOURNAL) >= 3)
        for process in processes:
            process.kill()
        _, errors = running.communicate(timeout=120)
    assert running.returncode == 2
    assert errors.splitlines()[-1].startswith(f"error: --dask {address}: the scheduler or all of its workers are gone")
    done(command(*arguments(recordings, "--resume")))
    assert (written(), trials(JOURNAL)) == undisturbed


def test_the_same_after_a_worker_was_killed(files, recordings, undisturbed):
    running = command(*arguments(recordings, "--workers", "2"))
    wait_for(lambda: told(JOURNAL) >= 3)
    threads = Path(f"/proc/{running.pid}/task").iterdir()
    children = [pid for thread in threads for pid in (thread / "children").read_text().split()]
    workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(int(workers[0]), signal.SIGKILL)
    done(running)
    assert (written(), trials(JOURNAL)) == undisturbed


def told(url: str) -> int:
    """Trials that are told; 0 where there is no study yet."""
    try:
        return len(finished(load_study("one", open_storage(url, existing=True))[0]))
    except (WorkbenchError, optuna.exceptions.OptunaError):
        return 0


@contextmanager
def storage(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with postgres() as server:
            yield server.url
    else:
        yield {"journal": JOURNAL, "sqlite": "sqlite:///trials.db"}[kind]


TEN = pytest.param("journal", 10, marks=pytest.mark.fuzz)
"""Ten moments, outside the gate: ``pytest -m fuzz -n 0 tests/tuning/test_same_bytes.py``."""


@pytest.mark.parametrize(("kind", "kills"), [("journal", 4), ("sqlite", 3), ("postgresql", 3), TEN])
def test_the_same_after_the_owner_was_killed(files, recordings, undisturbed, kind, kills):
    """At random moments, each time resumed by the same command."""
    draw = random.Random(kind)
    moments = sorted(draw.randrange(TRIALS) for _ in range(kills))
    with storage(kind) as url:
        where = () if kind == "journal" else ("--storage", url)
        if where:
            open_storage(url)  # the tables are there before two look for them at once
        begun = False
        for number, moment in enumerate(moments):
            resume = ("--resume",) if begun else ()
            running = command(*arguments(recordings, *where, *resume, "--workers", str(1 + number % 2)))
            wait_for(lambda: told(url) >= moment or running.poll() is not None)  # noqa: B023
            time.sleep(draw.uniform(0, 0.15))
            assert running.poll() is None, running.communicate()
            running.kill()
            running.communicate()
            begun = begun or has_begun(url)
        done(command(*arguments(recordings, *where, *(("--resume",) if begun else ()))))
        assert (written(), trials(url)) == undisturbed


def has_begun(url: str) -> bool:
    try:
        load_study("one", open_storage(url, existing=True))
    except WorkbenchError:
        return False
    return True


def test_pruned_trials_are_the_same_with_two_workers(here, tmp_path):
    """Nine sessions; the owner decides session by session what is hopeless."""
    folders = []
    for number in range(9):
        generator = np.random.default_rng(number)
        sounds, seconds = conversation(generator, 1)
        sounds = with_noises(sounds, generator, 0.02, 3.0)
        folders.append(make_session(tmp_path / f"made/p{number}", sounds, seconds, seed=number).folder)
    spec = small(folders, sampler="tpe", trials=TRIALS, prune=True)
    found = []
    for workers in (1, 2):
        evaluator = Evaluator(folders, spec.config, Store(None), profile=spec.profile)
        study = create(spec, optuna.storages.InMemoryStorage())
        with Local(workers) as pool:
            pool.prepare(setup_here(spec), Store(None))
            run_trials(study, spec, Objective(spec, evaluator, spec.tuning, pool if workers > 1 else None))
        found.append([(t.state, t.params, t.values, t.intermediate_values) for t in study.trials])
    assert found[0] == found[1]
    assert optuna.trial.TrialState.PRUNED in [state for state, *_ in found[0]]
