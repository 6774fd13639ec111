"""Golden cases: trace, labels and expected scores as data in ``tests/golden``; see ``regenerate.py`` there."""

import importlib.util
import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
spec = importlib.util.spec_from_file_location("golden_regenerate", GOLDEN / "regenerate.py")
regenerate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(regenerate)

BY_HAND = {
    # Two answers after 720 ms of silence each; the last TTS step of 60 was late.
    "clean": {
        "endpoint_delay_ms_max": 790.0,
        "silence_hold_ms_p50": 720.0,
        "prebuffer_wait_ms_max": 80.0,
        "eot_recall": 1.0,
        "wer": 0.0,
        "deadline_miss_rate": 1 / (34 + 35 + 60),
        "loss_s_per_turn": (1.11 + 1.09) / 2,
        "rtf": (40 * 1200 + 19 * 1000 + 2400) / (60 * 1920),
        "stt_rtf": 0.25,
    },
    # The first pause of 640 ms is cut, the second turn is never answered.
    "hold-cut-in": {
        "cutin_per_hold": 0.5,
        "loss_s_per_turn": ((1.09 + 3) + (10 + 5)) / 2,
        "cutin_per_turn": 0.5,
        "missed_eot_rate": 0.5,
        "turns_answered_n": 1,
        "wer": 2 / 6,
        "false_bargein_per_agent_hour": 0.0,
        "turns_unheard_n": 1,
    },
    "cancelled-before-speech": {
        "turns_cancelled_before_speech_n": 1,
        "loss_s_per_turn": ((10 + 5) + 1.01) / 2,
        "turns_answered_n": 1,
        "voice_to_voice_ms_n": 1,
        "endpoint_delay_ms_n": 2,
        "bargein_detection_ms_n": 0,
    },
    # One stop by each cause but unknown, one by the user, and one noise that stopped nothing.
    "false-barge-ins": {
        "selectivity_backchannel": 0.0,
        "loss_s_per_turn": (7 * 1.01 + 4 * 4) / 7,
        "selectivity_noise": 0.5,
        "selectivity_background": 0.0,
        "missed_bargein_rate": 0.0,
        "bargein_detection_ms_p50": 400.0,
        "bargein_reaction_ms_p50": 400.0,
        "false_bargein_per_agent_hour_unknown": 0.0,
    },
    "missed-barge-in": {
        # The price of the barge-in that was missed is within that of the turn without an answer.
        "loss_s_per_turn": (1.09 + (10 + 5) + 1.01 + (10 + 5)) / 4,
        "missed_bargein_rate": 0.5,
        "bargein_detection_ms_max": 490.0,
        "missed_eot_rate": 0.5,
    },
    # 240 ms between two chunks and 3 × 45 ms in the second; the gap is a silent frame, the hole and a silent frame.
    "underruns": {
        "underrun_events": 4,
        "loss_s_per_turn": 1.1125 + 2 * 0.375,
        "underrun_events_voiced": 2,
        "underrun_ms_total": 375.0,
        "underrun_ms_max": 240.0,
        "underrun_ms_p50": 45.0,
        "chunk_gap_ms_max": 80.0 + 240.0 + 45.0 + 80.0,
        "midword_splits": 1,
        "deadline_miss_rate": 0.4,
        "headroom": 1 - 3000 / 1920,
        "buffer_ms_min": 0,
        "xruns": 1,
        "xrun_ms_total": 40.0,
    },
    # The second recorded answer went on for a second longer.
    "counterfactual": {"loss_s_per_turn": (1.09 + 1.01 + 1.01 + 15) / 4, "turns_counterfactual_n": 2, "turns_n": 4},
    "unlabelled": {
        "loss_s_per_turn": None,
        "turns_n": 0,
        "agent_speech_seconds": 2.0,
        "missed_eot_rate": None,
        "eot_fp_rate": None,
    },
    "deaf": {
        "loss_s_per_turn": 15.0,
        "missed_eot_rate": 1.0,
        "turns_censored_n": 1,
        "turns_unheard_n": 2,
        "wer": 1.0,
        "eot_fp_rate": 0.0,
    },
}


def test_every_case_has_figures_counted_by_hand():
    assert {case.name for case in regenerate.cases()} == set(BY_HAND)


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_a_golden_case_scores_as_before(name):
    expected = json.loads((GOLDEN / name / "scores.json").read_text(encoding="utf-8"))
    found = regenerate.scored(GOLDEN / name)
    assert found["notes"] == expected["notes"]
    assert found["counts"] == expected["counts"]
    assert found["scores"] == expected["scores"]


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_a_golden_case_has_the_figures_counted_by_hand(name):
    found = regenerate.scored(GOLDEN / name)["scores"]
    assert {key: found[key] for key in BY_HAND[name]} == BY_HAND[name]
    assert found["waterfall_residual_samples_max"] in (0, None)
