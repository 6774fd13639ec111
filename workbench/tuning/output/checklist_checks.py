"""Checks of the checklist that are quick and local: they run when the list is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from workbench.config import load
from workbench.errors import WorkbenchError
from workbench.files import read_json
from workbench.moshi_json import KEYS, moshi_json
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.phrases import counted
from workbench.tuning.result import Result
from workbench.units import FRAME_SAMPLES


class Check(NamedTuple):
    """What a check found; ``good`` is None where there was nothing to check here."""

    good: bool | None
    found: str


def run_checks(result: Result, evaluator: Evaluator, kept: Mapping[str, Any], folder: Path) -> dict[str, Check]:
    """Check what can be checked; the keys are those of the checklist's items.

    Args:
        result: of the study.
        evaluator: that the study ran on.
        kept: the user's own ``moshi.json``.
        folder: where ``moshi.json`` and ``tuned.toml`` have been written.
    """
    return {
        "aligned": _aligned(evaluator),
        "mapping": _mapping(result, kept, folder),
    }


def _aligned(evaluator: Evaluator) -> Check:
    sessions = [evaluator.material(name).session for name in evaluator.names]
    problems = [problem for session in sessions for problem in session.verify()]
    if problems:
        return Check(False, problems[0])
    blocks = sum(session.frames for session in sessions)
    count = counted(len(sessions), "session")
    return Check(True, f"{count}, {blocks} blocks of {FRAME_SAMPLES} samples, every checksum as recorded")


def _mapping(result: Result, kept: Mapping[str, Any], folder: Path) -> Check:
    """Both files read back from disk, against the config that the figures were measured with."""
    try:
        tuned, written = load(folder / "tuned.toml"), read_json(folder / "moshi.json")
    except WorkbenchError as error:
        return Check(False, str(error))
    if tuned != result.config:
        return Check(False, "tuned.toml is not the config that was replayed")
    wanted = moshi_json(tuned, kept)
    other = [key for key in KEYS if written.get(key) != wanted[key]]
    if other:
        return Check(False, f"moshi.json has another {other[0]} than tuned.toml")
    return Check(True, f"both files read back; fingerprint {tuned.fingerprint[:12]}, the config that was replayed")
