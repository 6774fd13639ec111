"""Sensitivity: each knob by itself around the chosen config, by exact replay.

The chosen value of a float is moved to the middle of the range over which nothing changes: of settings that are equal
on the recordings, the one farthest from where something does change is the safest.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import optuna

from workbench.config import Config, Knob, get, override
from workbench.errors import WorkbenchError
from workbench.tuning.objective import Goal, Outcome
from workbench.tuning.space import Parameter, Space, short
from workbench.tuning.study import finished, outcome_of
from workbench.units import FRAME_MS, frames_for_ms

NEAR = 0.05
"""A setting within 5 % of the best objective is as good for most purposes."""

DB = 0.5
"""Step of a threshold scan in dB."""

FINE_DB = 0.1
"""Step of the last improvement in dB: in a noisy room the best threshold lies in a gap narrower than half a dB."""

STEPS = 40
"""Most steps to either side of the chosen value."""

RING = 4
"""Steps to either side in which two knobs are changed together; of a float, which has finer steps, twice as many, each
of 1 dB: a third of a second of silence, and 8 dB of a threshold."""

POINTS = 12
"""Values of a knob on a grid of two, or up to twice as many where that leaves out none."""

Judge = Callable[[Config], Outcome]


@dataclass(frozen=True)
class Range:
    """Where a knob stays within 5 % of the best with all others as chosen.

    Attributes:
        low, high: the range; for a categorical, both are the chosen value.
        bounded: whether each end is where it gets worse, and not the end of the space.
        good: for a categorical, all choices within 5 %.
    """

    name: str
    chosen: Knob
    low: Knob
    high: Knob
    bounded: tuple[bool, bool]
    good: tuple[Knob, ...] = ()


@dataclass(frozen=True)
class Sensitivity:
    """What is known about the neighbourhood of the chosen config."""

    ranges: tuple[Range, ...]
    importances: Mapping[str, float]


def climb(space: Space, config: Config, goal: Goal, judge: Judge, steps: Sequence[float] = (DB, FINE_DB)) -> Config:
    """Go to neighbours, one knob and one step at a time, as long as one oversteps no more, is no slower, and is better
    in either: a search draws hundreds of settings, and the best of them is seldom the best of its neighbours.

    Args:
        space: knobs that may change.
        config: where to begin.
        goal: objectives and limits.
        judge: outcome of a setting.
        steps: of a float, in dB.
    """
    while True:
        here = judge(config)
        for parameter in space.parameters:
            for value in _neighbours(parameter, get(config, parameter.path), steps):
                there = _try(space, config, parameter, value, judge)
                if there is not None and there.no_worse(here, goal) and not here.no_worse(there, goal):
                    break
            else:
                continue
            config = space.config(config, {parameter.name: value})
            break
        else:
            return config


def _neighbours(parameter: Parameter, chosen: Knob, steps: Sequence[float]) -> Iterator[Knob]:
    if parameter.type == "categorical":
        yield from (choice for choice in parameter.choices if choice != chosen)
        return
    for db in steps if parameter.type == "float" else steps[:1]:
        for side in (-1, 1):
            value = next(_walk(parameter, _number(chosen), side, db), None)
            if value is not None:
                yield value if parameter.type == "float" else int(value)


def around(space: Space, shares: Mapping[str, float], config: Config) -> Iterator[Config]:
    """Neighbours of a setting: each knob a step away, and the two with the largest shares together, a few steps.

    Two knobs together, since a good setting often lies in a valley across both: a lower threshold allows less silence.
    """
    changes = [
        {parameter.name: value}
        for parameter in space.parameters
        for value in _neighbours(parameter, get(config, parameter.path), (DB, FINE_DB))
    ]
    two = sorted(space.parameters, key=lambda parameter: -shares[parameter.name])[:2]
    rings = [[(item.name, value) for value in _ring(item, get(config, item.path))] for item in two]
    changes += [dict(pair) for pair in itertools.product(*rings)]
    for change in changes:
        with suppress(WorkbenchError):
            yield space.config(config, change)


def _ring(parameter: Parameter, chosen: Knob) -> list[Knob]:
    """Values up to :data:`RING` steps away, the chosen one among them."""
    if parameter.type == "categorical":
        return list(parameter.choices)
    found = [chosen]
    wide = parameter.type == "float"
    for side in (-1, 1):
        values = _walk(parameter, _number(chosen), side, 2 * DB if wide else DB)
        found += [value if wide else int(value) for value in itertools.islice(values, 2 * RING if wide else RING)]
    return found


def grid(space: Space, shares: Mapping[str, float], config: Config) -> Iterator[Config]:
    """A setting with the two knobs of the largest shares all over their ranges."""
    two = sorted(space.parameters, key=lambda parameter: -shares[parameter.name])[:2]
    for values in itertools.product(*(parameter.grid()[:: max(1, parameter.count // POINTS)] for parameter in two)):
        with suppress(WorkbenchError):
            yield space.config(config, {item.name: value for item, value in zip(two, values, strict=True)})


def place(parameter: Parameter, value: Knob) -> list[float]:
    """Where a value lies in the range of its knob, 0 to 1; choices are all as far apart."""
    if parameter.type == "categorical":
        return [math.sqrt(0.5) * (choice == value) for choice in parameter.choices]
    if parameter.log:
        return [math.log(_number(value) / parameter.low) / math.log(parameter.high / parameter.low)]
    return [(_number(value) - parameter.low) / (parameter.high - parameter.low)]


def simplify(space: Space, baseline: Config, config: Config, goal: Goal, judge: Judge) -> Config:
    """Put every knob back to the baseline's value that does no good where the search left it.

    With hundreds of trials many knobs end somewhere by chance; what brings nothing on the tuning sessions is no reason
    to change a running assistant.
    """
    while True:
        before = config
        for parameter in space.parameters:
            value = get(baseline, parameter.path)
            if get(config, parameter.path) == value:
                continue
            back = _try(space, config, parameter, value, judge)
            if back is not None and back.no_worse(judge(config), goal):
                config = override(config, {parameter.path: value})
        if config == before:
            return config


def centre(space: Space, config: Config, judge: Judge) -> Config:
    """Move each float to the middle of the range in which the outcome is the very same.

    A float at the end of its range stays: nothing is known of what lies beyond.
    """
    for parameter in space.parameters:
        if parameter.type != "float":
            continue
        chosen = judge(config)
        here = _number(get(config, parameter.path))
        ends = []
        for side in (-1, 1):
            last = here
            for value in _walk(parameter, here, side):
                if _try(space, config, parameter, value, judge) != chosen:
                    break
                last = value
            ends.append(last)
        low, high = ends
        middle = math.sqrt(low * high) if parameter.log else (low + high) / 2
        if _try(space, config, parameter, short(middle), judge) == chosen:
            config = space.config(config, {parameter.name: short(middle)})
    return config


def survey(space: Space, config: Config, goal: Goal, judge: Judge, study: optuna.Study | None) -> Sensitivity:
    """Scan every knob around the chosen config."""
    best = judge(config)
    ranges = tuple(_range(space, config, parameter, goal, best, judge) for parameter in space.parameters)
    return Sensitivity(ranges, importances(study, goal) if study is not None else {})


def importances(study: optuna.Study, goal: Goal) -> dict[str, float]:
    """Share of each knob in what makes trials differ (Optuna's PED-ANOVA); empty where trials are too few or alike."""
    usable = [trial for trial in finished(study) if (found := outcome_of(trial)) and math.isfinite(found.values[0])]
    if len(usable) < 10 or len({trial.values[0] for trial in usable}) < 3:
        return {}
    sign = -1.0 if goal.directions[0] == "maximize" else 1.0
    copy = optuna.create_study()
    copy.add_trials(
        [
            optuna.create_trial(params=item.params, distributions=item.distributions, value=sign * item.values[0])
            for item in usable
        ]
    )
    try:
        shares = optuna.importance.get_param_importances(copy)
    except (RuntimeError, ValueError):
        return {}
    return {name: share for name, share in shares.items() if math.isfinite(share)}


def _number(value: Knob) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _walk(parameter: Parameter, here: float, side: int, db: float = DB) -> Iterator[float]:
    """Values away from ``here``, to the end of the space; of a logarithmic float in steps of ``db``."""
    if parameter.type == "frames":
        here = frames_for_ms(here) * FRAME_MS  # 700 acts as 720
    for step in range(1, STEPS + 1):
        if parameter.type == "float":
            span = parameter.high - parameter.low
            value = (
                here * 10 ** (side * step * db / 20) if parameter.log else here + side * step * span * db / DB / STEPS
            )
            value = short(value)
        else:
            value = here + side * step * parameter.step
        if not parameter.low <= value <= parameter.high:
            return
        yield value


def _try(space: Space, config: Config, parameter: Parameter, value: Knob, judge: Judge) -> Outcome | None:
    """The outcome with one knob changed; None where the config refuses it."""
    if parameter.type in ("int", "frames"):
        value = int(value)
    try:
        return judge(space.config(config, {parameter.name: value}))
    except WorkbenchError:
        return None


def near(outcome: Outcome | None, best: Outcome, goal: Goal) -> bool:
    """Whether an outcome keeps what the best keeps and is within 5 % of its first objective."""
    if outcome is None or not set(outcome.broken) <= set(best.broken):
        return False
    a, b = outcome.values[0], best.values[0]
    return a == b or not goal.better(b, a) or abs(a - b) <= NEAR * abs(b)


def _range(space: Space, config: Config, parameter: Parameter, goal: Goal, best: Outcome, judge: Judge) -> Range:
    chosen = get(config, parameter.path)
    if parameter.type == "categorical":
        good = [
            choice for choice in parameter.choices if near(_try(space, config, parameter, choice, judge), best, goal)
        ]
        return Range(parameter.name, chosen, chosen, chosen, (True, True), tuple(good))
    ends, bounded = [], []
    for side in (-1, 1):
        last, stopped = chosen, False
        for value in _walk(parameter, _number(chosen), side):
            if not near(_try(space, config, parameter, value, judge), best, goal):
                stopped = True
                break
            last = value if parameter.type == "float" else int(value)
        ends.append(last)
        bounded.append(stopped)
    return Range(parameter.name, chosen, ends[0], ends[1], (bounded[0], bounded[1]))
