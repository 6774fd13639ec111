"""Budgets: what an assistant must keep to, and whether the evidence is enough to say that it does.

``budget.toml`` has a section ``[budget]``: score key = limit. The limit is the most that is allowed, or the least for
scores of which more is better (``docs/metrics.md`` marks them). A section ``[price]`` may say what each fault costs a
user, in seconds; prices that it leaves out keep their defaults.
"""

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import read_toml
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER, Rate, Total
from workbench.metrics.loss import Prices, check_prices
from workbench.metrics.stats import exposure_to_certify, trials_to_certify, upper_rate, upper_share
from workbench.metrics.summary import Summary
from workbench.units import FRAME_RATE

Budget = Mapping[str, float]
"""Score key → limit."""


@dataclass(frozen=True)
class Violation:
    """A figure over its budget."""

    key: str
    value: float
    limit: float

    def __str__(self) -> str:
        side = "below its least" if self.key in HIGHER_IS_BETTER else "over its budget"
        return f"{self.key} is {self.value:.6g}, {side} of {self.limit:.6g}"


@dataclass(frozen=True)
class Evidence:
    """Whether the data certifies one budgeted figure.

    Attributes:
        bound: what the figure may be at 95 %, on the bad side; None where nothing says.
        certified: the bound is within the limit.
        more_hours: further hours of sessions like these that would certify it, should the figure stay as it is; 0 if
            certified, None where more of the same will not help or the number is unknown.
    """

    key: str
    value: float | None
    limit: float
    bound: float | None
    certified: bool
    more_hours: float | None


def read_budget(path: Path) -> dict[str, float]:
    """Read ``budget.toml``.

    Raises:
        WorkbenchError: names the file and the key that is unknown or whose limit is no number.
    """
    return check_limits(_sections(path).get("budget", {}), str(path))


def read_prices(path: Path) -> Prices:
    """Read the prices of ``budget.toml``.

    Raises:
        WorkbenchError: names the file and the price that is unknown or no number of seconds.
    """
    return check_prices(_sections(path).get("price", {}), f"{path}: [price]")


def _sections(path: Path) -> dict[str, dict[str, object]]:
    data = read_toml(path)
    for name, section in data.items():
        if name not in ("budget", "price") or not isinstance(section, dict):
            raise WorkbenchError(f"{path}: unknown section {name!r}; must hold [budget], and may hold [price]")
    if not data:
        raise WorkbenchError(f"{path}: is empty; must hold [budget], and may hold [price]")
    return data


def check_limits(limits: Mapping[str, object], where: str) -> dict[str, float]:
    """Check score keys and limits.

    Raises:
        WorkbenchError: names ``where`` and the key.
    """
    checked = {}
    for key, limit in limits.items():
        if key not in BY_KEY:
            near = difflib.get_close_matches(key, BY_KEY, n=2)
            hint = f"; did you mean {' or '.join(near)}?" if near else " (docs/metrics.md lists them)"
            raise WorkbenchError(f"{where}: unknown score {key!r}{hint}")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not abs(limit) <= sys.float_info.max:
            raise WorkbenchError(f"{where}: {key} is {limit!r:.20}, must be a number, no infinity")
        checked[key] = float(limit)
    return checked


def check_budget(scores: Mapping[str, float | None], budget: Budget) -> list[Violation]:
    """Figures over budget, in the budget's order.

    A score that is None (nothing to measure) violates nothing: :func:`unmeasured` names those.

    Raises:
        WorkbenchError: a budgeted key is not a score.
    """
    found = []
    for key, limit in check_limits(budget, "budget").items():
        value = scores.get(key)
        if value is not None and (value < limit if key in HIGHER_IS_BETTER else value > limit):
            found.append(Violation(key, value, limit))
    return found


def unmeasured(scores: Mapping[str, float | None], budget: Budget) -> list[str]:
    """Budgeted keys for which there was nothing to measure."""
    return [key for key in budget if scores.get(key) is None]


def nothing_answered(scores: Mapping[str, float | None]) -> str:
    """Why no budget is kept, in one line, where the user took turns and not one was answered; empty elsewhere.

    >>> nothing_answered({"turns_n": 3, "turns_answered_n": 0})
    'none of 3 turns was answered: no limit is kept by silence'
    """
    turns = scores.get("turns_n") or 0
    silent = turns > 0 and not scores.get("turns_answered_n")
    return f"none of {turns:g} turn{'s' * (turns != 1)} was answered: no limit is kept by silence" if silent else ""


def certify(summary: Summary, budget: Budget) -> list[Evidence]:
    """Say of each budgeted figure whether the data is enough to hold it to its limit.

    Shares go by Wilson's upper end and rates in time by Garwood's, with the rule of three where nothing happened (for
    ``wer`` over words, for ``stall_ratio`` over frames played). Totals are what they are. Everything else goes by its
    interval over sessions, of which the width is taken to shrink with the root of the hours.

    Raises:
        WorkbenchError: a budgeted key is not a score.
    """
    hours = (summary.scores["session_seconds"] or 0.0) / 3600
    return [_evidence(key, limit, summary, hours) for key, limit in check_limits(budget, "budget").items()]


def _evidence(key: str, limit: float, summary: Summary, hours: float) -> Evidence:
    measure, value = BY_KEY[key], summary.scores[key]
    if value is None:
        return Evidence(key, None, limit, None, False, None)
    if isinstance(measure, Rate) and measure.kind != "ratio" and key not in HIGHER_IS_BETTER:
        k, n = summary.counts[key]
        return _of_counts(key, limit, summary, hours, int(k), n)
    if isinstance(measure, Total):
        return Evidence(key, value, limit, value, value <= limit, 0.0 if value <= limit else None)
    if value == 0 and (chances := _chances(key, summary)):
        return _of_counts(key, limit, summary, hours, 0, chances)
    if key not in summary.intervals:
        return Evidence(key, value, limit, None, False, None)
    low, high = summary.intervals[key]
    bound, room = (low, value - limit) if key in HIGHER_IS_BETTER else (high, limit - value)
    certified = bound >= limit if key in HIGHER_IS_BETTER else bound <= limit
    more = hours * ((abs(bound - value) / room) ** 2 - 1) if room > 0 else None
    return Evidence(key, value, limit, bound, certified, 0.0 if certified else more)


def _chances(key: str, summary: Summary) -> float:
    """Over what a ratio of 0 was found: words, or frames played."""
    if key == "wer":
        return summary.counts[key][1]
    if key == "stall_ratio":
        return (summary.scores["agent_speech_seconds"] or 0.0) * FRAME_RATE
    return 0.0


def _of_counts(key: str, limit: float, summary: Summary, hours: float, k: int, n: float) -> Evidence:
    measure = BY_KEY[key]
    timed = isinstance(measure, Rate) and measure.kind == "time"
    bound = upper_rate(k, n) if timed else upper_share(k, int(n))
    needed = exposure_to_certify(k, n, limit) if timed else trials_to_certify(k, int(n), limit)
    more = None if needed is None else max(0.0, hours * (needed / n - 1))
    return Evidence(key, summary.scores[key], limit, bound, bound <= limit, 0.0 if bound <= limit else more)
