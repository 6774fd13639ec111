"""Stand-in STT: the words and pause heads of one pass over the recording, as late as the model's own."""

import numpy as np
import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.replay.engine import cost_source, replay
from workbench.stages.lm import CannedLm
from workbench.stages.protocols import Stages, SttStep
from workbench.stages.scripted import ScriptedStack, ScriptedTts
from workbench.stages.stand_in_stt import StandInStt, continuous_pass
from workbench.units import FRAME_SAMPLES

ZEROS = np.zeros(FRAME_SAMPLES, np.float32)
TALK = [
    (1.0, 2.5, "speech", 1, "what can you tell me"),
    (9.0, 10.0, "speech", 2, "and then"),
    (11.2, 12.5, "speech", 2, "what else is there"),
]


class Real:
    """The facts that the stand-in takes over."""

    fingerprint = "real"
    delay_frames = 2
    flush_frames = 3
    prefix_frames = 0
    has_pause_heads = True


def stand_in():
    """Sound in frames 0 to 9 brings a piece each; ``pause`` is the frame's number."""
    steps = [SttStep("" if at < 2 else f" w{at - 2}", (float(at),)) for at in range(12)]
    return StandInStt(Real(), steps)


def pieces(stream, *frames):
    return [stream.step(ZEROS, at).piece.strip() for at in frames]


def test_a_word_comes_as_late_as_from_the_model():
    assert pieces(stand_in().open(), 0, 1, 2, 3, 4) == ["", "", "w0", "w1", "w2"]


def test_a_gap_leaves_out_the_words_that_were_not_heard():
    assert pieces(stand_in().open(), 0, 1, 7, 8, 9) == ["", "", "w0", "w1", "w7"]


def test_silence_brings_out_what_is_still_inside():
    stream = stand_in().open()
    assert pieces(stream, 3, 4, -1, -1, -1) == ["", "", "w3", "w4", ""]


def test_what_is_inside_is_lost_only_by_a_reset():
    stt = stand_in()
    pieces(stt.open(), 3, 4)
    assert pieces(stt.open(fresh=False), 8, 9, -1) == ["w3", "w4", "w8"]
    assert pieces(stt.open(fresh=True), 8, 9, -1) == ["", "", "w8"]


def test_pause_heads_are_those_of_the_recording():
    stream = stand_in().open()
    assert [stream.step(ZEROS, at).pause for at in (-1, 5, 6, -1, -1)] == [None, (5.0,), (6.0,), (7.0,), (8.0,)]


@pytest.fixture
def heard(make_session):
    session, labels = make_session(TALK, 20)
    return session, ScriptedStack().stages(labels), Store(None)


def test_a_pass_is_every_frame_in_turn_and_the_words_still_inside(heard):
    session, stages, store = heard
    steps = continuous_pass(stages.stt, session, store)
    assert len(steps) == session.frames + stages.stt.delay_frames
    said = "".join(step.piece for step in steps).split()
    assert said == [word for *_, text in TALK for word in text.split()]
    assert continuous_pass(stages.stt, session, store) == steps


@pytest.mark.parametrize("listener", ["workbench", "mlx-harmony"])
def test_a_replay_with_the_stand_in_is_the_replay_where_all_is_heard(heard, listener):
    """Turns far apart and a threshold below speech: the STT hears each turn whole, and both say the same."""
    session, stages, store = heard
    config = override(
        Config(),
        {
            "stack.name": "scripted",
            "workbench.listener": listener,
            "workbench.chunker": listener,
            "assistant.stt_silence_threshold": 0.01,
            "assistant.stt_silence_ms": 1600,
            "assistant.stt_vad": False,
        },
    )
    knobs = knobs_of(config)
    stand_in = StandInStt(stages.stt, continuous_pass(stages.stt, session, store))
    traces = []
    for stt in (stages.stt, stand_in):
        both = Stages(stt, CannedLm(), ScriptedTts())
        costs = cost_source(knobs, ScriptedStack().profile, session.name)
        traces.append(replay(session, both, knobs, costs, store).trace.events)
    assert traces[0] == traces[1]
    assert any(type(event).__name__ == "Transcript" for event in traces[0])
