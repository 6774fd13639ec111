"""The front between answering fast and waiting patiently: five named points that nothing beats."""

import itertools
import json

import optuna
import pytest
from made_sessions import REPOSITORY

from workbench.cache import Store
from workbench.config import load, override
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.front import NAMES, WEIGHED, find_front
from workbench.tuning.objective import LOSS, Goal
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.search import Objective, run_trials
from workbench.tuning.space import parse
from workbench.tuning.study import create, finished, outcome_of
from workbench.tuning.sweep import axis, sweep
from workbench.units import FRAME_MS

SPACE = {
    "assistant": {
        "stt_silence_threshold": {"type": "float", "low": 0.004, "high": 0.04, "log": True},
        "stt_silence_ms": {"type": "frames", "low": 160, "high": 1200},
    }
}


@pytest.fixture
def study(recordings, here):
    """Twelve trials on two sessions, and the sweep of the silence from today's config."""
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    space = parse(SPACE, "t")
    spec = plan("front", recordings[:2], baseline, space, Goal((LOSS,), {}), SearchOptions(trials=12))
    evaluator = Evaluator(recordings[:2], baseline, Store(None))
    made = create(spec, optuna.storages.InMemoryStorage())
    run_trials(made, spec, Objective(spec, evaluator, spec.tuning))
    swept = sweep(evaluator, baseline, spec.tuning, [axis("stt_silence_ms", baseline, space)])
    return made, spec, evaluator, swept


def test_no_trial_and_no_sweep_beats_a_point(study):
    made, spec, _, swept = study
    found = find_front(made, spec, [({}, swept)])
    assert found.scores == WEIGHED
    assert [point.name for point in found.points] == list(NAMES[len(found.points)])
    tried = [outcome_of(trial).scores for trial in finished(made)] + [point.scores for point in swept.points]
    values = [tuple(scores[key] for key in WEIGHED) for scores in tried if scores["turns_answered_n"]]
    for point in found.points:
        wait, cuts = point.values
        assert not [other for other in values if other[0] < wait - FRAME_MS / 2 and other[1] <= cuts]
        assert not [other for other in values if other[0] <= wait - FRAME_MS / 2 and other[1] < cuts]
    for a, b in itertools.pairwise(found.points):
        assert a.values[0] < b.values[0]
        assert a.values[1] > b.values[1]


def test_a_points_settings_give_its_values(study):
    made, spec, evaluator, swept = study
    for point in find_front(made, spec, [({}, swept)]).points:
        scores = evaluator.summary(override(spec.config, dict(point.settings)), spec.tuning).scores
        assert tuple(scores[key] for key in WEIGHED) == point.values
        assert all(value != getattr(spec.config.assistant, name) for name, value in point.settings.items())


def test_at_most_five_points_from_the_fastest_to_the_most_patient(study):
    made, spec, _, swept = study
    found = find_front(made, spec, [({}, swept)])
    assert 2 <= len(found.points) <= 5
    assert (found.points[0].name, found.points[-1].name) == ("fastest", "most patient")
    assert json.dumps([point.values for point in found.points])  # plain numbers


def test_several_objectives_are_their_own_front(recordings, here):
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    goal, options = Goal((LOSS, "cutin_per_hold"), {}), SearchOptions(sampler="nsga2", trials=12)
    spec = plan("two", recordings[:1], baseline, parse(SPACE, "t"), goal, options)
    made = create(spec, optuna.storages.InMemoryStorage())
    run_trials(made, spec, Objective(spec, Evaluator(recordings[:1], baseline, Store(None)), spec.tuning))
    found = find_front(made, spec, [])
    assert found.scores == (LOSS, "cutin_per_hold")
    assert [point.values for point in found.points] == sorted({tuple(trial.values) for trial in made.best_trials})
