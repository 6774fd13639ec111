"""A score without a value says why: a setting that is off, no labels, or nothing that could be measured."""

from dataclasses import replace

import pytest

from workbench.config import Config, override
from workbench.metrics import SessionScores, evaluate, summarise
from workbench.metrics.definitions import BY_KEY
from workbench.metrics.missing import NO_LABELS, explained, why_missing
from workbench.sessions.labels import Label
from workbench.trace import Header, Trace

OFF, ON = Config(), override(Config(), {"barge_in": True})


def summary(*labels: Label):
    return summarise([evaluate(Trace(Header("made", 480_000)), labels)], bootstrap=False)


def test_barge_in_that_is_off_is_named() -> None:
    scores = summary(Label(0, 24_000, "speech", 1, "hello")).scores
    assert why_missing("bargein_reaction_ms_p50", scores, OFF) == "barge_in is off"
    assert why_missing("bargein_reaction_ms_p50", scores, ON) == "the agent said nothing"


def test_no_labels_is_the_reason_for_all_that_needs_them() -> None:
    scores = summarise([SessionScores("bare", 480_000, False)], bootstrap=False).scores
    for key in ("voice_to_voice_ms_p50", "cutin_per_hold", "missed_eot_rate", "wer", "missed_bargein_rate"):
        assert why_missing(key, scores, ON) == NO_LABELS
    assert why_missing("rtf", scores, ON) == "the agent said nothing"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("voice_to_voice_ms_p95", "no turn was answered"),
        ("endpoint_delay_ms_p50", "no turn was ended by the listener"),
        ("cutin_per_hold", "no pause of 0.2 to 5 s inside a turn"),
        ("onset_clipped_ms_p95", "nothing of any turn was heard"),
        ("underrun_ms_p50", "no underrun"),
    ],
)
def test_what_did_not_happen_is_named(key: str, why: str) -> None:
    assert why_missing(key, summary(Label(0, 24_000, "speech", 1, "hello")).scores, ON) == why


def test_every_score_without_a_value_has_a_reason() -> None:
    for made in (summary(), summary(Label(0, 24_000, "speech", 1, "hello"))):
        for key in BY_KEY:
            assert bool(why_missing(key, made.scores, OFF)) == (made.scores[key] is None), key


def test_a_score_that_the_setting_decides_says_so() -> None:
    made = summary(Label(0, 24_000, "speech", 1, "hello"))
    key = "missed_bargein_rate"
    made = replace(made, scores=made.scores | {key: 1.0}, counts=made.counts | {key: (1, 1)})
    assert explained(made, "bargein_reaction_ms_p50", OFF) == "nothing to measure: barge_in is off"
    assert explained(made, key, OFF) == "1 of 1 turn over agent speech; barge_in is off"
    assert explained(made, key, ON) == "1 of 1 turn over agent speech"
