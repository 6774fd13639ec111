"""Levels of a session's frames as a listener heard them: the recording, and the agent through the echo path."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from workbench.arrays import Audio, Floats
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms, read_part, track_samples
from workbench.units import FRAME_SAMPLES

Filtering = Callable[[Audio, Audio], Audio]
"""Takes a frame of the microphone and what was played in that time; gives what the listener hears."""


def heard_levels(session: Session, agent: Path, path: EchoPath, filters: Filtering | None = None) -> Floats:
    """Linear RMS of each frame, shape (frames,).

    Args:
        session: opened.
        agent: what the agent played, on the session clock.
        path: echo path; false where the microphone does not hear the agent.
        filters: cancellers and filters behind the microphone; None where there are none.

    Raises:
        WorkbenchError: a track cannot be decoded.
    """
    if not path and filters is None:
        return session.levels.astype(np.float64)
    length, parts, at = track_samples(agent) if agent.exists() else 0, [], 0
    for block in session.stream():  # a minute at a time: the whole of it would be in memory several times
        heard, begin = block.reshape(-1), at - path.reach if path else at
        played = read_part(agent, begin, at + len(heard), length) if length else np.zeros(0, dtype=np.float32)
        frames: Audio = (heard + path.echo([(begin, played)], at, at + len(heard))).reshape(-1, FRAME_SAMPLES)
        if filters is not None:
            far = np.zeros(len(heard), dtype=np.float32) if not length else played[-len(heard) :]
            frames = np.stack([filters(*frame) for frame in zip(frames, far.reshape(-1, FRAME_SAMPLES), strict=True)])
        parts.append(frame_rms(frames))
        at += len(heard)
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
