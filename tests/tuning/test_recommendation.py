"""Which config is chosen and recommended, and what becomes of limits."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from workbench.cache import Store
from workbench.cli import cli
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.metrics import Difference, Summary
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.simulation.step_costs import BESIDE, write_profile
from workbench.stacks import make_stack
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import ANSWERED, LOSS, Goal, Outcome
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.recommendation import Comparison, Recommendation, recommend
from workbench.tuning.search import Objective, search
from workbench.tuning.sensitivity import climb
from workbench.tuning.space import parse

LATENCY, CUTS, STOPS = "voice_to_voice_ms_p95", "cutin_per_hold", "false_bargein_per_agent_hour"
OTHER = override(Config(), {"stt_silence_ms": 960})
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
         "budget.toml", "--stack", "scripted", "--sampler", "grid", "--no-page",
         *arguments],
        catch_exceptions=False,
        standalone_mode=False,
    )  # fmt: skip


def test_a_limit_on_the_objective_decides_the_exit_code(recordings, here):
    kept = run(recordings, here, "kept", f"{LATENCY} = 60000", "--json")
    assert (kept.return_value, json.loads(kept.stdout)["over_budget"]) == (0, [])
    broken = run(recordings, here, "broken", f"{LATENCY} = 100")
    assert broken.return_value == 1
    says = "No key can fix:"
    assert says in broken.stdout
    assert f"**{says}**" in (here / "configs/broken/checklist.md").read_text()
    told = json.loads((here / "studies/broken/result.json").read_text())["not_kept"]
    assert [(row["key"], row["limit"], row["keepable"]) for row in told] == [(LATENCY, 100.0, False)]


def test_costs_of_a_busy_machine_are_named(recordings, here):
    """In the checklist, as a replay does."""
    slow = make_stack(override(Config(), {"stack.name": "scripted"})).profile
    write_profile(here / "slow.json", replace(slow, machine=f"made up{BESIDE} (load 3.1 on 2 cores)"))
    run(recordings[:2], here, "busy", f"{LATENCY} = 60000", "--set", "profile=slow.json")
    says = "tep costs were measured beside other work (load 3.1 on 2 cores): for figures of a quiet machine"
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


# --- the decision ---


def comparison(changes: dict[str, str], before: dict[str, float], after: dict[str, float], loss=(3.0, 2.0)):
    """Sessions that the search did not see: what they showed, and their scores with today's config and the other."""
    rows = tuple(
        Difference(key, *loss, loss[1] - loss[0], None, None, 8, changes.get(key, NO_DIFFERENCE))
        for key in (LOSS, CUTS, STOPS)
    )
    sides = (Summary({LOSS: 2.0, CUTS: 0.0, STOPS: 0.0} | side, {}, {}, ()) for side in (before, after))
    return Comparison(tuple("abcdefgh"), next(sides), next(sides), rows, (), 5, 3)


def decided(*of, **more) -> Recommendation:
    goal = Goal((LOSS,), {CUTS: 0.1, STOPS: 10.0})
    return recommend(goal, Config(), OTHER, comparison(*of, **more))


def test_what_unseen_sessions_show_is_recommended():
    assert decided({LOSS: "lower"}, {}, {}) == Recommendation(OTHER, "shown")


def test_without_a_proof_it_is_promising():
    assert decided({}, {}, {}) == Recommendation(OTHER, "promising")
    assert recommend(Goal((LOSS,), {}), Config(), OTHER, None) == Recommendation(OTHER, "promising")


def test_what_is_worse_on_unseen_sessions_stays_out():
    for changes in ({}, {LOSS: "higher"}):
        found = decided(changes, {}, {}, loss=(2.0, 2.1))
        assert found == Recommendation(Config(), "keep", "worse", (), OTHER)


def test_where_nothing_is_better_todays_config_stays():
    found = recommend(Goal((LOSS,), {}), Config(), Config(), None)
    assert found == Recommendation(Config(), "keep", "nothing better")


def test_a_limit_that_today_keeps_is_not_given_up():
    found = decided({LOSS: "lower"}, {}, {CUTS: 0.2})
    assert found == Recommendation(Config(), "keep", "limit", (CUTS,), OTHER)


def test_where_limits_are_broken_anyway_the_loss_decides():
    assert decided({LOSS: "lower"}, {STOPS: 400.0}, {CUTS: 0.2}).mark == "shown"
    assert decided({}, {STOPS: 400.0}, {STOPS: 900.0}, loss=(2.0, 2.1)).reason == "worse"


def test_limits_that_are_now_kept_are_worth_a_higher_loss():
    assert decided({}, {CUTS: 0.5}, {}, loss=(2.0, 2.1)).mark == "promising"
    assert decided({CUTS: "lower"}, {CUTS: 0.5}, {}, loss=(2.0, 2.1)).mark == "shown"
    assert decided({LOSS: "higher"}, {CUTS: 0.5}, {}, loss=(2.0, 2.1)).mark == "keep"


# --- limits and the loss ---


def test_of_settings_that_break_limits_the_least_loss_is_best():
    goal = Goal((LOSS,), {CUTS: 0.1, LATENCY: 2500})

    def outcome(loss: float, cuts: float, latency: float) -> Outcome:
        scores = {LOSS: loss, CUTS: cuts, LATENCY: latency}
        return Outcome((loss,), goal.constraints(scores), scores)

    slow, rude, good = outcome(2.7, 0.0, 2700.0), outcome(3.2, 0.2, 2499.0), outcome(9.0, 0.1, 2500.0)
    assert slow.no_worse(rude, goal)
    assert not rude.no_worse(slow, goal)
    assert good.feasible
    assert good.violation < slow.violation < rude.violation
    assert (slow.broken, rude.broken) == ((LATENCY,), (CUTS,))
