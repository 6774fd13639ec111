"""The checklist's ticks: what is checked when it is written, and that a tick can stay away."""

import re

import pytest
from made_sessions import REPOSITORY

from workbench.cache import Store
from workbench.config import dump_toml, load, override
from workbench.metrics.budget import read_budget
from workbench.moshi_json import write_moshi_json
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import Goal
from workbench.tuning.output.checklist import ITEMS
from workbench.tuning.output.checklist_checks import run_checks
from workbench.tuning.output.publish import publish
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.result import summarise_study
from workbench.tuning.search import Objective, run_trials
from workbench.tuning.space import parse
from workbench.tuning.study import create, finished

SPACE = {"assistant": {"stt_silence_ms": {"type": "frames", "low": 400, "high": 960}}}


class Quiet:
    def step(self, what: str, done: int, total: int) -> None:
        """Nobody watches."""


@pytest.fixture
def done(here, recordings):
    """A study of one session and three trials, and what it ran on."""
    from optuna.storages import InMemoryStorage

    budget = read_budget(REPOSITORY / "configs/budget.toml")
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    spec = plan(
        "one",
        recordings[:1],
        baseline,
        parse(SPACE, "t"),
        Goal(("voice_to_voice_ms_p95",), budget),
        SearchOptions(trials=3),
    )
    evaluator = Evaluator(recordings[:1], spec.config, Store(None))
    objective = Objective(spec, evaluator, spec.tuning)
    study = create(spec, InMemoryStorage())
    run_trials(study, spec, objective)
    assert len(finished(study)) == 3
    spec.folder.mkdir(parents=True)
    return summarise_study(study, spec, evaluator, objective, Quiet()), evaluator


def marks(folder) -> dict[str, bool]:
    lines = (folder / "checklist.md").read_text().splitlines()
    return {key: any(line.rstrip() == f"- [x] {text}" for line in lines) for key, text in ITEMS.items()}


def test_what_was_checked_is_ticked_and_nothing_else(done):
    folder, _ = publish(*done)
    found = marks(folder)
    assert found["aligned"]
    assert not re.search(r"\b1 [a-z-]*(sessions|frames|words|holes)\b", (folder / "checklist.md").read_text())
    assert found["mapping"]
    assert not found["models"]  # none was looked at


def test_a_tick_stays_away_where_the_check_fails(done, here):
    result, evaluator = done
    folder, _ = publish(*done)
    assert all(run_checks(result, evaluator, {}, folder)[key].good for key in ("aligned", "mapping"))
    write_moshi_json(folder / "moshi.json", override(result.config, {"tts_chunk_chars": 40}), {})
    wrong = run_checks(result, evaluator, {}, folder)["mapping"]
    assert (wrong.good, wrong.found) == (False, "moshi.json has another tts_chunk_chars than tuned.toml")
    (folder / "tuned.toml").write_text(dump_toml(override(result.config, {"tts_chunk_chars": 40})))
    assert (
        run_checks(result, evaluator, {}, folder)["mapping"].found == "tuned.toml is not the config that was replayed"
    )
    track = evaluator.material(evaluator.names[0]).session.mic.path
    whole = track.read_bytes()
    try:
        track.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert run_checks(result, evaluator, {}, folder)["aligned"].good is False
    finally:
        track.write_bytes(whole)
