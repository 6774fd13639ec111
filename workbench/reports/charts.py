"""Charts of the page, by bokeh: parts of the latency, shares of turns answered within a time, and fronts.

A chart leaves here as JSON; bokeh's own script, which is put into the page from where bokeh is installed, draws it.
Bokeh takes long to load, so that functions here load it when they draw what is not in the cache.

Conventions:
    Colours of text and lines are :data:`INK` and :data:`GRID`, which the page replaces by those of its light or dark
    mode. Times are milliseconds.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workbench.metrics.rows import PARTS, TurnRow, Waterfall
from workbench.metrics.stats import percentile
from workbench.reports.colours import BLUE, GREEN, GREY, ORANGE, OWNER_COLOURS
from workbench.reports.kept_charts import Chart, kept_chart
from workbench.reports.material import Material, early
from workbench.reports.parts import PART_WORDS, edges
from workbench.units import samples_to_ms

INK, GRID = "#010203", "#040506"
"""Stand for the page's own colours; no other colour of a chart may equal them."""

MOST_TURNS = 30
"""Most turns in the waterfall; of more, the slowest are shown, and the table has all."""

_ID = re.compile(r'"p(\d+)"')


LEAST = "least seconds lost"
"""Mark of the setting at which a user loses least, by the prices."""


@dataclass(frozen=True)
class SettingPoint:
    """A setting as the front shows it.

    Attributes:
        name: values of its knobs.
        answer_ms: median voice-to-voice delay; None where it never answers.
        cut_ins: share of pauses that it took for the end.
        mark: ``today``, ``recommended``, :data:`LEAST` or empty.
    """

    name: str
    answer_ms: float | None
    cut_ins: float
    mark: str = ""


def run_charts(data: Material, owners: Mapping[str, str]) -> dict[str, Any]:
    """Charts of a run by the name of their place in the page; without answered turns there are none."""
    charts: dict[str, Any] = {}
    if data.answered:
        charts["waterfall"] = waterfall_chart(data.answered, owners)
    curves = {
        "the turn is taken to be over": [
            samples_to_ms(row.endpoint_delay)
            for _, scores in data.sessions
            for row in scores.turns
            if row.endpoint_delay is not None
        ],
        "the answer is heard": [samples_to_ms(fall.voice_to_voice) for _, _, fall in data.answered],
    }
    if any(curves.values()):
        charts["latency"] = ecdf_chart(curves)
    return charts


@kept_chart
def waterfall_chart(answered: Sequence[tuple[str, TurnRow, Waterfall]], owners: Mapping[str, str]) -> Chart:
    """Bars from the end of the user's speech to the answer, cut into parts: mean, median, then the slowest turns first.

    Args:
        answered: (session, turn, parts).
        owners: part → its cause.
    """
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.models.annotations import Span

    waited = [fall for _, _, fall in answered if not early(fall)] or [fall for _, _, fall in answered]
    bars: dict[str, list[float]] = {
        "mean": [sum(samples_to_ms(getattr(fall, part)) for fall in waited) / len(waited) for part in PARTS]
    }
    ordered = sorted(answered, key=lambda item: (item[2].voice_to_voice, item[0], item[1].turn))
    bars["median turn"] = [samples_to_ms(getattr(ordered[len(ordered) // 2][2], part)) for part in PARTS]
    slowest = sorted(answered, key=lambda item: (-item[2].voice_to_voice, item[0], item[1].turn))
    for session, row, fall in slowest[:MOST_TURNS]:
        bars[f"{session} · {row.turn}"] = [samples_to_ms(getattr(fall, part)) for part in PARTS]
    names = list(bars)
    drawn = _figure(60 + 20 * len(names), "ms after the end of the user's speech", y_range=names[::-1])
    drawn.ygrid.visible = False
    for owner, colour in OWNER_COLOURS.items():
        source: dict[str, list[Any]] = {"name": [], "left": [], "right": [], "part": [], "ms": [], "words": []}
        for name, parts in bars.items():
            for part, ms, (left, right) in zip(PARTS, parts, pairwise(edges(parts)), strict=True):
                if owners[part] == owner and left != right:
                    cells = (name, left, right, part, round(ms, 1), PART_WORDS[part])
                    for column, cell in zip(source.values(), cells, strict=True):
                        column.append(cell)
        drawn.hbar(
            y="name", left="left", right="right", height=0.78, source=ColumnDataSource(source), color=colour,
            line_color=INK, line_width=0.3, legend_label=owner,
        )  # fmt: skip
    drawn.add_tools(HoverTool(tooltips=[("turn", "@name"), ("part", "@part"), ("", "@words"), ("ms", "@ms{0.0}")]))
    drawn.add_layout(Span(location=0, dimension="height", line_color=INK))
    _place_legend(drawn, columns=3)
    return _item(drawn)


@kept_chart
def ecdf_chart(curves: Mapping[str, Sequence[float]]) -> Chart:
    """Share of turns within a time, a curve each; dots mark p50 and p95.

    Args:
        curves: name → milliseconds.
    """
    from bokeh.models import ColumnDataSource, HoverTool

    drawn = _figure(280, "ms after the end of the user's speech")
    drawn.yaxis.axis_label = "share of turns, %"
    drawn.y_range.start, drawn.y_range.end = 0, 103
    for (name, values), colour in zip(curves.items(), (ORANGE, BLUE), strict=False):
        if not values:
            continue
        ordered = sorted(values)
        shares = [100 * i / len(ordered) for i in range(len(ordered) + 1)]
        label = f"{name} ({len(ordered)} turns)"
        drawn.step(x=[ordered[0], *ordered], y=shares, mode="after", color=colour, line_width=2.5, legend_label=label)
        dots = {
            "ms": [percentile(ordered, percent) for percent in (50, 95)], "share": [50, 95], "name": ["p50", "p95"],
            "what": [name, name],
        }  # fmt: skip
        marks = drawn.scatter(x="ms", y="share", source=ColumnDataSource(dots), size=9, color=colour, line_color=INK)
        drawn.add_tools(HoverTool(renderers=[marks], tooltips=[("", "@what"), ("@name", "@ms{0.0} ms")]))
    _place_legend(drawn, columns=1)
    return _item(drawn)


@kept_chart
def front_chart(points: Sequence[SettingPoint]) -> Chart:
    """Answer time against cut-ins, a dot a setting; settings that never answer stand grey at the right edge.

    Args:
        points: of settings, in any order.
    """
    from bokeh.models import ColumnDataSource, HoverTool

    drawn = _figure(320, "answer time, median, ms")
    drawn.yaxis.axis_label = "cut-ins, % of pauses"
    right = max([point.answer_ms for point in points if point.answer_ms is not None], default=0.0) * 1.05
    groups = {
        "setting": (BLUE, 8, [point for point in points if point.answer_ms is not None and not point.mark]),
        "never answers": (GREY, 8, [point for point in points if point.answer_ms is None and not point.mark]),
    }
    groups |= {mark: (colour, 14, [it for it in points if it.mark == mark])
               for mark, colour in (("today", ORANGE), ("recommended", GREEN), (LEAST, GREEN))}  # fmt: skip
    for name, (colour, size, group) in groups.items():
        if not group:
            continue
        columns = {
            "x": [right if it.answer_ms is None else it.answer_ms for it in group],
            "y": [100 * it.cut_ins for it in group],
            "name": [it.name for it in group],
        }
        dots = drawn.scatter(
            x="x", y="y", source=ColumnDataSource(columns), size=size, color=colour, line_color=INK, legend_label=name
        )
        drawn.add_tools(
            HoverTool(renderers=[dots], tooltips=[("", "@name"), ("answer", "@x{0} ms"), ("cut-ins", "@y{0.0} %")])
        )
    _place_legend(drawn, columns=2)
    return _item(drawn)


@kept_chart
def sweep_chart(names: Sequence[str], scores: Mapping[str, Sequence[float | None]], recommended: str) -> Chart:
    """The first score over the values of one knob; the others are shown where the pointer is.

    Args:
        names: values of the knob.
        scores: name → a figure for each value, None where there was nothing to measure.
        recommended: which of ``names`` is recommended.
    """
    from bokeh.models import ColumnDataSource, HoverTool

    key = next(iter(scores))
    drawn = _figure(200, "", x_range=list(names))
    drawn.yaxis.axis_label = key
    drawn.xaxis.major_label_orientation = 0.8
    columns: dict[str, list[Any]] = {"name": list(names)}
    for other, values in scores.items():
        columns[other] = [float("nan") if value is None else value for value in values]
    source = ColumnDataSource({name: list(values) for name, values in columns.items()})
    drawn.line(x="name", y=key, source=source, color=BLUE, line_width=2)
    dots = drawn.scatter(x="name", y=key, source=source, size=7, color=BLUE, line_color=INK)
    if recommended in names:
        y = [columns[key][list(names).index(recommended)]]
        drawn.scatter(x=[recommended], y=y, size=14, color=GREEN, line_color=INK, legend_label="recommended")
        _place_legend(drawn, columns=1)
    tips = [("value", "@name"), *((other, f"@{{{other}}}{{0.000}}") for other in scores)]
    drawn.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    return _item(drawn)


@kept_chart
def bar_chart(shares: Mapping[str, float]) -> Chart:
    """Shares in percent, a bar each, in the order given."""
    names = list(shares)
    drawn = _figure(50 + 22 * len(names), "%", y_range=names[::-1])
    drawn.hbar(y=names, right=[100 * share for share in shares.values()], height=0.7, color=BLUE)
    return _item(drawn)


@kept_chart
def course_chart(trials: Sequence[tuple[int, float, bool]], more_is_better: bool) -> Chart:
    """Objective of each trial, and the best so far among those that keep every limit.

    Args:
        trials: (number, objective, whether it keeps every limit), in order.
        more_is_better: direction of the objective.
    """
    drawn = _figure(240, "trial")
    drawn.yaxis.axis_label = "objective"
    for name, keeps, colour in (("keeps every limit", True, BLUE), ("breaks a limit", False, GREY)):
        group = [(number, value) for number, value, kept in trials if kept == keeps]
        if group:
            x, y = map(list, zip(*group, strict=True))
            drawn.scatter(x=x, y=y, size=7, color=colour, line_color=INK, line_width=0.4, legend_label=name)
    better = max if more_is_better else min
    best: list[tuple[int, float]] = []
    for number, value, kept in trials:
        if kept:
            best.append((number, better(value, best[-1][1]) if best else value))
    if best:
        x, y = map(list, zip(*best, strict=True))
        drawn.step(x=x, y=y, mode="after", color=GREEN, line_width=2, legend_label="best so far")
    _place_legend(drawn, columns=2)
    return _item(drawn)


def _figure(height: int, label: str, **options: Any) -> Any:
    from bokeh.plotting import figure

    drawn = figure(height=height, sizing_mode="stretch_width", toolbar_location=None, tools="", **options)
    drawn.background_fill_color = drawn.border_fill_color = None
    drawn.outline_line_color = None
    drawn.xaxis.axis_label = label
    for axis in drawn.axis:
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = INK
        axis.axis_label_text_font_style = "normal"
        axis.major_label_text_font_size = axis.axis_label_text_font_size = "13px"
    drawn.grid.grid_line_color = GRID
    return drawn


def _place_legend(drawn: Any, columns: int) -> None:
    """Put the legend above the chart, where it covers nothing."""
    legend = drawn.legend[0]
    drawn.add_layout(legend, "above")
    legend.orientation = "horizontal"
    legend.background_fill_color = legend.border_line_color = None
    legend.label_text_color = INK
    legend.label_text_font_size = "13px"
    legend.ncols = columns
    legend.location = "left"
    legend.padding = 2
    legend.margin = 0
    legend.spacing = 4


def _item(drawn: Any) -> Chart:
    """A chart as JSON. Its numbers, which bokeh counts up as long as Python runs, begin anew in each chart."""
    from bokeh.embed import json_item

    text = json.dumps(json_item(drawn))
    numbers = {found: str(new) for new, found in enumerate(dict.fromkeys(_ID.findall(text)), 1)}
    item: Chart = json.loads(_ID.sub(lambda match: f'"p{numbers[match[1]]}"', text))
    return item
