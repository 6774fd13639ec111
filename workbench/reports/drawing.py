"""Size, fonts and colours of all figures, and saving that gives the same bytes every time.

The object-oriented interface of matplotlib on its Agg canvas; pyplot and its global state are never loaded, and the
settings of the user's ``matplotlibrc`` do not count.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.files import replacing
from workbench.reports.colours import ORANGE, SKY, YELLOW

DPI = 120
WIDTH = 11.0
"""Inches: 1320 pixels."""
SMALL = 8.5
"""Points, for labels inside a figure."""
INK, FAINT, GRID = "#222222", "#6b6b6b", "#e4e4e4"

LIGHT_GREEN = "#c9e8de"

KIND_COLOURS: Mapping[str, str] = {
    "speech": SKY,
    "backchannel": YELLOW,
    "noise": ORANGE,
    "background": "#c4c4c4",
}
"""Colours of labels by kind; a note is a line, not a box."""

_RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,
    "text.hinting": "no_hinting",
    "text.antialiased": True,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.6,
    "hatch.color": "#ffffff",
    # Names inside an SVG come from this text, not from chance.
    "svg.hashsalt": "workbench",
    "svg.fonttype": "none",
}


@contextmanager
def figure(height: float, path: Path) -> Iterator[Figure]:
    """Figure to draw on; it is saved at the end, as a whole or not at all.

    Args:
        height: inches.
        path: ends in ``.png`` or ``.svg``; its folder exists.
    """
    with matplotlib.style.context(["default", _RC]):
        drawn = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
        FigureCanvasAgg(drawn)
        yield drawn
        with replacing(path) as beside, warnings.catch_warnings():
            # Words in a script that the font lacks come out as boxes; the report has them in full.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            # No time and no version in the file: the same run gives the same bytes.
            unnamed = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
            drawn.savefig(beside, dpi=DPI, metadata=unnamed)


def axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes by their left and upper edge and size, all in inches from the figure's upper left corner."""
    full = figure.get_figheight()
    return figure.add_axes((left / WIDTH, (full - top - height) / full, width / WIDTH, height / full))


def bare(axes: Axes, *keep: str) -> None:
    """Remove all spines but those named, and their ticks."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(side in keep)
    if "left" not in keep:
        axes.set_yticks([])
    if "bottom" not in keep:
        axes.tick_params(axis="x", bottom=False, labelbottom=False)


def text_inches(text: str, points: float = SMALL) -> float:
    """Approximate width of a text; DejaVu Sans takes 0.53 em per character on average."""
    return len(text) * points * 0.53 / 72


def write_within(axes: Axes, start: float, stop: float, text: str, inches: float) -> None:
    """Write into a lane from ``start`` to at most ``stop``, shortened to what fits.

    Args:
        axes: a lane from 0 to 1.
        start, stop: in units of the axis of time.
        text: what to write.
        inches: what one such unit is on paper.
    """
    room = int(((stop - start) * inches - 0.08) / text_inches("x"))
    if room < 3 or not text:
        return
    shown = text if len(text) <= room else text[: room - 1].rstrip() + "…"
    written = axes.text(start + 0.04 / inches, 0.5, shown, va="center_baseline", ha="left", fontsize=SMALL, zorder=5)
    written.set_clip_path(Rectangle((start, -1), stop - start, 3, transform=axes.transData))
