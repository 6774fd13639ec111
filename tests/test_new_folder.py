"""Folders that are there whole or not at all, and what killed commands left next to them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.new_folder import SUFFIX, new_folder

from .command_line import workbench

ROOT = Path(__file__).parents[1]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if SUFFIX in path.name)


def test_a_folder_comes_whole_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "b") as hidden:
        (hidden / "x").write_text("1")
        assert not (tmp_path / "a" / "b").exists()
    assert (tmp_path / "a" / "b" / "x").read_text() == "1"
    with pytest.raises(ValueError, match="no"), new_folder(tmp_path / "c" / "d"):
        raise ValueError("no")
    with pytest.raises(WorkbenchError, match=r"a/b: cannot be written"), new_folder(tmp_path / "a" / "b"):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "x"]


def test_only_what_nobody_fills_any_more_is_removed(tmp_path: Path) -> None:
    for name in ("killed", "of-another"):
        (tmp_path / f".{name}.1{SUFFIX}").mkdir()
    (tmp_path / f".file.1{SUFFIX}").write_text("")
    (tmp_path / f".link.1{SUFFIX}").symlink_to(tmp_path / f".of-another.1{SUFFIX}")
    (tmp_path / "mine").mkdir()
    with new_folder(tmp_path / "a"), new_folder(tmp_path / "b"):
        assert left(tmp_path) == [f".a.{os.getpid()}{SUFFIX}", f".b.{os.getpid()}{SUFFIX}", f".file.1{SUFFIX}",
                                  f".link.1{SUFFIX}"]  # fmt: skip
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {"mine", "a", "b"}


@pytest.mark.parametrize("kind", ["stt", "tts", "duplex", "mimi"])
def test_what_a_killed_models_init_left_is_removed_by_the_next(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-m", "workbench", "models", "init", "--kind", kind, "models/m"]
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while not list(tmp_path.glob(f"models/.*{SUFFIX}/*")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGSTOP)
    if not (tmp_path / "models" / "m").exists():  # it may have been done by then
        assert workbench(["models", "init", "--kind", kind, "models/n"], tmp_path).returncode == 0
        assert len(left(tmp_path)) == 1, "it is at work"
    process.kill()
    process.wait()
    done = workbench(["models", "init", "--kind", kind, "models/o"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert left(tmp_path) == []
    again = workbench(["models", "init", "--kind", kind, "models/m"], tmp_path)
    assert again.returncode == (2 if "exists and is not empty" in again.stderr else 0), again.stderr
