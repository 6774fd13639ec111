"""The commands that a checklist prints: real names, to be pasted into sh, bash or zsh in the project's folder."""

import shlex
from pathlib import Path

from workbench.tuning.result import Result
from workbench.tuning.spec import StudySpec

BUDGET = "budget.toml"
"""The study's limits, in its folder, for commands that hold a run to them."""


def budget_path(spec: StudySpec) -> Path:
    """Where a study's limits are."""
    return spec.folder / BUDGET


def commands(result: Result, folder: Path) -> dict[str, str]:
    """The command of each item of the checklist.

    Args:
        result: of the study.
        folder: where ``tuned.toml`` is.
    """
    spec = result.spec
    sessions = [item.folder for item in spec.sessions]
    tuned = ["--config", (folder / "tuned.toml").as_posix()]
    replay = ["replay", *sessions, *tuned, "--budget", budget_path(spec).as_posix()]
    found = {
        "aligned": _line("sessions", "--verify", *sessions),
        "mapping": _line(*replay),
    }
    return found | ({"models": _line("doctor", *tuned)} if spec.config.stack.name == "moshi" else {})


HARMONY = "~/MLX-Harmony/configs/moshi.json"
"""Where the assistant has its file, unless ``tune`` was given it."""


def copy_commands(folder: Path, installed: str) -> list[str]:
    """Commands that back up, apply and verify a study's ``moshi.json``."""
    ours, backup = (shlex.quote((folder / name).as_posix()) for name in ("moshi.json", "moshi.before.json"))
    theirs = installed if installed == HARMONY else shlex.quote(installed)
    return [
        f"cp {theirs} {backup}  # back up (your path)",
        f"cp {ours} {theirs}  # apply",
        f"cmp {ours} {theirs} && echo applied  # verify",
    ]


def _line(*words: str) -> str:
    return shlex.join(("workbench", *words))
