"""Loss per turn: what a user loses, counted by hand and under every fault."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_traces import Made, labels, ms

from workbench.errors import WorkbenchError
from workbench.files import shipped
from workbench.metrics import compare, evaluate, summarise
from workbench.metrics.budget import read_budget, read_prices
from workbench.metrics.loss import DEFAULT, Prices, check_prices
from workbench.trace import BargeIn

TURNS = labels((1000, 2000, "speech", 1), (2600, 4000, "speech", 1), (20_000, 21_000, "speech", 2))


def loss(made, marks=TURNS, prices=DEFAULT):
    return summarise([evaluate(made.trace(), marks, prices=prices)]).scores["loss_s_per_turn"]


def both_answered(**second):
    return Made().answer(0, 4560).answer(1, 21_560, **second)


DELAY = (560 + 10 + 20 + 150 + 30 + 60 + 20) / 1000


def test_answered_turns_cost_their_delay():
    assert loss(both_answered()) == pytest.approx(DELAY)


def test_a_turn_without_an_answer_costs_the_longest_delay_and_its_price():
    assert loss(Made().answer(0, 4560)) == pytest.approx((DELAY + 10 + 5) / 2)


def test_a_cut_in_costs_its_price_and_earns_nothing():
    cut = Made().answer(0, 2400, frames=3).answer(1, 4560).answer(2, 21_560)
    assert loss(cut) == pytest.approx(DELAY + 3 / 2)
    only = Made().answer(0, 2400, frames=3).answer(1, 21_560)
    assert loss(only) == pytest.approx((15 + DELAY) / 2)


def test_a_commit_just_before_the_labelled_end_is_an_answer():
    early = Made().answer(0, 3840).answer(1, 21_560)
    assert loss(early) == pytest.approx((DELAY - 0.720 + DELAY) / 2)


def test_a_false_stop_is_charged_to_the_turn_before_it():
    marks = (*TURNS, *labels((6000, 6300, "noise")))
    stopped = Made().answer(0, 4560, frames=60, stop=6400).answer(1, 21_560)
    stopped.add(BargeIn(ms(6400), 0, ms(6000), ms(6320)))
    [session] = [evaluate(stopped.trace(), marks)]
    assert [row.false_barge_in for row in session.losses] == [ms(4000), 0]
    assert loss(stopped, marks) == pytest.approx(DELAY + 4 / 2)


def test_a_missed_barge_in_costs_each_second_that_the_agent_talks_on():
    marks = labels((1000, 4000, "speech", 1), (6000, 7000, "speech", 2))
    talks = Made().answer(0, 4560, frames=50).answer(1, 21_000)
    [session] = [evaluate(talks.trace(), marks)]
    over = (4560 + 290 + 50 * 80 - 6000) / 1000
    assert session.losses[1].missed_barge_in == round((2 + over) * 24_000)
    assert session.losses[1].total == (15 * 24_000)  # and no more, since it was not answered


def test_an_answered_turn_costs_at_most_the_longest_delay():
    late = Made().answer(0, 4560, steps=(10, 20, 30_000, 30, 60)).answer(1, 60_000)
    [session] = [evaluate(late.trace(), labels((1000, 4000, "speech", 1)))]
    assert session.losses[0].total == 10 * 24_000


def test_a_last_turn_that_nobody_can_judge_is_left_out():
    marks = (*TURNS[:2], *labels((57_500, 58_500, "speech", 2)))
    for made in (Made().answer(0, 4560), Made().answer(0, 4560).answer(1, 59_060)):
        assert loss(made, marks) == pytest.approx(DELAY)
    cut = Made().answer(0, 4560).answer(1, 57_900)  # its faults are those of the turn before
    assert loss(cut, marks) == pytest.approx(DELAY + 3)


def test_sessions_without_turns_have_no_loss():
    assert loss(Made().answer(0, 4560), ()) is None
    assert loss(Made().answer(0, 4560), labels((0, 60_000, "note"))) is None


def test_other_prices_change_the_loss():
    cut = Made().answer(0, 2400, frames=3).answer(1, 4560).answer(2, 21_560)
    assert loss(cut, prices=Prices(cut_in=5)) == pytest.approx(DELAY + 5 / 2)
    assert loss(Made(), prices=Prices(longest_delay=4, missed_end=1)) == 5


@st.composite
def assistants(draw):
    """Answers to some of six turns with pauses, and where else a pause is cut into."""
    answered = [draw(st.none() | st.integers(-200, 2800)) for _ in range(6)]
    cut = [draw(st.booleans()) for _ in range(6)]
    return answered, cut, draw(st.integers(0, 5))


def conversation(answered, cut):
    made, reply, marks = Made(seconds=130), 0, []
    for number, delay in enumerate(answered):
        at = 1000 + 20_000 * number
        marks += [(at, at + 1000, "speech", number + 1), (at + 3000, at + 4000, "speech", number + 1)]
        moments = [at + 1800] if cut[number] else []
        for moment in moments if delay is None else [*moments, at + 4000 + delay]:
            made.answer(reply, moment, frames=20 if moment > at + 3000 else 5)
            reply += 1
    return loss(made, labels(*marks))


@given(assistants())
def test_a_cut_in_never_lowers_a_loss_and_silence_never_wins(talk):
    answered, cut, turn = talk
    found = conversation(answered, cut)
    more = [there or number == turn for number, there in enumerate(cut)]
    assert conversation(answered, more) >= found
    silent = conversation([None] * 6, [False] * 6)
    assert silent == 15
    if any(delay is not None for delay in answered):
        assert found < silent
    else:
        assert found == silent


def test_losses_are_compared_by_session():
    def sessions(wait):
        made = [Made(session=str(number)).answer(0, 4560 + wait).answer(1, 21_560) for number in range(8)]
        return [evaluate(item.trace(), TURNS) for item in made]

    [found] = compare(sessions(0), sessions(160), ["loss_s_per_turn"])
    assert found.difference == pytest.approx(0.08)
    assert found.verdict == "higher"


def test_prices_are_read_from_the_budget_file(tmp_path):
    path = tmp_path / "budget.toml"
    path.write_text("[budget]\nwer = 1\n[price]\ncut_in = 6\n")
    assert read_prices(path) == Prices(cut_in=6)
    assert read_budget(path) == {"wer": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cutin = 1", "unknown price 'cutin'; there are cut_in, missed_end"),
        ("cut_in = -1", "cut_in is -1, must be seconds from 0 to 3600"),
        ("cut_in = 'x'", "cut_in is 'x', must be seconds"),
        ("cut_in = true", "cut_in is True, must be seconds"),
        ("cut_in = nan", "cut_in is nan, must be seconds"),
    ],
)
def test_a_wrong_price_is_refused_by_name(tmp_path, text, problem):
    path = tmp_path / "budget.toml"
    path.write_text(f"[budget]\nwer = 1\n[price]\n{text}\n")
    with pytest.raises(WorkbenchError, match=rf"budget.toml: \[price\]: {problem}"):
        read_prices(path)


def test_prices_of_the_shipped_budget_are_the_defaults():
    assert read_prices(shipped(Path("configs/budget.toml"))) == Prices() == check_prices({}, "")
