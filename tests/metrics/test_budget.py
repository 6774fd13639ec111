from pathlib import Path

import pytest
from made_traces import Made, labels
from test_summary import session

from workbench.errors import WorkbenchError
from workbench.metrics import evaluate, summarise
from workbench.metrics.budget import certify, check_budget, check_limits, read_budget, unmeasured

SHIPPED = Path(__file__).parents[2] / "configs" / "budget.toml"


def test_each_figure_over_budget_is_named():
    scores = {"voice_to_voice_ms_p95": 2500.1, "cutin_per_hold": 0.1, "headroom": 0.2, "wer": None}
    budget = {"wer": 0.1, "voice_to_voice_ms_p95": 2500, "cutin_per_hold": 0.1, "headroom": 0.25}
    found = check_budget(scores, budget)
    assert [str(item) for item in found] == [
        "voice_to_voice_ms_p95 is 2500.1, over its budget of 2500",
        "headroom is 0.2, below its least of 0.25",
    ]
    assert unmeasured(scores, budget) == ["wer"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[budget]\nvoice_to_voice_p95 = 1", "unknown score 'voice_to_voice_p95'; did you mean voice_to_voice_ms_p95"),
        ("[budget]\nxyzzy = 1", r"unknown score 'xyzzy' \(docs/metrics.md"),
        ("[budget]\nwer = '1'", "wer is '1', must be a number"),
        ("[budget]\nwer = true", "wer is True, must be a number"),
        ("[budget]\nwer = nan", "wer is nan, must be a number"),
        ("wer = 1", r"unknown section 'wer'; must hold \[budget\], and may hold \[price\]"),
        ("[budgets]\nwer = 1", "unknown section 'budgets'"),
        ("", "is empty"),
        ("[budget", "not valid TOML"),
    ],
)
def test_a_wrong_budget_is_refused_by_name(tmp_path, text, problem):
    path = tmp_path / "budget.toml"
    path.write_text(text)
    with pytest.raises(WorkbenchError, match=f"budget.toml: {problem}"):
        read_budget(path)


def test_a_missing_budget_is_named(tmp_path):
    with pytest.raises(WorkbenchError, match=r"none.toml: no such file"):
        read_budget(tmp_path / "none.toml")
    with pytest.raises(WorkbenchError, match="is a folder, must be a file"):
        read_budget(tmp_path)


def test_the_shipped_budget_loads_and_limits_every_headline():
    budget = read_budget(SHIPPED)
    assert {"voice_to_voice_ms_p95", "cutin_per_hold", "missed_eot_rate", "false_bargein_per_agent_hour"} <= set(budget)
    assert check_limits(budget, "shipped") == budget


def test_evidence_says_how_much_more_recording_would_do():
    few = summarise([session(f"s{n}", 720, n) for n in range(8)])
    budget = {
        "cutin_per_hold": 0.10,  # 0 of 8 holds: 30 are needed
        "false_bargein_per_agent_hour": 10,  # well over
        "voice_to_voice_ms_p50": 100_000,
        "selectivity_background": 0.5,
        "turns_n": 15,
        "midword_splits": 0,
        "wer": 0.6,
    }
    found = {item.key: item for item in certify(few, budget)}
    hours = few.scores["session_seconds"] / 3600
    assert found["cutin_per_hold"].bound == 3 / 8
    assert found["cutin_per_hold"].more_hours == pytest.approx(hours * (30 / 8 - 1))
    assert found["false_bargein_per_agent_hour"].more_hours is None
    assert not found["false_bargein_per_agent_hour"].certified
    assert (found["voice_to_voice_ms_p50"].certified, found["voice_to_voice_ms_p50"].more_hours) == (True, 0.0)
    assert found["selectivity_background"].value is None
    assert (found["turns_n"].certified, found["midword_splits"].certified) == (False, True)
    assert found["wer"].bound == few.intervals["wer"][1]


def test_zero_events_are_certified_by_the_rule_of_three():
    made = Made(session="clean").answer(0, 2800, text="hello there", frames=250)
    result = summarise([evaluate(made.trace(), labels((1000, 2000, "speech", 1, "hello there")))])
    assert "stall_ratio" not in result.intervals
    found = {item.key: item for item in certify(result, {"stall_ratio": 0.02, "wer": 0.1})}
    assert (found["stall_ratio"].bound, found["stall_ratio"].certified) == (3 / 250, True)
    assert (found["wer"].bound, found["wer"].certified) == (1.0, False)
    assert found["wer"].more_hours == pytest.approx((30 / 2 - 1) / 60)


def test_width_shrinks_with_the_root_of_the_hours():
    result = summarise([session(f"s{n}", 700 + 20 * n, n) for n in range(8)])
    value, high = result.scores["endpoint_delay_ms_p50"], result.intervals["endpoint_delay_ms_p50"][1]
    limit = value + (high - value) / 2
    found = certify(result, {"endpoint_delay_ms_p50": limit})[0]
    assert found.more_hours == pytest.approx(3 * result.scores["session_seconds"] / 3600)
    assert certify(result, {"endpoint_delay_ms_p50": value - 1})[0].more_hours is None
