"""Studies are listed and shown, stopped by Ctrl-C, and refused where a cluster does not answer."""

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from servers import OPTIONS, SPACE, command, free_port, small, wait_for, write_files

from workbench.cli import cli
from workbench.errors import WorkbenchError
from workbench.tuning.spec import local_url, read_spec
from workbench.tuning.storage import open_storage
from workbench.tuning.study import best, create, finished, outcome_of
from workbench.tuning.study import load as load_study

pytestmark = pytest.mark.slow


@pytest.fixture
def files(here):
    """Space and budget of a small grid: 3 × 8 points, and the baseline."""
    write_files(here, SPACE)
    return here


def told(url: str) -> int:
    try:
        return len(finished(load_study("grid", open_storage(url, existing=True))[0]))
    except WorkbenchError:
        return 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_is_one_line_and_loses_nothing(files, recordings, workers):
    """It goes to the whole group, as a terminal sends it."""
    grid = ("tune", *map(str, recordings), "--name", "grid", "--sampler", "grid", *OPTIONS, "--workers", workers)
    url = f"journal:{files}/studies/grid/journal.log"
    for enough, extra, says in ((3, (), ", with --resume"), (9, ("--resume",), "")):
        running = command(*grid, *extra, start_new_session=True)
        wait_for(lambda: told(url) >= enough)  # noqa: B023
        os.killpg(running.pid, signal.SIGINT)
        out, errors = running.communicate(timeout=60)
        assert (running.returncode, out) == (130, "")
        assert errors.splitlines()[-1] == f"stopped; the same command goes on{says}"
    assert told(url) < 25
    again = command("tune", "--name", "grid", "--resume", "--json")
    again.communicate(timeout=300)
    assert again.returncode in (0, 1)
    assert told(url) == 25


def test_a_scheduler_that_is_not_there_is_named(files, recordings):
    """Before anything is made, so that the same command without it begins the study."""
    before = sorted(files.rglob("*"))
    asked = ("tune", str(recordings[0]), "--name", "one", "--trials", "2", *OPTIONS)
    refused = command(*asked, "--dask", "tcp://127.0.0.1:1")
    _, errors = refused.communicate(timeout=120)
    assert refused.returncode == 2
    assert errors.startswith("error: --dask tcp://127.0.0.1:1: no dask scheduler answers there")
    assert errors.count("\n") == 1
    assert sorted(files.rglob("*")) == before


def test_studies_are_listed_and_shown(files, recordings):
    runner = CliRunner()
    assert "no studies yet" in runner.invoke(cli, ["studies"], catch_exceptions=False).output
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
    create(small(recordings, "seen"), open_storage(local_url(small(recordings, "seen"))))
    small(recordings, "seen").write()
    port = free_port()
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
