"""What happens around a barge-in: the grace before it, the pause after it, and what is remembered of the answer."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.replay.test_engine import of, run, score
from workbench.cache import Store
from workbench.metrics import evaluate, summarise
from workbench.runs import open_labelled
from workbench.stages.lm import CachedLm
from workbench.trace import BargeIn, Cancel, Commit, Done, Pause, Play, Resume, Steps, Tokens, Trace, Underrun, Word
from workbench.units import FRAME_SAMPLES, ms_to_samples

from ..conftest import MakeSession

RECORDINGS = Path(__file__).parents[2] / "recordings"
QUESTION = (2.0, 3.6, "speech", 1, "what can you tell me")
COUGH = (8.0, 8.5, "noise", None, "cough")
BREAK_IN = (9.5, 10.6, "speech", 2, "stop it now please")
SHARED: dict[str, object] = {"barge_in": True, "placement": "shared"}


@pytest.fixture
def coughed(make_session: MakeSession) -> object:
    return make_session([QUESTION, COUGH], 30)


@pytest.fixture
def broken(make_session: MakeSession) -> object:
    return make_session([QUESTION, BREAK_IN], 30)


def test_a_cough_stops_energy_and_not_words(coughed: object) -> None:
    assert len(of(run(coughed, SHARED).trace, Cancel)) == 1
    for rule in ("words", "words_n", "energy+words"):
        assert of(run(coughed, {**SHARED, "barge_in_rule": rule}).trace, Cancel) == []


def test_a_word_interrupts_when_its_step_is_done(broken: object) -> None:
    """The scripted STT says a word 6 frames after its sound; a step takes 20 ms, more where the device is busy."""
    words = {**SHARED, "barge_in_rule": "words"}
    split = run(broken, {**words, "placement": "split"}).trace
    [stop], first = of(split, BargeIn), min(event.t for event in of(split, Word) if event.t > ms_to_samples(9500))
    assert stop.t == first == stop.frame_end + ms_to_samples(20)
    assert stop.t > ms_to_samples(9500 + 480)
    slow = run(broken, {**words, "placement": "split", "step_costs.source": "fixed", "stt_step_ms": 40.0}).trace
    assert of(slow, BargeIn)[0].t == stop.frame_end + ms_to_samples(40)
    [busy] = of(run(broken, words).trace, BargeIn)
    assert busy.frame_end == stop.frame_end
    assert busy.t >= stop.t


def test_the_turn_that_interrupts_is_heard_from_its_first_word_on(broken: object) -> None:
    for rule in ("words", "words_n", "pause_head", "words/pause_head"):
        trace = run(broken, {**SHARED, "barge_in_rule": rule}).trace
        assert len(of(trace, Cancel)) == 1, rule
        turn = score(broken, trace).turns[1]
        assert (turn.onset_clipped, turn.word_errors) == (0, 0), rule


def test_nothing_stops_the_agent_in_the_grace(make_session: MakeSession) -> None:
    made = make_session([QUESTION, (7.5, 8.0, "noise", None, "cough"), (12.0, 12.5, "noise", None, "cough")], 30)
    [first] = of(run(made, {"barge_in": True}).trace, BargeIn)
    begun = of(run(made, {}).trace, Play)[0].t
    grace = {"barge_in": True, "barge_in_grace_ms": 4000}
    [later] = of(run(made, grace).trace, BargeIn)
    assert first.t < begun + ms_to_samples(4000) < later.t
    assert ms_to_samples(12_000) < later.t < ms_to_samples(13_000)


def test_what_lasts_beyond_the_grace_is_counted_from_its_end_on(make_session: MakeSession) -> None:
    made = make_session([QUESTION, (7.0, 14.0, "background", None, "radio")], 30)
    begun = of(run(made, {}).trace, Play)[0].t
    [stop] = of(run(made, {"barge_in": True, "barge_in_grace_ms": 4000}).trace, BargeIn)
    over = begun + ms_to_samples(4000)
    assert over + ms_to_samples(240) - FRAME_SAMPLES < stop.t <= over + ms_to_samples(240)
    assert stop.onset >= over - FRAME_SAMPLES


def frames(trace: Trace) -> list[tuple[int, int]]:
    """Chunk and offset of each frame that was played."""
    return [(play.chunk, play.offset + at) for play in of(trace, Play) for at in range(0, play.samples, FRAME_SAMPLES)]


def test_after_a_false_alarm_the_agent_goes_on_where_it_was_heard(coughed: object) -> None:
    plain = run(coughed, {**SHARED, "barge_in_min_ms": 2000}).trace
    trace = run(coughed, {**SHARED, "barge_in_resume_ms": 1000}).trace
    [stop], [pause], [resume] = of(trace, BargeIn), of(trace, Pause), of(trace, Resume)
    assert (pause.t, resume.t) == (stop.t, stop.t + ms_to_samples(1000))
    assert of(trace, Cancel) == of(trace, Underrun) == []
    assert frames(trace) == frames(plain)
    gaps = [b.t - a.t - a.samples for a, b in zip(of(trace, Play), of(trace, Play)[1:], strict=False)]
    [gap] = [gap for gap in gaps if gap]
    assert ms_to_samples(1000) - FRAME_SAMPLES <= gap < ms_to_samples(1000) + FRAME_SAMPLES
    assert of(trace, Done)[0].t == of(plain, Done)[0].t + gap


def test_a_false_alarm_is_scored_as_an_interruption(coughed: object) -> None:
    labels = coughed[1]  # type: ignore[index]

    def scores(changes: dict[str, object]) -> dict[str, float | None]:
        return dict(summarise([evaluate(run(coughed, changes).trace, labels)], bootstrap=False).scores)

    resumed, stopped = scores({**SHARED, "barge_in_resume_ms": 1000}), scores(SHARED)
    assert resumed["false_bargein_resumed_share"] == 1.0
    assert stopped["false_bargein_resumed_share"] == 0.0
    assert (resumed["bargein_pause_ms_p50"], resumed["bargein_pause_ms_n"]) == (1000.0, 1)
    assert resumed["false_bargein_per_agent_hour_noise"]
    assert (resumed["loss_s_per_turn"] or 0) < (stopped["loss_s_per_turn"] or 0)


def test_a_word_in_the_pause_gives_the_answer_up(broken: object) -> None:
    at_once = run(broken, SHARED).trace
    trace = run(broken, {**SHARED, "barge_in_resume_ms": 2000}).trace
    [pause], [cancel] = of(trace, Pause), of(trace, Cancel)
    assert of(trace, Resume) == []
    assert pause.t == of(at_once, Cancel)[0].t
    assert cancel.t in {word.t for word in of(trace, Word)}
    assert [play for play in of(trace, Play) if play.t < cancel.t] == [
        play for play in of(at_once, Play) if play.t < cancel.t
    ]
    a, b = score(broken, at_once), score(broken, trace)
    assert [row.reaction for row in a.barge_ins] == [row.reaction for row in b.barge_ins]
    assert b.turns[1].word_errors == 0


def test_a_pause_that_is_too_short_for_words_talks_over_the_user(broken: object) -> None:
    trace = run(broken, {**SHARED, "barge_in_resume_ms": 80}).trace
    rows = score(broken, trace).barge_ins
    assert rows[0].cause == "speech"
    assert rows[0].resumed == ms_to_samples(80)


def test_the_stt_that_is_asked_costs_time(coughed: object) -> None:
    """It is reset before, and each of its steps is on the device that speaks."""
    plain, asked = (run(coughed, {**SHARED, **more}).trace for more in ({}, {"barge_in_rule": "words"}))
    commits = [of(trace, Commit)[0].t for trace in (plain, asked)]
    assert commits[0] == commits[1]
    first = [of(trace, Play)[0].t for trace in (plain, asked)]
    assert first[0] <= first[1]
    stt = [sum(len(event.costs) for event in of(trace, Steps) if event.stage == "stt") for trace in (plain, asked)]
    assert stt[0] < stt[1], "the answer that was not stopped is heard to its end"


def test_the_agents_own_words_stop_it_where_it_is_heard() -> None:
    """A real model hears what the loudspeaker says: the STT that comes with the workbench."""
    loud = {"stack.name": "nano", "step_costs.source": "fixed", "barge_in_rule": "words", "echo.path": "config"}
    made = open_labelled(RECORDINGS / "questions")
    trace = run(made, {**SHARED, **loud, "echo_gain_db": -6.0, "stt_silence_threshold": 0.02}).trace
    first = score(made, trace).barge_ins[0]
    assert first.cause == "echo"
    [said] = [word.text for word in of(trace, Word) if word.t == first.t]
    assert said in next(tokens.text for tokens in of(trace, Tokens) if tokens.reply == first.reply).split()


@dataclass
class Listening:
    """A language model that keeps what it was given."""

    fingerprint = "listening"
    given: list[tuple[str, ...]] = field(default_factory=list)

    def reply(self, history: tuple[str, ...]):  # type: ignore[no-untyped-def]
        self.given.append(history)
        yield f"answer {len(self.given)}"


def test_a_stopped_answer_is_remembered_as_it_was_heard(broken: object, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    reply = CachedLm.reply

    def noting(lm: CachedLm, history: tuple[str, ...], group: int) -> tuple[str, ...]:
        asked.append(history)
        return reply(lm, history, group)

    monkeypatch.setattr(CachedLm, "reply", noting)
    run(broken, {"barge_in": True})
    whole = asked[-1][1]
    asked.clear()
    trace = run(broken, {"barge_in": True, "history": "heard"}).trace
    heard = asked[-1][1]
    seconds = sum(play.samples for play in of(trace, Play) if play.reply == 0) / 24_000
    assert whole.startswith(heard)
    assert whole[len(heard)] == " ", "whole words"
    assert 12 * seconds - 15 < len(heard) <= 15 * seconds
    assert len(heard) < len(whole) - 20


def test_another_memory_of_an_answer_is_another_question() -> None:
    lm, store = Listening(), Store(None)
    for heard in ("answer 1", "answer", "answer 1"):
        cached = CachedLm(lm, store)
        assert cached.reply(("hello",), 0) == ("answer 1",)
        cached.reply(("hello", heard, "and"), 1)
    assert lm.given == [("hello",), ("hello", "answer 1", "and"), ("hello", "answer", "and")]
