"""Calibration: known levels give a known threshold and a known error."""

from pathlib import Path

import numpy as np
import pytest

from workbench.recording.calibrate import calibrate, hotmic, judge, suggest
from workbench.sessions.labels import read_labels
from workbench.sessions.session import open_session
from workbench.units import SAMPLE_RATE

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"


def noise(seconds: float, rms: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, rms, round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_levels_apart_give_the_middle_in_decibels() -> None:
    threshold = suggest(np.array([0.001] * 50), np.array([0.1] * 50))
    assert threshold == pytest.approx(0.01, rel=0.02)
    assert judge(threshold, np.array([0.001] * 50), np.array([0.1] * 50)).error == 0


def test_levels_that_overlap_give_the_least_error() -> None:
    random = np.random.default_rng(1)
    quiet = 10 ** (random.normal(-50, 3, 400) / 20)
    speech = 10 ** (random.normal(-41, 3, 400) / 20)
    threshold = suggest(quiet, speech)
    found = judge(threshold, quiet, speech)
    assert 20 * np.log10(threshold) == pytest.approx(-45.5, abs=1.0)
    assert found.error == pytest.approx(0.067, abs=0.02), "two normals 3 sigma apart: half their distance is 1.5 sigma"
    others = [judge(10 ** (level / 20), quiet, speech).error for level in np.arange(-70, -30, 0.1)]
    assert found.error <= min(others) + 0.0025, "one frame of 400 either side, for the rounding to three digits"


def test_errors_are_counted() -> None:
    found = judge(0.01, np.array([0.001, 0.02, 0.01, 0.002]), np.array([0.005, 0.5]))
    assert (found.false_quiet, found.missed_speech, found.error) == (2, 1, 0.5)


def test_without_speech_nothing_is_suggested() -> None:
    found = calibrate(noise(4, 0.001), noise(8, 0.001, seed=1))
    assert (found.speech, found.suggested, found.hotmic) == ((), None, None)
    assert found.lines()[1:] == [
        "speech       too little heard (0 of 100 frames are speech, by Silero VAD): "
        "no threshold is suggested; calibrate again, nearer or louder"
    ]
    assert found.to_json()["stt_silence_threshold"] is None


def test_a_loudspeaker_that_plays_meanwhile_is_noticed() -> None:
    session = open_session(RECORDINGS / "reader")
    spoken = session.read(0, 12 * SAMPLE_RATE)
    found = calibrate(0.3 * spoken[: 8 * SAMPLE_RATE], spoken)
    assert found.voices > 4
    assert "is a loudspeaker playing?" in found.lines()[1]
    steady = calibrate(noise(4, 0.02), spoken)
    assert (steady.voices, "so loud a room is rare" in steady.lines()[1]) == (0, True)
    assert calibrate(noise(4, 0.001), spoken).warning == ""


@pytest.mark.parametrize(
    ("quiet", "after", "expected"),
    [(0.01, 0.01, 0.02), (0.001, 0.101, 0.051), (0.0001, 0.0001, 0.002)],
    ids=["twice the noise", "half way", "the least"],
)
def test_hotmics_rule(quiet: float, after: float, expected: float) -> None:
    """Tones, because their block RMS is the same at 16 kHz and in every block."""
    tone = np.sqrt(2) * np.sin(np.arange(8 * SAMPLE_RATE) * 2 * np.pi * 1000 / SAMPLE_RATE)
    said = hotmic((quiet * tone[: 3 * SAMPLE_RATE]).astype(np.float32), (after * tone).astype(np.float32))
    assert said == pytest.approx(expected, rel=0.01)


def test_a_persons_voice_is_distinguished_from_the_room() -> None:
    session = open_session(RECORDINGS / "reader")
    said = [label for label in read_labels(session.labels_path, session.samples) if label.kind == "speech"]
    spoken = np.concatenate([session.read(label.start, label.end) for label in said])
    found = calibrate(session.read(0, said[0].start), spoken)
    assert len(found.speech) > 0.8 * found.asked
    assert found.suggested is not None
    assert found.hotmic is not None
    assert found.suggested.error < 0.02
    assert found.hotmic.error > found.suggested.error
    stored = found.to_json()
    assert stored["stt_silence_threshold"] == found.suggested.value
    assert len(stored["quiet"]) == len(found.quiet)
