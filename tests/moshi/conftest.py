"""Generated checkpoints, written once per worker, and sound to feed them."""

from pathlib import Path

import numpy as np
import pytest

from workbench.moshi import checkpoint
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.generate import Recipe, init


class Zoo:
    """Checkpoints by recipe, each generated at its first use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: dict[Recipe, Path] = {}

    def directory(self, recipe: Recipe) -> Path:
        if recipe not in self._made:
            self._made[recipe] = self.root / str(len(self._made))
            init(self._made[recipe], recipe)
        return self._made[recipe]

    def __call__(self, recipe: Recipe) -> Checkpoint:
        return checkpoint.find(self.directory(recipe))


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    return Zoo(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def sound():
    """Two seconds of noise bursts, float32, whole frames, well inside full scale."""
    rng = np.random.default_rng(7)
    envelope = np.repeat(rng.random(25 * 4), 480)
    return (rng.standard_normal(25 * 1920) * 0.1 * envelope).astype(np.float32)
