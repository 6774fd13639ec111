"""What other barge-in rules would do for MLX-Harmony: replayed, and said only where its keys cannot."""

import pytest
from made_sessions import REPOSITORY, Sound, make_session

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, load, override
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.inactive_knobs import find_inactive_knobs
from workbench.tuning.output.listener_comparison import compare_listeners, section
from workbench.tuning.output.rule_comparison import FALSE, MISSED, RULES, RuleCost, advice, compare_rules
from workbench.tuning.space import read_space

SHIPPED = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted", "listener": "mlx-harmony"})
WORDS = "what can you tell me about it"


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    """Somebody talks in the background while the agent speaks, a user coughs, and another interrupts."""
    folder = tmp_path_factory.mktemp("rules")
    ask = Sound(1.0, 2.6, 0.05, "speech", 1, WORDS)
    make_session(folder / "cough", [ask, Sound(8.0, 8.6, 0.05, "noise", None, "cough")], 30.0)
    make_session(folder / "hm", [ask, Sound(8.0, 9.0, 0.05, "backchannel", None, "yeah right")], 30.0)
    make_session(folder / "stop", [ask, Sound(9.0, 10.4, 0.05, "speech", 2, "no stop that please")], 30.0)
    return Evaluator(sorted(folder.iterdir()), SHIPPED, Store(None))


def test_each_rule_is_a_replay_of_its_own(evaluator):
    names = tuple(evaluator.names)
    rules = compare_rules(evaluator, SHIPPED, "workbench", names)
    found = [item.rule for item in rules]
    assert found == ["mlx-harmony, as shipped", *(rule for rule in RULES if rule in found)]
    assert {rule for rule in RULES if rule not in found} <= {rule for rule in RULES if "aec3" in rule}, "an extra"
    own, energy, resumed, _, words, two, *_ = rules
    summary = evaluator.summary(SHIPPED, names)
    assert (own.false, own.missed) == (summary.counts[FALSE], summary.counts[MISSED])
    assert energy.false[0] == 2, "the cough and the backchannel"
    assert resumed.false[0] == 2, "a pause is an interruption"
    assert words.false[0] == 1, "the backchannel"
    assert two.false[0] == 0
    assert energy.missed == words.missed == two.missed == (0, 1)
    assert energy.reaction_ms < words.reaction_ms < two.reaction_ms


def test_the_checklist_has_them(evaluator):
    faults = compare_listeners(evaluator, SHIPPED, "workbench", tuple(evaluator.names))
    assert "| rule `words_n` | 0 in " in section(faults)
    without = compare_listeners(evaluator, override(SHIPPED, {"barge_in": False}), "workbench", ("cough",))
    assert without.rules == ()
    assert "rule `words`" not in section(without)


def rule(name: str, false: int, missed: int) -> RuleCost:
    return RuleCost(name, (false, 0.5), (missed, 10), 500.0)


def test_a_rule_is_named_where_no_key_does_as_well():
    own, good, deaf = rule("as shipped", 17, 2), rule("rule `good`", 6, 2), rule("rule `deaf`", 0, 3)
    wanted = "false stops: rule `good` would take 11 of 17 away"
    assert advice((own, good, deaf), None) == wanted
    assert advice((own, good, deaf), 34.0) == wanted
    assert advice((own, good, deaf), 12.0) == "", "a key does as well"
    assert advice((own, deaf), None) == "", "it hears nobody"
    assert advice((rule("as shipped", 0, 2), good), None) == advice((), None) == ""


def test_the_shipped_space_has_no_knob_that_nothing_reads():
    space = read_space(REPOSITORY / "configs/barge-in.toml")
    base = override(Config(), {"barge_in": True, "placement": "shared"})
    assert find_inactive_knobs(space, base) == {}
    for choice in next(item.choices for item in space.parameters if item.name == "barge_in_rule"):
        knobs_of(override(base, {"barge_in_rule": choice}))


def test_knobs_of_another_rule_act_as_their_defaults():
    base = override(Config(), {"barge_in": True, "placement": "shared", "barge_in_rule": "words"})
    others = {
        "barge_in_min_ms": 800,
        "barge_in_vad_threshold": 0.9,
        "barge_in_min_words": 5,
        "barge_in_backchannels": "so",
        "barge_in_pause_below": 0.1,
        "barge_in_resume_ms": 800,
    }
    for name, value in others.items():
        assert knobs_of(override(base, {name: value})) == knobs_of(base), name
    two = override(base, {"barge_in_rule": "words_n"})
    assert knobs_of(override(two, {"barge_in_backchannels": "So, so"})) == knobs_of(
        override(two, {"barge_in_backchannels": "so"})
    )
