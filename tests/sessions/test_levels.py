"""Levels are the consumer's own figures, to the last bit."""

import numpy as np

from workbench.sessions.tracks import frame_rms


def test_level_of_a_frame_is_what_the_published_loop_computes() -> None:
    frames = np.random.default_rng(3).normal(0, 0.02, (2000, 1920)).astype(np.float32)
    published = [float((block**2).mean() ** 0.5) for block in frames[:, :, None]]
    assert frame_rms(frames).astype(float).tolist() == published
