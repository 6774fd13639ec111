"""Sessions that tests are made of: noise for a room, louder noise for speech, exact labels."""

import gc
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from workbench.sessions.labels import Label, read_labels, write_labels
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.units import SAMPLE_RATE

from .installed import install_once

# Started in the background of a shell, Python ignores Ctrl-C, and so would what the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Under nohup it ignores that the terminal is closed.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples every time, however busy the machine is.
settings.register_profile("workbench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("workbench")


def pytest_collection_finish() -> None:
    """Take what collecting made, which lasts to the end, off the garbage collector's rounds: they were a sixth."""
    gc.collect()
    gc.freeze()


ROOM, SPEECH, COUGH = 0.001, 0.05, 0.1
"""RMS of the room, of speech and of a cough."""

Spoken = tuple[float, float, str, int | None, str]
"""start s, end s, kind, turn, words."""

MakeSession = Callable[..., tuple[Session, tuple[Label, ...]]]


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's store or profiles."""
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def make_session(tmp_path: Path) -> MakeSession:
    """``make_session(spoken, seconds, name=, echo=, seed=)`` → session and labels, on disk."""

    def make(
        spoken: Sequence[Spoken], seconds: float, *, name: str = "made", echo: object = None, seed: int = 0
    ) -> tuple[Session, tuple[Label, ...]]:
        folder = tmp_path / "recordings" / name
        folder.mkdir(parents=True)
        random = np.random.default_rng(seed)
        pcm = random.normal(0, ROOM, round(seconds * SAMPLE_RATE)).astype(np.float32)
        labels = []
        for start, end, kind, turn, text in spoken:
            first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
            loud = COUGH if kind == "noise" else SPEECH
            pcm[first:last] += random.normal(0, loud, last - first).astype(np.float32)
            labels.append(Label(first, last, kind, turn, text))
        write_track(folder / "mic.flac", iter([pcm]))
        write_labels(folder / "labels.csv", labels)
        write_manifest(folder, tracks={"mic": "mic.flac"}, echo=echo, labels_source="constructed")  # type: ignore[arg-type]
        session = open_session(folder)
        return session, read_labels(folder / "labels.csv", session.samples)

    return make


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel of this tree; all workers of a run share one."""
    own = tmp_path_factory.getbasetemp()
    return install_once((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "wheel")


class SmallDisk:
    """A folder on a tmpfs of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk that is soon full; ``small`` in the test's own folder."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk takes root")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", folder], check=True)
