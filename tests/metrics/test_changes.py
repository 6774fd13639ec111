"""Comparisons of two runs: silent on noise, sure of what was planted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.tuning.made_sessions import conversation, make_session, with_noises
from workbench.cache import Store
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.metrics import SessionScores
from workbench.metrics.changes import WORSE, differences, judged, paired_sessions, turn_changes
from workbench.tuning.evaluator import Evaluator

SESSIONS, DRAWN = 24, 12
WATCHED = ("loss_s_per_turn", "voice_to_voice_ms_p50", "voice_to_voice_ms_p95", "cutin_per_hold", "wer")
Sides = dict[str, list[SessionScores]]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    """Scores of 24 made sessions with pauses up to 1 s, under three settings of the silence."""
    folder = tmp_path_factory.mktemp("changes")
    for number in range(SESSIONS):
        random = np.random.default_rng(number)
        sounds, seconds = conversation(random, 2, hold=(0.3, 1.0))
        make_session(folder / f"s{number:02}", with_noises(sounds, random, 0.02, 3.0), seconds, seed=number)
    base = override(Config(), {"stack.name": "scripted", "barge_in": True, "step_costs.source": "fixed"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_STORE", str(folder / "store"))
        evaluator = Evaluator(sorted(path for path in folder.iterdir() if path.name != "store"), base, Store(None))
        settings = {"now": 720, "later": 800, "worse": 1600}
        return {
            name: evaluator.scores(override(base, {"stt_silence_ms": silence}), evaluator.names)
            for name, silence in settings.items()
        }


def drawn(random: np.random.Generator, sides: Sides, *names: str) -> list[list[SessionScores]]:
    picked = sorted(random.choice(SESSIONS, DRAWN, replace=False).tolist())
    return [[sides[name][number] for number in picked] for name in names]


def verdicts(a: Sequence[SessionScores], b: Sequence[SessionScores], keys: Sequence[str] = WATCHED) -> dict[str, str]:
    return {item.key: judged(item) for item in differences(a, b, keys)}


def test_noise_raises_at_most_8_alarms_in_100_seeds(sides: Sides) -> None:
    """The two settings of each session change sides at random, so that there is no difference."""
    alarms = dict.fromkeys(WATCHED, 0)
    for seed in range(100):
        random = np.random.default_rng(seed)
        a, b = drawn(random, sides, "now", "worse")
        swapped = random.integers(0, 2, DRAWN).astype(bool)
        left = [other if swap else one for one, other, swap in zip(a, b, swapped, strict=True)]
        right = [one if swap else other for one, other, swap in zip(a, b, swapped, strict=True)]
        for key, verdict in verdicts(left, right).items():
            alarms[key] += verdict != "no difference shown"
    assert max(alarms.values()) <= 8, alarms


def test_a_worse_setting_is_found_in_19_of_20(sides: Sides) -> None:
    found = 0
    for seed in range(20):
        a, b = drawn(np.random.default_rng(seed), sides, "now", "worse")
        found += verdicts(a, b, ("voice_to_voice_ms_p50",))["voice_to_voice_ms_p50"] == WORSE
    assert found >= 19


def test_a_planted_80_ms_is_found_exactly(sides: Sides) -> None:
    (item,) = differences(sides["now"], sides["later"], ("endpoint_delay_ms_p50",))
    assert (item.difference, item.low, item.high, judged(item)) == (80.0, 80.0, 80.0, WORSE)


def test_a_run_with_itself_shows_nothing(sides: Sides) -> None:
    assert {judged(item) for item in differences(sides["now"], sides["now"])} == {"no difference shown"}
    assert turn_changes(sides["now"], sides["now"]) == ()


def test_turns_that_went_otherwise_come_first(sides: Sides) -> None:
    changes = turn_changes(sides["now"], sides["worse"])
    kinds = [change.otherwise for change in changes]
    assert kinds == sorted(kinds, reverse=True)
    assert any((change.before, change.after) == ("cut in on 1×", "answered") for change in changes)


def test_sessions_recorded_anew_are_paired_in_order(sides: Sides) -> None:
    anew = [replace(scores, session=f"new-{scores.session}") for scores in sides["now"]]
    paired, renamed = paired_sessions(sides["now"], anew)
    assert [scores.session for scores in paired] == [scores.session for scores in sides["now"]]
    assert renamed[0] == ("s00", "new-s00")
    with pytest.raises(WorkbenchError, match="24 sessions against 23"):
        paired_sessions(sides["now"], anew[1:])
