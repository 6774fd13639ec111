"""Levels are the consumer's own figures, to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from workbench.sessions.echo_path import EchoPath
from workbench.sessions.heard_levels import heard_levels
from workbench.sessions.tracks import frame_rms, read_track, write_track
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

from ..conftest import MakeSession


def test_level_of_a_frame_is_what_the_published_loop_computes() -> None:
    frames = np.random.default_rng(3).normal(0, 0.02, (2000, 1920)).astype(np.float32)
    published = [float((block**2).mean() ** 0.5) for block in frames[:, :, None]]
    assert frame_rms(frames).astype(float).tolist() == published


@pytest.mark.parametrize("seconds", [30, 61, 90])
def test_heard_levels_by_the_minute_are_those_of_the_whole(
    make_session: MakeSession, tmp_path: Path, seconds: int
) -> None:
    """The agent's track ends in the first minute, in the second, or after the session."""
    session, _ = make_session([(1.0, 2.0, "speech", 1, "hello")], 70)
    agent, taps = tmp_path / "agent.flac", ((960, 0.5), (70_000, 0.25))
    write_track(agent, iter([np.random.default_rng(2).normal(0, 0.05, seconds * SAMPLE_RATE).astype(np.float32)]))
    whole = session.read(0, session.frames * FRAME_SAMPLES)
    played = read_track(agent, len(whole))
    for delay, gain in taps:
        reach = min(len(whole) - delay, len(played))
        whole[delay : delay + reach] += np.float32(gain) * played[:reach]
    expected = frame_rms(whole.reshape(-1, FRAME_SAMPLES)).astype(np.float64)
    assert np.array_equal(heard_levels(session, agent, EchoPath(taps)), expected)
