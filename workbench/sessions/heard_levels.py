"""Levels of a session's frames as a listener heard them: the recording, and the agent through the echo path."""

from pathlib import Path

import numpy as np

from workbench.arrays import Floats
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms, read_track
from workbench.units import FRAME_SAMPLES


def heard_levels(session: Session, agent: Path, path: EchoPath) -> Floats:
    """Linear RMS of each frame, shape (frames,).

    Args:
        session: opened.
        agent: what the agent played, on the session clock.
        path: echo path; false where the microphone does not hear the agent.

    Raises:
        WorkbenchError: a track cannot be decoded.
    """
    if not path:
        return session.levels.astype(np.float64)
    heard = session.read(0, session.frames * FRAME_SAMPLES)
    heard = heard + path.echo([(0, read_track(agent, len(heard)))], 0, len(heard))
    return frame_rms(heard.reshape(-1, FRAME_SAMPLES)).astype(np.float64)
