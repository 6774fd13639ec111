"""Processor time of commands that should feel immediate, and what they may import; and of the replay of an hour.

Each command is run in a process of its own; the median of several runs is compared with its budget, in seconds of user
and system time on a quiet machine. Other work on the machine makes processor time longer too, so the time of a bare
Python is printed beside it. Packages that a command has no use for are looked for in its list of imports: those budgets
hold on any machine. Exits with 1 if something is over budget.

    python benchmarks/startup.py                 the listed commands; the demo sessions are replayed for `score`, and an
    python benchmarks/startup.py --runs 11       hour of them for `replay`, which is measured with a full cache

Measured on two x86-64 cores at a load of 11, where bare Python takes 0.018 s, 1.6 times what it takes when they are
idle: --help 0.16 s, sessions 0.32 to 0.41 s, score 1.10 s, the hour 2.8 to 3.0 s, and 4.3 s where its audio is new.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from replay import hour_of

HEAVY = ("matplotlib", "pandas", "scipy", "jinja2", "optuna", "mlx", "moshi_mlx", "rustymimi", "sounddevice", "bokeh")


@dataclass(frozen=True)
class Budget:
    """What a command may cost: seconds of processor time, and those of :data:`HEAVY` that it has a use for."""

    arguments: tuple[str, ...]
    seconds: float
    uses: tuple[str, ...] = ()


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Of the processes that are measured: an installed program has its bytecode on disk, or every start compiles it."""


def spent(command: list[str]) -> float:
    """User and system seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imported(arguments: tuple[str, ...]) -> tuple[set[str], float]:
    """Packages that a command imports, and the seconds that all imports take together."""
    command = [sys.executable, "-X", "importtime", "-m", "workbench", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if "|" in line]
    rows = [row for row in rows if row[0].strip().isdigit()]
    return {row[2].strip().partition(".")[0] for row in rows}, sum(int(row[0]) for row in rows) / 1e6


def measure(budget: Budget, runs: int) -> bool:
    """Print a command's line; whether it keeps its budget."""
    command = [sys.executable, "-m", "workbench", *budget.arguments]
    spent(command)  # bytecode is written, files are read
    seconds = float(np.median([spent(command) for _ in range(runs)]))
    packages, importing = imported(budget.arguments)
    idle = sorted(set(HEAVY) & packages - set(budget.uses))
    over = " OVER BUDGET" if seconds > budget.seconds else ""
    extra = f"; imports {', '.join(idle)} without a use" if idle else ""
    name = " ".join(part if not Path(part).is_absolute() else Path(part).name for part in budget.arguments)
    print(f"{name:28} {seconds:6.3f} s of {budget.seconds:.2f}{over}, imports {importing:.3f} s{extra}", flush=True)
    return not over and not idle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    bare = float(np.median([spent([sys.executable, "-c", "pass"]) for _ in range(runs)]))
    print(f"bare Python {bare:.3f} s, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        ENVIRONMENT["WORKBENCH_STORE"] = f"{folder}/store"
        run, hour = Path(folder) / "run", Path(folder) / "hour"
        replay = ("replay", "recordings", "--stack", "scripted", "--out", str(run), "--json")
        spent([sys.executable, "-m", "workbench", *replay])
        hour_of(Path("recordings"), hour)
        again = ("replay", str(hour), "--stack", "scripted", "--no-page", "--out", f"{folder}/hours")
        kept = [
            measure(budget, runs)
            for budget in (
                Budget(("--help",), 0.12),
                Budget(("tune", "--help"), 0.15),
                Budget(("sessions",), 0.3),
                Budget(("score", str(run), "--json"), 1.0, ("scipy",)),
                Budget(again, 3.0, ("scipy",)),
            )
        ]
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
