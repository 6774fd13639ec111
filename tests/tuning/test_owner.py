"""A study has one owner: a second one is refused in one line, and a killed one leaves nothing in the way."""

import os
import subprocess
import sys
import time

import pytest
from servers import OPTIONS, SPACE, command, environment, postgres, small, wait_for, write_files

from workbench.errors import WorkbenchError
from workbench.tuning.owner import leased, locked
from workbench.tuning.storage import open_storage
from workbench.tuning.study import create

LOCAL = "journal:studies/one/journal.log"


@pytest.mark.parametrize("url", [LOCAL, "journal:elsewhere/trials.log", "sqlite:///trials.db", "memory:"])
def test_a_second_owner_is_refused(here, url):
    with (
        locked(here / "studies/one", "one", url),
        pytest.raises(WorkbenchError, match=r"^study 'one' is being worked on by another process of this machine"),
        locked(here / "studies/one", "one", url),
    ):
        pass
    with locked(here / "studies/one", "one", url):
        pass


def test_a_journal_has_one_owner_whatever_its_folder(here):
    """And another study of the same journal is another's."""
    url = "journal:shared.log"
    with (
        locked(here / "a/studies/one", "one", url),
        locked(here / "b/studies/two", "two", url),
        pytest.raises(WorkbenchError, match=r"shared\.log\.one\.lock is locked"),
        locked(here / "b/studies/one", "one", url),
    ):
        pass


HOLD = """
import sys, time
from workbench.tuning.owner import leased
from workbench.tuning.storage import open_storage
from workbench.tuning.study import load
study, _ = load("grid", open_storage(sys.argv[1]))
with leased(study, sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_a_database_has_one_owner(here, recordings):
    """Refused while it lives; after kill -9 its lease is void at once here, and elsewhere when it runs out."""
    with postgres() as server:
        spec = small(recordings[:1])
        study = create(spec, open_storage(server.url))
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, server.url], env=environment(), stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout.readline() == "held\n"
        says = rf"^study 'grid' is being worked on by process {holder.pid} on .* \(its lease ends in \d+ s"
        with pytest.raises(WorkbenchError, match=says) as caught, leased(study, server.url):
            pass
        assert "\n" not in str(caught.value)
        holder.kill()
        holder.communicate()
        with leased(study, server.url, 0.4) as check:
            held = study.user_attrs["owner"]
            assert held["pid"] == os.getpid()
            wait_for(lambda: study.user_attrs["owner"]["until"] > held["until"])  # it is renewed
            check()
            elsewhere = held | {"host": "elsewhere", "token": "other", "until": time.time() + 600}
            study.set_user_attr("owner", elsewhere)
            wait_for(lambda: _is_lost(check))
        with pytest.raises(WorkbenchError, match="on elsewhere"), leased(study, server.url):
            pass
        study.set_user_attr("owner", elsewhere | {"until": time.time() - 1})
        with leased(study, server.url):
            pass
        assert study.user_attrs["owner"] == {}


def _is_lost(check) -> bool:
    try:
        check()
    except WorkbenchError:
        return True
    return False


@pytest.mark.slow
def test_a_second_tune_is_refused_in_one_line(here, recordings):
    """Begun in the same folder while the first is at work; the first ends as if nothing had been."""
    write_files(here, SPACE)
    asked = ("tune", *map(str, recordings), "--name", "grid", "--sampler", "grid", *OPTIONS)
    first = command(*asked)
    journal = here / "studies/grid/journal.log"
    wait_for(lambda: journal.exists() and journal.stat().st_size > 20_000)
    second = command("tune", "--name", "grid", "--resume")
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 2
    assert errors.startswith("error: study 'grid' is being worked on by another process of this machine")
    assert errors.count("\n") == 1
    first.communicate(timeout=300)
    assert first.returncode in (0, 1)
