"""Removal of the recorded agent's echo from a session's microphone, for replays in which people react."""

from collections.abc import Sequence

import numpy as np

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.sessions.echo_path import find_lag, parse_echo
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

_WINDOW = 4 * SAMPLE_RATE
_AFTER = 2 * SAMPLE_RATE
"""Stretches of agent speech that are looked for in the microphone, and how much later they may be there."""
_MARGIN = SAMPLE_RATE // 2
"""Around a label: labels are no sharper, and sounds have tails."""


def without_echo(session: Session, labels: Sequence[Label], room: float) -> Audio | None:
    """The microphone without the agent, float32 of shape (1920 frames,); None where it does not hear the agent.

    Args:
        session: opened.
        labels: of the session; the agent is looked for where nobody and nothing is labelled.
        room: RMS of its quiet: what is left of the agent must lie below.

    Raises:
        WorkbenchError: the agent can be heard, and no echo path is known or it leaves too much.
    """
    if "agent" not in session.tracks:
        return None
    samples = session.frames * FRAME_SAMPLES
    heard, agent = session.read(0, samples), session.read(0, samples, "agent")
    path = parse_echo(session.echo)
    if path:
        heard = heard - path.echo([(0, agent)], 0, samples)
    unlabelled = heard.copy()
    for label in labels:
        if label.kind != "note":
            unlabelled[max(0, label.start - _MARGIN) : label.end + _MARGIN] = 0
    if (left := _loudest(unlabelled, agent)) > room:
        what = f"its echo path leaves it {20 * np.log10(left / room):.0f} dB above the room" if path else ""
        raise WorkbenchError(
            f"{session.folder}: timing is 'reactive', and the microphone hears the recorded agent, but "
            f"{what or 'session.json has no echo path to remove it by'}; measure it with 'workbench echo', record with "
            "a headset, or use timing = fixed"
        )
    return heard if path else None


def _loudest(heard: Audio, agent: Audio) -> float:
    """RMS of the agent where it is found in the microphone, the loudest; 0 where it is not."""
    loudest = 0.0
    for start in range(0, len(agent), _WINDOW):
        near = agent[start : start + _WINDOW]
        if (found := find_lag(heard[start : start + _WINDOW + _AFTER], near)) is not None:
            level = float(np.sqrt(np.mean(np.square(near, dtype=np.float64))))
            loudest = max(loudest, level * 10 ** (found[1] / 20))
    return loudest
