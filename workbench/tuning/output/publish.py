"""Publishing of a study: ``configs/<name>/`` for the assistant, ``studies/<name>/result.json`` for programs."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from workbench.assistants import assistant
from workbench.config import Config, Knob, dump_toml, get
from workbench.files import pretty_json, write_text
from workbench.moshi_json import write_moshi_json
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.answer import StudyAnswer, answer
from workbench.tuning.output.checklist import checklist
from workbench.tuning.output.checklist_checks import run_checks
from workbench.tuning.output.checklist_commands import HARMONY, budget_path
from workbench.tuning.output.hotmic import by_rule, kept_suggestion
from workbench.tuning.output.listener_comparison import ListenerComparison, compare_listeners
from workbench.tuning.output.rule_comparison import FALSE, advice
from workbench.tuning.result import Result
from workbench.tuning.spec import StudySpec

FORMAT = 2
"""Of ``result.json``. 2: a recommendation, with today's config, the front and sweeps; before, a claim and an advice."""

CONFIGS = Path("configs")


def publish(
    result: Result,
    evaluator: Evaluator,
    own: Mapping[str, Any] | None = None,
    installed: str = HARMONY,
    with_rules: bool = True,
) -> tuple[Path, StudyAnswer]:
    """Write ``moshi.json``, ``tuned.toml``, ``checklist.md``, ``result.json``, and ``candidate.json`` if there is one.

    Args:
        result: of the study.
        evaluator: that the study ran on.
        own: the user's ``moshi.json``, as it was read; its paths are kept.
        installed: where the assistant has its file.
        with_rules: whether other barge-in rules are replayed, where no setting kept the limit on false stops.

    Returns:
        The folder of the files for the assistant, and what was found in words.
    """
    kept = own or {}
    spec = result.spec
    folder = CONFIGS / spec.name
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(sorted(ref.name for ref in spec.sessions))
    corrected = assistant(result.config.workbench.listener).corrected
    with_rules = with_rules and result.least.get(FALSE, 0.0) > spec.budget.get(FALSE, math.inf)
    faults = compare_listeners(evaluator, result.config, corrected, names, with_rules) if corrected else None
    suggestions = [kept_suggestion(evaluator.material(name).session, evaluator.store) for name in names]
    found = answer(result, suggestions, evaluator.summary(by_rule(spec.config, suggestions), spec.tuning))
    if faults and (words := advice(faults.rules, result.least.get(FALSE))):
        found = replace(found, unfixable=(*found.unfixable, words))
    if result.agreement:  # all is replayed by now
        result = replace(result, agreement=replace(result.agreement, passes=evaluator.passes))
    write_moshi_json(folder / "moshi.json", result.config, kept)
    candidate = result.recommendation.candidate
    if candidate is None:
        (folder / "candidate.json").unlink(missing_ok=True)
    else:
        write_moshi_json(folder / "candidate.json", candidate, kept)
    write_text(folder / "tuned.toml", dump_toml(result.config))
    limits = {"budget": dict(spec.budget), "price": dataclasses.asdict(spec.prices)}
    write_text(budget_path(spec), tomli_w.dumps(limits))
    checks = run_checks(result, evaluator, kept, folder)
    write_text(folder / "checklist.md", checklist(result, found, kept, faults, folder, checks, installed))
    write_text(spec.folder / "result.json", pretty_json(_plain(_for_programs(result, found, faults))))
    return folder, found


def _for_programs(result: Result, found: StudyAnswer, faults: ListenerComparison | None) -> dict[str, Any]:
    chosen, spec = result.recommendation, result.spec
    return {
        "format": FORMAT,
        "study": spec.name,
        "answer": dataclasses.asdict(found),
        "mark": chosen.mark,
        "reason": chosen.reason,
        "trials": result.trials,
        "pruned": result.pruned,
        "trial": result.trial,
        "fingerprint": result.config.fingerprint,
        "today": _settings(spec, spec.config),
        "recommended": _settings(spec, result.config),
        "candidate": _settings(spec, chosen.candidate) if chosen.candidate else None,
        "prices": dataclasses.asdict(spec.prices),
        "not_searched": dict(spec.unread),
        "stand_in": dataclasses.asdict(result.agreement) if result.agreement else None,
        "values": list(result.outcome.values),
        "feasible": not result.over_budget,
        "over_budget": list(result.over_budget),
        "not_kept": [dataclasses.asdict(row) for row in result.unkept],
        "split": spec.split,
        "held_out": dataclasses.asdict(result.held_out) if result.held_out else None,
        "tuning": dataclasses.asdict(result.tuning),
        "front": dataclasses.asdict(result.front),
        "sweeps": [swept.to_dict() for swept in result.sweeps],
        "sensitivity": dataclasses.asdict(result.sensitivity),
        "ablations": [dataclasses.asdict(row) for row in result.ablations],
        "faults": dataclasses.asdict(faults) if faults else None,
    }


def _settings(spec: StudySpec, config: Config) -> dict[str, Knob]:
    return {item.name: get(config, item.path) for item in spec.space.parameters}


def _plain(value: Any) -> Any:
    """As JSON has it; infinities become null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
