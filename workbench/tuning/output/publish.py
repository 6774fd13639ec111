"""Publishing of a study: ``configs/<name>/`` for the assistant, ``studies/<name>/result.json`` for programs."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from workbench.assistants import assistant
from workbench.config import dump_toml
from workbench.files import pretty_json, write_text
from workbench.metrics import Summary
from workbench.moshi_json import write_moshi_json
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.checklist import checklist
from workbench.tuning.output.checklist_checks import run_checks
from workbench.tuning.output.checklist_commands import budget_path
from workbench.tuning.output.hotmic import by_rule, suggest
from workbench.tuning.output.listener_comparison import ListenerComparison, compare_listeners
from workbench.tuning.output.phrases import advice, headline
from workbench.tuning.result import Comparison, Result

FORMAT = 1
CONFIGS = Path("configs")


def publish(result: Result, evaluator: Evaluator, own: Mapping[str, Any] | None, configs: Path = CONFIGS) -> Path:
    """Write ``moshi.json``, ``tuned.toml``, ``checklist.md`` and ``result.json``.

    Args:
        result: of the study.
        evaluator: that the study ran on.
        own: the user's ``moshi.json``, as it was read; its paths are kept.
        configs: where the folder of configs goes.

    Returns:
        The folder of the three files for the assistant.
    """
    kept = own or {}
    spec = result.spec
    folder = configs / spec.name
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(sorted(ref.name for ref in spec.sessions))
    corrected = assistant(result.config.workbench.listener).corrected
    faults = compare_listeners(evaluator, result.config, corrected, names) if corrected else None
    suggestions = [suggest(evaluator.material(name).session) for name in names]
    replayed = evaluator.summary(by_rule(spec.config, suggestions), spec.tuning)
    write_moshi_json(folder / "moshi.json", result.config, kept)
    write_text(folder / "tuned.toml", dump_toml(result.config))
    write_text(budget_path(spec), tomli_w.dumps({"budget": dict(spec.budget)}))
    found = run_checks(result, evaluator, kept, folder)
    write_text(folder / "checklist.md", checklist(result, suggestions, replayed, kept, faults, folder, found))
    write_text(spec.folder / "result.json", pretty_json(_plain(_for_programs(result, faults))))
    return folder


def _for_programs(result: Result, faults: ListenerComparison | None) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "study": result.spec.name,
        "claim": headline(result),
        "advice": advice(result),
        "trials": result.trials,
        "pruned": result.pruned,
        "trial": result.trial,
        "fingerprint": result.config.fingerprint,
        "tuned": {item.name: item.chosen for item in result.sensitivity.ranges},
        "not_searched": dict(result.spec.unread),
        "values": list(result.outcome.values),
        "feasible": not result.over_budget,
        "over_budget": list(result.over_budget),
        "split": result.spec.split,
        "held_out": _comparison(result.held_out) if result.held_out else None,
        "tuning": _comparison(result.tuning),
        "sensitivity": dataclasses.asdict(result.sensitivity),
        "ablations": [dataclasses.asdict(row) for row in result.ablations],
        "front": [dataclasses.asdict(point) for point in result.front],
        "faults": dataclasses.asdict(faults) if faults else None,
    }


def _comparison(item: Comparison) -> dict[str, Any]:
    return {
        "sessions": list(item.sessions),
        "baseline": _summary(item.baseline),
        "tuned": _summary(item.tuned),
        "differences": [dataclasses.asdict(row) for row in item.differences],
        "evidence": [dataclasses.asdict(row) for row in item.evidence],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {"scores": summary.scores, "intervals": summary.intervals, "counts": summary.counts}


def _plain(value: Any) -> Any:
    """As JSON has it; infinities become null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
