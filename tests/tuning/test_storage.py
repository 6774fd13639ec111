"""A trial is one worker's: on every storage, also when several reach for it at once or one has slept too long."""

import threading

import optuna
import pytest
from optuna.trial import TrialState

from workbench.tuning.storage import open_storage
from workbench.tuning.study import run_trials

QUEUED = 40


@pytest.fixture(params=["memory:", "journal:{}/trials.journal", "sqlite:///{}/trials.db"])
def url(request, tmp_path):
    return request.param.format(tmp_path)


def queued(url: str, trials: int) -> optuna.Study:
    study = optuna.create_study(study_name="queue", storage=open_storage(url))
    for number in range(trials):
        study.enqueue_trial({"x": number})
    return study


def test_a_queued_trial_is_taken_once(url):
    study = queued(url, QUEUED)
    # As behind a proxy: many threads, one storage. Without the lock about one in four is taken twice on SQLite.
    left = threading.Semaphore(QUEUED)
    ran = []

    def objective(trial: optuna.Trial) -> float:
        ran.append(trial.suggest_int("x", 0, QUEUED))
        return 0.0

    def work() -> None:
        run_trials(study, objective, lambda: left.acquire(blocking=False), lambda: None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == list(range(QUEUED))
    assert [trial.state for trial in study.get_trials()] == [TrialState.COMPLETE] * QUEUED


@pytest.mark.parametrize("noticed", [True, False])
def test_a_trial_that_became_anothers_is_left_to_it(url, noticed):
    study = queued(url, 3)
    ran, told = [], []
    leaves = iter([True, True, False])

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_int("x", 0, 3)
        ran.append(value)
        if value == 0:
            # This worker slept; another has given its trial up, and written it down.
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            if noticed:
                trial.set_user_attr("scored", {})
        return float(value)

    run_trials(study, objective, lambda: next(leaves), lambda: told.append(True))
    # It had leave for two trials, and finished two.
    assert ran == [0, 1, 2]
    assert len(told) == 2
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
