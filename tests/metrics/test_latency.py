import pytest
from made_traces import Made, labels, ms

from workbench.errors import WorkbenchError
from workbench.metrics import evaluate, summarise
from workbench.metrics.rows import PARTS
from workbench.trace import BargeIn, Cancel, Chunk, Commit, Pcm, Play, Tokens, Transcript, Underrun


def score(made, marks, **more):
    return evaluate(made.trace(), marks, **more)


def test_every_part_of_a_known_answer():
    # The user ends at 2010 ms: the frame ends at 2080; silence is counted from there on and decided 720 ms later.
    made = Made().answer(0, 2800, steps=(11, 22, 33, 44, 55), gap=66, lead=77, silence_from=2080)
    row = score(made, labels((1000, 2010, "speech", 1))).turns[0]
    found = {part: getattr(row.waterfall, part) / 24 for part in PARTS}
    assert found == {
        "framing_wait": 70.0,
        "endpoint_hold": 720.0,
        "stt_compute": 11.0,
        "stt_flush": 22.0,
        "lm_ttft": 33.0,
        "text_aggregation": 44.0,
        "tts_ttfb": 55.0,
        "prebuffer_wait": 66.0,
        "playout_delay": 20.0,
        "tts_leading_silence": 77.0,
    }
    assert row.waterfall.silence_hold == ms(720)
    assert row.waterfall.voice_to_voice == ms(70 + 720 + 11 + 22 + 33 + 44 + 55 + 66 + 20 + 77)
    assert row.waterfall.residual == 0
    assert row.endpoint_delay == ms(790)


@pytest.mark.parametrize(
    ("reason", "silence_from", "expected"),
    [("silence", 2080, 720), ("silence", 2400, 400), ("silence", 1500, 720), ("pause", 2080, 0), ("limit", 2800, 0)],
)
def test_silence_hold_is_the_counted_part_of_endpoint_hold(reason, silence_from, expected):
    made = Made().answer(0, 2800, reason=reason, silence_from=silence_from)
    row = score(made, labels((1000, 2080, "speech", 1))).turns[0]
    assert row.waterfall.silence_hold == ms(expected)
    assert row.waterfall.endpoint_hold == ms(720)


def test_a_cut_in_keeps_its_negative_latency():
    made = Made().answer(0, 2000, steps=(0, 0, 0, 0, 0))
    row = score(made, labels((1000, 3000, "speech", 1))).turns[0]
    assert row.waterfall.endpoint_hold == ms(2000 - 3040)
    assert row.waterfall.voice_to_voice == ms(2020 - 3000)
    assert row.waterfall.residual == 0


def test_a_step_that_is_not_there_takes_no_time():
    made = Made(playout=0)
    made.add(
        Commit(ms(2810), ms(2800), 0, "pause", ms(2800)),
        Pcm(ms(3000), 0, 0, (ms(3000),), "1", 0),
        Play(ms(3000), 0, 0, 0, 1920),
    )
    fall = score(made, labels((1000, 2000, "speech", 1))).turns[0].waterfall
    assert (fall.stt_flush, fall.lm_ttft, fall.text_aggregation, fall.tts_ttfb) == (0, 0, 0, ms(190))
    assert fall.residual == 0


def test_an_underrun_inside_the_lead_is_leading_silence():
    made = Made(playout=0)
    start = ms(3000)
    made.add(
        Commit(ms(2800), ms(2800), 0, "silence", ms(2080)),
        Pcm(start, 0, 0, (start, start + 5000, start + 5000), "001", 4000),
        Play(start, 0, 0, 0, 1920),
        Underrun(start + 1920, 0, 3080, False),
        Play(start + 5000, 0, 0, 1920, 3840),
    )
    fall = score(made, labels((1000, 2000, "speech", 1))).turns[0].waterfall
    assert fall.tts_leading_silence == 5000 + 4000 - 1920
    assert fall.residual == 0


def test_an_answer_that_was_never_audible_is_in_no_percentile():
    spoken = Made().answer(0, 2800)
    before = Made().answer(0, 2800, stop=2900)
    silent = Made().add(
        Commit(ms(2800), ms(2800), 0, "silence", ms(2080)),
        Pcm(ms(3000), 0, 0, (ms(3000),), "0", -1),
        Play(ms(3020), 0, 0, 0, 1920),
    )
    committed = Made().add(Commit(ms(2800), ms(2800), 0, "silence", ms(2080)))
    inside_lead = Made().answer(0, 2800, lead=400, stop=3300)
    marks = labels((1000, 2000, "speech", 1))
    for made, answered in ((spoken, 1), (before, 0), (silent, 0), (committed, 0), (inside_lead, 0)):
        scores = summarise([score(made, marks)], bootstrap=False).scores
        assert scores["voice_to_voice_ms_n"] == scores["turns_answered_n"] == answered
        assert scores["turns_cancelled_before_speech_n"] == 1 - answered
        assert scores["endpoint_delay_ms_p50"] == 800.0
    assert summarise([score(before, marks)], bootstrap=False).scores["voice_to_voice_ms_p50"] is None


def bad(*events):
    return Made().add(Commit(ms(2800), ms(2800), 0, "silence", ms(2080)), *events)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (bad(Play(ms(3000), 0, 0, 0, 1920)), "no pcm event"),
        (bad(Pcm(ms(3000), 0, 0, (ms(3000),), "1", 0), Play(ms(3020), 0, 0, 0, 1921)), "beyond its end"),
        (bad(Pcm(ms(3000), 0, 0, (ms(3000),), "11", 0)), "1 frames but 2"),
        (bad(Pcm(ms(3000), 0, 0, (ms(3000),), "1", 1920)), "lead 1920"),
        (bad(Pcm(ms(3000), 0, 0, (ms(3001),), "1", 0)), "ready must begin with t"),
        (bad(Pcm(ms(3000), 0, 0, (), "", -1)), "ready must begin with t"),
        (bad(Pcm(ms(3000), 0, 0, (ms(3000), ms(3002), ms(3001)), "111", 0)), "never run backwards"),
        (bad(Pcm(ms(3000), 0, 0, (ms(3000),), "0", 0)), "lead 0"),
        (bad(Pcm(ms(3000), 0, 0, (ms(3000),), "1", 0), Play(ms(3019), 0, 0, 0, 1920)), "before its pcm"),
        (
            bad(Pcm(ms(3000), 0, 0, (ms(3000), ms(3101)), "11", 0), Play(ms(3020), 0, 0, 0, 3840)),
            "before it is ready",
        ),
        (bad(Transcript(ms(3000), 0, ""), Tokens(ms(2900), 0, "", ())), "tokens at .* before its transcript"),
        (bad(Commit(ms(9000), ms(9000), 0, "silence", ms(8000))), "two commit events"),
        (bad(Chunk(ms(2900), 0, 0, ""), Transcript(ms(2950), 0, "")), "chunk at .* before its transcript"),
        (
            bad(
                Pcm(ms(3000), 0, 0, (ms(3000), ms(3000)), "11", 0),
                Play(ms(3020), 0, 0, 0, 3840),
                Play(ms(3100), 0, 0, 0, 1920),
            ),
            "while other audio plays",
        ),
        (Made().answer(0, 2800).add(Cancel(ms(9000), 0, "barge_in"), Cancel(ms(9001), 0, "barge_in")), "two cancel"),
    ],
)
def test_what_no_replay_can_do_is_refused_by_name(made, problem):
    with pytest.raises(WorkbenchError, match=f"^made: reply 0.*{problem}"):
        score(made, labels((1000, 2000, "speech", 1)))


def test_counterfactual_from_the_first_difference_on():
    marks = labels((1000, 2000, "speech", 1), (10_000, 11_000, "speech", 2), (20_000, 21_000, "speech", 3))
    made = Made().answer(0, 2800, frames=25).answer(1, 11_720, frames=25)
    first, second = (ms(3090), ms(5090)), (ms(12_010), ms(14_010))

    def flags(*recorded):
        return [row.counterfactual for row in score(made, marks, recorded_agent=recorded).turns]

    assert flags() == [False, True, True]
    at_once = labels((1000, 2000, "speech", 1), (3090, 4000, "speech", 2))
    assert [row.counterfactual for row in score(made, at_once).turns] == [False, False]
    assert flags(first, second) == [False, False, False]
    assert flags(first) == [False, False, True]
    assert flags((first[0], first[1] + ms(500)), second) == [False, False, False]
    assert flags((first[0], first[1] + ms(501)), second) == [False, True, True]
    assert flags(*((a - ms(70), b + ms(70)) for a, b in (first, second))) == [False, False, False]


def test_barge_in_without_agent_speech_has_no_reaction():
    made = Made().answer(0, 2800, stop=2900).add(BargeIn(ms(2900), 0, ms(2700), ms(2880)))
    row = score(made, labels((1000, 2000, "speech", 1), (2700, 4000, "speech", 2))).barge_ins[0]
    assert (row.cause, row.detection, row.reaction) == ("speech", None, None)
