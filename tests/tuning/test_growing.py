"""Workers, kills, databases and clusters: everything that can go on elsewhere, started for real."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import optuna
import pytest
from servers import OPTIONS, SPACE, command, environment, postgres, small, wait_for, write_files

from workbench.cache import Store
from workbench.errors import WorkbenchError
from workbench.trace_file import trace_digest
from workbench.tuning.cluster import executor, fill, infer, pack, points
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import search
from workbench.tuning.space import parse
from workbench.tuning.spec import local_url, read_spec
from workbench.tuning.storage import open_storage
from workbench.tuning.study import best, create, finished, outcome_of, take_up
from workbench.tuning.study import load as load_study

pytestmark = pytest.mark.slow


@pytest.fixture
def files(here):
    """Space and budget of a small grid: 3 × 8 points, and the baseline beside it."""
    write_files(here, SPACE)
    return here


def trials_in(url: str, name: str, states=None) -> list[optuna.trial.FrozenTrial]:
    try:
        study, _ = load_study(name, open_storage(url))
    except WorkbenchError:
        return []
    return study.get_trials(states=states)


@pytest.fixture(scope="module")
def undisturbed(recordings) -> dict[str, object]:
    """Best of the grid, found in one piece."""
    spec = small(recordings)
    evaluator = Evaluator(recordings, spec.config, Store(None), profile=spec.profile)
    trial = search(spec, evaluator, spec.tuning, spec.trials)
    return {"params": trial.params, "value": trial.values[0]}


def settings(trials) -> list[str]:
    return sorted(json.dumps(trial.params, sort_keys=True) for trial in trials)


def test_killed_and_resumed_no_trial_is_lost_or_doubled(files, recordings, undisturbed):
    """The main process and one of its workers are killed in the middle, twice; then --resume."""
    arguments = ("tune", *map(str, recordings), "--name", "grid", "--sampler", "grid", *OPTIONS, "--json")
    url = f"journal:{files}/studies/grid/journal.log"
    for round_, (enough, extra) in enumerate([(4, ()), (10, ("--resume",))]):
        running = command(*arguments, *extra, "--workers", "2")
        wait_for(lambda: len(trials_in(url, "grid", (optuna.trial.TrialState.COMPLETE,))) >= enough)  # noqa: B023
        if round_ == 0:
            children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
            workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            os.kill(int(workers[0]), signal.SIGKILL)
        running.kill()
        running.wait()
    before = settings(trials_in(url, "grid", (optuna.trial.TrialState.COMPLETE,)))
    done = command(*arguments, "--resume")
    out, errors = done.communicate(timeout=300)
    assert done.returncode in (0, 1), errors
    complete = trials_in(url, "grid", (optuna.trial.TrialState.COMPLETE,))
    after = settings(complete)
    assert len(after) == len(set(after)) == 3 * 8 + 1
    assert set(before) <= set(after)
    study, spec = load_study("grid", open_storage(url))
    chosen = best(study, spec.goal)
    assert (chosen.params, chosen.values[0]) == (undisturbed["params"], undisturbed["value"])
    assert json.loads(out)["trials"] == 25


def test_running_trials_of_the_dead_are_queued_again(files, recordings):
    spec = small(recordings)
    study = create(spec, open_storage(local_url(spec)))
    first, second = study.ask(), study.ask()
    assert take_up(study) == 2
    queued = study.get_trials(states=(optuna.trial.TrialState.WAITING,))
    assert len(queued) == spec.trials
    again = {trial.system_attrs.get("failed_trial") for trial in queued}
    assert {first.number, second.number} <= again


def test_of_equals_a_trial_that_was_begun_again_keeps_its_place(files, recordings):
    spec = small(recordings)
    study = create(spec, optuna.storages.InMemoryStorage())
    held = study.ask()
    take_up(study)
    while study.get_trials(states=(optuna.trial.TrialState.WAITING,)):
        trial = study.ask()
        spec.space.suggest(trial)
        over = dict.fromkeys(spec.goal.limits, -1.0)
        for name, value in over.items():
            trial.set_constraint(name, value)
        trial.set_user_attr("scored", {"key": "", "scores": {}})
        study.tell(trial, 1.0)
    assert best(study, spec.goal).params == spec.space.point(spec.config)
    assert best(study, spec.goal).number != held.number


def test_three_workers_on_postgresql_one_of_them_killed(files, recordings, undisturbed):
    """Its trial is taken over once its heartbeat has stopped, and the grid's best is the undisturbed one."""
    with postgres() as server:
        spec = small(recordings, "shared")
        study = create(spec, open_storage(server.url))
        held = study.ask()  # a worker that was killed at its first trial: it never says another word
        study._storage.record_heartbeat(held._trial_id)
        workers = [command("worker", "--storage", server.url, "--heartbeat", "1") for _ in range(3)]
        wait_for(lambda: len(finished(study)) >= 3)
        workers[0].kill()
        for worker in workers:
            worker.communicate(timeout=300)
        assert [worker.returncode for worker in workers[1:]] == [0, 0]
        if len(finished(study)) < spec.trials:
            time.sleep(3.5)  # both left before the heartbeats ran out
            last = command("worker", "--storage", server.url, "--heartbeat", "1")
            _, errors = last.communicate(timeout=300)
            assert last.returncode == 0, errors
        complete = settings(finished(study))
        assert len(complete) == len(set(complete)) == spec.trials
        chosen = best(study, spec.goal)
        assert (chosen.params, chosen.values[0]) == (undisturbed["params"], undisturbed["value"])


def test_a_worker_beside_the_main_process_saves_it_its_trials(files, recordings):
    url = f"journal:{files}/shared.journal"
    asked = ("--name", "shared", "--storage", url, "--sampler", "random", "--trials", "80", *OPTIONS)
    main = command("tune", *map(str, recordings), *asked)
    wait_for(lambda: len(trials_in(url, "shared")) >= 2)
    worker = command("worker", "--storage", url)
    for process in (worker, main):
        _, errors = process.communicate(timeout=300)
        assert process.returncode in (0, 1), errors
    # The two may count at the same moment, and begin a last one each.
    assert len(trials_in(url, "shared")) in (80, 81)


def test_a_worker_finds_sessions_by_name_and_refuses_others(files, recordings):
    url = f"journal:{files}/elsewhere.log"
    gone = [replace(ref, folder=f"/gone/{ref.name}") for ref in small(recordings).sessions]
    spec = small(recordings, "away", sessions=tuple(gone), sampler="random", trials=3)
    create(spec, open_storage(url))
    from workbench.tuning.workers import work

    with pytest.raises(WorkbenchError, match="say with --recordings where it is"):
        work(url, "away")
    assert work(url, "away", recordings[0].parent, trials=2) == 2
    assert work(url, "away", recordings[0].parent) == 1
    assert work(url, "away", recordings[0].parent) == 0
    for mine, other in zip(recordings, reversed(recordings), strict=True):
        shutil.copytree(mine, files / "other" / other.name)
    with pytest.raises(WorkbenchError, match="another recording"):
        work(url, "away", files / "other")


def test_two_workers_on_one_machine_find_what_one_does(files, recordings, undisturbed):
    done = command(
        "tune", *map(str, recordings), "--name", "grid", "--sampler", "grid", *OPTIONS, "--json", "--workers", "2"
    )
    _out, errors = done.communicate(timeout=300)
    assert done.returncode in (0, 1), errors
    study, spec = load_study("grid", open_storage(f"journal:{files}/studies/grid/journal.log"))
    chosen = best(study, spec.goal)
    assert (chosen.params, chosen.values[0]) == (undisturbed["params"], undisturbed["value"])
    assert len(study.trials) == len(finished(study)) == 25


@contextmanager
def dask():
    """A scheduler and two workers on loopback."""
    pytest.importorskip("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment()}
    cli = [sys.executable, "-m"]
    started = [
        subprocess.Popen(
            [*cli, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
            **quiet,
        )
    ]
    options = ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
    started += [subprocess.Popen([*cli, "distributed.cli.dask_worker", address, *options], **quiet) for _ in range(2)]
    try:
        yield address
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def test_a_dask_cluster_fills_the_store(files, recordings, monkeypatch):
    """Two dask workers run the stages; afterwards a study here runs no stage that they have run."""
    monkeypatch.setattr("workbench.tuning.cluster.POINTS", 4)
    spec = small(recordings[:2], "far", sampler="tpe", trials=3)
    with dask() as address, executor(address) as pool:
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=180)
        store = Store(None)
        assert fill(pool, spec, store) == 2 * len(points(spec))
        assert fill(pool, spec, store) == 0
    evaluator = Evaluator(recordings[:2], spec.config, store, profile=spec.profile)
    for material in evaluator._materials.values():
        object.__setattr__(material, "stages", replace(material.stages, tts=Silent(material.stages.tts.fingerprint)))
        material.stages.stt.open = forbidden
    fresh = Evaluator(recordings[:2], spec.config, Store(None), profile=spec.profile)
    for config in points(spec):
        for name in evaluator.names:
            assert trace_digest(evaluator.replay(config, name).trace) == trace_digest(fresh.replay(config, name).trace)


class Silent:
    """A TTS that must not be asked."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def synthesize(self, text: str, seed: int):
        raise AssertionError("the store should have known")


def forbidden(fresh: bool = True):
    raise AssertionError("the store should have known")


def test_any_executor_can_fill_the_store(files, recordings, monkeypatch):
    monkeypatch.setattr("workbench.tuning.cluster.POINTS", 4)
    spec = small(recordings[:1], "near")
    spec = replace(spec, space=parse({"assistant": {"stt_silence_ms": SPACE["assistant"]["stt_silence_ms"]}}, "one"))
    store = Store(None)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert fill(pool, spec, store) == len(points(spec))
    alone = infer(pack(recordings[0]), spec.config, spec.profile, spec.weights)
    assert alone
    assert all(store._added[key].startswith(data[:-1]) for key, data in alone.items())


def test_a_scheduler_that_is_not_there_is_named(files, recordings):
    """Before anything is made, so that the same command without it begins the study."""
    arguments = ["tune", str(recordings[0]), "--name", "one", "--trials", "2", *OPTIONS]
    before = sorted(files.rglob("*"))
    done = command(*arguments, "--scheduler", "tcp://127.0.0.1:1")
    _, errors = done.communicate(timeout=120)
    assert done.returncode == 2
    assert errors.startswith("error: --scheduler tcp://127.0.0.1:1: no dask scheduler answers there")
    assert errors.count("\n") == 1
    assert sorted(files.rglob("*")) == before
    done = command(*arguments)
    done.communicate(timeout=120)
    assert done.returncode in (0, 1)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_is_one_line_and_loses_nothing(files, recordings, undisturbed, workers):
    """It goes to the whole group, as a terminal sends it; stopped twice, the grid is what it is in one piece."""
    arguments = ("tune", *map(str, recordings), "--name", "grid", "--sampler", "grid", *OPTIONS, "--workers", workers)
    url = f"journal:{files}/studies/grid/journal.log"
    for enough, extra, says in ((3, (), "stopped; the same command goes on, with --resume\n"), (9, ("--resume",), "")):
        running = command(*arguments, *extra, start_new_session=True)
        wait_for(lambda: len(trials_in(url, "grid", (optuna.trial.TrialState.COMPLETE,))) >= enough)  # noqa: B023
        os.killpg(running.pid, signal.SIGINT)
        out, errors = running.communicate(timeout=60)
        assert (running.returncode, out, errors) == (130, "", says or "stopped; the same command goes on\n")
    assert len(trials_in(url, "grid", (optuna.trial.TrialState.COMPLETE,))) < 25
    done = command("tune", "--name", "grid", "--resume", "--json")
    out, errors = done.communicate(timeout=300)
    assert done.returncode in (0, 1), errors
    assert errors == ""
    complete = settings(trials_in(url, "grid", (optuna.trial.TrialState.COMPLETE,)))
    assert len(complete) == len(set(complete)) == json.loads(out)["trials"] == 25
    study, spec = load_study("grid", open_storage(url))
    chosen = best(study, spec.goal)
    assert (chosen.params, chosen.values[0]) == (undisturbed["params"], undisturbed["value"])


def test_what_a_worker_cannot_do_it_says_in_one_line(files, recordings, capfd):
    from workbench.tuning.presence import Tickets
    from workbench.tuning.workers import run_beside

    spec = small(recordings[:1], "away")
    create(spec, open_storage(local_url(spec)))
    tickets = Tickets(spec.folder / "tickets")
    tickets.issue(1)
    other = replace(spec, sessions=(replace(spec.sessions[0], mic="0" * 64),))
    (process,) = run_beside(other, local_url(spec), tickets, 1)
    process.join(timeout=120)
    assert process.exitcode == 1
    said = capfd.readouterr().err
    assert said == f"worker-0: {recordings[0]}: the study was made with another recording of that name\n"


def test_studies_are_listed_and_shown(files, recordings):
    from click.testing import CliRunner

    from workbench.cli import cli

    runner = CliRunner()
    told = runner.invoke(cli, ["studies"], catch_exceptions=False)
    assert "no studies yet" in told.output
    arguments = ["tune", str(recordings[0]), "--name", "one", "--trials", "2", *OPTIONS]
    runner.invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)
    spec = read_spec(Path("studies/one"))
    study, _ = load_study("one", open_storage(local_url(spec)))
    value = outcome_of(best(study, spec.goal)).values[0]
    assert f"{value:.6g}" in runner.invoke(cli, ["studies"], catch_exceptions=False).output
    with pytest.raises(WorkbenchError, match="no such study"):
        runner.invoke(cli, ["dashboard", "none"], catch_exceptions=False, standalone_mode=False)


def test_the_dashboard_serves_a_study(files, recordings):
    pytest.importorskip("optuna_dashboard")
    import urllib.error
    import urllib.request

    create(small(recordings, "seen"), open_storage(local_url(small(recordings, "seen"))))
    small(recordings, "seen").write()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = command("dashboard", "seen", "--port", str(port))

    def page() -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, ConnectionError):
            return None

    try:
        assert "seen" in wait_for(page)
    finally:
        server.kill()
        server.communicate()
