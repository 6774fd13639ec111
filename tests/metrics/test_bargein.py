import pytest
from made_traces import Made, labels, ms

from workbench.metrics import evaluate, shown, summarise
from workbench.trace import BargeIn, Cancel

# An answer that plays from 3090 ms on; 1125 frames are 90 s.
TURN = (1000, 2000, "speech", 1)


def talking(seconds=90.0, stop=None, **more):
    return Made(seconds=200, **more).answer(0, 2800, frames=int(seconds * 12.5), stop=stop)


def stopped(at, onset=None, echo=False, **more):
    """Cancelled at ``at`` ms by a sound that began at ``onset``."""
    onset = at - 300 if onset is None else onset
    return talking(stop=at, echo=echo, **more).add(BargeIn(ms(at), 0, ms(onset), ms(at - 10)))


def score(made, *marks):
    return evaluate(made.trace(), labels(TURN, *marks))


def scores(made, *marks):
    return summarise([score(made, *marks)], bootstrap=False)


def test_one_cough_in_90_s_of_agent_speech_is_40_an_hour():
    # The agent plays from 3090 ms; the cough stops it 90 s later.
    result = scores(stopped(93_090), (92_800, 93_050, "noise"))
    assert result.scores["agent_speech_seconds"] == 90.0
    assert result.scores["false_bargein_per_agent_hour"] == 40.0
    assert result.scores["false_bargein_per_agent_hour_noise"] == 40.0
    assert result.scores["false_bargein_per_agent_hour_echo"] == 0.0
    assert result.scores["selectivity_noise"] == 0.0
    assert result.counts["false_bargein_per_agent_hour"] == (1, 0.025)
    assert shown(result, "false_bargein_per_agent_hour") == "1 in 90.0 s of agent time"


@pytest.mark.parametrize(
    ("marks", "echo", "cause"),
    [
        ([(9700, 12_000, "speech", 2)], False, "speech"),
        ([(9000, 9451, "speech", 2)], False, "speech"),  # up to 0.25 s before the onset
        ([(9000, 9450, "speech", 2)], False, "unknown"),
        ([(9990, 12_000, "speech", 2)], False, "unknown"),  # begins where the deciding frame ends
        ([(9800, 9900, "noise"), (9700, 9800, "backchannel")], False, "backchannel"),
        ([(9000, 9201, "noise"), (9000, 15_000, "background")], False, "noise"),  # up to 0.5 s before the onset
        ([(9000, 9200, "noise")], False, "unknown"),
        ([(9000, 15_000, "background")], True, "background"),
        ([(9700, 9800, "note")], True, "echo"),
        ([], True, "echo"),
        ([], False, "unknown"),
        ([(9000, 9451, "speech", 2), (9800, 9900, "noise")], False, "speech"),
    ],
)
def test_the_cause_of_a_barge_in(marks, echo, cause):
    # The sound begins at 9700 ms, the deciding frame ends at 9990.
    assert [row.cause for row in score(stopped(10_000, echo=echo), *marks).barge_ins] == [cause]


def test_echo_needs_an_audible_agent():
    # The agent's first audible sample comes 8 s after its first played one.
    made = Made(seconds=200, echo=True).answer(0, 2800, frames=1000, lead=8000, stop=10_000)
    made.add(BargeIn(ms(10_000), 0, ms(9700), ms(9990)))
    assert score(made).barge_ins[0].cause == "unknown"


def test_only_a_barge_in_that_stopped_the_agent_counts():
    ignored = talking().add(BargeIn(ms(10_000), 0, ms(9700), ms(9990)))
    assert score(ignored).barge_ins == ()
    other = Made(seconds=200).answer(0, 2800).add(BargeIn(ms(4000), 0, ms(3700), ms(3990)), Cancel(ms(4000), 0, "user"))
    assert score(other).barge_ins == ()


def test_detection_and_reaction_from_the_labelled_onset():
    # The agent is cut 12 ms into a frame; that frame is audible up to the cut.
    row = score(stopped(10_000), (9600, 12_000, "speech", 2)).barge_ins[0]
    assert (row.detection, row.reaction) == (ms(400), ms(400))


def test_reaction_is_to_the_last_audible_frame():
    made = stopped(10_000)
    pcm = next(event for event in made.events if type(event).__name__ == "Pcm")
    first_silent = 80  # frames 80 on hold nothing: audible until 3090 + 6400 = 9490 ms
    quiet = type(pcm)(pcm.t, 0, 0, pcm.ready, "1" * first_silent + "0" * (len(pcm.ready) - first_silent), 0)
    made.events[made.events.index(pcm)] = quiet
    row = score(made, (9600, 12_000, "speech", 2)).barge_ins[0]
    assert (row.detection, row.reaction) == (ms(400), ms(9490 - 9600))


def test_a_user_already_speaking_interrupts_at_once():
    made = Made(seconds=200).answer(0, 2800, frames=500, stop=4000).add(BargeIn(ms(4000), 0, ms(3700), ms(3990)))
    found = evaluate(made.trace(), labels((1000, 2000, "speech", 1), (2900, 6000, "speech", 1)))
    assert found.barge_ins[0].detection == ms(4000 - 3090)
    assert found.floor == ()  # he did not begin over agent speech


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        (talking(90), [True]),
        (stopped(12_000), [False]),  # to the sample 2.0 s after the onset
        (stopped(12_001), [True]),
        (talking((12_000 - 3090) / 1000 - 0.05), []),  # ended by itself
        (talking((12_000 - 3090) / 1000), []),  # to the frame, a little before 2.0 s
        (talking(5), []),  # had ended before
    ],
)
def test_a_missed_barge_in_is_an_agent_that_speaks_on_for_2_s(made, outcome):
    found = score(made, (10_000, 10_500, "speech", 2), (10_900, 13_000, "speech", 2))
    assert [row.missed for row in found.floor] == outcome


def test_an_answer_that_ends_by_itself_after_2_s_shows_nothing():
    ends = 3090 + 111 * 80
    assert score(talking(111 * 0.08), (ends - 2000, ends + 500, "speech", 2)).floor == ()
    assert [row.missed for row in score(talking(111 * 0.08), (ends - 2001, ends, "speech", 2)).floor] == [True]


def test_an_answer_waiting_for_samples_is_still_spoken():
    # Played until 5090 ms, then nothing came until it was stopped at 6000.
    made = talking(2.0, stop=6000).add(BargeIn(ms(6000), 0, ms(5500), ms(5990)))
    found = score(made, (5400, 7000, "speech", 2))
    assert [row.missed for row in found.floor] == [False]
    assert found.barge_ins[0].reaction == ms(5090 - 5400)


@pytest.mark.parametrize(
    ("end", "stop", "kept"),
    [(9900, 10_000, False), (9000, 10_000, False), (8999, 10_000, True)],
)
def test_an_event_stopped_the_agent_if_silence_follows_in_1_s(end, stop, kept):
    result = scores(stopped(stop), (min(end - 100, 9700), end, "backchannel"))
    assert result.scores["selectivity_backchannel"] == float(kept)


def test_events_away_from_agent_speech_say_nothing():
    result = scores(talking(5), (500, 900, "noise"), (9000, 9500, "noise"), (3000, 3100, "noise"))
    assert result.counts["selectivity_noise"] == (1, 1)
    assert result.scores["selectivity_background"] is None


def test_an_event_next_to_a_barge_in_did_not_stop_the_agent():
    result = scores(stopped(10_000), (9600, 12_000, "speech", 2), (9700, 9800, "noise"))
    assert result.scores["selectivity_noise"] == 1.0
    assert result.scores["false_bargein_per_agent_hour"] == 0.0
