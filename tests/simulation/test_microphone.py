"""Simulated microphone of long sessions: what it keeps in memory, and that what it gives stays exact."""

import numpy as np
import pytest

from workbench.cache import Store
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.tracks import frame_rms
from workbench.simulation.microphone import Microphone
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

from ..conftest import MakeSession

TAPS = ((700, 0.3), (2000, 0.1))


def test_echo_is_exact_and_that_of_long_ago_is_forgotten(make_session: MakeSession) -> None:
    session, _ = make_session([(1.0, 2.0, "speech", 1, "hello")], 150)
    mic = Microphone(session, EchoPath(TAPS), Store(None))
    expected = session.read(0, session.frames * FRAME_SAMPLES)
    random = np.random.default_rng(1)
    for second in (5, 6, 40, 90, 140):
        pcm = random.normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
        at = second * SAMPLE_RATE + 11
        mic.hear([(at, pcm)])
        for delay, gain in TAPS:
            expected[at + delay : at + delay + len(pcm)] += np.float32(gain) * pcm
    frames = expected.reshape(-1, FRAME_SAMPLES)
    np.testing.assert_allclose(mic.levels, frame_rms(frames), rtol=1e-5)
    late = 89 * SAMPLE_RATE // FRAME_SAMPLES
    np.testing.assert_allclose(mic.frame(late + 20), frames[late + 20], atol=1e-6)
    assert np.array_equal(mic.frame(700), session.read(700 * FRAME_SAMPLES, 701 * FRAME_SAMPLES)), "nothing was played"
    with pytest.raises(AssertionError, match="is forgotten"):
        mic.frame(6 * SAMPLE_RATE // FRAME_SAMPLES)


def test_decoded_minutes_are_kept_within_the_limit_of_the_store(make_session: MakeSession) -> None:
    session, _ = make_session([(1.0, 2.0, "speech", 1, "hello")], 200)
    store = Store(None, memory=2 * 60 * SAMPLE_RATE * 4)
    mic = Microphone(session, EchoPath(), store)
    for frame in (0, 800, 1600, 2400, 0):
        assert np.array_equal(mic.frame(frame), session.read(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES))
    assert store.usage().bytes <= 2 * 60 * SAMPLE_RATE * 4
