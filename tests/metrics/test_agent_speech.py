from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.metrics import agent_intervals
from workbench.metrics.agent_speech import BRIDGE, DIFFERENCE, bridge, parting
from workbench.metrics.word_errors import normalise, word_errors
from workbench.units import FRAME_SAMPLES


def frames(*levels):
    return np.repeat(np.array(levels, dtype=np.float32)[:, None], FRAME_SAMPLES, axis=1)


def test_agent_intervals_by_energy_with_short_gaps_bridged():
    levels = [0, 0.1, 0.1, *[0] * 6, 0.1, *[0] * 7, 0.2, 0.00099, 0.001]
    expected = ((FRAME_SAMPLES, 10 * FRAME_SAMPLES), (17 * FRAME_SAMPLES, 20 * FRAME_SAMPLES))
    assert agent_intervals([frames(*levels)]) == expected
    assert agent_intervals([frames(*levels[:5]), frames(*levels[5:17]), frames(*levels[17:])]) == expected
    assert agent_intervals([]) == ()
    assert agent_intervals([frames(0.1)], threshold=0.2) == ()


def test_parting_is_the_moment_the_half_second_is_passed():
    second = 24_000
    assert parting([(0, 5 * second)], [(0, 5 * second)]) is None
    assert parting([(second, 2 * second)], []) == second
    assert parting([], []) is None
    assert parting([(0, 5 * second)], [(0, second)]) == second + DIFFERENCE
    assert parting([], [(second, 2 * second)]) == second + DIFFERENCE
    # 0.3 s too long, then 0.3 s too late: together more than 0.5 s, reached 0.2 s into the second.
    late = [(0, second), (3 * second + 7200, 4 * second)]
    assert parting([(0, second + 7200), (3 * second, 4 * second)], late) == 3 * second + 4800
    # Edges that differ by less than a frame are the grain of the recording's intervals.
    many = [(n * 2 * second, n * 2 * second + second) for n in range(100)]
    assert parting(many, [(a - 1900, b + 1900) for a, b in many]) is None


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6).map(
    lambda pairs: [(a * 2400, (a + b) * 2400) for a, b in pairs]
)


@given(spans, spans.filter(bool))
def test_parting_agrees_with_marking_every_tenth_of_a_second(replayed, recorded):
    def marked(found):
        cells = np.zeros(100, dtype=bool)
        for start, end in bridge(found):
            cells[start // 2400 : end // 2400] = True
        return cells

    differing = np.cumsum(marked(replayed) != marked(recorded)) * 2400
    over = np.flatnonzero(differing > DIFFERENCE)
    assert parting(replayed, recorded) == (over[0] * 2400 if len(over) else None)
    merged = bridge(replayed)
    assert all(b[0] - a[1] >= BRIDGE for a, b in pairwise(merged))


def test_words_are_normalised_alike_on_both_sides():
    assert normalise("  Don’t — STOP, e-mail 3.5!") == "dont stop e mail 35"
    pairs = [("Turn it off.", "turn it OFF"), ("one two three", "one too three four"), ("...", "noise"), ("a b", "")]
    assert word_errors(pairs) == [(3, 0), (3, 2), (0, 0), (2, 2)]
    assert word_errors([]) == []


def test_word_errors_once_counted_are_not_counted_again(monkeypatch):
    known = [("seven of nine", "seven nine"), ("once", "twice")]
    first = word_errors(known)
    monkeypatch.setattr("jiwer.process_words", None)
    assert word_errors(known[::-1]) == first[::-1] == [(1, 1), (3, 1)]
    monkeypatch.setattr("workbench.metrics.word_errors._ROOM", 1)
    with pytest.raises(TypeError):
        word_errors(known)
