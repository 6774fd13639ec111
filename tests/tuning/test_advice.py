"""Which config is chosen, what is said of it, and what of the budget."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from workbench.cache import Store
from workbench.cli import cli
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.metrics import Difference
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.simulation.step_costs import BESIDE, write_profile
from workbench.stacks import make_stack
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import ANSWERED, Goal
from workbench.tuning.output.phrases import advice
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.search import Objective, search
from workbench.tuning.sensitivity import climb
from workbench.tuning.space import parse

LATENCY, CUTS, STOPS = "voice_to_voice_ms_p95", "cutin_per_hold", "false_bargein_per_agent_hour"
SILENCE = {"assistant": {"stt_silence_ms": {"type": "frames", "low": 160, "high": 1200}}}


# --- the budget ---


def test_a_config_is_held_against_the_whole_budget():
    goal = Goal((LATENCY,), {LATENCY: 2500, "voice_to_voice_ms_p50": 1500, CUTS: 0.1})
    scores = {LATENCY: 2600.0, "voice_to_voice_ms_p50": 1400.0, CUTS: 0.2, "turns_n": 10, ANSWERED: 4}
    assert list(goal.limits) == [CUTS]
    assert goal.broken(scores) == (LATENCY, CUTS, ANSWERED)
    assert goal.broken(scores | {LATENCY: 2500.0, CUTS: 0.1, ANSWERED: 10}) == ()


def test_a_second_objective_keeps_its_limit(recordings, here, baseline):
    """The front may go beyond no limit, so that the first of it cuts nobody off either."""
    config = override(baseline, {"stt_silence_ms": 880})
    spec = plan(
        "two",
        recordings[:2],
        config,
        parse(SILENCE, "t"),
        Goal((LATENCY, CUTS), {CUTS: 0.0}),
        SearchOptions(sampler="grid"),
    )
    evaluator = Evaluator(recordings[:2], config, Store(None))
    trial = search(spec, Objective(spec, evaluator, spec.tuning))
    assert trial.values[1] == 0.0
    free = replace(spec, budget={})
    unlimited = search(free, Objective(free, evaluator, free.tuning))
    assert unlimited.values[1] > 0.0, "without the limit the fastest of all is taken"


def run(recordings, here, name: str, budget: str, *arguments: str):
    (here / "space.toml").write_text('[assistant]\nstt_silence_ms = {type = "frames", low = 640, high = 960}\n')
    (here / "budget.toml").write_text(f"[budget]\n{budget}\n")
    (here / "base.toml").write_text("")
    return CliRunner().invoke(
        cli,
        ["tune", *map(str, recordings), "--name", name, "--config", "base.toml", "--space", "space.toml", "--budget",
         "budget.toml", "--stack", "scripted", "--sampler", "grid", *arguments],
        catch_exceptions=False,
        standalone_mode=False,
    )  # fmt: skip


def test_a_limit_on_the_objective_decides_the_exit_code(recordings, here):
    kept = run(recordings, here, "kept", f"{LATENCY} = 60000", "--json")
    assert (kept.return_value, json.loads(kept.stdout)["over_budget"]) == (0, [])
    broken = run(recordings, here, "broken", f"{LATENCY} = 100")
    assert broken.return_value == 1
    assert f"keeps the whole budget; over it: {LATENCY}" in broken.stdout
    assert f"over it: `{LATENCY}`" in (here / "configs/broken/checklist.md").read_text()


def test_costs_of_a_busy_machine_are_named(recordings, here):
    """On the console and in the checklist, as a replay does."""
    slow = make_stack(override(Config(), {"stack.name": "scripted"})).profile
    write_profile(here / "slow.json", replace(slow, machine=f"made up{BESIDE} (load 3.1 on 2 cores)"))
    done = run(recordings[:2], here, "busy", f"{LATENCY} = 60000", "--set", "profile=slow.json")
    says = "tep costs were measured beside other work (load 3.1 on 2 cores): for figures of a quiet machine"
    assert f"- s{says}" in done.stdout
    assert f"\nS{says}" in (here / "configs/busy/checklist.md").read_text()


def test_an_objective_that_no_trial_could_measure_is_named(recordings, here):
    with pytest.raises(WorkbenchError, match="--objective bargein_reaction_ms_p95: the tuning sessions have nothing"):
        run(recordings, here, "none", f"{CUTS} = 1.0", "--objective", "bargein_reaction_ms_p95")


# --- the choice ---


def test_no_neighbour_of_the_chosen_config_is_better(recordings, here, baseline):
    """From wherever a search ends, and on the grid of whole frames."""
    space = parse(SILENCE, "t")
    folders = recordings[:2]
    spec = plan("climb", folders, baseline, space, Goal((LATENCY,), {CUTS: 0.0}))
    judge = Objective(spec, Evaluator(folders, baseline, Store(None)), spec.tuning).judge
    every = {ms: judge(override(baseline, {"stt_silence_ms": ms})) for ms in range(160, 1201, 80)}
    least = min((ms for ms in every if every[ms].feasible), key=lambda ms: every[ms].values[0])
    for start in (least, 1000, 1200):
        found = climb(space, override(baseline, {"stt_silence_ms": start}), spec.goal, judge)
        assert found.assistant.stt_silence_ms == least


# --- the words ---


def told(changes: dict[str, str], before: dict[str, float], after: dict[str, float]) -> str:
    """The advice where the held-out sessions showed these changes and had these scores."""
    budget = {LATENCY: 2500.0, CUTS: 0.1, STOPS: 10.0}
    spec = SimpleNamespace(config=Config(), objectives=(LATENCY,), budget=budget, goal=Goal((LATENCY,), budget))
    rows = tuple(
        Difference(key, 1.0, 2.0, 1.0, 0.5, 1.5, 8, changes.get(key, NO_DIFFERENCE)) for key in (LATENCY, CUTS, STOPS)
    )
    sides = (SimpleNamespace(scores={LATENCY: 2000.0, CUTS: 0.0, STOPS: 0.0} | side) for side in (before, after))
    held = SimpleNamespace(differences=rows, baseline=next(sides), tuned=next(sides))
    result = SimpleNamespace(spec=spec, config=override(Config(), {"stt_silence_ms": 960}), held_out=held)
    return advice(result)  # type: ignore[arg-type]


def test_advice_takes_what_is_better_and_breaks_nothing():
    assert told({LATENCY: "lower"}, {}, {}).startswith("worth taking: better")


def test_advice_names_what_stays_broken():
    says = told({LATENCY: "lower"}, {STOPS: 900.0}, {STOPS: 800.0})
    assert (
        says == f"worth taking: better, and no limit is broken that was kept before; over budget as yours is: {STOPS}"
    )


def test_advice_takes_nothing_that_breaks_or_worsens_a_limit():
    assert told({LATENCY: "lower"}, {}, {CUTS: 0.2}).startswith(f"keep what you have: the tuned config breaks {CUTS}")
    says = told({LATENCY: "lower", STOPS: "higher"}, {STOPS: 400.0}, {STOPS: 900.0})
    assert says == f"keep what you have, or weigh it yourself: better in {LATENCY}, worse in {STOPS}"


def test_advice_weighs_only_where_there_is_something_to_weigh():
    says = told({LATENCY: "higher", STOPS: "higher"}, {STOPS: 400.0}, {STOPS: 900.0})
    assert says == f"keep what you have: worse in {LATENCY}, {STOPS}"
    says = told({CUTS: "lower", STOPS: "higher"}, {STOPS: 400.0}, {STOPS: 900.0})
    assert says == f"keep what you have, or weigh it yourself: better in {CUTS}, worse in {STOPS}"


def test_advice_asks_that_a_limit_now_kept_be_no_chance():
    chance = told({LATENCY: "higher"}, {CUTS: 1 / 3}, {CUTS: 0.0})
    assert chance == f"keep what you have: it is worse; that it keeps {CUTS} may be chance"
    shown = told({LATENCY: "higher", CUTS: "lower"}, {CUTS: 0.5}, {CUTS: 0.0})
    assert shown == f"worth trying: it keeps {CUTS} where yours does not, at the price of {LATENCY}"


def test_advice_without_a_difference():
    assert told({}, {}, {}) == "keep what you have: no difference was shown; more sessions may show one"
