"""Levels of a session's frames as a listener heard them: the recording, and the agent through the echo path."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Floats
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms, read_track
from workbench.units import FRAME_SAMPLES


def heard_levels(session: Session, agent: Path, taps: Sequence[tuple[int, float]]) -> Floats:
    """Linear RMS of each frame, shape (frames,).

    Args:
        session: opened.
        agent: what the agent played, on the session clock.
        taps: echo path, (delay in samples, linear gain) of each; empty where the microphone does not hear the agent.

    Raises:
        WorkbenchError: a track cannot be decoded.
    """
    if not taps:
        return session.levels.astype(np.float64)
    heard = session.read(0, session.frames * FRAME_SAMPLES)
    played = read_track(agent, len(heard))
    for delay, gain in taps:
        reach = min(len(heard) - delay, len(played))
        if reach > 0:
            heard[delay : delay + reach] += np.float32(gain) * played[:reach]
    return frame_rms(heard.reshape(-1, FRAME_SAMPLES)).astype(np.float64)
