import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from made_traces import Made, labels, ms

from workbench.errors import WorkbenchError
from workbench.metrics import compare, evaluate, read_scores, shown, summarise, write_scores
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.metrics.definitions import BY_KEY, MEASURES, keys_of
from workbench.metrics.rows import BargeInRow, HoldRow, ReasonRow, SessionScores, TurnRow, Waterfall
from workbench.metrics.scores_json import pack, unpack
from workbench.metrics.summary import too_few
from workbench.trace import BargeIn, Commit, Heard, Steps, Underrun

MARKS = labels(
    (1000, 2000, "speech", 1, "hello there"),
    (2640, 4000, "speech", 1, "you"),
    (10_000, 11_000, "speech", 2, "stop"),
    (6000, 6100, "noise"),
)


def session(name, delay=720.0, seed=0):
    """Two turns; answers ``delay`` ms after their ends; every row type occurs."""
    late = np.random.default_rng(seed).integers(0, 40, 2)
    made = Made(session=name, echo=True)
    made.answer(0, 4000 + delay, frames=50, text="hello where you", silence_from=4000, lead=float(late[0]))
    made.answer(1, 11_000 + delay, frames=100, stop=13_000, steps=(5, 5, float(late[1]), 5, 5))
    made.add(
        BargeIn(ms(13_000), 1, ms(12_800), ms(12_960)),
        Heard(ms(4700), ms(1200), ms(4700)),
        Steps(ms(1300), "stt", (400, 500, 400)),
        Steps(ms(5000), "tts", (900, 2000)),
        Underrun(ms(5200), 0, 240, True),
    )
    return evaluate(made.trace(), MARKS)


def test_every_key_is_there_in_order_and_once():
    listed = list(itertools.chain.from_iterable(map(keys_of, MEASURES)))
    assert len(listed) == len(set(listed)) == len(BY_KEY)
    assert list(summarise([session("a")]).scores) == listed


def test_order_of_sessions_does_not_matter_and_the_seed_does():
    found = [session(name, seed=number) for number, name in enumerate("abcdefg")]
    forward, backward = summarise(found), summarise(found[::-1])
    assert forward == backward
    assert forward.intervals != summarise(found, seed=1).intervals
    assert summarise(found, bootstrap=False).scores == forward.scores
    assert summarise(found, bootstrap=False).intervals == {}


def test_pooling_is_over_values_not_over_sessions():
    found = [session("a", 720), session("b", 800)]
    result = summarise(found)
    every = sorted(row.waterfall.voice_to_voice for item in found for row in item.turns)
    assert result.scores["voice_to_voice_ms_n"] == 4
    assert result.scores["voice_to_voice_ms_p50"] == every[1] / 24
    assert result.scores["voice_to_voice_ms_max"] == every[3] / 24
    assert result.scores["waterfall_residual_samples_max"] == 0
    assert result.scores["wer"] == 4 / 8  # "where" for "there", and "stop" lost, in each session
    assert result.counts["wer"] == (4, 8)


def test_no_session_and_the_same_session_twice_are_refused():
    with pytest.raises(WorkbenchError, match="no session"):
        summarise([])
    with pytest.raises(WorkbenchError, match="'a' is scored twice"):
        summarise([session("a"), session("a")])


def test_scores_json_round_trip(tmp_path):
    found = (session("a"), session("b", 800))
    empty = evaluate(Made(session="c").trace(), ())
    result = summarise([*found, empty])
    write_scores(tmp_path / "scores.json", [*found, empty], result)
    assert read_scores(tmp_path / "scores.json") == ((*found, empty), result)
    sessions, _ = read_scores(tmp_path / "scores.json")
    assert summarise(sessions) == result


def test_scores_come_back_from_the_cache_as_they_were():
    reason = ReasonRow("cut-in", 7, 1, "pause", "waited 720 ms", "stt_silence_ms", math.inf)
    resumed = BargeInRow(3, 1, 2, "noise", None, -5, 240)
    empty = evaluate(Made(session="c").trace(), ())
    for scores in (session("a"), empty, replace(session("b"), reasons=(reason,), barge_ins=(resumed,))):
        again = unpack(pack(scores))
        assert again == scores
        assert repr(again) == repr(scores)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data.update(format=3), "format is 3"),
        (lambda data: data.pop("notes"), "'notes' is missing"),
        (lambda data: data["scores"].update(wrong=1), "unknown score 'wrong'"),
        (lambda data: data["sessions"][0].pop("played"), "'played' is missing"),
        (lambda data: data["sessions"][0].update(odd=1), "'odd' is unknown"),
        (lambda data: data["sessions"][0]["turns"][0].update(start="x"), "start is 'x'"),
        (lambda data: data["sessions"][0]["turns"][0]["waterfall"].update(odd=1), "'odd' is unknown"),
        (lambda data: data.update(sessions=[1]), "not in the form"),
        (lambda data: data.update(intervals={"a": [1]}), "not in the form"),
    ],
)
def test_a_wrong_scores_json_is_refused_by_name(tmp_path, change, problem):
    path = tmp_path / "scores.json"
    found = [session("a")]
    write_scores(path, found, summarise(found))
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(WorkbenchError, match=f"scores.json.*{problem}"):
        read_scores(path)


def test_few_events_are_shown_as_counts():
    few, many = summarise([session("a")]), summarise([session(f"s{n}") for n in range(10)])
    assert too_few("cutin_per_hold", few.counts)
    assert shown(few, "cutin_per_hold") == "0 of 1 hold"
    assert shown(few, "false_bargein_per_agent_hour").startswith("1 in ")
    assert shown(few, "selectivity_background") == "nothing to measure"
    assert shown(many, "cutin_per_hold") == "0.0 % (0 of 10 holds, 0.0 % to 27.8 %)"
    assert shown(many, "voice_to_voice_ms_p50").endswith(" ms)")
    assert "/hour (10 in " in shown(many, "false_bargein_per_agent_hour")
    assert shown(few, "turns_n") == "2"
    assert all(shown(many, key) for key in BY_KEY)
    with pytest.raises(WorkbenchError, match="unknown score 'cutins'"):
        shown(few, "cutins")


def test_zero_events_are_reported_with_what_they_exclude():
    notes = summarise([session(f"s{n}") for n in range(10)]).notes
    assert "cutin_per_hold: none of 10 holds, at most 30.0 % at 95 %" in notes
    assert "eot_recall: all of 20 turns, at least 85.0 % at 95 %" in notes
    assert not any(note.startswith(("selectivity_background", "wer")) for note in notes)
    assert not any(note.startswith("eot_recall") for note in summarise([session("a")]).notes)
    assert any(note.startswith("false_bargein_per_agent_hour_noise: none in ") for note in notes)
    assert any("counterfactual" in note for note in notes)
    assert any("no interval over sessions" in note for note in summarise([session("a")]).notes)


def test_an_interval_holds_its_score():
    result = summarise([session(f"s{n}", 700 + 20 * n, n) for n in range(12)])
    assert {"voice_to_voice_ms_p95", "wer", "stall_ratio", "cutin_per_hold"} <= result.intervals.keys()
    for key, (low, high) in result.intervals.items():
        assert low <= result.scores[key] <= high, key


def test_a_real_difference_is_shown_and_noise_is_not():
    base = [session(f"s{n}", 720, n) for n in range(8)]
    slower = [session(f"s{n}", 800, n) for n in range(8)]
    again = [session(f"s{n}", 720, n + 50) for n in range(8)]
    keys = ["voice_to_voice_ms_p50", "endpoint_delay_ms_p95", "wer", "cutin_per_hold", "headroom"]
    found = {item.key: item for item in compare(base, slower, keys)}
    assert found["endpoint_delay_ms_p95"].difference == 80.0
    assert (found["endpoint_delay_ms_p95"].low, found["endpoint_delay_ms_p95"].high) == (80.0, 80.0)
    assert found["voice_to_voice_ms_p50"].verdict == "higher"
    assert found["wer"].verdict == found["cutin_per_hold"].verdict == found["headroom"].verdict == NO_DIFFERENCE
    assert [item.verdict for item in compare(base, again, keys)] == [NO_DIFFERENCE] * 5
    assert compare(slower, base, keys[:1])[0].verdict == "lower"


def test_five_sessions_cannot_show_a_difference():
    base, slower = [[session(f"s{n}", delay, n) for n in range(5)] for delay in (720, 1200)]
    found = compare(base, slower, ["voice_to_voice_ms_p50"])[0]
    assert (found.verdict, found.low, found.sessions) == (NO_DIFFERENCE, None, 5)
    assert found.difference == 480.0


def test_turns_are_paired():
    # One side answers one turn fewer: the other side's value for that turn is left out as well.
    made = Made(session="s0").answer(0, 4720, frames=50)
    one = [evaluate(made.trace(), MARKS)]
    both = [evaluate(made.answer(1, 30_000 - 18_000, frames=10).trace(), MARKS)]
    found = compare(one, both, ["voice_to_voice_ms_max"])[0]
    assert found.difference == 0.0


def test_what_cannot_be_compared_is_refused():
    a, b = [session("a")], [session("b")]
    with pytest.raises(WorkbenchError, match="session 'a' was scored for one config only"):
        compare(a, b, ["wer"])
    for key in ("turns_n", "voice_to_voice_ms_n", "nothing"):
        with pytest.raises(WorkbenchError, match=f"'{key}' is not a percentile or a rate"):
            compare(a, a, [key])


def test_shuffled_sides_show_no_difference_in_nine_of_ten():
    generator = np.random.default_rng(5)
    verdicts = []
    for trial in range(60):
        sides = [[], []]
        for number in range(8):
            for side in sides:
                moment = ms(2000) + int(generator.integers(1, 40)) * 1920
                made = Made(session=f"s{number}").add(Commit(moment, moment, 0, "silence", moment))
                side.append(evaluate(made.trace(), labels((1000, 2000, "speech", 1))))
        verdicts.append(compare(*sides, ["endpoint_delay_ms_p50"], seed=trial)[0].verdict)
    assert verdicts.count(NO_DIFFERENCE) >= 54


def judged(delays, cuts=None):
    """Sessions with a turn per delay in ms, and the holds that were cut into."""
    found = []
    for number, row in enumerate(delays):
        rows = []
        for turn, delay in enumerate(ms(int(value)) for value in row):
            parts = Waterfall(0, delay, 0, 0, 0, 0, 0, 0, 0, 0, 0, delay)
            rows.append(TurnRow(turn, 0, 24_000, turn, True, False, False, 0, delay, parts, 0, 0, 0, 0, False))
        holds = tuple(HoldRow(0, 0, 9, cut) for cut in (cuts[number] if cuts else ()))
        found.append(SessionScores(f"s{number:02}", 24_000 * 60, True, turns=tuple(rows), holds=holds))
    return found


@pytest.mark.parametrize(("agreeing", "verdict"), [(5, NO_DIFFERENCE), (6, "lower")])
def test_a_difference_takes_six_sessions_that_agree(agreeing, verdict):
    """The bootstrap alone is sure of five of twelve: hardly a sample has none of them."""
    some = [number < agreeing for number in range(12)]
    slow = judged([[3000 if it else 1000] for it in some], [[it] * 4 for it in some])
    fast = judged([[1000]] * 12, [[False] * 4] * 12)
    for item in compare(slow, fast, ["voice_to_voice_ms_p95", "cutin_per_hold"]):
        assert item.verdict == verdict
        assert (item.high == 0) == (verdict == NO_DIFFERENCE)
        assert item.low <= item.difference < 0


def test_one_slow_session_does_not_hide_what_all_show():
    """It holds the p95 of both sides, whichever way its sides are laid."""
    before = [[900, 1000 + 10 * number] for number in range(7)] + [[900, 9000]]
    after = [[value - 240 for value in row] for row in before]
    found = compare(judged(before), judged(after), ["voice_to_voice_ms_p95"])[0]
    assert (found.verdict, found.difference) == ("lower", -240)


def test_equal_configs_differ_in_at_most_one_of_twenty():
    """Where the bootstrap alone says so of one in seven: p95 of 8 sessions, 1 to 3 turns each."""
    generator = np.random.default_rng(8)
    claims = 0
    for _ in range(200):
        rooms, turns = generator.normal(0, 0.25, 8), 1 + generator.binomial(2, 0.3, 8)
        sides = []
        for _ in range(2):
            levels = rooms + generator.normal(0, 0.15, 8)
            delays = [1500 * generator.lognormal(level, 0.4, n) for level, n in zip(levels, turns, strict=True)]
            sides.append(judged(delays))
        claims += compare(*sides, ["voice_to_voice_ms_p95"])[0].verdict != NO_DIFFERENCE
    assert claims <= 10
