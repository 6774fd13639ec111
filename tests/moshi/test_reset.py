"""What is left after a reset: nothing. And what is left when any part of it is skipped: something."""

import numpy as np
import pytest

from workbench.cache import Store
from workbench.moshi.duplex import Duplex
from workbench.moshi.generate import Recipe
from workbench.moshi.stt import CONSUMER, EVERYTHING, DsmStt, DsmSttStream
from workbench.moshi.tts import DsmTts
from workbench.sessions.echo_path import EchoPath
from workbench.simulation.microphone import Microphone
from workbench.stages.cached_stt import CachedStt
from workbench.units import FRAME_SAMPLES

RECIPES = [Recipe("stt"), Recipe("stt", mimi="full")]


@pytest.fixture(scope="module", params=RECIPES, ids=["small codec", "published codec"])
def stt(request, zoo):
    return DsmStt(zoo(request.param))


@pytest.fixture
def utterances(sound):
    return sound[: 8 * FRAME_SAMPLES], sound[8 * FRAME_SAMPLES : 16 * FRAME_SAMPLES]


def test_two_utterances_through_one_stack_equal_two_stacks(zoo, stt, utterances):
    long_lived = [stt.open().steps(u) for u in utterances]
    fresh = [DsmStt(stt.model.checkpoint).open().steps(u) for u in utterances]
    assert long_lived == fresh
    assert long_lived[0] != long_lived[1]


@pytest.mark.parametrize("left_out", sorted(EVERYTHING))
def test_every_one_of_the_three_resets_is_needed(stt, utterances, left_out):
    clean = stt.open().steps(utterances[1])
    stt.open().steps(utterances[0])
    assert stt.open_with(EVERYTHING - {left_out}).steps(utterances[1]) != clean


def test_the_consumers_reset_leaves_the_past_in(stt, utterances):
    clean = stt.open(fresh=True).steps(utterances[1])
    stt.open().steps(utterances[0])
    bled = stt.open(fresh=False).steps(utterances[1])
    assert bled != clean
    stt.open().steps(utterances[0])
    assert stt.open_with(CONSUMER).steps(utterances[1]) == bled


def test_chunks_and_single_frames_say_the_same(stt, utterances):
    stream = stt.open()
    single = [stream.step(utterances[0][i : i + FRAME_SAMPLES]) for i in range(0, len(utterances[0]), FRAME_SAMPLES)]
    assert stt.open().steps(utterances[0]) == single


def test_encoding_ahead_in_a_thread_says_the_same(stt, sound, monkeypatch):
    monkeypatch.setattr(stt.codec, "chunk_frames", 4)
    pcm = sound[: 10 * FRAME_SAMPLES]
    wanted = stt.open().steps(pcm)
    monkeypatch.setattr(stt, "overlap", stt.codec.concurrent)
    assert stt.open().steps(pcm) == wanted


def test_flush_is_silence_for_the_delay(stt, utterances):
    stream = stt.open()
    stream.steps(utterances[0])
    flushed = stream.flush()
    assert len(flushed) == stt.flush_frames == 8  # Unmute's count for 0.5 s
    padded = np.concatenate([utterances[0], np.zeros(8 * FRAME_SAMPLES, np.float32)])
    assert stt.open().steps(padded)[8:] == flushed


def test_an_older_stream_cannot_go_on(stt, utterances):
    old = stt.open()
    stt.open()
    with pytest.raises(RuntimeError, match="newer one"):
        old.step(utterances[0][:FRAME_SAMPLES])


@pytest.mark.parametrize("shape", [(1919,), (0,), (1, 1920)])
def test_half_frames_are_refused(stt, shape):
    with pytest.raises(ValueError, match="a frame has shape"):
        stt.open().step(np.zeros(shape, np.float32))


def test_duplex_conversations_do_not_meet(zoo, sound):
    duplex = Duplex(zoo(Recipe("duplex")))

    def talk(seed, pcm):
        stream = duplex.open(seed)
        return [stream.step(f) for f in pcm.reshape(-1, FRAME_SAMPLES)]

    def same(a, b):
        return all(
            x.piece == y.piece and (x.pcm is y.pcm is None or np.array_equal(x.pcm, y.pcm))
            for x, y in zip(a, b, strict=True)
        )

    first = talk(1, sound)
    talk(2, sound[::-1].copy())
    assert same(talk(1, sound), first)
    assert not same(talk(2, sound), first)


def test_speech_is_a_function_of_text_and_seed(zoo):
    tts = DsmTts(zoo(Recipe("tts")))

    def say(text, seed):
        return np.concatenate([p for p in tts.synthesize(text, seed) if p is not None])

    first = say("one two", 5)
    assert not np.array_equal(say("one two", 6)[: len(first)], first[: len(say("one two", 6))])
    say("three", 5)
    np.testing.assert_array_equal(say("one two", 5), first)


def test_a_closed_chunk_stops_between_frames_and_leaves_no_trace(zoo):
    tts = DsmTts(zoo(Recipe("tts")))
    whole = [p for p in tts.synthesize("one two", 5) if p is not None]
    speech = tts.synthesize("one two three", 9)
    for _ in range(21):
        next(speech)
    speech.close()
    assert list(speech) == []
    assert len(speech.tokens) == 3
    again = [p for p in tts.synthesize("one two", 5) if p is not None]
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(whole))


def test_random_state_outside_is_untouched(zoo, sound):
    import mlx.core as mx

    mx.random.seed(3)
    expected = np.array(mx.random.uniform(shape=(4,)))
    mx.random.seed(3)
    stream = Duplex(zoo(Recipe("duplex"))).open(0)
    for frame in sound[: 3 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES):
        stream.step(frame)
    list(DsmTts(zoo(Recipe("tts"))).synthesize("one", 1))
    np.testing.assert_array_equal(np.array(mx.random.uniform(shape=(4,))), expected)


@pytest.fixture(scope="module")
def resumable(zoo):
    """A codec of moshi_mlx, whose state can be had."""
    return DsmStt(zoo(RECIPES[0]))


@pytest.mark.parametrize("kept", [1, 3, 7])
def test_a_resumed_stream_goes_on_bit_for_bit(resumable, utterances, kept):
    """Whatever was heard since, by the live stream or by another that went on from the same state."""
    stt, (pcm, other) = resumable, utterances
    wanted = stt.open().steps(pcm)
    stream = stt.open()
    stream.steps(pcm[: kept * FRAME_SAMPLES])
    stt.keep(f"after {kept}")
    stream.steps(other)
    for _ in range(2):
        assert stt.resume(f"after {kept}").steps(pcm[kept * FRAME_SAMPLES :]) == wanted[kept:]
        stt.resume(f"after {kept}").steps(other)


def test_a_resumed_stream_is_the_one_open_stream(resumable, utterances):
    stream = resumable.open()
    stream.steps(utterances[0])
    resumable.keep("end")
    resumable.resume("end")
    with pytest.raises(RuntimeError, match="has ended"):
        stream.steps(utterances[1])


def test_states_go_when_there_is_no_room_the_oldest_first(resumable, utterances, monkeypatch):
    assert resumable.resume("never kept") is None
    resumable.open().steps(utterances[0])
    resumable.keep("first")
    monkeypatch.setattr("workbench.moshi.stt.KEPT", resumable._held)
    resumable.resume("first")  # now it is not the oldest
    count = len(resumable._kept)
    resumable.keep("second")
    assert len(resumable._kept) <= count
    assert resumable.resume("first") is not None
    assert resumable.resume("second") is not None


def test_rustymimi_keeps_its_state_to_itself(zoo, utterances):
    stt = DsmStt(zoo(RECIPES[1]))
    stt.open().steps(utterances[0][:FRAME_SAMPLES])
    stt.keep("one")
    assert stt.resume("one") is None


def cycles(stt, session, store, lengths):
    """What cycles of so many frames, one after the other and none of them reset, say of a session."""
    hearing = CachedStt(stt, Microphone(session, EchoPath(), store), store)
    at, said = 0, []
    for frames in lengths:
        opened = hearing.open(fresh=False)
        for frame in range(at, at + frames):
            opened.hear(frame, 1)
        said.append((opened.pieces, opened.pauses))
        hearing.close()
        at += frames
    return said


@pytest.mark.parametrize("recipe", RECIPES, ids=["small codec", "published codec"])
def test_cycles_without_reset_continue_another_trials_state(zoo, recipe, make_session, monkeypatch):
    session, _ = make_session([(0.2, 1.0, "speech", 1, "")], 2.0)
    trials = [(6, 4, 4), (6, 4, 2, 5), (6, 4, 4, 3), (3, 9)]
    alone = [cycles(DsmStt(zoo(recipe)), session, Store(None), lengths) for lengths in trials]
    heard = []
    monkeypatch.setattr(
        DsmSttStream, "hear", lambda self, codes, hear=DsmSttStream.hear: heard.append(1) or hear(self, codes)
    )
    stt, store, took = DsmStt(zoo(recipe)), Store(None), []
    for lengths, wanted in zip(trials, alone, strict=True):
        heard.clear()
        assert cycles(stt, session, store, lengths) == wanted
        took.append(len(heard))
    # Of the second trial's cycles the third is known, being the beginning of one; it is heard again where the model
    # last was, 10 frames on. A codec whose state cannot be had is led there from the beginning.
    again = 0 if recipe == RECIPES[0] else 10
    assert took == [14, again + 2 + 5, 14 + 3 if again else 4 + 3, 12]
