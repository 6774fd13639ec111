"""Figure of a sweep: the scores that move over one knob as curves, over two as grids; today's value is marked.

The same sweep gives the same bytes (with one version of matplotlib), as PNG and as SVG.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.config import Knob
from workbench.files import replacing
from workbench.metrics.definitions import HIGHER_IS_BETTER
from workbench.tuning.sweep import SCORE_HEADINGS, Sweep, SweepAxis

PANELS = 6
"""Most scores that are drawn: the first that move."""

LINE, NOW, FAINT = "#0072B2", "#D55E00", "#6b6b6b"
"""Blue and vermilion of Okabe and Ito (2008), distinct for all common colour blindnesses."""

_RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "text.parse_math": False,
    "text.hinting": "no_hinting",
    "svg.hashsalt": "workbench",
    "svg.fonttype": "path",
}


def draw_sweep(sweep: Sweep, folder: Path) -> list[Path]:
    """Draw the scores that move into ``sweep.png`` and ``sweep.svg``.

    Args:
        sweep: over one or two knobs.
        folder: is there.

    Returns:
        The files; none where no score moves.
    """
    keys = [key for key in sweep.moving if key in SCORE_HEADINGS][:PANELS]
    if not keys:
        return []
    columns = min(2, len(keys))
    rows = math.ceil(len(keys) / columns)
    paths = [folder / "sweep.png", folder / "sweep.svg"]
    with matplotlib.style.context(["default", _RC]):
        figure = Figure(figsize=(11.0, 0.5 + 2.7 * rows), dpi=120, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, key in zip(panels, keys, strict=False):
            panel.set_title(" ".join(SCORE_HEADINGS[key]), fontsize=9.5, loc="left")
            if len(sweep.axes) == 1:
                _curve(panel, sweep, key)
            else:
                _grid(panel, sweep, key)
        for panel in panels[len(keys) :]:
            panel.set_visible(False)
        dark = "" if len(sweep.axes) == 1 else "; dark is worse"
        figure.suptitle(
            f"{' and '.join(axis.name for axis in sweep.axes)}: scores that move, "
            f"{len(sweep.sessions)} session{'s' * (len(sweep.sessions) != 1)}; vermilion: today{dark}",
            fontsize=10,
        )
        for path in paths:
            with replacing(path) as unfinished:
                # No time and no version in the file.
                none: dict[str, Any] = {"Software": None} if path.suffix == ".png" else {"Date": None, "Creator": None}
                figure.savefig(unfinished, metadata=none)
    return paths


def _curve(panel: Axes, sweep: Sweep, key: str) -> None:
    (axis,) = sweep.axes
    places = _places(axis)
    values = [math.nan if (found := point.scores.get(key)) is None else found for point in sweep.points]
    panel.plot(places, values, color=LINE, marker="o", markersize=3.5, linewidth=1.4)
    panel.axvline(places[axis.now], color=NOW, linewidth=1, linestyle="--", zorder=0)
    panel.plot([places[axis.now]], [values[axis.now]], color=NOW, marker="o", markersize=6, linestyle="none")
    panel.set_xlabel(axis.name)
    panel.margins(y=0.12)
    if min(value for value in [*values, math.inf] if not math.isnan(value)) >= 0:
        panel.set_ylim(bottom=0)
    if not _is_numeric(axis):
        panel.set_xticks(places, [_spelt(value) for value in axis.values])
    elif _is_logarithmic(axis):
        panel.set_xscale("log")


def _grid(panel: Axes, sweep: Sweep, key: str) -> None:
    down, across = sweep.axes
    width = len(across.values)
    values = [math.nan if (found := point.scores.get(key)) is None else found for point in sweep.points]
    rows = [values[first : first + width] for first in range(0, len(values), width)]
    better = key in HIGHER_IS_BETTER or key == "turns_answered_n"
    image = panel.imshow(rows, aspect="auto", origin="lower", cmap="cividis" if better else "cividis_r")
    panel.add_patch(Rectangle((across.now - 0.5, down.now - 0.5), 1, 1, fill=False, edgecolor=NOW, linewidth=2))
    panel.figure.colorbar(image, ax=panel)
    for axis, set_ticks in ((across, panel.set_xticks), (down, panel.set_yticks)):
        shown = _thinned(axis.values)
        set_ticks(shown, [_spelt(axis.values[number]) for number in shown])
    panel.set_xlabel(across.name)
    panel.set_ylabel(down.name)


def _thinned(values: Sequence[Knob]) -> list[int]:
    return list(range(0, len(values), math.ceil(len(values) / 6)))


def _is_numeric(axis: SweepAxis) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in axis.values)


def _is_logarithmic(axis: SweepAxis) -> bool:
    """Whether the steps grow with the values, as those of a threshold do."""
    places = _places(axis)
    return len(places) > 3 and places[0] > 0 and (places[-1] - places[-2]) > 3 * (places[1] - places[0])


def _places(axis: SweepAxis) -> list[float]:
    if _is_numeric(axis):
        return [float(value) for value in axis.values]
    return [float(number) for number in range(len(axis.values))]


def _spelt(value: Knob) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
