"""Scores of one replay as the cache keeps them: found under a digest of everything that they depend on.

So a study that is finished, resumed or made again, a sweep and the page's sliders replay no setting twice; and any
change of code, settings, models, step costs, prices, recording or labels is replayed anew.
"""

from dataclasses import dataclass, replace
from typing import Any

from workbench.cache import code_version, key_of
from workbench.files import sha256_file
from workbench.knobs import Knobs
from workbench.metrics import SessionScores
from workbench.metrics.scores_json import pack, unpack
from workbench.sessions.folders import MANIFEST
from workbench.sessions.session import Session
from workbench.stages.protocols import Stages, fingerprints

UNSTEADY_LMS = "http"
"""Beginning of ``[stack] lm`` of language models that may reply differently when they are asked again."""


@dataclass(frozen=True)
class ScoredReplay:
    """Scores of one replay, and how many session frames the STT heard in it."""

    heard: int
    scores: SessionScores

    def pack(self) -> bytes:
        """As the store keeps it."""
        return b"%d %b" % (self.heard, pack(self.scores))

    @classmethod
    def unpack(cls, data: bytes) -> "ScoredReplay":
        """The inverse of :meth:`pack`."""
        heard, _, scores = data.partition(b" ")
        return cls(int(heard), unpack(scores))


def session_digest(session: Session) -> str:
    """Digest of a session's name, manifest (which holds the checksums of its audio) and labels."""
    return key_of(session.name, sha256_file(session.folder / MANIFEST), _labels_digest(session))


def _labels_digest(session: Session) -> str:
    return sha256_file(session.labels_path) if session.has_labels else ""


def replay_key(what: str, knobs: Knobs, session: Session, stages: Stages, digest: str, worth: list[Any]) -> str:
    """Key in the store of what follows from a session's replay; empty where nothing is kept.

    Args:
        what: name of what follows.
        knobs: that it is replayed with.
        session: that is replayed.
        stages: that hear and speak.
        digest: see :func:`session_digest`, taken when the session and its labels were read.
        worth: what else counts: step costs and prices.
    """
    if knobs.stack.lm.startswith(UNSTEADY_LMS):
        return ""
    now = _labels_digest(session) if knobs.reactive else ""  # such a replay reads the labels by itself
    # As Python writes it, since a threshold may be infinite; the models are in their fingerprints.
    settings = repr(replace(knobs, stack=None, names=None))  # type: ignore[arg-type]
    return key_of("replay", what, code_version(), fingerprints(stages), digest, now, worth, settings)
