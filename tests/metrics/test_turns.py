import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_traces import Made, labels, ms

from workbench.metrics import evaluate, frontier, summarise
from workbench.metrics.turns import EARLY, HOLD_MAX, HOLD_MIN, LATE, false_ends, holds, match_ends
from workbench.sessions.labels import Label, turns
from workbench.trace import Commit, Heard, Transcript
from workbench.units import FRAME_SAMPLES

ONE_TURN = ((1000, 2000, "speech", 1),)
WITH_HOLD = ((1000, 2000, "speech", 1), (2640, 4000, "speech", 1))


def commit(at, reply=0):
    return Commit(ms(at), ms(at), reply, "silence", ms(at))


def rows(marks, *moments, seconds=60.0):
    made = Made(seconds=seconds).add(*(commit(at, number) for number, at in enumerate(moments)))
    return evaluate(made.trace(), labels(*marks))


def scores(*sessions):
    return summarise(sessions, bootstrap=False)


@pytest.mark.parametrize(("silence_ms", "cut"), [(560, True), (640, True), (720, False)])
def test_a_640_ms_hold_is_committed_by_560_and_not_by_720(silence_ms, cut):
    # Speech ends on a frame border at 2000 ms, so silence is counted from there and decided when enough has passed.
    moments = [2000 + silence_ms] if 2000 + silence_ms <= 2640 else []
    found = rows(WITH_HOLD, *moments, 4000 + silence_ms)
    assert [row.cut for row in found.holds] == [cut]
    result = scores(found)
    assert result.scores["cutin_per_hold"] == (1.0 if cut else 0.0)
    assert result.counts["cutin_per_hold"] == (int(cut), 1)
    assert result.scores["cutin_per_turn"] == (1.0 if cut else 0.0)
    assert result.scores["missed_eot_rate"] == 0.0


@pytest.mark.parametrize(("at", "cut"), [(2000, False), (2000 + 1 / 24, True), (2640, True), (2640 + 1 / 24, False)])
def test_a_commit_is_in_a_hold_to_the_sample(at, cut):
    assert [row.cut for row in rows(WITH_HOLD, at).holds] == [cut]


@pytest.mark.parametrize(("length", "counted"), [(199, 0), (200, 1), (5000, 1), (5001, 0)])
def test_holds_are_pauses_of_0_2_to_5_s(length, counted):
    marks = labels((1000, 2000, "speech", 1), (2000 + length, 9000, "speech", 1))
    assert len(holds(turns(marks), [])) == counted


@pytest.mark.parametrize(
    ("at", "found", "cutins", "answered"),
    [
        (1749, False, 1, True),  # a cut-in, and the only answer
        (1750, True, 1, True),  # within 0.25 s: early, but it found the end
        (1999, True, 1, True),
        (2000, True, 0, True),
        (5000, True, 0, True),
        (5001, False, 0, False),
        (900, False, 0, False),
    ],
)
def test_the_window_around_the_end(at, found, cutins, answered):
    row = rows(ONE_TURN, at).turns[0]
    assert (row.end_found, row.missed, row.cutins, row.reply is not None) == (found, not found, cutins, answered)
    assert row.endpoint_delay == (ms(at - 2000) if answered else None)


def test_the_window_closes_where_the_next_turn_starts():
    marks = (*ONE_TURN, (3000, 4000, "speech", 2))
    assert [row.end_found for row in rows(marks, 3000).turns] == [True, False]
    late = rows(marks, 3001, 4700)
    assert [row.end_found for row in late.turns] == [False, True]
    assert late.turns[0].reply is None  # 3001 is a cut-in of the second turn, not the answer to the first
    assert late.turns[1].cutins == 1


@pytest.mark.parametrize("at", [2560, 2640])
def test_a_commit_in_a_hold_never_ends_the_turn_after_it(at):
    # The last stretch of speech is shorter than 0.25 s: a commit in the hold before it is no early end.
    found = rows(((1000, 2000, "speech", 1), (2640, 2740, "speech", 1)), at)
    assert (found.turns[0].end_found, found.turns[0].cutins, found.holds[0].cut) == (False, 1, True)


def test_two_commits_in_one_window_are_one_end_and_one_false_end():
    found = rows(ONE_TURN, 2700, 4000)
    assert found.turns[0].reply == 0
    # Stretches: before the turn, the turn, after it.
    assert (found.false_ends, found.spans) == (1, 3)


def test_a_stretch_counts_one_false_end():
    found = rows(ONE_TURN, 1200, 1300, 1400, 2700)
    assert (found.turns[0].cutins, found.false_ends) == (3, 1)
    result = scores(found)
    assert result.scores["eot_fp_rate"] == pytest.approx(1 / 3)
    assert result.scores["cutin_per_floor_hour"] == 3 * 3600
    assert result.counts["cutin_per_floor_hour"] == (3, 1 / 3600)


def test_a_session_that_ends_early_shows_no_missed_end():
    assert rows(ONE_TURN, seconds=4.999).turns[0].censored
    assert not rows(ONE_TURN, seconds=5.0).turns[0].censored
    found = scores(rows(ONE_TURN, seconds=4.0))
    assert found.scores["missed_eot_rate"] is None
    assert found.scores["turns_censored_n"] == 1


def test_clipped_speech():
    made = Made().add(Heard(ms(4000), ms(1240), ms(2400)), Heard(ms(9000), ms(3000), ms(3500)), commit(2800))
    row = evaluate(made.trace(), labels(*WITH_HOLD)).turns[0]
    assert (row.onset_clipped, row.tail_clipped) == (ms(240), ms(4000 - 2800))
    in_hold = Made().add(Heard(ms(4000), ms(2100), ms(4000)), commit(4720))
    row = evaluate(in_hold.trace(), labels(*WITH_HOLD)).turns[0]
    assert (row.onset_clipped, row.tail_clipped) == (ms(1000), 0)
    before = Made().add(Heard(ms(900), ms(100), ms(1000)), Heard(ms(4000), ms(1240), ms(2400)))
    assert evaluate(before.trace(), labels(*WITH_HOLD)).turns[0].onset_clipped == ms(240)
    preroll = Made().add(Heard(ms(4000), ms(700), ms(4000)))
    assert evaluate(preroll.trace(), labels(*WITH_HOLD)).turns[0].onset_clipped == 0
    deaf = evaluate(Made().trace(), labels(*WITH_HOLD))
    assert deaf.turns[0].onset_clipped is None
    assert scores(deaf).scores["turns_unheard_n"] == 1


def test_words_of_a_turn_are_those_of_all_its_commits():
    marks = labels((1000, 2000, "speech", 1, "Turn on"), (2640, 4000, "speech", 1, "the lamp, please!"))
    made = Made().add(
        commit(2560), Transcript(ms(2600), 0, "turn on"), commit(4700, 1), Transcript(ms(4800), 1, "the lamb please")
    )
    row = evaluate(made.trace(), marks).turns[0]
    assert (row.words, row.word_errors) == (5, 1)
    assert scores(evaluate(made.trace(), marks)).scores["wer"] == 0.2
    deaf = evaluate(Made().trace(), marks).turns[0]
    assert (deaf.words, deaf.word_errors) == (5, 5)
    late = Made().add(commit(9000), Transcript(ms(9100), 0, "turn on the lamp please"))
    assert evaluate(late.trace(), marks).turns[0].word_errors == 0


def test_turns_without_words_are_left_out_of_wer():
    made = Made().add(commit(2700), Transcript(ms(2800), 0, "hello"))
    assert scores(evaluate(made.trace(), labels(*ONE_TURN))).scores["wer"] is None


def test_frontier_takes_only_settings_that_were_run():
    points = [(280.0, 0.30), (440.0, 0.12), (600.0, 0.09), (920.0, 0.04)]
    assert frontier(points) == {
        "dead_air_ms_at_cutin_5pct": 920.0,
        "dead_air_ms_at_cutin_10pct": 600.0,
        "cutin_per_hold_at_300ms": 0.30,
        "cutin_per_hold_at_600ms": 0.09,
    }
    assert set(frontier([]).values()) == {None}


@st.composite
def conversations(draw):
    at, marks = 0, []
    for turn in range(1, draw(st.integers(1, 4)) + 1):
        for _ in range(draw(st.integers(1, 3))):
            start = at + draw(st.integers(1, 150_000))
            at = start + draw(st.integers(1, 60_000))
            marks.append(Label(start, at, "speech", turn))
    moments = sorted(set(draw(st.lists(st.integers(1, at // FRAME_SAMPLES + 80), max_size=12))))
    commits = [Commit(m * FRAME_SAMPLES, m * FRAME_SAMPLES, n, "silence", 0) for n, m in enumerate(moments)]
    return turns(marks), commits, at + draw(st.integers(0, 100_000))


@given(conversations())
def test_matching_is_one_to_one_and_equals_a_literal_count(talk):
    reference, commits, samples = talk
    ends = match_ends(reference, commits, samples)
    answering = [id(end.commit) for end in ends if end.commit]
    assert len(answering) == len(set(answering))
    for number, (turn, end) in enumerate(zip(reference, ends, strict=True)):
        after = [other.start for other in reference[number + 1 :]][:1]
        window = [
            item
            for item in commits
            if turn.end - EARLY <= item.frame_end <= turn.end + LATE
            and item.frame_end > turn.parts[-1].start
            and all(item.frame_end <= start for start in after)
        ]
        inside = [item for item in commits if turn.start < item.frame_end < turn.end]
        expected = window[0] if window else inside[-1] if inside else None
        assert end.commit is expected
        assert end.end_found == bool(window)
        assert end.cutins == len(inside)
    for hold in holds(reference, commits):
        assert HOLD_MIN <= hold.end - hold.start <= HOLD_MAX
        assert hold.cut == any(hold.start < item.frame_end <= hold.end for item in commits)
    false, spans = false_ends(reference, ends, commits, samples)
    assert 0 <= false <= min(spans, len(commits) - sum(end.end_found for end in ends))
