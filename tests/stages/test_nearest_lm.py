"""Stand-in for a slow language model: replies that it gave, by the nearest words of the user."""

from workbench.stages.lm import CannedLm
from workbench.stages.nearest_lm import GivenReply, NearestLm, given_replies
from workbench.trace import Commit, Header, Tokens, Trace, Transcript

SAMPLES_PER_MS = 24


def ms(value):
    return value * SAMPLES_PER_MS


def made():
    events = (
        Commit(ms(900), ms(900), 0, "silence", ms(200)),
        Transcript(ms(1000), 0, "what time is it"),
        Tokens(ms(1200), 0, "It is nine.", (ms(1200), ms(1250), ms(1400))),
        Commit(ms(8900), ms(8900), 1, "silence", ms(8200)),
        Transcript(ms(9000), 1, "set a timer for ten minutes"),
        Tokens(ms(9500), 1, "Ten minutes, from now.", tuple(map(ms, (9500, 9510, 9520, 9530, 9540, 9550)))),
    )
    return Trace(Header("s", ms(20_000)), events)


def test_replies_are_taken_from_a_trace_with_their_times():
    first, second = given_replies(made())
    assert first == GivenReply("what time is it", ("It", " is", " nine."), (200.0, 250.0, 400.0))
    assert "".join(second.pieces) == "Ten minutes, from now."
    assert (second.times_ms[0], second.times_ms[-1]) == (500.0, 550.0)
    assert list(second.times_ms) == sorted(second.times_ms)


def test_words_that_were_answered_get_their_reply():
    lm = NearestLm(CannedLm(), given_replies(made()))
    assert "".join(lm.reply(("what time is it",))) == "It is nine."
    assert list(lm.timed_reply(("hello", "hi", "what time is it")))[-1] == (" nine.", 400.0)


def test_other_words_get_the_reply_of_the_nearest():
    lm = NearestLm(CannedLm(), given_replies(made()))
    assert "".join(lm.reply(("set a timer for nine",))).startswith("Ten minutes")
    assert "".join(lm.reply(("time is",))) == "It is nine."


def test_replies_are_part_of_the_name():
    one, two = given_replies(made())
    assert NearestLm(CannedLm(), [one]).fingerprint != NearestLm(CannedLm(), [one, two]).fingerprint
