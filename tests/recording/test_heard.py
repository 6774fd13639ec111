"""The judge of the tests with a sound card finds what it is there for."""

import numpy as np
import pytest

from .conftest import RATE, noise
from .heard import Loss, assert_marked, compare

PLAYED = noise(12, seed=1)
SILENCE = np.zeros(3 * RATE, dtype=np.int16)
HOLE = {"event": "hole", "track": "mic", "sample": RATE + 80, "samples": 3 * RATE - 9}


def test_a_late_player_is_no_loss() -> None:
    heard = compare(np.concatenate([PLAYED[100:RATE], SILENCE, PLAYED[RATE : 2 * RATE]]), PLAYED)
    assert (heard.first, heard.end, heard.losses) == (100, 2 * RATE, ())


def test_what_is_missing_must_be_marked() -> None:
    cut = np.concatenate([PLAYED[:RATE], PLAYED[RATE + 1 :]])
    assert compare(cut, PLAYED).losses == (Loss(RATE, 1),)
    with pytest.raises(AssertionError, match="is not marked"):
        assert_marked(cut, PLAYED, [])
    filled = np.concatenate([PLAYED[:RATE], SILENCE, PLAYED[4 * RATE :]])
    assert assert_marked(filled, PLAYED, [HOLE]).lost == 3 * RATE
    for other in ([], [HOLE | {"track": "agent"}], [HOLE | {"event": "xrun"}], [HOLE | {"sample": 11 * RATE}]):
        with pytest.raises(AssertionError, match="is not marked"):
            assert_marked(filled, PLAYED, other)


def test_a_hole_must_be_one() -> None:
    with pytest.raises(AssertionError, match="0 are missing"):
        assert_marked(np.concatenate([PLAYED[:RATE], SILENCE, PLAYED[RATE:]]), PLAYED, [HOLE])


@pytest.mark.parametrize(
    "track",
    [
        SILENCE,
        np.concatenate([PLAYED[:RATE], PLAYED[: 2 * RATE]]),
        np.concatenate([PLAYED[:RATE], PLAYED[RATE : 2 * RATE] + 1]),
        noise(1, seed=2),
    ],
    ids=["silence", "twice", "changed", "other noise"],
)
def test_what_was_never_played_is_refused(track: np.ndarray) -> None:
    with pytest.raises(AssertionError, match=r"not played|nothing was heard"):
        compare(track, PLAYED)
