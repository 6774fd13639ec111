"""A model that hears and speaks at once, cheap: it says what it hears, and its text depends on all it has heard.

``python -m tests.live.fake_duplex …`` is the command line with the parrot as the stack ``moshi-duplex``: a model of
generated weights is never silent, so its one utterance is not over before the session is. ``PARROT_STEP_SECONDS`` slows
it down.
"""

import hashlib
import os
import time
from collections import deque
from typing import ClassVar

import numpy as np

from workbench.arrays import Audio
from workbench.sessions.labels import Label
from workbench.stages.protocols import DuplexModel, DuplexStep

LOUD = 0.02


class Parrot:
    """Repeats each frame ``delay`` frames later, where it is loud; where sound begins, it writes a word.

    Args:
        delay: frames; its first ones bring no sound at all.
        step_seconds: what a step takes.
        fails_at: the step that breaks.
    """

    fingerprint = "parrot"

    def __init__(self, delay: int = 3, step_seconds: float = 0.0, fails_at: int = -1) -> None:
        self.delay, self.step_seconds, self.fails_at = delay, step_seconds, fails_at
        self.streams: list[ParrotStream] = []

    def open(self, seed: int) -> "ParrotStream":
        self.streams.append(ParrotStream(self, seed))
        return self.streams[-1]


class ParrotStream:
    def __init__(self, parrot: Parrot, seed: int) -> None:
        self._parrot, self._all = parrot, hashlib.sha256(str(seed).encode())
        self._heard: deque[Audio] = deque()
        self._loud, self.steps = False, 0

    def step(self, frame: Audio) -> DuplexStep:
        if self.steps == self._parrot.fails_at:
            raise RuntimeError("out of seeds")
        self.steps += 1
        time.sleep(self._parrot.step_seconds)
        self._all.update(frame.tobytes())
        before, self._loud = self._loud, bool(np.abs(frame).max() >= LOUD)
        piece = f" {self._all.hexdigest()[:4]}" if self._loud and not before else ""
        self._heard.append(frame)
        if len(self._heard) <= self._parrot.delay:
            return DuplexStep(piece, None)
        said = self._heard.popleft()
        return DuplexStep(piece, said if np.abs(said).max() >= LOUD else np.zeros_like(said))


class ParrotStack:
    """The parrot as a stack."""

    name = "moshi-duplex"
    weights: ClassVar[dict[str, str]] = {}
    profile = None
    vocabulary = None
    several = True

    def stages(self, labels: tuple[Label, ...]) -> DuplexModel:
        return Parrot(step_seconds=float(os.environ.get("PARROT_STEP_SECONDS", "0")))


if __name__ == "__main__":
    from workbench.cli import main
    from workbench.stacks import STACKS

    STACKS["moshi-duplex"] = lambda config: ParrotStack()
    main()
