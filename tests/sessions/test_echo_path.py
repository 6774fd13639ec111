"""Echo paths: what of the agent the microphone hears, by taps, impulse response, preset and room."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config_sections import ECHO_PRESETS
from workbench.errors import WorkbenchError
from workbench.sessions.echo_path import EchoPath, check_echo, parse_echo, preset_path
from workbench.sessions.echo_presets import PRESETS, room_response
from workbench.sessions.synth_spec import read_spec

FRAME = 1920
RANDOM = np.random.default_rng(3)
SOUND = (RANDOM.standard_normal(9000) * 0.2).astype(np.float32)


def truth(played: list[tuple[int, np.ndarray]], delay: int, response: list[float], samples: int) -> np.ndarray:
    far = np.zeros(samples + 48_000)
    for at, pcm in played:
        far[at : at + len(pcm)] += pcm
    return np.concatenate([np.zeros(delay), np.convolve(far, response)])[:samples]


def test_a_response_is_a_convolution() -> None:
    response = (RANDOM.standard_normal(700) * np.exp(-np.arange(700) / 90)).tolist()
    path = EchoPath(delay=333, response=tuple(response))
    played = [(500, SOUND), (20_000, SOUND[:4000])]
    heard = path.echo(played, 0, 20 * FRAME)
    np.testing.assert_allclose(heard, truth(played, 333, response, 20 * FRAME), atol=2e-6)


def test_one_value_is_one_tap() -> None:
    taps, response = EchoPath(((777, 0.25),)), EchoPath(delay=777, response=(0.25,))
    played = [(1234, SOUND)]
    np.testing.assert_allclose(taps.echo(played, 0, 8 * FRAME), response.echo(played, 0, 8 * FRAME), atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 11), st.integers(1, 9), st.integers(0, 4000), st.booleans())
def test_a_frame_is_the_same_however_it_is_asked_for(first: int, count: int, cut: int, clipped: bool) -> None:
    path = EchoPath(delay=50, response=tuple(np.hanning(301).tolist()), clip=0.1 if clipped else 0.0)
    whole = path.echo([(100, SOUND)], 0, 20 * FRAME)
    split = [(100, SOUND[:cut]), (100 + cut, SOUND[cut:])]
    part = path.echo(split, first * FRAME, (first + count) * FRAME)
    assert np.array_equal(part, whole[first * FRAME : (first + count) * FRAME])


def test_nothing_played_is_nothing_heard() -> None:
    assert not EchoPath(delay=5, response=(1.0, 0.5)).echo([], 0, 4 * FRAME).any()
    assert not EchoPath()
    assert preset_path("laptop")


def test_a_loudspeaker_saturates() -> None:
    path = EchoPath(((0, 1.0),), clip=0.1)
    loud = path.echo([(0, np.full(FRAME, 0.9, dtype=np.float32))], 0, FRAME)
    assert loud.max() == pytest.approx(0.1, rel=1e-3)
    soft = path.echo([(0, np.full(FRAME, 0.005, dtype=np.float32))], 0, FRAME)
    assert soft.max() == pytest.approx(0.005, rel=2e-3)


def test_presets_are_those_of_the_config() -> None:
    assert tuple(PRESETS) == ECHO_PRESETS
    for name, preset in PRESETS.items():
        path = preset_path(name)
        assert bool(path) == (preset is not None)
        if preset is not None:
            energy = 10 * np.log10(np.sum(np.square(path.response)))
            assert energy == pytest.approx(preset.gain_db, abs=0.01)


@pytest.mark.parametrize(
    ("echo", "said"),
    [
        ({"taps": [[1, 2, 3]]}, "echo tap"),
        ({"delay_samples": 5}, "must be"),
        ({"delay_samples": -1, "response": [1.0]}, "delay_samples"),
        ({"delay_samples": 1.5, "response": [1.0]}, "delay_samples"),
        ({"delay_samples": 0, "response": []}, "response"),
        ({"delay_samples": 0, "response": [11]}, "response"),
        ({"preset": "radio"}, "laptop, soundbar, phone-on-table, headset"),
        ({"preset": "laptop", "clip_dbfs": 3}, "clip_dbfs"),
        ({"preset": "laptop", "taps": []}, "must be"),
    ],
)
def test_a_wrong_path_is_named(echo: dict, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        check_echo(echo, "session.json")


def test_every_form_is_read() -> None:
    assert parse_echo(check_echo({"taps": [[40, -20]], "clip_dbfs": -20}, "x")) == EchoPath(((960, 0.1),), clip=0.1)
    assert parse_echo(check_echo({"delay_samples": 3, "response": [1, 0.5]}, "x")) == EchoPath((), 3, (1.0, 0.5))
    assert parse_echo(check_echo({"preset": "headset"}, "x")) == EchoPath()


def test_a_room_has_its_delay_and_decay(tmp_path: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    delay, response = room_response([5, 4, 2.6], [1, 1, 1], [3, 1, 1], 0.4)
    wave = np.asarray(response)
    direct = int(np.flatnonzero(np.abs(wave) > 0.4)[0])
    assert delay + direct == pytest.approx(2 / 343 * 24_000, abs=1)
    assert wave[direct] == pytest.approx(0.5, abs=0.05)  # 1 at 1 m falls with the distance
    energy = np.cumsum(np.square(wave)[::-1])[::-1]
    fallen = np.searchsorted(-energy, -energy[0] * 1e-3)  # by 30 dB
    assert 2 * fallen / 24_000 == pytest.approx(0.4, abs=0.12)
    assert room_response([5, 4, 2.6], [1, 1, 1], [3, 1, 1], 0.4) == (delay, response)
    (tmp_path / "room.toml").write_text(
        "format = 1\necho = { room = { size_m = [5, 4, 2.6], loudspeaker_m = [1, 1, 1], microphone_m = [3, 1, 1], "
        'decay_s = 0.4, gain_db = -20 } }\n[[event]]\nsound = "cough"\nafter_s = 1\nkind = "agent"\n'
    )
    path = parse_echo(read_spec(tmp_path / "room.toml").head.echo)
    assert path.delay == delay
    np.testing.assert_allclose(path.response, wave / 10, rtol=1e-4, atol=1e-9)


def test_a_place_outside_the_room_is_refused() -> None:
    pytest.importorskip("pyroomacoustics")
    with pytest.raises(WorkbenchError, match="room of"):
        room_response([5, 4, 2.6], [9, 1, 1], [3, 1, 1], 0.4)
