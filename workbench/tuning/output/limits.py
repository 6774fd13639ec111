"""What no key can fix, and limits that were not kept, in words."""

from workbench.metrics import Summary
from workbench.metrics.definitions import BY_KEY, Rate
from workbench.tuning.output.phrases import number
from workbench.tuning.output.plain import LIMITS, WORDS, amount
from workbench.tuning.result import Result
from workbench.tuning.unkept import Unkept

NEAR = 0.9
"""A score that no setting brings below nine tenths of what it is: no key can fix it."""


def unfixable(result: Result) -> list[str]:
    """Faults that no setting does much against, and limits that none keeps; each with what would have to change."""
    now, budget = _now(result), result.spec.budget
    over = {item.key: item for item in result.unkept}
    found = [
        f"{words.sentence.format(amount(now, key))}; {words.remedy}"
        for key, words in WORDS.items()
        if words.remedy and key not in over and _stays(now.scores.get(key), result.least.get(key), budget.get(key, 0.0))
    ]
    reasons: dict[str, list[str]] = {}
    for item in over.values():
        if not item.keepable:
            name, remedy = limit_name(item.key)
            least = "" if item.least is None else f", at best {_figure(item.key, item.least)}"
            reasons.setdefault(remedy, []).append(f"{_valued(name, item)}{least})")
    return found + [f"{', '.join(names)}: {remedy}" for remedy, names in reasons.items()]


def _valued(name: str, item: Unkept) -> str:
    """A limit with the score, the bracket left open."""
    value = "nothing" if item.value is None else _figure(item.key, item.value)
    return f"{name} ({value}{'' if item.limit is None else f', limit {_figure(item.key, item.limit)}'}"


def _figure(key: str, value: float) -> str:
    """A score or a limit with its unit."""
    measure = BY_KEY.get(key)
    if "_ms_" in key:
        return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"
    if isinstance(measure, Rate) and (measure.kind == "share" or key in ("wer", "stall_ratio")):
        return f"{100 * value:.3g} %"
    return number(value)


def _now(result: Result) -> Summary:
    """Scores of the recommended config on the recordings that the search saw."""
    return result.tuning.baseline if result.recommendation.mark == "keep" else result.tuning.tuned


def not_kept(result: Result) -> list[str]:
    """Limits that were not kept together, by what would have to change."""
    reasons: dict[str, list[str]] = {}
    for item in result.unkept:
        if item.keepable:
            why = "what keeps this costs more in all: raise the limit"
            if item.instead:
                more = f" and {len(item.instead) - 1} more" if len(item.instead) > 1 else ""
                why = f"what keeps this breaks the limit on {limit_name(item.instead[0])[0]}{more}; raise one of them"
            reasons.setdefault(why, []).append(f"{_valued(limit_name(item.key)[0], item)})")
    return [f"{', '.join(names)}: {why}" for why, names in reasons.items()]


def limit_name(key: str) -> tuple[str, str]:
    """Name of a limit for people, and what would have to change to keep it."""
    return LIMITS.get(key, (f"`{key}`", "another limit"))


def _stays(value: float | None, least: float | None, limit: float) -> bool:
    """Whether a fault is there and no setting does much against it."""
    return value is not None and value > max(limit, 0.0) and (least is None or least > NEAR * value)
