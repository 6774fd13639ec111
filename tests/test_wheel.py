"""The built wheel, installed into an empty environment, works in an empty folder."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


def run(*arguments: str | Path, where: Path, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command without the checkout on the path; its output. It must leave with one of ``codes``."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(list(map(str, arguments)), cwd=where, capture_output=True, text=True, env=clean)
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel of this tree; what it depends on is taken from the one that runs the tests."""
    source, home = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("home")
    listed = run("git", "ls-files", "-co", "--exclude-standard", where=ROOT).splitlines()
    for name in (name for name in listed if (ROOT / name).is_file()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    own = source / "recordings" / "private"
    own.mkdir()
    (own / "session.json").write_text("{}", encoding="utf-8")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", home, source, where=home)
    venv.create(home / "env", with_pip=False)
    python = home / "env" / "bin" / "python"
    packages = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])", where=home).strip())
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", *home.glob("*.whl"), where=home)
    (packages / "dependencies.pth").write_text(f"{Path(click.__file__).parents[1]}\n", encoding="utf-8")
    assert run(python, "-c", "import workbench; print(workbench.__file__)", where=home).startswith(str(packages))
    assert not (packages / "workbench" / "data" / "recordings" / "private").exists()
    return home / "env" / "bin" / "workbench"


def test_the_demo_runs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    out = run(installed, "demo", "--stack", "scripted", where=tmp_path)
    assert out.startswith("Replaying 20 demo sessions on the scripted stack.\n")
    assert (tmp_path / "reports" / "demo" / "scores.json").exists()
    assert len(list((tmp_path / "configs").glob("demo-*/moshi.json"))) == 1


def test_a_spec_is_made_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    assert run(installed, "synth", "coughs", where=tmp_path).count("recordings/coughs-") == 3


def test_a_study_runs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = ["tune", "questions", "holds", "--name", "mine", "--stack", "scripted", "--trials", "3"]
    run(installed, *command, where=tmp_path, codes=(0, 1))  # 1: none of so few settings keeps the budget
    assert (tmp_path / "configs" / "mine" / "moshi.json").exists()


def test_nano_is_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    run(installed, "replay", "hesitation", "--config", "configs/baseline.toml", where=tmp_path)
    assert len(list((tmp_path / "reports").glob("nano-*/hesitation.agent.flac"))) == 1
