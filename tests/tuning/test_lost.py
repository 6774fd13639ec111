"""A storage that goes away while a study is at work on it: one line, nothing lost, and --resume goes on."""

import optuna
import pytest
from servers import OPTIONS, SPACE, command, postgres, small, wait_for, write_files

from workbench.tuning.storage import open_storage
from workbench.tuning.study import create, finished

pytestmark = pytest.mark.slow


def asked(recordings, url: str, *options: str) -> tuple[str, ...]:
    grid = ("--name", "grid", "--storage", url, "--sampler", "grid")
    return ("tune", *map(str, recordings), *grid, *OPTIONS, *options)


def lost(process, place: str) -> None:
    """One line that says where and why, and exit code 2."""
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    assert errors.startswith(f"error: storage {place}: lost on the way (")
    assert "finished trials are safe in it" in errors
    assert errors.count("\n") == 1


def goes_on(recordings, url: str) -> None:
    again = command(*asked(recordings, url, "--resume"))
    _, errors = again.communicate(timeout=300)
    assert again.returncode in (0, 1), errors
    study = optuna.load_study(study_name="grid", storage=open_storage(url))
    points = [str(trial.params) for trial in finished(study)]
    assert len(points) == len(set(points)) == len(study.trials) == small(recordings).trials


def test_a_database_that_goes_down_and_comes_up(here, recordings):
    write_files(here, SPACE)
    with postgres() as server:
        study = create(small(recordings), open_storage(server.url))
        small(recordings).write()
        running = command(*asked(recordings, server.url, "--resume"))
        wait_for(lambda: len(finished(study)) >= 3)
        server.stop()
        lost(running, server.url.replace("postgres@", ""))
        server.start()
        goes_on(recordings, server.url)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_disk_that_is_full_and_is_made_larger(here, recordings, small_disk, workers):
    small_disk.resize("40k")
    write_files(here, SPACE)
    url = "journal:small/trials.journal"
    lost(command(*asked(recordings, url, "--workers", workers)), url)
    small_disk.resize("4m")
    goes_on(recordings, url)
