"""Recordings heard in one batch: what each gives alone."""

import numpy as np
import pytest
import soundfile

from tests.moshi.test_numpy import SPOKEN
from workbench.cache import Store
from workbench.moshi.checkpoint import find
from workbench.moshi.generate import Recipe
from workbench.moshi.nano import folder
from workbench.moshi.stt import DsmStt
from workbench.stages.stand_in_stt import continuous_pass, hear_passes
from workbench.units import FRAME_SAMPLES

LENGTHS = (40, 12, 25, 33, 8, 135, 21, 1)
"""Frames of eight recordings; the longest outlives the reach of attention, which is 128 steps."""


@pytest.fixture(scope="module")
def recordings():
    pcm = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in sorted(SPOKEN.glob("*.flac"))])
    starts = [40 * number * FRAME_SAMPLES for number in range(len(LENGTHS))]
    return [pcm[at : at + frames * FRAME_SAMPLES] for at, frames in zip(starts, LENGTHS, strict=True)]


@pytest.mark.parametrize("how", ["numpy", "mlx"])
def test_eight_recordings_in_one_batch_give_their_own_tokens(recordings, how):
    stt = DsmStt(find(folder() / "stt"), lm=how)
    alone = [stt.open().steps(pcm) for pcm in recordings]
    stream = stt.open()
    together = stt.hear_together(
        [np.split(pcm, [5 * FRAME_SAMPLES]) if len(pcm) > 9_600 else [pcm] for pcm in recordings]
    )
    assert [[step.piece for step in steps] for steps in together] == [[s.piece for s in steps] for steps in alone]
    assert len({step.piece for steps in alone for step in steps}) > 10
    for found, wanted in zip(together, alone, strict=True):
        np.testing.assert_allclose([s.pause for s in found], [s.pause for s in wanted], atol=1e-4)
    with pytest.raises(RuntimeError, match="newer one"):
        stream.step(recordings[0][:FRAME_SAMPLES])
    assert stt.open().steps(recordings[1]) == alone[1]


def test_a_batch_of_one_is_the_stream_bit_for_bit(recordings):
    stt = DsmStt(find(folder() / "stt"))
    assert stt.hear_together([[recordings[2]]]) == [stt.open().steps(recordings[2])]
    assert stt.hear_together([]) == []


def test_with_a_temperature_each_recording_draws_for_itself(recordings):
    stt = DsmStt(find(folder() / "stt"), temperature=0.7, seed=3)
    pair = [recordings[1], recordings[4]]
    assert stt.hear_together([[pcm] for pcm in pair]) == [stt.open().steps(pcm) for pcm in pair]


def test_delays_of_codebooks_are_those_of_a_stream(zoo, recordings):
    stt = DsmStt(zoo(Recipe("stt")))
    stt.model.lm.cfg.audio_delays[:] = [0, 0, 1, 1, 2, 2, 2, 3]
    alone = stt.open().steps(recordings[2])
    assert [s.piece for s in stt.hear_together([[recordings[2]]])[0]] == [s.piece for s in alone]


def test_sessions_that_no_pass_has_heard_are_heard_together(make_session, tmp_path):
    stt = DsmStt(find(folder() / "stt"))
    made = [make_session([(0.5, 1.0 + n, "speech", 1, "yes")], 2.0 + n, name=f"s{n}", seed=n)[0] for n in range(3)]
    one_by_one, store = Store(None), Store(None)
    wanted = [continuous_pass(stt, session, one_by_one) for session in made]
    hear_passes(stt, made, store)
    assert stt.together == 1  # on a CPU
    stt.together = 2
    hear_passes(stt, made[:1], store)
    hear_passes(stt, made, store)
    opened = stt._live
    found = [continuous_pass(stt, session, store) for session in made]
    assert stt._live == opened  # all of it was there
    assert [[s.piece for s in steps] for steps in found] == [[s.piece for s in steps] for steps in wanted]
