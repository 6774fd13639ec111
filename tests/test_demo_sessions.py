"""The demo sessions equal what their specs and sources describe, to the sample."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from workbench.cli.actions.demo import demo_sessions
from workbench.sessions.folders import find_sessions
from workbench.sessions.labels import read_labels, turns
from workbench.sessions.session import open_session
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import read_spec
from workbench.units import ms_to_samples, samples_to_ms

ROOT = Path(__file__).parent.parent
RECORDINGS, MAKERS = ROOT / "recordings", ROOT / "demo_sessions"
SHIPPED = [path.name for path in demo_sessions(RECORDINGS)]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rebuilt")
    for spec in sorted(MAKERS.glob("*.toml")):
        for _ in synthesise(read_spec(spec), out):
            pass
    return out


@pytest.mark.parametrize("name", SHIPPED)
def test_build_gives_the_same_samples_and_labels(name: str, rebuilt: Path) -> None:
    """Decoded samples are compared: another libsndfile may pack the same samples into other FLAC bytes."""
    old, new = open_session(RECORDINGS / name), open_session(rebuilt / name)
    assert new.samples == old.samples
    np.testing.assert_array_equal(new.read(0, new.samples), old.read(0, old.samples))
    assert new.labels_path.read_bytes() == old.labels_path.read_bytes()
    assert (new.echo, new.provenance, new.labels_source) == (old.echo, old.provenance, "constructed")


def test_build_makes_all_sessions(rebuilt: Path) -> None:
    assert [path.name for path in find_sessions(rebuilt)] == SHIPPED
    assert 9 <= len(SHIPPED) <= 20


@pytest.mark.parametrize("name", SHIPPED)
def test_session_is_sound(name: str) -> None:
    session = open_session(RECORDINGS / name)
    assert session.verify() == []
    labels = read_labels(session.labels_path, session.samples)
    assert turns(labels)[0].start >= ms_to_samples(2000)
    assert session.samples - turns(labels)[-1].end >= ms_to_samples(6000)


@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"noisy-room"}))
def test_labels_hold_all_that_is_not_the_room(name: str) -> None:
    """10 ms outside every label are room noise; the first and the last 10 ms of speech at full level are not."""
    session = open_session(RECORDINGS / name)
    audio, window = session.read(0, session.samples), ms_to_samples(10)
    labels = read_labels(session.labels_path, session.samples)
    outside = np.ones(session.samples, dtype=bool)
    for label in labels:
        outside[label.start : label.end] = False
    blocks = audio[: len(audio) // window * window].reshape(-1, window)
    quiet = outside[: len(audio) // window * window].reshape(-1, window).all(axis=1)
    level = np.sqrt(np.mean(np.square(blocks), axis=1))
    assert level[quiet].max() < 0.004
    for label in labels:
        assert np.sqrt(np.mean(audio[label.start : label.end] ** 2)) > 0.006


def test_holds_are_what_the_specs_say() -> None:
    def holds(name: str) -> list[float]:
        found = [hold for turn in turns(read_labels(RECORDINGS / name / "labels.csv")) for hold in turn.holds]
        return [round((end - start) / 24_000, 6) for start, end in found]

    assert holds("hesitation") == [0.6, 1.1, 0.3]
    assert holds("holds") == [0.3, 0.6, 1.1]
    assert holds("reader-holds") == [0.6, 1.1]
    assert holds("slow-talker") == [1.1, 0.9, 1.0]


def test_people_pause_and_speak_softly_as_the_document_says() -> None:
    held, soft = set(), set()
    for name in SHIPPED:
        session = open_session(RECORDINGS / name)
        for turn in turns(read_labels(session.labels_path)):
            held |= {name for start, end in turn.holds if 800 <= samples_to_ms(end - start) <= 1100}
            speech = np.concatenate([session.read(part.start, part.end) for part in turn.parts])
            if np.sqrt(np.mean(speech**2)) < 0.0125:
                soft.add(name)
    document = (ROOT / "docs" / "demo-sessions.md").read_text("utf-8")
    assert f"in {len(held)} of the {len(SHIPPED)} sessions" in document
    assert soft == {"soft-speech", "soft-voice", "soft-dictation", "late-evening"}


def test_every_kind_is_shown() -> None:
    kinds = {label.kind for name in SHIPPED for label in read_labels(RECORDINGS / name / "labels.csv")}
    assert kinds == {"speech", "backchannel", "noise", "background"}
    assert any(open_session(RECORDINGS / name).echo for name in SHIPPED)


def test_sessions_are_small() -> None:
    assert sum((RECORDINGS / name / "mic.flac").stat().st_size for name in SHIPPED) <= 8_000_000


def test_the_folder_holds_sessions_and_nothing_else() -> None:
    listed = subprocess.run(["git", "ls-files", "recordings"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {line.split("/", 1)[1] for line in listed.stdout.splitlines()}
    assert files == {f"{name}/{part}" for name in SHIPPED for part in ("session.json", "mic.flac", "labels.csv")}


def test_document_and_provenance_name_everything() -> None:
    document = (ROOT / "docs" / "demo-sessions.md").read_text("utf-8")
    assert [name for name in SHIPPED if f"| `{name}` |" not in document] == []
    provenance = (MAKERS / "sources" / "PROVENANCE.md").read_text("utf-8")
    for entry in json.loads((MAKERS / "sources" / "sources.json").read_text("utf-8")):
        assert f"`{entry['file']}`" in provenance
        assert entry["sha256"] in provenance
