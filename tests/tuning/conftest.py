from pathlib import Path

import numpy as np
import pytest
from made_sessions import conversation, make_session, with_noises

from workbench.config import Config, override


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of one's own to work in, with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    return tmp_path


@pytest.fixture
def baseline() -> Config:
    return override(Config(), {"stack.name": "scripted", "barge_in": True})


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> list[Path]:
    """Four short sessions with pauses and knocks."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(4):
        generator = np.random.default_rng(number)
        sounds, seconds = conversation(generator, 2)
        sounds = with_noises(sounds, generator, 0.02, 3.0)
        make_session(folder / f"s{number}", sounds, seconds, seed=number)
    return sorted(folder.iterdir())
