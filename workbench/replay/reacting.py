"""What a replay needs of a session in which people react to the replayed agent (``timing = reactive``)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, key_of
from workbench.errors import WorkbenchError
from workbench.files import sha256_file
from workbench.metrics import agent_intervals
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.echo_removal import without_echo
from workbench.sessions.labels import is_labelled, read_labels
from workbench.sessions.quiet import quiet_frames
from workbench.sessions.session import Session, open_session
from workbench.simulation.passages import Passage, passages
from workbench.simulation.placement import Placement
from workbench.simulation.reactive_microphone import ReactiveMicrophone

_KEPT = 32
"""Sessions whose passages one process keeps: a study replays the same ones again and again."""


@dataclass(frozen=True)
class _Material:
    """Passages, whether the answers that they refer to are assumed, frames of quiet, and the recording without echo."""

    passages: tuple[Passage, ...]
    is_assumed: bool
    quiet: list[int]
    clean: Audio | None


def reacting(session: Session, path: EchoPath, store: Store) -> tuple[Placement, ReactiveMicrophone]:
    """Places of a session's passages, and the microphone that lays them.

    Args:
        session: opened.
        path: echo path of the replayed agent.
        store: cache of stage outputs.

    Raises:
        WorkbenchError: the session has no labels, no quiet to fill gaps with, or an agent in its microphone that
            cannot be removed.
    """
    if not session.has_labels:
        raise WorkbenchError(
            f"{session.folder}: timing is 'reactive', but there are no labels that say what are turns; label it with "
            "'workbench label', or use timing = fixed"
        )
    tracks = [track.sha256 for _, track in sorted(session.tracks.items())]
    found = _material(session.folder, key_of(tracks, sha256_file(session.labels_path), session.echo))
    placement = Placement(found.passages, found.is_assumed)
    return placement, ReactiveMicrophone(session, path, store, placement, found.quiet, found.clean)


@lru_cache(maxsize=_KEPT)
def _material(folder: Path, key: str) -> _Material:
    """What is made of a session once; ``key`` names its content."""
    session = open_session(folder)
    labels = read_labels(session.labels_path, session.samples)
    if not is_labelled(labels):
        raise WorkbenchError(f"{folder}: timing is 'reactive', but no label says what are turns; use timing = fixed")
    agent = agent_intervals(session.stream("agent")) if "agent" in session.tracks else ()
    levels = session.levels.astype(np.float64)
    quiet = quiet_frames(levels, labels, agent, folder)
    clean = without_echo(session, labels, float(np.median(levels[quiet])))
    return _Material(passages(labels, agent, session.frames), not agent, quiet, clean)
