"""The function Optuna calls: suggest, replay, score; limits become constraints."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from workbench.assistants import knobs_of
from workbench.config import Config, Knob
from workbench.errors import WorkbenchError
from workbench.metrics import SessionScores
from workbench.metrics.definitions import BY_KEY, Points, Rate
from workbench.metrics.summary import point_scores, pool
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.goal import ANSWERED, SHOWN, Goal, Outcome
from workbench.tuning.spec import Spec
from workbench.tuning.study import best, create, finished, outcome_of


class Scorer(Protocol):
    """What a trial asks: scores of one session under a config. :class:`Evaluator` in earnest."""

    def score(self, config: Config, name: str) -> SessionScores:
        """Raw values of one session."""
        ...


def pooled(keys: Iterable[str], sessions: list[SessionScores]) -> dict[str, float | None]:
    """Some scores of :func:`workbench.metrics.summarise`, without the others' cost."""
    scores: dict[str, float | None] = {}
    for key in keys:
        measure = BY_KEY[key]
        if key in scores:
            continue
        if isinstance(measure, Points):
            scores |= point_scores(measure, pool([list(measure.pairs(session)) for session in sessions]))
        elif isinstance(measure, Rate):
            parts = [measure.parts(session) for session in sessions]
            scores[key] = measure.value(sum(part[0] for part in parts), sum(part[1] for part in parts))
        else:
            amount = sum(measure.value(session) for session in sessions)
            scores[key] = amount if measure.scale == 1 else amount / measure.scale
    return {key: scores[key] for key in keys}


class Objective:
    """The function Optuna calls.

    Args:
        spec: the study.
        scorer: replays and scores.
        sessions: names of those the search sees.
    """

    def __init__(self, spec: Spec, scorer: Scorer, sessions: tuple[str, ...]) -> None:
        self._spec = spec
        self._goal: Goal = spec.goal
        self._scorer = scorer
        self._sessions = sorted(sessions)
        self._keys = list(dict.fromkeys([*spec.objectives, *spec.budget, *SHOWN, "turns_n", ANSWERED]))
        self._known: dict[str, Outcome] = {}
        self._read = 0

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, ...]:
        """Suggest, replay, score; limits become constraints."""
        params = self._spec.space.suggest(trial)
        outcome, key = self._outcome(trial, params)
        for name, over in outcome.over.items():
            trial.set_constraint(name, over)
        trial.set_user_attr("scored", {"key": key, "scores": dict(outcome.scores)})
        return outcome.values if len(outcome.values) > 1 else outcome.values[0]

    def _outcome(self, trial: optuna.Trial, params: Mapping[str, Knob]) -> tuple[Outcome, str]:
        try:
            config = self._spec.space.config(self._spec.config, params)
            key = knobs_of(config).key
            self._learn(trial.study)
            if self._spec.prune or key not in self._known:
                # With --prune each trial reports its sessions, a known one too: it may be the best, to compare with.
                self._known[key] = self._judge(config, trial if self._spec.prune else None)
            return self._known[key], key
        except WorkbenchError as error:
            trial.set_user_attr("refused", str(error))
            return Outcome(
                tuple(self._goal.values({})), dict.fromkeys(self._goal.limits, 1.0) or {"refused": 1.0}, {}
            ), ""

    def judge(self, config: Config) -> Outcome:
        """Replay and score a config on the sessions that the search sees."""
        key = knobs_of(config).key
        if key not in self._known:
            self._known[key] = self._judge(config, None)
        return self._known[key]

    def _judge(self, config: Config, trial: optuna.Trial | None) -> Outcome:
        scored: list[SessionScores] = []
        for step, name in enumerate(self._sessions):
            scored.append(self._scorer.score(config, name))
            if trial is not None:
                value = pooled(self._spec.objectives, scored[-1:])[self._spec.objectives[0]]
                if value is None:
                    trial = None  # the sessions cannot be paired from here on
                    continue
                trial.report(value, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
        scores = pooled(self._keys, scored)
        return Outcome(tuple(self._goal.values(scores)), self._goal.constraints(scores), scores)

    def _learn(self, study: optuna.Study) -> None:
        """Take over what other workers, or this study before it was resumed, have found out."""
        trials = study.get_trials(deepcopy=False)
        for trial in trials[self._read :]:
            if (
                trial.state == TrialState.COMPLETE
                and (found := outcome_of(trial))
                and trial.user_attrs["scored"]["key"]
            ):
                self._known.setdefault(trial.user_attrs["scored"]["key"], found)
        unfinished = (trial.number for trial in trials[self._read :] if not trial.state.is_finished())
        self._read = next(unfinished, len(trials))


def search(
    spec: Spec,
    evaluator: Evaluator,
    sessions: tuple[str, ...],
    trials: int,
    told: Callable[[int], None] = lambda _: None,
) -> FrozenTrial:
    """A study in memory over some of the sessions; its best trial. ``told`` is given how many trials are finished."""
    study = create(spec, optuna.storages.InMemoryStorage())
    objective = Objective(spec, evaluator, sessions)
    while len(finished(study)) < trials:
        study.optimize(objective, n_trials=1)
        told(len(finished(study)))
        if spec.sampler == "grid" and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            break
    return best(study, spec.goal)
