"""Tracks go out and come back sample for sample, as whole numbers and as floats."""

from pathlib import Path

import numpy as np
import pytest

from workbench.sessions.tracks import read_track, write_track


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_floats_come_back_as_they_were(tmp_path: Path, subtype: str) -> None:
    """Every step of 16 bits, the ends of the range among them."""
    every = (np.arange(-(1 << 15), 1 << 15) / (1 << 15)).astype(np.float32)
    path = tmp_path / "t.flac"
    assert write_track(path, iter([every[:100], every[100:]]), subtype) == len(every)
    assert np.array_equal(read_track(path, len(every)), every)


def test_24_bits_come_back_as_they_were(tmp_path: Path) -> None:
    steps = np.array([-(1 << 23), -(1 << 22) - 1, -1, 0, 1, 5_000_001, (1 << 23) - 1])
    path = tmp_path / "t.flac"
    write_track(path, iter([(steps / (1 << 23)).astype(np.float32)]), "PCM_24")
    assert (read_track(path, 9).astype(np.float64) * (1 << 23)).tolist() == steps.tolist()


def test_whole_numbers_are_taken_at_full_scale_of_their_type(tmp_path: Path) -> None:
    path = tmp_path / "t.flac"
    write_track(path, iter([np.array([-(1 << 15), 0, 16_385], dtype=np.int16)]))
    assert (read_track(path, 9) * (1 << 15)).tolist() == [-(1 << 15), 0, 16_385]
    write_track(path, iter([np.array([-(1 << 31), 0, 16_385 << 16], dtype=np.int32)]), "PCM_24")
    assert (read_track(path, 9) * (1 << 15)).tolist() == [-(1 << 15), 0, 16_385]


def test_pcm_is_rounded_and_clipped_on_writing(tmp_path: Path) -> None:
    path = tmp_path / "t.flac"
    given = np.array([0.4, 0.6, -0.6, 40_000, -40_000, np.nan, np.inf, -np.inf]) / (1 << 15)
    write_track(path, iter([given.astype(np.float32)]))
    assert (read_track(path, 9) * (1 << 15)).tolist() == [0, 1, -1, 32_767, -32_768, 0, 32_767, -32_768]
