"""A database and a dask cluster, started for real on loopback, and a small study."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
from made_sessions import REPOSITORY

from workbench.config import load
from workbench.stages.scripted import ScriptedStack
from workbench.tuning.objective import Goal
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.space import parse
from workbench.tuning.spec import StudySpec

BUDGET = {"cutin_per_hold": 0.1, "missed_eot_rate": 0.1}
SPACE = {
    "assistant": {
        "stt_silence_threshold": {"type": "float", "low": 0.004, "high": 0.04, "log": True, "points": 3},
        "stt_silence_ms": {"type": "frames", "low": 400, "high": 960},
    }
}


OPTIONS = (
    "--config",
    str(REPOSITORY / "configs/baseline.toml"),
    "--space",
    "space.toml",
    "--budget",
    "budget.toml",
    *("--stack", "scripted", "--no-page"),
)


def write_files(folder: Path, space: dict[str, object]) -> None:
    """The files that ``OPTIONS`` names."""
    (folder / "space.toml").write_text(tomli_w.dumps(space))
    (folder / "budget.toml").write_text(tomli_w.dumps({"budget": BUDGET}))


def small(recordings, name="grid", **changes) -> StudySpec:
    """The study as its main process puts it down."""
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    spec = plan(
        name,
        recordings,
        baseline,
        parse(SPACE, "test"),
        Goal(("voice_to_voice_ms_p95",), BUDGET),
        SearchOptions(sampler="grid"),
    )
    return replace(spec.settled(ScriptedStack().profile, {}), **changes)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}


def command(*arguments: str, start_new_session: bool = False) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=start_new_session,
    )


def wait_for(what, seconds: float = 180.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Postgres:
    """A PostgreSQL server of its own on loopback."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found or shutil.which("runuser") is None or os.geteuid() != 0:
            pytest.skip("needs Debian's postgresql, and root to start it as user postgres")
        self._binaries = found[-1].parent
        self.folder = Path(tempfile.mkdtemp())
        self.folder.chmod(0o755)
        self._data = self.folder / "data"
        self._data.mkdir()
        shutil.chown(self._data, "postgres", "postgres")
        self._port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-A", "trust", "--no-sync")

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._data} -c fsync=off"
        self._run("pg_ctl", "-w", "-o", options, "-l", self._data / "log", "start")

    def stop(self) -> None:
        """As a power cut does it: nothing is put in order first."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = ["runuser", "-u", "postgres", "--", self._binaries / program, "-D", self._data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


@contextmanager
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@contextmanager
def dask() -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and two workers on loopback: its address, and the three processes."""
    pytest.importorskip("distributed")
    port = free_port()
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
        from distributed import Client

        wait_for(lambda: _is_open(port))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=180)
        yield address, started
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _is_open(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0
