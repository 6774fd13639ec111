"""A trial is one worker's: on every storage, also when several reach for it at once or one has slept too long."""

import json
import threading

import optuna
import pytest
from optuna.trial import TrialState

from workbench.errors import WorkbenchError
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
    leaves = iter([True, True, True, False])

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
    assert ran == [0, 1, 2]
    assert len(told) == 2
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_a_trial_that_an_error_breaks_off_is_queued_again(url):
    study = queued(url, 2)

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_int("x", 0, 2) == 0 and trial.number == 0:
            raise ZeroDivisionError
        return 0.0

    with pytest.raises(ZeroDivisionError):
        run_trials(study, objective, lambda: True, lambda: None)
    leaves = iter([True, True, False])
    run_trials(study, objective, lambda: next(leaves), lambda: None)
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert [trial.params["x"] for trial in study.get_trials()] == [0, 1, 0]


@pytest.mark.parametrize("torn", [b"{", b'{"op_code":4,"wor', b'{"op_code":4,"worker_id":"' + 9000 * b"x"])
def test_a_torn_journal_is_mended(tmp_path, torn):
    path = tmp_path / "trials.journal"
    queued(f"journal:{path}", 3)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    study = optuna.load_study(study_name="queue", storage=open_storage(f"journal:{path}"))
    assert study.ask().number == 0
    lines = path.read_bytes()
    assert lines.startswith(whole)
    assert [json.loads(line)["op_code"] for line in lines.removeprefix(whole).splitlines()] == [6]


def test_a_journal_that_was_torn_at_its_first_line_is_begun_anew(tmp_path):
    (tmp_path / "trials.journal").write_bytes(b'{"op')
    assert len(queued(f"journal:{tmp_path}/trials.journal", 2).trials) == 2


@pytest.mark.parametrize("text", ["one line", "two\nlines\n", "[1]\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, text):
    (tmp_path / "notes").write_text(text)
    with pytest.raises(WorkbenchError, match="not a journal of studies"):
        open_storage(f"journal:{tmp_path}/notes")
    assert (tmp_path / "notes").read_text() == text
