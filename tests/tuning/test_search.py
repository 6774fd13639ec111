"""What is asked for is looked at before anything is made; what is stopped goes on."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click
import optuna
import pytest
import tomli_w
from click.testing import CliRunner
from made_sessions import REPOSITORY

from workbench.cache import Store
from workbench.cli import cli
from workbench.config import load
from workbench.errors import WorkbenchError
from workbench.metrics.budget import check_limits, read_budget
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.interrupts import Patience
from workbench.tuning.objective import Goal
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.search import Objective, run_trials
from workbench.tuning.space import GRID, parse, read_space
from workbench.tuning.storage import open_storage
from workbench.tuning.study import create, finished
from workbench.tuning.study import load as load_study

SMALL = {
    "assistant": {
        "stt_silence_threshold": {"type": "float", "low": 0.004, "high": 0.04, "log": True, "points": 2},
        "stt_silence_ms": {"type": "frames", "low": 640, "high": 800},
    }
}
WHERE = [
    *("--config", str(REPOSITORY / "configs/baseline.toml")),
    *("--budget", str(REPOSITORY / "configs/budget.toml")),
    *("--stack", "scripted", "--no-page"),
]
SHIPPED = ("--space", str(REPOSITORY / "configs/space.toml"))
URL = "journal:studies/one/journal.log"


def run(*arguments: str):
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


@pytest.fixture
def small(here):
    """Six points; the baseline, 700 ms at 0.01, is between them."""
    (here / "space.toml").write_text(tomli_w.dumps(SMALL))
    return here


def tuned(session: Path, *arguments: str):
    return run("tune", str(session), "--name", "one", "--space", "space.toml", *WHERE, *arguments)


def spec_of(session: Path, **options):
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    return plan(
        "one", [session], baseline, parse(SMALL, "t"), Goal(("voice_to_voice_ms_p95",), {}), SearchOptions(**options)
    )


def refused(says: str, *arguments: str) -> str:
    """A command is refused in one line, and nothing is there afterwards that was not there before."""
    before = sorted(Path().rglob("*"))
    with pytest.raises(WorkbenchError, match=says) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)
    assert sorted(Path().rglob("*")) == before
    return str(caught.value)


def test_a_grid_that_nobody_would_wait_for_is_refused(here, recordings):
    arguments = ["tune", str(recordings[0]), "--name", "one", *WHERE, *SHIPPED, "--sampler", "grid"]
    said = refused(r"the space has 50,862,240 points, at most 5,000 are taken", *arguments)
    assert "stt_silence_ms 19, stt_silence_threshold 13, tts_prebuffer_frames 13" in said
    refused("--trials: a grid has a trial for each of its points", *arguments, "--trials", "3")


@pytest.mark.parametrize("points", [2, 7, 10**12])
def test_points_are_counted_without_making_them(points):
    space = parse(
        {"assistant": {"stt_silence_threshold": {"type": "float", "low": 0, "high": 1, "points": points}}}, ""
    )
    assert space.size() == points
    if points > GRID:
        with pytest.raises(WorkbenchError, match="stt_silence_threshold 1000000000000"):
            space.check_grid()
    else:
        space.check_grid()
        assert len(space.parameters[0].grid()) == points


def test_of_every_type_as_many_values_are_counted_as_are_tried():
    shipped = read_space(REPOSITORY / "configs/space.toml")
    assert {item.type for item in shipped.parameters} == {"float", "int", "frames", "categorical"}
    assert all(item.count == len(item.grid()) for item in shipped.parameters)


WRONG = {
    "no keys": (["--keep-keys-from", "none.json"], "none.json: no such file"),
    "keys": (["--keep-keys-from", "bad.json"], "bad.json: unknown key 'stt_silense_ms'"),
    "prune": (["--prune"], "a test needs 8"),
    "prune a front": (["--prune", "--objective", "wer", "--objective", "cutin_per_hold"], "with several objectives"),
    "no address": (["--dask", "tcp://127.0.0.1:notaport"], "must be tcp://HOST:PORT"),
    "no port": (["--dask", "nonsense"], "must be tcp://HOST:PORT"),
    "no journal": (["--storage", "journal:/"], "cannot be opened .Is a directory."),
    "no storage": (["--storage", ""], "must be journal:PATH"),
    "in memory": (["--storage", "sqlite://"], "ends with its process"),
    "proxy": (["--storage", "grpc://localhost:13000"], "must be journal:PATH or a database URL"),
    "off the steps": (["--set", "tts_chunk_chars=170", "--space", "steps.toml"], "no step of 50 from 80 reaches"),
    "resume": (["--resume"], "no such study"),
    "resume elsewhere": (["--resume", "--storage", "journal:TYPO"], "storage journal:TYPO: no such file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_before_anything_is_made(small, recordings, case):
    arguments, says = WRONG[case]
    (small / "bad.json").write_text('{"stt_silense_ms": 3}')
    (small / "steps.toml").write_text(
        "[assistant]\ntts_chunk_chars = {type = 'int', low = 80, high = 280, step = 50}\n"
    )
    refused(says, "tune", str(recordings[0]), "--name", "one", "--space", "space.toml", *WHERE, *arguments)


def test_a_resumed_study_reads_moshi_json_first_too(small, recordings):
    tuned(recordings[0], "--trials", "2")
    refused("none.json: no such file", "tune", "--name", "one", "--resume", "--keep-keys-from", "none.json")


def test_sessions_of_one_name_are_refused(small, recordings):
    first = str(recordings[0])
    arguments = ["--name", "one", "--space", "space.toml", *WHERE]
    shutil.copytree(recordings[0], small / "other/s0")
    refused("s0 and .*other/s0: two sessions have the name 's0'", "tune", first, "other/s0", *arguments)


CHANGES = {
    "seed": (["--seed", "4"], "--seed 4: study 'one' was made with seed 0"),
    "sampler": (["--sampler", "nsga2"], "--sampler nsga2: study 'one' was made with sampler tpe"),
    "stack": (["--stack", "nano"], "--stack: study 'one' was made with stack.name = 'scripted', not 'nano'"),
    "listener": (["--listener", "mlx-harmony"], "--listener: .* was made with workbench.listener = 'workbench'"),
    "set": (["--set", "barge_in=false"], "--set: .* was made with assistant.barge_in = true, not false"),
    "config": (["--config", "own.toml"], "--config: .* was made with stack.name = 'scripted', not 'nano'"),
    "space": (["--space", str(REPOSITORY / "configs/quick.toml")], "quick.toml: .* was made with another space"),
    "budget": (["--budget", "own.toml"], "unknown key|must|budget"),
    "prune": (["--prune"], "--prune: study 'one' was made without it"),
    "objective": (["--objective", "wer"], "--objective: .* was made with loss_s_per_turn"),
    "trials": (["--trials", "0"], "--trials is 0"),
    "session": (["{other}"], "was made with session 's0'"),
}


@pytest.fixture
def made(small, recordings):
    """A study of one session and two trials."""
    assert tuned(recordings[0], "--trials", "2").return_value in (0, 1)
    (small / "own.toml").write_text("[assistant]\nbarge_in = true\n")
    return small


def test_resumed_with_what_would_change_it_a_study_is_left_alone(made, recordings):
    kept = {path: path.read_bytes() for path in Path("studies/one").iterdir()}
    for arguments, says in CHANGES.values():
        refused(says, "tune", "--name", "one", "--resume", *(item.format(other=recordings[1]) for item in arguments))
    assert {path: path.read_bytes() for path in Path("studies/one").iterdir()} == kept


def test_resumed_with_what_it_was_made_with_a_study_goes_on(made, recordings):
    same = ["--seed", "0", "--sampler", "tpe", "--objective", "loss_s_per_turn", "--set", "barge_in=true"]
    tuned(recordings[0], "--resume", *same, "--trials", "3")
    run("tune", str(recordings[0]), "--name", "one", "--resume", "--trials", "4")
    run("tune", "--name", "one", "--resume", "--stack", "scripted", "--trials", "5")
    assert len(finished(load_study("one", open_storage(URL))[0])) == 5


def test_resumed_by_its_journal_alone(made):
    Path("studies/one/study.toml").unlink()
    run("tune", "--name", "one", "--resume", "--trials", "3")
    assert json.loads(run("studies", "--json").stdout)[0]["trials"] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["studies", "--storage", "journal:TYPO"],
        ["studies", "--storage", "sqlite:///TYPO"],
        ["dashboard", "one", "--storage", "journal:TYPO"],
        ["tune", "--name", "one", "--resume", "--storage", "journal:TYPO"],
    ],
    ids=" ".join,
)
def test_a_storage_that_is_not_there_is_named_and_not_made(here, arguments):
    refused("TYPO: no such file", *arguments)


def test_another_file_is_no_journal(here):
    (here / "text").write_text("Dear diary\nnothing happened\n")
    refused("not a journal of studies, or damaged", "studies", "--storage", "journal:text")
    assert (here / "text").read_text() == "Dear diary\nnothing happened\n"


def test_a_study_kept_elsewhere_is_not_begun_here(here, recordings):
    spec = spec_of(recordings[0])
    spec.write()
    create(spec, open_storage("sqlite:///elsewhere.db"))
    listed = run("studies")
    assert "its trials are not in this folder; name their storage with --storage" in listed.stderr
    assert not (here / "studies/one/journal.log").exists()
    assert json.loads(run("studies", "--json", "--storage", "sqlite:///elsewhere.db").stdout)[0]["name"] == "one"
    with closing(sqlite3.connect("elsewhere.db")) as database:
        assert database.execute("select count(*) from studies").fetchone() == (1,)


def test_the_list_says_what_is_over_budget_and_what_was_written(made):
    row = json.loads(run("studies", "--json").stdout)[0]
    told = json.loads(Path("studies/one/result.json").read_text())
    assert (row["tuned"], row["tuned_feasible"]) == (told["values"][0], told["feasible"])
    assert not row["feasible"]
    study, spec = load_study("one", open_storage(URL))
    assert spec.budget == read_budget(REPOSITORY / "configs/budget.toml")
    text = run("studies").stdout
    assert f"{row['value']:.6g}, over budget (trial {row['trial']})" in text
    assert f"{row['tuned']:.6g}, over budget" in text
    told |= {"values": [1234.5], "feasible": True}
    Path("studies/one/result.json").write_text(json.dumps(told))
    text = run("studies").stdout
    assert "  1234.5  " in text
    Path("studies/one/result.json").unlink()
    assert json.loads(run("studies", "--json").stdout)[0]["tuned"] is None
    assert len(finished(study)) == 2


def test_the_dashboard_names_a_port_that_it_cannot_have(made):
    pytest.importorskip("optuna_dashboard")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        refused(rf"cannot listen on 127.0.0.1:{port} \(.*in use.*\)", "dashboard", "one", "--port", port)
    refused(r"cannot listen on no\.such\.host\.invalid", "dashboard", "one", "--host", "no.such.host.invalid")
    done = CliRunner().invoke(cli, ["dashboard", "one", "--port", "99999999"])
    assert done.exit_code == 2
    assert "99999999 is not in the range 1<=x<=65535" in done.stderr


# The assistant's own file as the baseline


def test_the_users_own_settings_are_a_baseline(small, recordings):
    own = {
        "enabled": True,
        "stt_silence_ms": 640,
        "stt_silence_threshold": 0.02,
        "barge_in": True,
        "tts_model_path": "models/tts",
        "tts_voice_path": None,
        "quantize": 8,
    }
    (small / "moshi.json").write_text(json.dumps(own))
    tuned(recordings[0], "--trials", "2", "--config", "moshi.json")
    study, spec = load_study("one", open_storage(URL))
    assert study.trials[0].params == {"stt_silence_threshold": 0.02, "stt_silence_ms": 640}
    assert (spec.config.assistant.barge_in, spec.config.assistant.tts_voice_path) == (True, "")
    assert spec.config.assistant.stt_min_speech_ms == 200  # MLX-Harmony's default
    written = json.loads(Path("configs/one/moshi.json").read_text())
    assert {key: written[key] for key in ("enabled", "tts_model_path", "tts_voice_path", "quantize")} == {
        "enabled": True,
        "tts_model_path": "models/tts",
        "tts_voice_path": None,
        "quantize": 8,
    }
    tuned(recordings[0], "--resume", "--trials", "3", "--config", "moshi.json")
    run("replay", str(recordings[0]), "--config", "moshi.json", "--stack", "scripted", "--out", "today")
    assert json.loads(Path("today/run.json").read_text())["config"]["assistant"]["stt_silence_ms"] == 640


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"stt_silense_ms": 640}', "own.json: unknown key 'stt_silense_ms'"),
        ('{"stt_silence_ms": "640"}', "own.json: stt_silence_ms is '640', must be int"),
        ('{"stt_silence_ms": -3}', "own.json: stt_silence_ms is -3, must be from 0 to 10000"),
        ('{"stt_silence_ms": null}', "own.json: stt_silence_ms is None"),
        ("[1]", "own.json: must hold a JSON object"),
        ("{", "own.json: not valid JSON"),
        ('{"stt_silence": false, "stt_vad": false}', "set one to true"),
    ],
)
def test_the_users_own_settings_are_looked_at(here, recordings, text, says):
    (here / "own.json").write_text(text)
    refused(says, "replay", str(recordings[0]), "--config", "own.json")


# What is there already


def test_a_study_that_is_only_a_name_is_begun(small, recordings):
    """Killed between making the study and writing down what it is."""
    optuna.create_study(study_name="one", storage=open_storage(URL))
    with pytest.raises(WorkbenchError, match="was broken off before it began; leave --resume out"):
        run("tune", "--name", "one", "--resume", "--storage", URL)
    tuned(recordings[0], "--trials", "2")
    assert len(finished(load_study("one", open_storage(URL))[0])) == 2


def test_a_study_kept_elsewhere_is_not_written_over(small, recordings):
    tuned(recordings[0], "--trials", "2", "--storage", "journal:elsewhere.log")
    arguments = ("tune", str(recordings[1]), "--name", "one", "--space", "space.toml", *WHERE)
    refused("whose trials are elsewhere", *arguments)


@pytest.mark.parametrize("change", ["labels", "echo"])
def test_a_study_is_not_resumed_on_other_labels(small, recordings, change):
    session = Path("own")
    shutil.copytree(recordings[0], session)
    tuned(session, "--trials", "2")
    if change == "labels":
        lines = (session / "labels.csv").read_text().splitlines()
        (session / "labels.csv").write_text("\n".join(lines[:-1]) + "\n")
    else:
        manifest = json.loads((session / "session.json").read_text()) | {"echo": {"taps": [[20.0, -30.0]]}}
        (session / "session.json").write_text(json.dumps(manifest))
    says = "own: its labels, echo path or agent track are not those that the study was made with"
    for sessions in ((), ("own",)):
        with pytest.raises(WorkbenchError, match=says):
            run("tune", *sessions, "--name", "one", "--resume", "--trials", "3")


def test_fewer_trials_than_there_are_is_no_fewer(small, recordings):
    tuned(recordings[0], "--trials", "4")
    run("tune", "--name", "one", "--resume", "--trials", "2")
    assert json.loads(run("studies", "--json").stdout)[0]["wanted"] == 4


@pytest.mark.parametrize("limit", [float("inf"), float("nan"), 10**400, True, "0.1"])
def test_a_limit_is_a_finite_number(limit):
    with pytest.raises(WorkbenchError, match=r"here: wer is .{1,20}, must be a number"):
        check_limits({"wer": limit}, "here")


def test_with_prune_a_known_setting_reports_its_sessions_too(recordings):
    """It may be the best trial, whose sessions the others' are compared with."""
    spec = replace(spec_of(recordings[0], trials=2), prune=True)
    objective = Objective(spec, Evaluator(recordings[:1], spec.config, Store(None)), spec.tuning)
    study = optuna.create_study()
    for _ in range(2):
        study.enqueue_trial(spec.space.point(spec.config))
    run_trials(study, spec, objective)
    assert [list(trial.intermediate_values) for trial in study.trials] == [[0], [0]]


@pytest.mark.parametrize("options", [("--seed", "-1"), ("--seed", str(2**32)), ("--workers", "two")])
def test_numbers_out_of_range_are_named(small, recordings, options):
    with pytest.raises(click.BadParameter, match=options[1]):
        tuned(recordings[0], *options)


@pytest.mark.parametrize("place", ["studies", "configs", "studies/one", "configs/one"])
def test_a_file_where_a_folder_must_be_is_one_line(small, recordings, place):
    Path(place).parent.mkdir(exist_ok=True)
    Path(place).write_text("mine")
    arguments = ("tune", str(recordings[0]), "--name", "one", "--space", "space.toml", *WHERE, "--trials", "2")
    done = subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert re.fullmatch(rf"error: {place}.*: (File exists|Not a directory)\n", done.stderr)
    assert Path(place).read_text() == "mine"


# Ctrl-C


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def reached(*, times: int = 1, within: bool = False, before: bool = False) -> list[str]:
    """How far it goes where Ctrl-C comes so many times, in what may be stopped or before it."""
    seen = []

    def go() -> None:
        with Patience() as patience:
            if within:
                with patience.stoppable():
                    interrupt()
                    seen.append("stoppable")
            for _ in range(times):
                interrupt()
            seen.append("books")
            if before:
                with patience.stoppable():
                    seen.append("stoppable")

    with pytest.raises(KeyboardInterrupt):
        go()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return seen


def test_ctrl_c_waits_for_the_books_and_for_nothing_else():
    assert reached() == ["books"]
    assert reached(within=True) == []
    assert reached(before=True) == ["books"]
    assert reached(times=2) == []  # asked twice


def test_a_signal_that_means_something_else_is_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Patience():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


SAMPLERS = ["tpe", "random", "grid", "nsga2"]
STORAGES = ["memory:", "journal:trials.journal", "sqlite:///trials.db"]


class Told:
    """What a search saw: each trial's parameters, values and constraints."""

    def __init__(self, study: optuna.Study) -> None:
        self.trials = [(t.state.name, t.params, t.values, t.constraints, t.intermediate_values) for t in study.trials]


def searched(spec, storage, scorer, stop=None) -> optuna.Study:
    """A study run to its end, or to where ``stop`` raises."""
    if spec.name in optuna.get_all_study_names(storage):
        study = load_study(spec.name, storage)[0]
    else:
        study = create(spec, storage)
    objective = Objective(spec, scorer, spec.tuning)
    if stop is None:
        run_trials(study, spec, objective)
        return study
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, spec, objective, stop)
    return study


class Stopping:
    """An evaluator at whose ``call``-th score Ctrl-C comes."""

    def __init__(self, evaluator: Evaluator, call: int) -> None:
        self._evaluator, self._left = evaluator, call

    def score(self, config, name):
        self._left -= 1
        if self._left == 0:
            signal.raise_signal(signal.SIGINT)
        return self._evaluator.score(config, name)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("url", STORAGES)
def test_a_stopped_search_ends_as_an_undisturbed_one(here, recordings, sampler, url):
    """Ctrl-C comes within a trial, before another, and between two: each is taken up again under its number."""
    spec = replace(spec_of(recordings[0], sampler=sampler, trials=None if sampler == "grid" else 20), in_flight=3)
    evaluator = Evaluator(recordings[:1], spec.config, Store(None))
    whole = Told(searched(spec, optuna.storages.InMemoryStorage(), evaluator)).trials
    assert len(whole) == spec.trials
    storage = open_storage(url)
    searched(spec, storage, Stopping(evaluator, 1), stop=lambda _: None)
    searched(spec, storage, Stopping(evaluator, 3), stop=lambda _: None)
    searched(spec, storage, evaluator, stop=lambda done: signal.raise_signal(signal.SIGINT))
    study = searched(spec, storage, evaluator)
    assert Told(study).trials == whole


def test_a_half_drawn_trial_is_completed(recordings, monkeypatch):
    """The second knob of each of three trials is drawn after a kill, and is what it would have been."""
    spec = replace(spec_of(recordings[0], trials=14), in_flight=4)
    evaluator = Evaluator(recordings[:1], spec.config, Store(None))
    whole = Told(searched(spec, optuna.storages.InMemoryStorage(), evaluator)).trials
    storage = optuna.storages.InMemoryStorage()
    write, written = storage.set_trial_param, []

    def kill(trial_id, name, *value):
        written.append(name)
        if len(written) in (6, 17, 24):
            raise KeyboardInterrupt
        write(trial_id, name, *value)

    monkeypatch.setattr(storage, "set_trial_param", kill)
    for _ in range(3):
        searched(spec, storage, evaluator, stop=lambda _: None)
    study = searched(spec, storage, evaluator)
    assert Told(study).trials == whole


def test_a_trial_is_asked_once_the_one_before_its_window_is_told(recordings):
    """What Optuna knows when it draws a trial is the same for any number of workers."""
    spec = replace(spec_of(recordings[0], sampler="random", trials=12), in_flight=3)
    study = create(spec, optuna.storages.InMemoryStorage())
    seen = []
    objective = Objective(spec, Evaluator(recordings[:1], spec.config, Store(None)), spec.tuning)
    run_trials(study, spec, objective, lambda done: seen.append((done, len(study.trials))))
    assert seen == [(done, min(12, done + 2)) for done in range(1, 13)]


def test_ctrl_c_while_a_trial_is_told_lets_it_be_told(recordings, monkeypatch):
    spec = spec_of(recordings[0], sampler="random", trials=4)
    storage = optuna.storages.InMemoryStorage()
    study = create(spec, storage)
    tell = storage.set_trial_state_values

    def told(number, state, *values):
        if state == optuna.trial.TrialState.COMPLETE:
            interrupt()
        return tell(number, state, *values)

    monkeypatch.setattr(storage, "set_trial_state_values", told)
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, spec, Objective(spec, Evaluator(recordings[:1], spec.config, Store(None)), spec.tuning))
    assert len(finished(study)) == 1


def test_stopped_by_ctrl_c_a_study_says_how_it_goes_on(small, recordings, monkeypatch):
    """A grid, stopped at its third trial: every point is tried in the end, once."""
    from workbench.tuning import evaluator

    scored = evaluator.Evaluator.score
    calls = []

    def score(self, config, name):
        calls.append(name)
        if len(calls) == 4:
            interrupt()
        return scored(self, config, name)

    monkeypatch.setattr(evaluator.Evaluator, "score", score)
    arguments = ["--sampler", "grid"]
    stopped = tuned(recordings[0], *arguments)
    assert (stopped.return_value, stopped.stderr) == (130, "stopped; the same command goes on, with --resume\n")
    assert len(finished(load_study("one", open_storage(URL))[0])) == 2
    result = tuned(recordings[0], *arguments, "--resume", "--json")
    assert json.loads(result.stdout)["trials"] == 7
    study, _ = load_study("one", open_storage(URL))
    assert len({json.dumps(trial.params, sort_keys=True) for trial in finished(study)}) == 7


def test_a_grid_that_was_killed_while_it_was_queued_is_queued_on(small, recordings, monkeypatch):
    enqueue = optuna.Study.enqueue_trial
    queued = []

    def kill(self, params, **options):
        queued.append(params)
        if len(queued) == 3:
            raise KeyboardInterrupt
        enqueue(self, params, **options)

    monkeypatch.setattr(optuna.Study, "enqueue_trial", kill)
    assert tuned(recordings[0], "--sampler", "grid").return_value == 130
    assert not Path("studies/one/study.toml").exists()
    result = run("tune", "--name", "one", "--resume", "--json")
    assert json.loads(result.stdout)["trials"] == 7


def test_stopped_before_there_is_a_study_nothing_is_in_the_way(small, recordings, monkeypatch):
    from workbench.tuning import tune

    def stopped(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tune, "settle", stopped)
        result = tuned(recordings[0], "--trials", "2")
    assert (result.return_value, result.stderr) == (130, "stopped; the same command goes on\n")
    assert not Path("studies").exists()
    with monkeypatch.context() as patch:
        patch.setattr(tune, "_hear_baseline", stopped)
        assert tuned(recordings[0], "--trials", "2").stderr == "stopped; the same command goes on\n"
    assert tuned(recordings[0], "--trials", "2").return_value in (0, 1)
