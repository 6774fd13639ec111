"""A storage that goes away while a study is at work on it: one line, nothing lost, and the same command goes on."""

import subprocess
from dataclasses import replace

import optuna
import pytest
from servers import OPTIONS, SPACE, command, free_port, postgres, proxy, small, wait_for, write_files

from workbench.tuning.space import parse
from workbench.tuning.storage import open_storage
from workbench.tuning.study import create, finished

pytestmark = pytest.mark.slow

LARGE = {
    "assistant": SPACE["assistant"]
    | {"stt_silence_threshold": SPACE["assistant"]["stt_silence_threshold"] | {"points": 99}}
}
"""So many points that no machine is through with them before the storage is taken away."""


def begun(recordings, url: str) -> optuna.Study:
    spec = small(recordings, "large")
    space = parse(LARGE, "test")
    return create(replace(spec, space=space, trials=space.size()), open_storage(url))


def lost(process: subprocess.Popen, place: str) -> None:
    """One line that says where and why, and exit code 2."""
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    lines = errors.splitlines()
    # With several workers each says it of its own.
    assert all(f": storage {place}: lost on the way (" in line for line in lines[:-1] or lines), errors
    assert "finished trials are safe in it" in lines[0]
    assert lines[-1].startswith("error: ")


def goes_on(study: optuna.Study, url: str) -> None:
    before = len(finished(study))
    worker = command("worker", "--storage", url, "--trials", "5")
    _, errors = worker.communicate(timeout=300)
    assert worker.returncode == 0, errors
    points = [str(trial.params) for trial in finished(study)]
    assert len(points) == len(set(points)) == before + 5


def test_a_database_that_goes_down_and_comes_up(here, recordings):
    with postgres() as server:
        study = begun(recordings, server.url)
        worker = command("worker", "--storage", server.url)
        wait_for(lambda: len(finished(study)) >= 3)
        server.stop()
        lost(worker, server.url.replace("postgres@", ""))
        server.start()
        goes_on(study, server.url)


def test_a_proxy_that_goes_down_and_comes_up(here, recordings):
    behind, port = f"journal:{here}/behind.journal", free_port()
    with proxy(behind, port) as (url, server):
        study = begun(recordings, behind)
        worker = command("worker", "--storage", url)
        wait_for(lambda: len(finished(study)) >= 3)
        server.kill()
        lost(worker, url)
    with proxy(behind, port) as (url, _):
        goes_on(study, url)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_full_and_is_made_larger(here, recordings, small_disk, workers):
    small_disk.resize("40k")
    write_files(here, SPACE)
    url = "journal:small/trials.journal"
    asked = ("tune", "--name", "grid", "--storage", url, "--workers", str(workers))
    lost(command(*asked, *map(str, recordings), *OPTIONS, "--sampler", "grid"), url)
    small_disk.resize("4m")
    again = command(*asked, "--resume")
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    study = optuna.load_study(study_name="grid", storage=open_storage(url))
    points = [str(trial.params) for trial in finished(study)]
    assert len(points) == len(set(points)) == small(recordings).trials
