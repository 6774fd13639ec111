"""Barge-in rules against their description."""

from hypothesis import given
from hypothesis import strategies as st

from workbench.assistants.protocol import ListenCycle
from workbench.barge_in import make_rule
from workbench.barge_in.mlx_harmony import decide
from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.interruption import detect_barge_in
from workbench.knobs import BargeInKnobs
from workbench.units import FRAME_SAMPLES, frame_end


@given(st.lists(st.sampled_from([0.0, 0.0099, 0.01, 0.5]), max_size=30), st.integers(1, 5))
def test_energy_counts_loud_frames_in_a_row(levels: list[float], need: int) -> None:
    rule = make_rule(BargeInKnobs("energy", need, 0), 0.01)
    for last, level in enumerate(levels, 1):
        run = 0
        while run < last and levels[last - 1 - run] >= 0.01:
            run += 1
        assert rule.see(level) == (run if run >= need else 0)


def test_the_first_frame_that_decides_interrupts() -> None:
    knobs, levels = BargeInKnobs("energy", 2, 0), [0.0, 0.1, 0.0, 0.1, 0.1, 0.1]
    decision = BargeInDecision(frame_end(14), 13 * FRAME_SAMPLES, frame_end(14))
    assert detect_barge_in(knobs, 0.01, 10, levels, frame_end(14) + 1) == decision
    assert detect_barge_in(knobs, 0.01, 10, levels, frame_end(14)) is None


def test_mlx_harmony_is_stopped_by_text_alone() -> None:
    cycle = ListenCycle("silence", ended=40_000, last=12, gate=5, fed=(5, 6, 7))
    assert decide(cycle, "stop") == BargeInDecision(40_000, 5 * FRAME_SAMPLES, frame_end(12))
    assert decide(cycle, "") is None
    assert decide(ListenCycle("timeout", ended=40_000), "") is None
