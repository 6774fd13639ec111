"""Changes of a config taken back one at a time: what each is good for, in all and session by session."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.config import Config, Knob, get, override
from workbench.errors import WorkbenchError
from workbench.metrics import Difference, SessionScores, Summary, compare, summarise
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import SHOWN, Goal, pooled
from workbench.tuning.space import Space
from workbench.tuning.spec import StudySpec


@dataclass(frozen=True)
class Ablation:
    """One change taken back, all others kept.

    Attributes:
        was: today's value.
        difference: of the first objective, taken back − changed; on held-out sessions where a third was held out, else
            on the tuning sessions.
        better, worse: how many of these sessions the change makes better or worse.
        without: scores with the change taken back.
    """

    name: str
    was: Knob
    difference: Difference
    better: int
    worse: int
    without: Summary


def ablate(spec: StudySpec, evaluator: Evaluator, config: Config) -> tuple[Ablation, ...]:
    """What each single change is good for: a config against itself with that knob as it was."""
    sessions = spec.held_out if spec.split == "held-out" else spec.tuning
    tuned = evaluator.scores(config, sessions)
    found = []
    for item in space_without(spec.space, spec.config, config).parameters:
        was = get(spec.config, item.path)
        try:
            other = override(config, {item.path: was})
        except WorkbenchError:
            continue
        without = evaluator.scores(other, sessions)
        difference = compare(tuned, without, spec.objectives[:1])[0]
        better, worse = directions(spec.goal, without, tuned)
        found.append(Ablation(item.name, was, difference, better, worse, _shown(summarise(without, bootstrap=False))))
    return tuple(found)


def _shown(summary: Summary) -> Summary:
    """The scores that people see of it."""
    counts = {key: count for key, count in summary.counts.items() if key in SHOWN}
    return Summary({key: summary.scores[key] for key in SHOWN}, {}, counts, ())


def space_without(space: Space, baseline: Config, config: Config) -> Space:
    """The space of those knobs that differ from the baseline."""
    return Space(tuple(item for item in space.parameters if get(config, item.path) != get(baseline, item.path)))


def directions(goal: Goal, before: Sequence[SessionScores], after: Sequence[SessionScores]) -> tuple[int, int]:
    """How many sessions are better or worse off by the first objective."""
    better = worse = 0
    key = goal.objectives[0]
    for one, other in zip(before, after, strict=True):
        a, b = pooled([key], [one])[key], pooled([key], [other])[key]
        if a is not None and b is not None:
            better += goal.better(b, a)
            worse += goal.better(a, b)
    return better, worse
