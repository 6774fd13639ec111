import re
from itertools import chain
from pathlib import Path

import pytest

from workbench.metrics import frontier
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER, MEASURES, PERCENTS, Points, Rate, Total
from workbench.trace import Header
from workbench.trace_file import EVENTS, format_trace, read_trace

DOCS = Path(__file__).parents[2] / "docs"
METRICS = (DOCS / "metrics.md").read_text(encoding="utf-8")
TRACE = (DOCS / "trace.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)`( ↑)? \| (\w+) \| (.+) \|$", METRICS, re.MULTILINE)
SUFFIXES = [*PERCENTS, "n"]


def keys(name, kind):
    return [f"{name}_{suffix}" for suffix in SUFFIXES] if kind == "distribution" else [name]


def test_score_keys_and_documented_keys_are_the_same():
    documented = list(chain.from_iterable(keys(name, kind) for name, _, kind, _ in ROWS))
    assert documented == list(BY_KEY)


def test_each_key_is_of_the_kind_that_is_documented():
    kinds = {}
    for measure in MEASURES:
        if isinstance(measure, Rate):
            kinds[measure.key] = {"time": "rate"}.get(measure.kind, measure.kind)
        elif isinstance(measure, Total):
            kinds[measure.key] = "total"
        elif isinstance(measure, Points) and measure.n_key:
            kinds[measure.n_key.removesuffix("_n")] = "distribution"
        else:
            kinds |= dict.fromkeys(measure.keys, "value")
    assert {name: kind for name, _, kind, _ in ROWS} == kinds
    assert {name for name, arrow, _, _ in ROWS if arrow} == HIGHER_IS_BETTER


def test_the_frontier_is_documented():
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", METRICS, re.MULTILINE)) == set(frontier([]))


def test_every_event_and_field_of_a_trace_is_documented():
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*)\|$", TRACE, re.MULTILINE))
    assert set(EVENTS) <= set(rows)
    for name, kind in EVENTS.items():
        assert set(re.findall(r"`(\w+)`", rows[name])) >= set(kind.__slots__) - {"t"}, name
    header = TRACE[TRACE.index("## Header") : TRACE.index("## Events")]
    assert set(re.findall(r"`(\w+)`", header)) >= set(Header.__dataclass_fields__)


@pytest.fixture
def example(tmp_path):
    blocks = dict(re.findall(r"```(csv|jsonl)\n(.+?)```", TRACE, re.DOTALL))
    (tmp_path / "labels.csv").write_text(blocks["csv"], encoding="utf-8")
    (tmp_path / "example.trace.jsonl").write_text(blocks["jsonl"], encoding="utf-8")
    return tmp_path


def test_the_example_scores_as_documented(example, monkeypatch):
    monkeypatch.chdir(example)
    names = {}
    exec(re.search(r"```python\n(.+?)```", TRACE, re.DOTALL)[1], names)
    found = names["scores"]
    table = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|$", TRACE, re.MULTILINE)
    assert len(table) > 15
    assert {key: float(value) for key, value in table} == {key: found[key] for key, _ in table}
    assert found["waterfall_residual_samples_max"] == 0


def test_the_example_may_carry_its_digest(example):
    trace = read_trace(example / "example.trace.jsonl")
    (example / "again.jsonl").write_text(format_trace(trace), encoding="utf-8")
    assert read_trace(example / "again.jsonl") == trace
