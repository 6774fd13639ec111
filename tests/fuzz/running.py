"""Running of a case, in this process or in a fork of one that has all loaded, and what must hold of it afterwards."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ..command_line import Done, workbench
from . import world
from .structured import Case
from .targets import Target

MOST_SECONDS = 30
"""Of processor time; by the clock, where other work may take the processor, four times as long."""
MOST_BYTES = 3 << 30
ROOT = Path(__file__).parents[2]
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
WRITTEN = ("*.md",)
"""Files that people read in a terminal: no control characters in these either."""


def signed(folder: Path, file: str) -> None:
    """Give ``session.json`` the checksum that a broken file has now."""
    import hashlib

    path = folder / file
    manifest = path.parent / "session.json"
    data = json.loads(manifest.read_text())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for entry in (*data["tracks"].values(), data.get("live") or {}):
        if entry.get("file") == path.name:
            entry["sha256"] = digest
    manifest.write_text(json.dumps(data))


def of_target(target: Target, data: bytes) -> Case:
    """The case of a broken file."""
    return Case(target.command, {target.file: data})


@contextmanager
def prepared(whole: Path, case: Case, target: Target | None = None) -> Iterator[Path]:
    """A world with the case's files in it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=whole.parent) as place:
        here = Path(place) / "w"
        world.copy(whole, here)
        for name, data in case.files.items():
            path = here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # it may be the world's own file
            path.write_bytes(data)
        for name, to in case.links.items():
            (here / name).unlink(missing_ok=True)
            (here / name).symlink_to(to)
        if target is not None and target.is_signed:
            signed(here, target.file)
        yield here


def check(case: Case, done: Done, here: Path) -> None:
    """What must hold of every case."""
    shown = f"{case.command}\nexit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "Traceback" not in done.stderr + done.stdout, shown
    assert done.returncode in (0, 1, 2), shown
    if done.returncode == 2:
        assert done.stderr.splitlines()[-1].startswith("error: "), shown
    for stream in (done.stdout, done.stderr):
        assert not CONTROL.search(stream), shown
    for pattern in WRITTEN:
        for path in here.rglob(pattern):
            text = path.read_text(encoding="utf-8")
            assert not CONTROL.search(text), f"{path.name} holds a control character\n{shown}"


def run_here(whole: Path, case: Case, target: Target | None = None) -> None:
    """Run a case in this process."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"{case.command} took more than {4 * MOST_SECONDS} s")

    with prepared(whole, case, target) as here:
        os.environ["WORKBENCH_STORE"] = str(here / "store")
        os.environ["XDG_CACHE_HOME"] = str(here / "cache")
        before = signal.signal(signal.SIGALRM, give_up)
        signal.alarm(4 * MOST_SECONDS)
        try:
            done = workbench(list(case.command), here)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        check(case, done, here)


class Forks:
    """A process that has loaded the program, and forks for each case.

    Attributes:
        codes: exit code → how many cases left with it.
        most_seconds, most_bytes: of one of them; of processor time.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-m", __name__]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")
        self.codes = Counter[int]()
        self.most_seconds, self.most_bytes = 0.0, 0

    @property
    def says(self) -> str:
        """Figures of all cases, in a line."""
        codes = ", ".join(f"{count} with {code}" for code, count in sorted(self.codes.items()))
        return (
            f"{self.codes.total()} cases left: {codes}; the longest took {self.most_seconds:.1f} s, the largest "
            f"{self.most_bytes >> 20} MB"
        )

    def run(self, whole: Path, case: Case, target: Target | None = None) -> Done:
        """Run a case in a process of its own."""
        with prepared(whole, case, target) as here:
            answer = self._ask({"where": str(here), "command": case.command})
            self.codes[answer["code"]] += 1
            self.most_seconds = max(self.most_seconds, answer["seconds"])
            self.most_bytes = max(self.most_bytes, answer["bytes"])
            assert not answer["killed"], f"{case.command}: {answer['killed']}"
            out, err = ((here.parent / name).read_bytes().decode(errors="replace") for name in ("out", "err"))
            done = Done(answer["code"], out, err)
            check(case, done, here)
            return done

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def _serve() -> None:
    """Answer questions, a line each, until there are no more."""
    import workbench.cli.actions.models
    import workbench.cli.actions.replay
    import workbench.cli.actions.tune  # noqa: F401

    for line in sys.stdin:
        question = json.loads(line)
        begun = time.monotonic()
        child = os.fork()
        if not child:
            _be_the_command(Path(question["where"]), question["command"])
        killed, used = "", 0
        while True:
            done, status, usage = os.wait4(child, os.WNOHANG)
            if done:
                break
            used = max(used, _resident(child))
            if time.monotonic() - begun > 4 * MOST_SECONDS:
                killed = f"took more than {4 * MOST_SECONDS} s"
            elif used > MOST_BYTES:
                killed = f"took more than {MOST_BYTES >> 30} GB"
            if killed:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.005)
        answer = {
            "code": os.waitstatus_to_exitcode(status),
            "killed": killed,
            "seconds": usage.ru_utime + usage.ru_stime,
            "bytes": max(used, usage.ru_maxrss * 1024),
        }
        print(json.dumps(answer), flush=True)


def _resident(child: int) -> int:
    try:
        pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _be_the_command(where: Path, command: list[str]) -> None:
    """Be ``workbench COMMAND`` in a folder, with its output in files next to that."""
    import traceback

    from workbench.cli import main

    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 5))
    os.chdir(where)
    os.environ["WORKBENCH_STORE"] = str(where / "store")
    os.environ["XDG_CACHE_HOME"] = str(where / "cache")
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(where.parent / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["workbench", *command]
    code = 70
    try:
        main()
    except SystemExit as left:
        code = int(left.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
