"""hotmic's rule on levels that are known."""

import pytest
from made_sessions import Sound, make_session

from workbench.config import Config
from workbench.tuning.output.hotmic import by_rule, suggest


def test_the_rule_on_known_levels(tmp_path):
    # 3 s of room, then speech most of the time: the 90th percentile of the blocks is speech. Signs flip at random, so
    # that a third of the power lies above 8 kHz and is gone at hotmic's 16 kHz.
    session = make_session(tmp_path / "a", [Sound(4.0, 20.0, 0.1, "speech", 1, "x")], 21.0, noise=0.01)
    found = suggest(session)
    kept = (2 / 3) ** 0.5
    assert found.noise == pytest.approx(0.01 * kept, rel=0.05)
    assert found.speech == pytest.approx(0.1 * kept, rel=0.05)
    assert found.threshold == pytest.approx((found.noise + found.speech) / 2)


def test_a_quiet_room_gets_the_least(tmp_path):
    session = make_session(tmp_path / "a", [], 6.0, noise=0.0001)
    assert suggest(session).threshold == 0.002


def test_a_noisy_room_gets_twice_the_noise(tmp_path):
    session = make_session(tmp_path / "a", [], 6.0, noise=0.05)
    found = suggest(session)
    assert found.threshold == pytest.approx(2 * found.noise)


def test_a_session_of_calibration_only(tmp_path):
    session = make_session(tmp_path / "a", [], 2.0, noise=0.05)
    found = suggest(session)
    assert found.threshold == pytest.approx(2.5 * found.noise)


def test_the_rule_as_a_config(tmp_path):
    sessions = [make_session(tmp_path / str(n), [], 6.0, noise=0.01 * n, seed=n) for n in (1, 2, 3)]
    suggestions = [suggest(session) for session in sessions]
    config = by_rule(Config(), suggestions)
    assert config.assistant.stt_silence_threshold == suggestions[1].threshold
    assert config.assistant.stt_silence_ms == 300
