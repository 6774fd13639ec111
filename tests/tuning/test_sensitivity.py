"""Neighbours of a setting: which ones an exact search looks at."""

import pytest

from workbench.config import Config, override
from workbench.tuning.sensitivity import around, grid, place
from workbench.tuning.space import Parameter, Space

THRESHOLD = Parameter("assistant.stt_silence_threshold", "float", 0.002, 0.1, log=True)
SILENCE = Parameter("assistant.stt_silence_ms", "frames", 160, 1600, step=80)
SENTENCES = Parameter("assistant.tts_chunk_sentences", "categorical", choices=(True, False))
SPACE = Space((SENTENCES, SILENCE, THRESHOLD))
SHARES = {"stt_silence_threshold": 1.0, "stt_silence_ms": 0.4, "tts_chunk_sentences": 0.0}
HERE = override(Config(), {"assistant.stt_silence_threshold": 0.01, "assistant.stt_silence_ms": 800})


def points(configs):
    return {(c.assistant.stt_silence_threshold, c.assistant.stt_silence_ms, c.assistant.tts_chunk_sentences)
            for c in configs}  # fmt: skip


def test_each_knob_alone_and_the_two_that_matter_together():
    found = points(around(SPACE, SHARES, HERE))
    sentences = HERE.assistant.tts_chunk_sentences
    assert (0.01, 800, not sentences) in found
    assert (0.01, 720, sentences) in found
    assert (0.01059, 800, sentences) in found  # 0.5 dB
    assert (0.01122, 560, sentences) in found  # 1 dB, and three frames less
    assert not any(other != sentences for threshold, ms, other in found if (threshold, ms) != (0.01, 800))


def test_neighbours_stay_inside_the_space():
    edge = override(HERE, {"assistant.stt_silence_threshold": 0.002, "assistant.stt_silence_ms": 1600})
    for threshold, ms, _ in points(around(SPACE, SHARES, edge)):
        assert 0.002 <= threshold <= 0.1
        assert 160 <= ms <= 1600


def test_a_grid_covers_the_ranges_of_the_two_that_matter():
    found = points(grid(SPACE, SHARES, HERE))
    assert {sentences for _, _, sentences in found} == {HERE.assistant.tts_chunk_sentences}
    thresholds, times = ({point[side] for point in found} for side in (0, 1))
    assert (min(thresholds), max(thresholds)) == (0.002, 0.1)
    assert {160, 1600} <= times
    assert len(found) == len(thresholds) * len(times)


def test_a_place_is_a_share_of_the_range():
    assert place(THRESHOLD, 0.1) == [1.0]
    assert place(THRESHOLD, (0.002 * 0.1) ** 0.5) == pytest.approx([0.5])
    assert place(SILENCE, 880) == [0.5]
    yes, no = place(SENTENCES, True), place(SENTENCES, False)
    assert sum((a - b) ** 2 for a, b in zip(yes, no, strict=True)) == pytest.approx(1.0)
