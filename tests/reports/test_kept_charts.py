"""A chart that was drawn is not drawn again, and bokeh is not loaded for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.reports import charts, kept_charts

SCRIPT = """
import json, sys
from workbench.reports.charts import bar_chart
print(json.dumps([bar_chart({"a": float(sys.argv[1])}), "bokeh" in sys.modules]))
"""


def drawn(share: float) -> tuple[object, bool]:
    """A chart out of a new process, and whether that loaded bokeh."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(share)], capture_output=True, text=True, check=True)
    chart, loaded = json.loads(done.stdout)
    return chart, loaded


def test_a_known_chart_comes_without_bokeh() -> None:
    first, again, other = drawn(0.25), drawn(0.25), drawn(0.5)
    assert (first[1], again[1], other[1]) == (True, False, True)
    assert first[0] == again[0]
    assert first[0] != other[0]


def test_a_chart_is_drawn_anew_by_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    counted: list[object] = []

    def item(drawn: object) -> kept_charts.Chart:
        counted.append(drawn)
        return {"chart": len(counted)}

    monkeypatch.setattr(charts, "_item", item)
    assert [charts.bar_chart({"a": 0.5}), charts.bar_chart({"a": 0.5})] == [{"chart": 1}, {"chart": 1}]
    monkeypatch.setattr(kept_charts, "code_version", lambda: "another")
    assert charts.bar_chart({"a": 0.5}) == {"chart": 2}
