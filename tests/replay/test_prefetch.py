"""Helpers: they change who runs the models and when, and nothing that a replay says."""

import os
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store, default_folder
from workbench.config import Config, override
from workbench.replay.engine import cost_source, replay
from workbench.replay.prefetch import Prefetcher, hear, helpers, load_stack
from workbench.runs import open_labelled
from workbench.sessions.labels import Label
from workbench.sessions.session import open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.simulation.step_costs import Profile
from workbench.stacks import make_stack
from workbench.trace_file import trace_digest
from workbench.units import SAMPLE_RATE

from ..conftest import MakeSession

DEMO = Path(__file__).parents[2] / "recordings"
SCRIPTED = override(Config(), {"stack.name": "scripted"})


class Task(NamedTuple):
    """Arguments of :func:`workbench.replay.prefetch.hear`."""

    folder: Path
    labels: tuple[Label, ...]
    config: Config
    profile: Profile | None


@pytest.fixture
def tasks(make_session: MakeSession) -> list[Task]:
    """Four sessions of one question each."""
    found = []
    for number in range(4):
        spoken = [(1.0, 2.4, "speech", 1, f"what is the time {'now ' * number}")]
        session, labels = make_session(spoken, 8.0, name=f"s{number}", seed=number)
        found.append(Task(session.folder, labels, SCRIPTED, make_stack(SCRIPTED).profile))
    return found


def trace(task: Task, store: Store, stages=None) -> str:
    session, labels = open_labelled(task.folder)
    stages = stages or make_stack(task.config).stages(labels)
    costs = cost_source(knobs_of(task.config), task.profile, session.name)
    return trace_digest(replay(session, stages, knobs_of(task.config), costs, store).trace)


def until(what) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def silenced(task: Task):
    """The stages, but none may be asked."""
    stages = make_stack(task.config).stages(task.labels)

    def forbidden(*_args, **_options):
        raise AssertionError("the cache should have known")

    for stage, name in ((stages.stt, "open"), (stages.tts, "synthesize")):
        setattr(stage, name, forbidden)
    return stages


def helped(store: Store, most: int, patience: float = 0.0, config: Config = SCRIPTED) -> Prefetcher:
    return Prefetcher(partial(load_stack, config), store, most, patience)


def heard(turns, tasks: list[Task]) -> bool:
    """Whether every task but the first was done by helpers."""
    jobs = turns.gi_frame.f_locals["jobs"]
    return len(jobs) == len(tasks) - 1 and all(job.done() for job in jobs.values())


def test_what_a_helper_heard_is_in_the_cache(tasks: list[Task]) -> None:
    """The traces are the same, and no stage is asked again here."""
    alone = [trace(task, Store(None)) for task in tasks]
    store = Store(default_folder())
    with helped(store, 1) as ahead:
        turns = ahead.tasks_in_order(hear, tasks)
        next(turns)
        found = [trace(tasks[0], store)]
        until(lambda: heard(turns, tasks))
        found += [trace(tasks[number], store, silenced(tasks[number])) for number in turns]
    assert found == alone
    assert ahead.pool.pids == []


def test_work_that_is_soon_done_starts_no_process(tasks: list[Task]) -> None:
    with helped(Store(default_folder()), 1, patience=60) as ahead:
        assert list(ahead.tasks_in_order(hear, tasks)) == [0, 1, 2, 3]
        assert ahead.pool.pids == []


def test_a_cache_in_memory_cannot_be_shared(tasks: list[Task]) -> None:
    with helped(Store(None), 3) as ahead:
        for _ in ahead.tasks_in_order(hear, tasks):
            time.sleep(0.05)
        assert ahead.pool.pids == []


def test_a_task_that_fails_there_is_left_to_the_replay_here(tasks: list[Task], tmp_path: Path) -> None:
    """And the helper goes on with the others."""
    wrong = [*tasks, tasks[0]._replace(folder=tmp_path / "gone")]
    with helped(Store(default_folder()), 1) as ahead:
        turns = ahead.tasks_in_order(hear, wrong)
        next(turns)
        until(lambda: heard(turns, wrong))
        assert list(turns) == [1, 2, 3, 4]
        assert len(ahead.pool.pids) == 1


def test_a_killed_helper_is_done_without(tasks: list[Task]) -> None:
    alone = [trace(task, Store(None)) for task in tasks]
    store = Store(default_folder())
    found = []
    with helped(store, 2) as ahead:
        for number in ahead.tasks_in_order(hear, tasks):
            if number == 0:
                until(lambda: len(ahead.pool.pids) == 2)
                for pid in ahead.pool.pids:
                    os.kill(pid, 9)
            found.append(trace(tasks[number], store))
    assert found == alone


def test_interrupted_it_leaves_no_process(tasks: list[Task]) -> None:
    """And a cache that works."""
    store = Store(default_folder())
    ahead = helped(store, 1)

    def work() -> None:
        with ahead:
            for _ in ahead.tasks_in_order(hear, tasks):
                until(lambda: ahead.pool.pids)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert ahead.pool.pids == []
    assert [trace(task, store) for task in tasks] == [trace(task, Store(None)) for task in tasks]


def test_measured_costs_are_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody disturbs them."""
    monkeypatch.setattr("workbench.replay.prefetch.cores", lambda: 2)
    stack = make_stack(SCRIPTED)
    assert helpers(stack, SCRIPTED) == 1
    assert helpers(stack, override(SCRIPTED, {"step_costs.source": "measured"})) == 0


def test_nano_in_a_helper_says_what_it_says_here(tmp_path: Path) -> None:
    """Real models: a word of a demo session, heard and answered there; here the replay finds all of it in the cache."""
    config = override(Config(), {"step_costs.source": "fixed"})
    demo = open_session(DEMO / "barge-in-short")
    (tmp_path / "word").mkdir()
    write_track(tmp_path / "word" / "mic.flac", iter([demo.read(round(6.4 * SAMPLE_RATE), round(10 * SAMPLE_RATE))]))
    session = write_manifest(tmp_path / "word", tracks={"mic": "mic.flac"})
    task = Task(session.folder, (), config, None)
    store = Store(default_folder())
    with helped(store, 1, config=config) as ahead:
        turns = ahead.tasks_in_order(hear, [task, task])
        next(turns)
        until(lambda: heard(turns, [task, task]))
        found = trace(task, store, silenced(task))
    assert found == trace(task, Store(None))
    assert store.usage().entries >= 4  # what was heard, thought and spoken, and how it sounds
