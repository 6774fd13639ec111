"""Levels of a session's frames as a listener heard them: the recording, and the agent through the echo path."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Floats
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms, read_part, track_samples


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
    length, parts, at = track_samples(agent), [], 0
    for block in session.stream():  # a minute at a time: the whole of it would be in memory several times
        heard = block.reshape(-1)
        for delay, gain in taps:
            heard += np.float32(gain) * read_part(agent, at - delay, at - delay + len(heard), length)
        parts.append(frame_rms(block))
        at += len(heard)
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
