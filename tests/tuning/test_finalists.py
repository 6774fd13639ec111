"""Finalists: exact replays decide what a search on a stand-in recommends."""

import numpy as np
import pytest

from workbench.config import Config, override
from workbench.tuning.finalists import FEWEST, MOST, SPREAD, Correction, choose
from workbench.tuning.objective import Goal, Outcome

GOAL = Goal(("loss_s_per_turn",), {})


def config(ms):
    return override(Config(), {"assistant.stt_silence_ms": ms})


def ms_of(setting):
    return setting.assistant.stt_silence_ms


def judge(value, broken=lambda ms: False):
    return lambda setting: Outcome((value(ms_of(setting)),), {"wer": 1.0 if broken(ms_of(setting)) else -1.0}, {})


def chosen(times, guess, exact, near=lambda ms: ()):
    """Silence of the best of some settings, agreement, and what was replayed, in order."""
    correction = Correction(GOAL, guess, exact, lambda setting: np.array([ms_of(setting) / 1600]))
    best, found = choose(GOAL, [config(ms) for ms in times], correction, lambda one: map(config, near(ms_of(one))))
    return ms_of(best), found, [ms_of(item.config) for item in correction.tried]


TIMES = list(range(160, 1680, 80))


def slope(ms):
    return 1 + ms / 1600


def test_where_guesses_are_true_few_settings_are_replayed():
    best, found, tried = chosen(TIMES, judge(slope), judge(slope))
    assert best == 160
    assert tried[:FEWEST] == TIMES[:FEWEST]
    assert (found.settings, found.correlation, found.difference) == (FEWEST + SPREAD, pytest.approx(1.0), 0.0)
    assert found.settled


def test_an_exact_replay_overrules_the_guess():
    best, found, _ = chosen(TIMES, judge(slope), judge(lambda ms: slope(ms) - (0.5 if ms == 320 else 0)))
    assert best == 320
    assert found.difference == pytest.approx(0.5)


def test_a_wrong_hill_is_left_after_a_few_replays():
    """All up to 800 ms lose 3 more than the stand-in says: the best of the others is found, not the rest replayed."""

    def truth(ms):
        return slope(ms) + 3 * (ms <= 800)

    best, found, tried = chosen(TIMES, judge(slope), judge(truth))
    assert best == 880
    assert found.settled
    assert len(tried) <= FEWEST + SPREAD + 3


def test_a_hill_that_the_stand_in_finds_bad_is_found():
    """From 960 ms on the stand-in finds all 3 too bad; some settings far from its best are replayed in any case."""
    wide = [ms for ms in TIMES if ms <= 800 or ms >= 1200]
    best, _, _ = chosen(wide, judge(lambda ms: slope(ms) + 3 * (ms >= 960)), judge(lambda ms: slope(ms) - (ms >= 960)))
    assert best == 1200


def test_limits_that_only_exact_replays_break_are_learnt():
    best, found, tried = chosen(TIMES, judge(slope), judge(slope, lambda ms: ms <= 800))
    assert best == 880
    assert found.settled
    assert len(tried) < MOST


def test_neighbours_of_the_best_are_replayed_where_they_may_be_better():
    best, _, tried = chosen([800, 1600, 720, 640], judge(slope), judge(slope), lambda ms: (ms - 80, ms + 80))
    assert best == 80
    assert 1520 not in tried


def test_the_first_finalist_stays_where_another_is_hardly_better():
    def better(by):
        return judge(lambda ms: slope(ms) if ms == 160 else slope(160) * (1 - by))

    assert chosen(TIMES, judge(slope), better(0.0005))[0] == 160
    assert chosen(TIMES, judge(slope), better(0.02))[0] != 160


def test_settings_that_act_alike_are_replayed_once():
    _, _, tried = chosen([160, 159, *TIMES], judge(slope), judge(slope))
    assert tried[:FEWEST] == TIMES[:FEWEST]
    assert len(set(tried)) == len(tried)
    assert 159 not in tried


def test_a_stand_in_that_is_far_off_is_said():
    """Guesses that are too bad by much here and there: any setting may be the best, and the most are replayed."""
    wide = range(160, 160 + 80 * 40, 80)
    _, found, tried = chosen(wide, judge(lambda ms: slope(ms) + 8 * (ms % 240 == 0)), judge(slope))
    assert (found.settings, found.settled) == (MOST, False) == (len(tried), False)
    assert found.difference == 8.0
    assert found.correlation < 1
