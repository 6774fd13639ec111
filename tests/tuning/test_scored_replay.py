"""Scores of replays are kept under all that they depend on, and nothing else is ever taken for them."""

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from made_sessions import REPOSITORY

from workbench import cache
from workbench.assistants import knobs_of
from workbench.cache import Store, code_version
from workbench.config import Config, load, override
from workbench.files import read_json, write_text
from workbench.metrics.loss import Prices
from workbench.sessions.labels import read_labels, write_labels
from workbench.sessions.session import open_session
from workbench.simulation.step_costs import Profile
from workbench.tuning import scored_replay
from workbench.tuning.evaluator import Evaluator

BASELINE = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})


@pytest.fixture
def session(here: Path, recordings: list[Path]) -> Path:
    """A session of one's own."""
    return Path(shutil.copytree(recordings[0], here / "one"))


def replayed(session: Path, config: Config = BASELINE, **options: object) -> int:
    """Score a session in a process that knows nothing but the store; how often it was replayed."""
    store = Store(Path("store"))
    evaluator = Evaluator([session], BASELINE, store, **options)
    evaluator.score(config, evaluator.names[0])
    store.close()
    return evaluator.replays


def test_what_was_scored_once_is_not_replayed_again(session):
    store = Store(Path("store"))
    evaluator = Evaluator([session], BASELINE, store)
    scores = evaluator.score(BASELINE, evaluator.names[0])
    store.close()
    again = Evaluator([session], BASELINE, Store(Path("store")))
    assert again.score(BASELINE, again.names[0]) == scores
    assert (again.replays, again.heard) == (0, evaluator.heard)
    assert again.heard > 0


def test_settings_that_act_alike_share_scores(session):
    assert replayed(session, override(BASELINE, {"stt_silence_ms": 700})) == 1
    assert replayed(session, override(BASELINE, {"stt_silence_ms": 720})) == 0
    assert replayed(session, override(BASELINE, {"stt_silence_ms": 640})) == 1


def test_a_silent_gate_is_kept_too(session):
    """No frame is as loud as that, so that the threshold it acts as is infinite."""
    deaf = override(BASELINE, {"stt_silence_threshold": 1.0})
    assert [replayed(session, deaf), replayed(session, deaf)] == [1, 0]


def relabel(session: Path, _: object = None) -> dict[str, object]:
    labels = read_labels(session / "labels.csv", open_session(session).samples)
    write_labels(session / "labels.csv", [replace(labels[0], end=labels[0].end + 240), *labels[1:]])
    return {}


def change_echo(session: Path, _: object) -> dict[str, object]:
    path = session / "session.json"
    write_text(path, json.dumps(read_json(path) | {"echo": {"taps": [[120.0, -30.0]]}}))
    return {}


def change_code(_: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setattr(scored_replay, "code_version", lambda: "another")
    return {}


def change_costs(session: Path, _: object) -> dict[str, object]:
    known = Evaluator([session], BASELINE, Store(None)).profile
    assert known is not None
    return {"profile": Profile({stage: tuple(2 * cost for cost in costs) for stage, costs in known.stages.items()})}


def change_prices(session: Path, _: object) -> dict[str, object]:
    return {"prices": replace(Prices(), cut_in=4.0)}


@pytest.mark.parametrize("change", [relabel, change_echo, change_code, change_costs, change_prices])
def test_any_change_of_what_counts_is_replayed(session, monkeypatch, change):
    assert replayed(session) == 1
    options = change(session, monkeypatch)
    assert replayed(session, BASELINE, **options) == 1
    assert replayed(session, BASELINE, **options) == 0


def test_people_who_react_do_so_by_the_labels_of_now(session):
    reactive = override(BASELINE, {"timing": "reactive"})
    evaluator = Evaluator([session], BASELINE, Store(None))
    item = evaluator.material(evaluator.names[0])
    knobs = evaluator._alike(knobs_of(reactive), item)

    def key() -> str:
        return scored_replay.replay_key("scores", knobs, item.session, item.stages, item.digest, [])

    before = key()
    relabel(session)
    assert key() != before


def test_damaged_scores_are_worked_out_again(session):
    assert replayed(session) == 1
    with sqlite3.connect("store/cache.db") as database:
        database.execute("UPDATE Cache SET value = x'00' || substr(value, 2) WHERE value IS NOT NULL")
    assert replayed(session) == 1
    assert replayed(session) == 0


def test_scores_that_rest_on_an_endpoint_are_not_kept(session):
    evaluator = Evaluator([session], BASELINE, Store(None))
    item = evaluator.material(evaluator.names[0])
    knobs = knobs_of(BASELINE)
    rest = (item.session, item.stages, item.digest, [])
    assert scored_replay.replay_key("scores", knobs, *rest)
    endpoint = replace(knobs, stack=replace(knobs.stack, lm="http://localhost:1/v1#m"))
    assert scored_replay.replay_key("scores", endpoint, *rest) == ""


def test_the_code_version_names_every_module(monkeypatch, tmp_path):
    """A copy of the package with one line more has another."""
    shutil.copytree(REPOSITORY / "workbench", tmp_path / "workbench", ignore=shutil.ignore_patterns("data", "__pyc*"))
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "workbench/cache.py"))
    code_version.cache_clear()
    same = code_version()
    with (tmp_path / "workbench/stages/chunker.py").open("a") as file:
        file.write("# one line more\n")
    code_version.cache_clear()
    other = code_version()
    monkeypatch.undo()
    code_version.cache_clear()
    assert other != same == code_version()
