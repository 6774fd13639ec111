"""The table of barge-in rules: every spec, every single rule, and figures that a replay gives again."""

import re
from pathlib import Path

from benchmarks.bargein import PAGE, cells, choices, fronts, make, scored
from workbench.cache import Store
from workbench.config import Config, override
from workbench.metrics import summarise
from workbench.sessions.synth_spec import shipped_specs
from workbench.stacks import make_stack

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `([^`]+)` \| ([a-z0-9-]+) \| (.*) \|$", re.MULTILINE)


def test_every_spec_and_every_single_rule_is_there() -> None:
    assert sorted(SECTIONS) == sorted(shipped_specs())
    single = {rule for rule in choices("workbench.barge_in_rule", "energy") if not set(rule) & set("+/")}
    for name, text in SECTIONS.items():
        rows = ROW.findall(text)
        assert {rule for rule, front, _ in rows if front == "none"} >= single, name
        assert {front for _, front, _ in rows} <= {front.name for front in fronts()}, name
    assert {front for _, front, _ in ROW.findall(SECTIONS["echo"])} >= {*choices("echo.canceller", "none")}


def test_a_row_is_what_a_replay_gives(tmp_path: Path) -> None:
    stack = make_stack(override(Config(), {"stack.name": "nano"}))
    shown = {(rule, front): figures for rule, front, figures in ROW.findall(SECTIONS["coughs"])}
    found = scored(make("coughs", tmp_path), stack, "energy", fronts()[0], Store(None))
    assert " | ".join(cells(summarise(list(found)))) == shown["energy", "none"]
