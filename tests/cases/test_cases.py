"""Public bug reports and support questions, retold as scripts: each exits 0 where workbench does the right thing.

``tests/cases/<group>/<case>.sh`` runs ``workbench`` in a folder of its own; ``common.sh`` of a group is no case. A
script with a line ``# slow`` runs with the slow tests.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NO_PAGE = 'case "$1" in replay|tune) set -- "$@" --no-page;; esac\n'
"""No case looks at a page, and each costs two seconds."""

SCRIPTS = sorted(path for path in HERE.glob("*/*.sh") if path.name != "common.sh")


def case(path: Path) -> object:
    marks = [pytest.mark.slow] if "\n# slow\n" in path.read_text(encoding="utf-8") else []
    return pytest.param(path, id=f"{path.parent.name}/{path.stem}", marks=marks)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of model outputs and profiles that the cases share; those that break one have their own."""
    return tmp_path_factory.mktemp("heard")


@pytest.mark.parametrize("script", [case(path) for path in SCRIPTS])
def test_case(script: Path, heard: Path, tmp_path: Path) -> None:
    for name in ("python", "workbench"):
        module = "-m workbench " if name == "workbench" else ""
        (tmp_path / name).write_text(f'#!/bin/sh\n{NO_PAGE if module else ""}exec "{sys.executable}" {module}"$@"\n')
        (tmp_path / name).chmod(0o755)
    env = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SRC": str(ROOT),
        "PY": sys.executable,
        "WORKBENCH_STORE": str(heard / "store"),
        "XDG_CACHE_HOME": str(heard / "cache"),
    }
    done = subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
