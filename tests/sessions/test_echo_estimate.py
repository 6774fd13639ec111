"""Echo paths: measured on constructed sessions where the truth is known, by ``workbench echo`` too."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from scipy.linalg import toeplitz

from workbench.sessions.echo_estimate import EchoEstimate, estimate_echo
from workbench.sessions.echo_fit import toeplitz_inverse
from workbench.sessions.echo_path import EchoPath, parse_echo
from workbench.sessions.labels import Label, write_labels
from workbench.sessions.noises import room_noise
from workbench.sessions.session import open_session, write_manifest
from workbench.sessions.tracks import write_track

from ..command_line import workbench

RATE = 24_000
SECONDS = 24
SOURCES = Path(__file__).parents[2] / "demo_sessions" / "sources"


@cache
def voice(first: int, gap: float) -> np.ndarray:
    """Every second clip of speech, from the first or the second, each at -20 dBFS, with pauses between."""
    out, at = np.zeros(SECONDS * RATE), RATE
    for path in sorted(SOURCES.glob("*.flac"))[first::2]:
        clip, rate = soundfile.read(path)
        assert rate == RATE
        if at + len(clip) > len(out) - RATE:
            break
        out[at : at + len(clip)] = clip * 0.1 / np.sqrt(np.mean(clip**2))
        at += len(clip) + round(gap * RATE)
    return out


def session_with(
    folder: Path, path: EchoPath, noise_dbfs: float = -60.0, drift_ppm: float = 0.0, user: np.ndarray | None = None
) -> tuple[Path, float]:
    """A duplex session with an echo of a known path, and the ERLE that its noise allows."""
    agent, samples = voice(0, 0.7), SECONDS * RATE
    played = agent
    if drift_ppm:
        played = soxr.resample(agent, RATE, RATE * (1 + drift_ppm * 1e-6), quality="VHQ")
        played = np.pad(played, (0, max(0, samples - len(played))))[:samples]
    echo = path.echo([(0, played.astype(np.float32))], 0, samples).astype(np.float64) if path else np.zeros(samples)
    noise = 10 ** (noise_dbfs / 20) * room_noise(samples, [5])
    folder.mkdir()
    write_track(folder / "mic.flac", iter([echo + noise + (0 if user is None else user)]), "PCM_24")
    write_track(folder / "agent.flac", iter([agent]), "PCM_24")
    write_manifest(
        folder,
        tracks={"mic": "mic.flac", "agent": "agent.flac"},
        calibration={"quiet": [0.001]},
        provenance={"licence": "CC0"},
    )
    speaking = np.convolve(np.abs(agent) > 1e-3, np.ones(RATE // 5), "full")[:samples] > 0.5
    share = np.mean(echo[speaking] ** 2) / np.mean(noise[speaking] ** 2)
    return folder, float(10 * np.log10(1 + share))


def measured(folder: Path, labels: list[Label] | None = None) -> EchoEstimate:
    found = estimate_echo(open_session(folder), labels)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("echo", "delay", "gain", "noise"),
    [
        ({"taps": [[40, -20]]}, 960, -20.0, -60.0),
        ({"taps": [[32.375, -40]]}, 777, -40.0, -62.0),
        ({"taps": [[0, -12], [21, -24]]}, 0, None, -50.0),
        ({"preset": "laptop"}, 24, None, -60.0),
    ],
    ids=["loud", "faint", "two taps", "laptop"],
)
def test_delay_gain_and_erle_are_those_of_the_session(
    tmp_path: Path, echo: dict, delay: int, gain: float | None, noise: float
) -> None:
    path = parse_echo(echo)
    folder, allowed = session_with(tmp_path / "one", path, noise)
    found = measured(folder, [])
    assert found.delay == delay
    agent = voice(0, 0.7).astype(np.float32)
    heard = path.echo([(0, agent)], 0, len(agent))
    truth = 10 * np.log10(np.mean(np.square(heard, dtype=float)) / np.mean(np.square(agent, dtype=float)))
    assert found.gain_db == pytest.approx(truth, abs=0.5)
    assert gain is None or found.gain_db == pytest.approx(gain, abs=0.5)
    assert found.erle_db == pytest.approx(allowed, abs=1.0)
    assert found.left_dbfs == pytest.approx(noise, abs=0.5)
    assert found.drift_ppm == 0


def test_a_toeplitz_matrix_times_its_inverse_changes_nothing() -> None:
    column = 0.9 ** np.arange(50) + (np.arange(50) == 0)
    wave = np.random.default_rng(3).normal(size=50)
    assert toeplitz_inverse(column)(toeplitz(column) @ wave) == pytest.approx(wave)


def test_without_echo_nothing_is_found(tmp_path: Path) -> None:
    user = np.roll(voice(1, 1.9), RATE // 2) * 0.5
    folder, _ = session_with(tmp_path / "one", EchoPath(), user=user)
    assert estimate_echo(open_session(folder), None) is None
    assert estimate_echo(open_session(folder), []) is None


def test_a_drift_of_50_ppm_is_named_and_taken_out(tmp_path: Path) -> None:
    for drift in (50.0, -50.0):
        folder, allowed = session_with(
            tmp_path / ("slow" if drift < 0 else "fast"), EchoPath(((960, 0.1),)), drift_ppm=drift
        )
        found = measured(folder, [])
        assert found.drift_ppm == pytest.approx(drift, abs=2.0)
        assert (found.delay, found.gain_db) == (960, pytest.approx(-20.0, abs=0.5))
        assert found.erle_db == pytest.approx(allowed, abs=1.0)


def test_the_user_does_not_spoil_the_fit(tmp_path: Path) -> None:
    user = np.roll(voice(1, 1.9), RATE // 2) * 0.3
    folder, _ = session_with(tmp_path / "one", EchoPath(((960, 0.1),)), user=user)
    spoken = np.flatnonzero(np.abs(user) > 0)
    runs = np.split(spoken, np.flatnonzero(np.diff(spoken) > RATE // 2) + 1)
    labels = [Label(int(run[0]), int(run[-1]) + 1, "speech", turn) for turn, run in enumerate(runs, 1)]
    for given in (labels, None):
        found = measured(folder, given)
        assert (found.delay, found.gain_db) == (960, pytest.approx(-20.0, abs=0.5))
        assert found.left_dbfs == pytest.approx(-60.0, abs=2.5 if given else 4.0)


def test_the_command_keeps_the_path_and_nothing_is_lost(tmp_path: Path) -> None:
    folder, _ = session_with(tmp_path / "one", EchoPath(((960, 0.1),)))
    write_labels(folder / "labels.csv", [])
    before = json.loads((folder / "session.json").read_text())
    said = json.loads(workbench(["echo", str(folder), "--json", "--no-store"], tmp_path).stdout)
    assert json.loads((folder / "session.json").read_text()) == before
    assert said["echo"] is True
    assert (said["delay_ms"], said["gain_db"]) == (40.0, pytest.approx(-20.0, abs=0.5))
    assert said["erle_db"] > 15
    text = workbench(["echo", str(folder)], tmp_path).stdout
    assert "40.00 ms (960 samples)" in text
    after = json.loads((folder / "session.json").read_text())
    assert {**after, "echo": None} == before
    path = parse_echo(open_session(folder).echo)
    assert path.delay + int(np.argmax(np.abs(path.response))) == 960
    assert max(path.response) == pytest.approx(0.1, rel=0.05)


def test_the_command_says_none_for_a_headset(tmp_path: Path) -> None:
    folder, _ = session_with(tmp_path / "one", EchoPath())
    assert "none" in workbench(["echo", str(folder)], tmp_path).stdout
    assert open_session(folder).echo is None
    said = json.loads(workbench(["echo", str(folder), "--json"], tmp_path).stdout)
    assert (said["echo"], said["delay_ms"], said["erle_db"]) == (False, None, None)


def test_a_session_without_agent_track_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    write_track(folder / "mic.flac", iter([np.zeros(RATE)]))
    write_manifest(folder, tracks={"mic": "mic.flac"})
    done = workbench(["echo", str(folder)], tmp_path)
    assert (done.returncode, "no agent track" in done.stderr) == (2, True)
