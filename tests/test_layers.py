"""The layer rule: a module imports only from those before it in the flow, and heavy packages stay put."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "workbench"

FLOORS = (
    "errors units arrays files new_folder file_forms config_sections config barge_in_knobs echo_knobs knobs "
    "moshi_json cache_files cache execution dask_pool",
    "sessions trace",
    "trace_file",
    "recording metrics simulation",
    "stages",
    "barge_in moshi",
    "stacks assistants",
    "dialogue idle_knobs",
    "replay live",
    "run_folders",
    "run_reasons realtime",
    "runs",
    "tuning",
    "reports",
    "notebook cli",
    "__main__",
)
"""Folders and files of the package, bottom floor first: each imports from its own room and from the floors below.

The rooms of the first floor, the ground, may import each other.
"""

FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor.split()}

OWNERS = {
    "mlx": {"moshi"},
    "mlx_lm": {"moshi"},
    "moshi_mlx": {"moshi"},
    "rustymimi": {"moshi"},
    "sentencepiece": {"moshi"},
    "sounddevice": {"recording"},
    "optuna": {"tuning"},
    "matplotlib": {"reports"},
    "bokeh": {"reports"},
    "pyarrow": set(),
    "soundfile": {"sessions", "recording"},
}
"""Who alone may import a package."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Every module named in an import, lazy ones included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module
            if node.module == "workbench":
                yield from (f"workbench.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_from_floors_below(path: Path) -> None:
    own = layer(path)
    if own == "__init__":
        assert list(imported(path)) == []
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "workbench":
            owners = OWNERS.get(parts[0])
            assert owners is None or own in owners, f"{own} must not import {parts[0]}"
        elif len(parts) > 1 and parts[1] in FLOOR_OF and parts[1] != own:
            below = FLOOR_OF[parts[1]] < FLOOR_OF[own] or FLOOR_OF[own] == 0 == FLOOR_OF[parts[1]]
            assert below, f"{own} imports {name}, which is not on a floor below"


@pytest.mark.parametrize("forbidden", ["stages", "moshi", "simulation", "replay", "runs"])
def test_metrics_know_no_model(forbidden: str) -> None:
    for path in sorted((PACKAGE / "metrics").rglob("*.py")):
        assert not [name for name in imported(path) if name.startswith(f"workbench.{forbidden}")]


HEAVY = (
    "mlx",
    "mlx_lm",
    "moshi_mlx",
    "rustymimi",
    "sounddevice",
    "optuna",
    "matplotlib",
    "bokeh",
    "jinja2",
    "pandas",
    "scipy",
    "numpy",
    "rich",
)


@pytest.mark.parametrize(
    "start", ["import workbench", "from workbench.cli import cli; cli(['--help'], standalone_mode=False)"]
)
def test_start_loads_nothing_heavy(start: str) -> None:
    script = f"import sys; {start}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("studies", "workbench.replay.engine"),
        ("cache", "numpy"),
        ("devices", "workbench.recording.recorder"),
        ("replay", "workbench.replay.engine"),
    ],
)
def test_a_command_loads_no_more_than_it_needs(command: str, unneeded: str) -> None:
    """A list is there at once; ``replay`` loads what it needs once it has found a session."""
    script = f"import sys, workbench.cli.actions.{command}; print(sorted(n for n in sys.modules if n == {unneeded!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
