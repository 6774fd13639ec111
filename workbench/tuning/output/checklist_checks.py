"""Checks of the checklist that are quick and local: they run when the list is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from workbench.config import load, override
from workbench.errors import WorkbenchError
from workbench.files import read_json
from workbench.metrics import shown
from workbench.metrics.budget import check_budget
from workbench.moshi_json import KEYS, moshi_json
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.phrases import counted
from workbench.tuning.result import Result
from workbench.units import FRAME_SAMPLES

BESIDE = ("deadline_miss_rate", "stall_ratio", "false_bargein_per_agent_hour")
"""What shows whether STT and TTS go together on one machine."""


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
        "chunks": _chunks(result, evaluator),
        "beside": _beside(result, evaluator),
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


def _chunks(result: Result, evaluator: Evaluator) -> Check:
    scores = evaluator.summary(result.config, evaluator.names).scores
    torn, holes = (int(scores[key] or 0) for key in ("midword_splits", "underrun_events"))
    seconds = scores["agent_speech_seconds"] or 0.0
    played = f"{seconds:.1f} s of agent speech, costs: {result.config.step_costs.source}"
    found = f"{counted(torn, 'word')} cut (`midword_splits`), {counted(holes, 'hole')} (`underrun_events`) in {played}"
    return Check(not torn and not holes if seconds else None, found)


def _beside(result: Result, evaluator: Evaluator) -> Check:
    """The tuned config with STT and TTS on one device at once, against the limits that this is about."""
    config = override(result.config, {"placement": "shared"})
    summary = evaluator.summary(config, evaluator.names)
    says = ", ".join(f"{key} {shown(summary, key)}" for key in BESIDE)
    limits = {key: limit for key, limit in result.spec.budget.items() if key in BESIDE}
    over = ", ".join(item.key for item in check_budget(summary.scores, limits))
    return Check(
        not over if limits else None, f"placement = shared: {says}" + (f"; over budget: {over}" if over else "")
    )


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
