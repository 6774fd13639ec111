"""Finalists: exact replays decide what a search on a stand-in recommends."""

import dataclasses

import pytest

from workbench.config import Config, override
from workbench.tuning.finalists import FEWEST, MOST, choose
from workbench.tuning.objective import Goal, Outcome

GOAL = Goal(("loss_s_per_turn",), {})


def config(ms):
    return override(Config(), {"assistant.stt_silence_ms": ms})


def judge(values, asked=None):
    def outcome(setting):
        ms = setting.assistant.stt_silence_ms
        if asked is not None and ms not in asked:
            asked.append(ms)
        return Outcome((values[ms],), {}, {})

    return outcome


TIMES = [160, 240, 320, 400, 480, 560, 640]
GUESSED = dict(zip(TIMES, [1.0, 1.1, 1.2, 1.3, 2.0, 3.0, 4.0], strict=True))


def test_where_guesses_are_true_few_settings_are_replayed():
    asked = []
    best, found = choose(GOAL, map(config, TIMES), judge(GUESSED), judge(GUESSED, asked))
    assert best == config(160)
    assert asked == TIMES[:FEWEST]
    assert (found.settings, found.correlation, found.difference, found.settled) == (FEWEST, 1.0, 0.0, True)


def test_an_exact_replay_overrules_the_guess():
    best, found = choose(GOAL, map(config, TIMES), judge(GUESSED), judge(GUESSED | {320: 0.7}))
    assert best == config(320)
    assert found.difference == pytest.approx(0.5)
    assert found.correlation < 1


def test_more_settings_are_replayed_while_one_of_them_could_win():
    """One guess was too bad by 0.8: the setting guessed at 2.0 may be 1.2, and 1.0 is the best; 3.0 cannot win."""
    asked = []
    exact = GUESSED | {400: 0.5, 480: 1.9}
    choose(GOAL, map(config, TIMES), judge(GUESSED), judge(exact, asked))
    assert asked == TIMES[:4]  # 2.0 less 0.8 is worse than 0.5
    asked.clear()
    exact = {ms: value + 1 for ms, value in GUESSED.items()} | {240: 1.0, 400: 1.3, 320: 0.9}
    choose(GOAL, map(config, TIMES), judge(GUESSED), judge(exact, asked))
    assert asked == TIMES[:4]
    asked.clear()
    exact = GUESSED | {160: 2.0, 240: 2.0, 320: 2.0, 400: 0.6 + 1.4}
    choose(GOAL, map(config, TIMES), judge(GUESSED | {160: 3.1}), judge(exact, asked))
    assert asked == TIMES[:6]  # a guess was too bad by 1.1: 3.0 may be 1.9, and 4.0 no less than 2.9


def test_the_first_finalist_stays_where_another_is_hardly_better():
    best, _ = choose(GOAL, map(config, TIMES), judge(GUESSED), judge(GUESSED | {240: 0.998}))
    assert best == config(160)
    best, _ = choose(GOAL, map(config, TIMES), judge(GUESSED), judge(GUESSED | {240: 0.98}))
    assert best == config(240)


def test_limits_come_before_the_objective():
    over = {160: 0.5}

    def exact(setting):
        ms = setting.assistant.stt_silence_ms
        return Outcome((GUESSED[ms],), {"wer": over.get(ms, -1.0)}, {})

    best, _ = choose(GOAL, map(config, TIMES), exact, exact)
    assert best == config(240)


def test_settings_that_act_alike_are_replayed_once():
    asked = []
    choose(GOAL, map(config, [160, 159, *TIMES]), judge(GUESSED | {159: 1.0}), judge(GUESSED | {159: 1.0}, asked))
    assert asked == TIMES[:FEWEST]


def test_a_stand_in_that_is_far_off_is_said():
    times = list(range(160, 160 + 80 * (MOST + 5), 80))
    guessed = {time: 1.0 + time / 1e6 for time in times} | {160: 9.0}
    _, found = choose(GOAL, map(config, times), judge(guessed), judge(dict.fromkeys(times, 1.0)))
    assert (found.settings, found.settled, found.correlation) == (MOST, False, None)
    assert dataclasses.asdict(found)["difference"] == 8.0


def test_of_settings_that_the_stand_in_finds_equal_two_are_replayed():
    times = list(range(160, 160 + 80 * 12, 80))
    guessed = dict.fromkeys(times, 1.0) | dict.fromkeys(times[8:], 1.1)
    asked = []

    def exact(asked_config):
        asked.append(asked_config)
        return judge(dict.fromkeys(times, 5.0) | {times[9]: 4.0})(asked_config)

    best, found = choose(GOAL, map(config, times), judge(guessed), exact)
    assert found.settings == 4
    assert best == config(times[9])
