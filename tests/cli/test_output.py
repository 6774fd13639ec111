"""Closed, full and broken outputs, and a variable that packages stumble over: one line or none, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKBENCH = f"{sys.executable} -m workbench"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", ["--help", "sessions recordings", "sessions --json"])
def test_a_closed_stdout_is_no_fault(arguments: str) -> None:
    done = shell(f"{WORKBENCH} {arguments} >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", ["--help", "sessions recordings", "sessions --json"])
def test_a_reader_that_leaves_ends_the_command_quietly(arguments: str) -> None:
    done = shell(f"(sleep 0.2; {WORKBENCH} {arguments}; echo $? >&2) | true")
    assert done.stderr == "141\n"


@pytest.mark.parametrize("arguments", ["--help", "sessions recordings"])
def test_a_full_disk_behind_stdout_is_one_line(arguments: str) -> None:
    done = shell(f"{WORKBENCH} {arguments} > /dev/full")
    assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")


@pytest.mark.parametrize("moment", ["x", "", "-1", "1e9"])
def test_a_wrong_source_date_is_named(moment: str) -> None:
    done = shell(f"SOURCE_DATE_EPOCH={moment!r} {WORKBENCH} sessions recordings")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: SOURCE_DATE_EPOCH is {moment!r}, must be whole seconds")


@pytest.mark.parametrize("raised", ["RecursionError", "MemoryError", "OSError('x')"])
def test_what_a_command_lets_through_is_one_line(raised: str) -> None:
    script = (
        "import sys, click, workbench.cli as c; sys.argv = ['workbench', 'x']\n"
        "@c.cli.command()\n"
        f"def x(): raise {raised}\n"
        "c.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
