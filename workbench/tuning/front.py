"""Front of a study: settings that no other beats in all scores that are weighed against each other.

With one objective these are the wait for an answer and the cut-ins per pause: who waits longer interrupts less. Points
come from the trials and from the sweeps of the knobs that decide how long to wait.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import optuna

from workbench.config import Knob, get, override
from workbench.files import canonical_json
from workbench.tuning.objective import ANSWERED
from workbench.tuning.sensitivity import Judge
from workbench.tuning.spec import StudySpec
from workbench.tuning.study import finished, front, outcome_of
from workbench.tuning.sweep import Sweep
from workbench.units import FRAME_MS

WEIGHED = ("voice_to_voice_ms_p50", "cutin_per_hold")
"""Wait for an answer, and cut-ins per pause."""

NAMES: Mapping[int, tuple[str, ...]] = {
    1: ("fastest and most patient",),
    2: ("fastest", "most patient"),
    3: ("fastest", "between", "most patient"),
    4: ("fastest", "fast", "patient", "most patient"),
    5: ("fastest", "fast", "between", "patient", "most patient"),
}
"""Names of the points, by how many there are; five at most."""


@dataclass(frozen=True)
class FrontSetting:
    """A point of the front.

    Attributes:
        name: for people; with several objectives empty.
        values: of the scores that are weighed, on the tuning sessions; None where there was nothing to measure.
        settings: knobs that are not as in today's config.
    """

    name: str
    values: tuple[float | None, ...]
    settings: Mapping[str, Knob]


@dataclass(frozen=True)
class Front:
    """Points of the front, by the first score.

    Attributes:
        scores: that are weighed.
    """

    scores: tuple[str, ...]
    points: tuple[FrontSetting, ...]


def find_front(study: optuna.Study, spec: StudySpec, sweeps: Iterable[tuple[Mapping[str, Knob], Sweep]]) -> Front:
    """Front of a study: of its objectives where they are several, else five named points of the two above.

    Args:
        study: all trials.
        spec: the study.
        sweeps: each with the settings that it started from, as far as they are not today's.
    """
    if len(spec.objectives) > 1:
        points = [FrontSetting("", tuple(trial.values), _settings(spec, trial.params)) for trial in front(study)]
        return Front(spec.objectives, tuple(points))
    tried = [(found.scores, _settings(spec, trial.params)) for trial in finished(study) if (found := outcome_of(trial))]
    for start, swept in sweeps:
        for point in swept.points:
            changed = {axis.name: value for axis, value in zip(swept.axes, point.values, strict=True)}
            tried.append((point.scores, _own(spec, {**start, **changed})))
    return _front(spec, tried)


def replayed(front: Front, spec: StudySpec, exact: Judge) -> Front:
    """A front that rests on a stand-in, with the figures of exact replays; what they show to be no better goes."""
    tried = [(exact(override(spec.config, point.settings)).scores, point.settings) for point in front.points]
    if front.scores == WEIGHED:
        return _front(spec, tried)
    points = zip(front.points, tried, strict=True)
    return replace(
        front,
        points=tuple(replace(one, values=tuple(found.get(key) for key in front.scores)) for one, (found, _) in points),
    )


def _front(spec: StudySpec, tried: Iterable[tuple[Mapping[str, float | None], Mapping[str, Knob]]]) -> Front:
    usable = []
    for scores, settings in tried:
        wait, cuts = (scores.get(key) for key in WEIGHED)
        if wait is not None and cuts is not None and spec.goal.constraints(scores).get(ANSWERED, 0) <= 0:
            spelt = canonical_json(dict(sorted(settings.items())))
            # By the wait in whole frames, as fine as settings are; of equals the one nearest to today's config.
            usable.append(
                (round(wait / FRAME_MS), cuts, len(settings), spelt, FrontSetting("", (wait, cuts), settings))
            )
    kept: list[FrontSetting] = []
    least = math.inf
    for _, cuts, _, _, one in sorted(usable, key=lambda item: item[:4]):
        if cuts < least:
            least = cuts
            kept.append(one)
    count = min(len(kept), max(NAMES))
    chosen = [kept[round(number * (len(kept) - 1) / max(1, count - 1))] for number in range(count)]
    named = zip(NAMES.get(count, ()), chosen, strict=True)
    return Front(WEIGHED, tuple(FrontSetting(name, one.values, one.settings) for name, one in named))


def _settings(spec: StudySpec, params: Mapping[str, Knob]) -> dict[str, Knob]:
    config = spec.space.config(spec.config, params)
    return _own(spec, {item.name: get(config, item.path) for item in spec.space.parameters})


def _own(spec: StudySpec, settings: Mapping[str, Knob]) -> dict[str, Knob]:
    """Settings that are not today's."""
    return {name: value for name, value in settings.items() if get(spec.config, name) != value}
