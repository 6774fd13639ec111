"""The wheel of this tree, installed into an environment of its own, once for all workers of a test run."""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent


def run(*arguments: str | Path, where: Path) -> str:
    """Run a command without the checkout on the path; its output."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(list(map(str, arguments)), cwd=where, capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install_once(home: Path) -> Path:
    """The environment in a folder that workers share; the first makes it, and others wait for it."""
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "installed").exists():
            _install(home)
            (home / "installed").touch()
    return home / "env"


def _install(home: Path) -> None:
    """Build the wheel and install it; what it depends on is taken from the environment that runs the tests."""
    source = home / "source"
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
