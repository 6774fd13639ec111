"""The command line run in this process, for tests."""

import io
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from workbench.cli import main


@dataclass
class Done:
    """How the command line left, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def workbench(arguments: list[str], where: Path) -> Done:
    """Run the command line in this process, quicker than in a new one. A replay asks no model and writes no page."""
    if arguments[:1] == ["replay"]:
        stack = [] if "--stack" in arguments else ["--stack", "scripted"]
        arguments = [*arguments, *stack, "--no-page"]
    out, err = io.StringIO(), io.StringIO()
    with chdir(where), redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", ["workbench", *arguments]):
        try:
            main()
        except SystemExit as left:
            return Done(int(left.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("the command line must leave by exit")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
