"""Helpers: they change who runs the models and when, and nothing that a replay says."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store, default_folder
from workbench.config import Config, override
from workbench.replay.engine import cost_source, replay
from workbench.replay.prefetch import Prefetcher, Task, helpers
from workbench.runs import open_labelled
from workbench.sessions.session import open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.stacks import make_stack
from workbench.units import SAMPLE_RATE

from ..conftest import MakeSession

DEMO = Path(__file__).parents[2] / "recordings"
SCRIPTED = override(Config(), {"stack.name": "scripted"})


@pytest.fixture
def tasks(make_session: MakeSession) -> list[Task]:
    """Four sessions of one question each."""
    found = []
    for number in range(4):
        spoken = [(1.0, 2.4, "speech", 1, f"what is the time {'now ' * number}")]
        session, labels = make_session(spoken, 8.0, name=f"s{number}", seed=number)
        found.append(Task(session.folder, labels, SCRIPTED, SCRIPTED, make_stack(SCRIPTED).profile))
    return found


def trace(task: Task, store: Store, stages=None) -> str:
    session, labels = open_labelled(task.folder)
    stages = stages or make_stack(task.stack).stages(labels)
    costs = cost_source(knobs_of(task.config), task.profile, session.name)
    return replay(session, stages, knobs_of(task.config), costs, store).trace.digest


def until(what) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def silenced(task: Task):
    """The stages, but none may be asked."""
    stages = make_stack(task.stack).stages(task.labels)

    def forbidden(*_args, **_options):
        raise AssertionError("the store should have known")

    for stage, name in ((stages.stt, "open"), (stages.tts, "synthesize")):
        setattr(stage, name, forbidden)
    return stages


def states(ahead: Prefetcher, count: int) -> list[bool]:
    return [helper.process.is_alive() for helper in ahead._helpers][:count]


def test_what_a_helper_did_is_in_the_store_and_the_trace_is_the_same(tasks: list[Task]) -> None:
    alone = [trace(task, Store(None)) for task in tasks]
    store = Store(default_folder())
    found = []
    with Prefetcher(store, 1, patience=0) as ahead:
        turns = ahead.in_turn(tasks)
        next(turns)
        found.append(trace(tasks[0], store))
        batch = turns.gi_frame.f_locals["batch"]
        until(lambda: not batch.free() and "there" not in batch._states)
        found += [trace(tasks[number], store, silenced(tasks[number])) for number in turns]
    assert found == alone
    assert states(ahead, 1) == [False]


def test_work_that_is_soon_done_starts_no_process(tasks: list[Task]) -> None:
    with Prefetcher(Store(default_folder()), 1) as ahead:
        assert list(ahead.in_turn(tasks)) == [0, 1, 2, 3]
        assert not ahead._helpers


def test_a_store_in_memory_cannot_be_shared(tasks: list[Task]) -> None:
    with Prefetcher(Store(None), 3, patience=0) as ahead:
        for _ in ahead.in_turn(tasks):
            time.sleep(0.05)
        assert not ahead._helpers


def test_helpers_stay_for_the_next_batch(tasks: list[Task]) -> None:
    with Prefetcher(Store(default_folder()), 1, patience=0) as ahead:
        for _ in range(2):
            for number in ahead.in_turn(tasks):
                if number == 0:
                    until(lambda: ahead._helpers)
        assert len(ahead._helpers) == 1
        assert states(ahead, 1) == [True]


def test_a_task_that_fails_there_is_left_to_the_replay_here(tasks: list[Task], tmp_path: Path) -> None:
    """And the helper goes on with the others."""
    wrong = [*tasks, replace(tasks[0], folder=tmp_path / "gone")]
    with Prefetcher(Store(default_folder()), 1, patience=0) as ahead:
        turns = ahead.in_turn(wrong)
        next(turns)
        batch = turns.gi_frame.f_locals["batch"]
        until(lambda: batch._states[1:] == ["done"] * 4)
        assert states(ahead, 1) == [True]
        assert list(turns) == [1, 2, 3, 4]


def test_a_killed_helper_is_done_without(tasks: list[Task]) -> None:
    alone = [trace(task, Store(None)) for task in tasks]
    store = Store(default_folder())
    found = []
    with Prefetcher(store, 2, patience=0) as ahead:
        for number in ahead.in_turn(tasks):
            if number == 0:
                until(lambda: len(ahead._helpers) == 2)
                for helper in ahead._helpers:
                    os.kill(helper.process.pid, 9)
            found.append(trace(tasks[number], store))
    assert found == alone


def test_interrupted_it_leaves_no_process_and_a_store_that_works(tasks: list[Task]) -> None:
    store = Store(default_folder())
    ahead = Prefetcher(store, 1, patience=0)

    def work() -> None:
        with ahead:
            for _ in ahead.in_turn(tasks):
                until(lambda: ahead._helpers)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert states(ahead, 1) == [False]
    assert [trace(task, store) for task in tasks] == [trace(task, Store(None)) for task in tasks]


def test_a_helper_does_not_answer_to_ctrl_c(tasks: list[Task]) -> None:
    """It goes to all processes of a terminal, from the moment they start on; only this one says a word about it."""
    with Prefetcher(Store(default_folder()), 1, patience=0) as ahead:
        turns = ahead.in_turn(tasks)
        next(turns)
        batch = turns.gi_frame.f_locals["batch"]
        until(lambda: ahead._helpers)
        while batch.free():
            os.kill(ahead._helpers[0].process.pid, signal.SIGINT)
            time.sleep(0.05)
        assert list(turns) == [1, 2, 3]
        assert states(ahead, 1) == [True]


def test_measured_costs_are_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody disturbs them."""
    monkeypatch.setattr("workbench.replay.prefetch.cores", lambda: 2)
    stack = make_stack(SCRIPTED)
    assert helpers(stack, SCRIPTED) == 1
    assert helpers(stack, override(SCRIPTED, {"step_costs.source": "measured"})) == 0


def test_nano_in_a_helper_says_what_it_says_here(tmp_path: Path) -> None:
    """Real models: a word of a demo session, heard and answered there; here the replay finds all of it in the store."""
    config = override(Config(), {"step_costs.source": "fixed"})
    demo = open_session(DEMO / "barge-in-short")
    (tmp_path / "word").mkdir()
    write_track(tmp_path / "word" / "mic.flac", iter([demo.read(round(6.4 * SAMPLE_RATE), round(10 * SAMPLE_RATE))]))
    session = write_manifest(tmp_path / "word", tracks={"mic": "mic.flac"})
    task = Task(session.folder, (), config, config, None)
    store = Store(default_folder())
    with Prefetcher(store, 1, patience=0) as ahead:
        turns = ahead.in_turn([task, task])
        next(turns)
        batch = turns.gi_frame.f_locals["batch"]
        until(lambda: batch._states[1] == "done")
        found = trace(task, store, silenced(task))
    assert found == trace(task, Store(None))
    assert store.usage().entries >= 4  # what was heard, thought and spoken, and how it sounds
