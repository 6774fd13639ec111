"""Levels of a session's frames as a listener heard them: the recording, and the agent through the echo path."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from workbench.arrays import Audio, Floats
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms, read_track
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
    heard = session.read(0, session.frames * FRAME_SAMPLES)
    played = read_track(agent, len(heard)) if agent.exists() else heard[:0]
    heard = heard + path.echo([(0, played)], 0, len(heard))
    frames: Audio = heard.reshape(-1, FRAME_SAMPLES)
    if filters is not None:
        far = np.pad(played, (0, len(heard) - len(played))).reshape(-1, FRAME_SAMPLES)
        frames = np.stack([filters(*frame) for frame in zip(frames, far, strict=True)])
    return frame_rms(frames).astype(np.float64)
