"""Pools: a job gives the same wherever it runs, and a process that dies costs only its job."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from workbench.cache import CarrierStore, Store
from workbench.errors import WorkbenchError
from workbench.execution import Here, Local, WorkerLost

from . import jobs

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def pool() -> Iterator[Local]:
    """Two processes."""
    with Local(2) as found:
        found.prepare(jobs.counter, Store(None))
        yield found


def until(what) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_job_of_this_process_runs_when_its_result_is_asked_for():
    state = {"jobs": 0}
    here = Here(state)
    first, second, third = here.submit(jobs.count), here.submit(jobs.count), here.submit(jobs.count)
    assert state["jobs"] == 0
    assert (second.result(), first.result(), second.result()) == (1, 2, 1)
    assert third.cancel()
    with pytest.raises(CancelledError):
        third.result()
    with pytest.raises(WorkbenchError, match="no"):
        here.submit(jobs.refuse).result()


def test_what_jobs_share_is_set_up_once_in_each_process(pool):
    found = [job.result() for job in [pool.submit(jobs.add, 2, number) for number in range(20)]]
    assert found == list(range(2, 22))
    pids = {job.result() for job in [pool.submit(jobs.pid) for _ in range(20)]}
    assert len(pids) <= 2
    assert os.getpid() not in pids
    counts = sorted(job.result() for job in [pool.submit(jobs.count) for _ in range(6)])
    assert counts[0] == 1
    assert counts[-1] >= 3


def test_errors_of_a_job_are_its_own(pool):
    """Also those that a broken pipe would raise; the process goes on."""
    first = pool.submit(jobs.pid).result()
    with pytest.raises(WorkbenchError, match="no"):
        pool.submit(jobs.refuse).result()
    with pytest.raises(FileNotFoundError):
        pool.submit(jobs.missing_file).result()
    assert pool.submit(jobs.pid).result() == first


def test_a_setup_that_fails_is_an_error_of_every_job():
    with Local(1) as pool:
        pool.prepare(jobs.broken, Store(None))
        for _ in range(2):
            with pytest.raises(WorkbenchError, match="models: no such folder"):
                pool.submit(jobs.pid).result()


def test_a_process_that_dies_costs_only_its_job(pool, tmp_path):
    job = pool.submit(jobs.die_once, tmp_path / "mark")
    others = [pool.submit(jobs.add, number, 1) for number in range(10)]
    assert job.result() == "done"
    assert [other.result() for other in others] == list(range(1, 11))


def test_a_job_that_ends_three_processes_is_given_up(pool):
    with pytest.raises(WorkerLost, match=r"^a worker process ended by signal 9 \(SIGKILL\), 3 times") as caught:
        pool.submit(jobs.die).result()
    assert "\n" not in str(caught.value)
    assert pool.submit(jobs.add, 1, 1).result() == 2


def test_ctrl_c_is_left_to_the_parent(pool):
    assert [pool.submit(jobs.interrupted).result() for _ in range(3)] == ["went on"] * 3


def test_the_end_of_the_context_is_the_end_of_the_processes(tmp_path):
    with Local(1) as pool:
        running = pool.submit(jobs.sleep, 600.0, tmp_path / "mark")
        waiting = pool.submit(jobs.pid)
        until(lambda: (tmp_path / "mark").exists() and (tmp_path / "mark").read_text())
    assert not is_alive(int((tmp_path / "mark").read_text()))
    assert waiting.cancelled()
    with pytest.raises(CancelledError):
        running.result()


OWNER = """
import sys
from pathlib import Path
from tests import jobs
from workbench.cache import CarrierStore, Store
from workbench.execution import Local
if __name__ == "__main__":
    with Local(1) as pool:
        pool.prepare(jobs.counter, Store(None))
        pool.submit(jobs.sleep, 600.0, Path(sys.argv[1])).result()
"""


def test_a_process_ends_with_its_killed_parent(tmp_path):
    """Within 2 s, in the middle of a job."""
    mark = tmp_path / "mark"
    owner = tmp_path / "owner.py"
    owner.write_text(OWNER)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    parent = subprocess.Popen([sys.executable, str(owner), str(mark)], env=environment)
    until(lambda: mark.exists() and mark.read_text())
    pid = int(mark.read_text())
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    begun = time.monotonic()
    until(lambda: not is_alive(pid))
    assert time.monotonic() - begun < 2.0


def test_what_is_new_in_a_carried_cache_is_handed_out_once():
    carrier = CarrierStore()
    carrier.put("a", "one", str.encode)
    assert carrier.take_new() == {"a": b"one"}
    carrier.put("b", "two", str.encode)
    assert carrier.take_new() == {"b": b"two"}
    assert carrier.get("a", bytes.decode) == "one"


@pytest.mark.parametrize("place", [None, "store"])
def test_of_two_entries_the_longer_is_kept(tmp_path, place):
    store = Store(place and tmp_path / place)
    for data in (b"heard", b"heard further", b"heard"):
        store.add("key", data)
    assert store.get("key", bytes.decode) == "heard further"
    store.close()
