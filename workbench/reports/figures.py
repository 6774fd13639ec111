"""Figures of a whole run: the parts of the latency, and its distribution."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from workbench.metrics import SessionScores
from workbench.metrics.rows import PARTS, TurnRow, Waterfall
from workbench.metrics.stats import percentile
from workbench.reports.colours import BLUE, ORANGE, OWNER_COLOURS
from workbench.reports.drawing import (
    FAINT,
    GRID,
    INK,
    SMALL,
    WIDTH,
    axes,
    bare,
    figure,
    text_inches,
)
from workbench.reports.material import early
from workbench.reports.parts import OWNERS, edges
from workbench.units import SAMPLES_PER_MS, samples_to_ms

MOST_BARS = 40
"""Most turns in one picture; of more, the slowest are shown."""

_LEFT, _RIGHT, _BAR = 1.9, 1.35, 0.27
_HEAD = 1.75
"""Inches above the first turn: title, part names and the mean."""


def answered(scored: Sequence[SessionScores]) -> list[tuple[str, TurnRow, Waterfall]]:
    """(session, turn, its waterfall) of every answered turn, in order."""
    return [
        (session.session, row, row.waterfall)
        for session in sorted(scored, key=lambda item: item.session)
        for row in session.turns
        if row.waterfall is not None
    ]


def draw_waterfall(path: Path, scored: Sequence[SessionScores], owners: Mapping[str, str] = OWNERS) -> bool:
    """Draw one bar per answered turn, cut into its parts; the mean on top.

    Args:
        path: of the picture.
        scored: whose turns.
        owners: part → who it belongs to.

    Returns:
        Whether there was anything to draw.
    """
    rows = answered(scored)
    if not rows:
        return False
    parts = [[getattr(fall, part) / SAMPLES_PER_MS for part in PARTS] for _, _, fall in rows]
    waited = [bar for bar, (_, _, fall) in zip(parts, rows, strict=True) if not early(fall)]
    mean = [sum(column) / len(waited) for column in zip(*waited, strict=True)] if waited else []
    shown = range(len(rows))
    if len(rows) > MOST_BARS:
        slowest = sorted(shown, key=lambda i: (-rows[i][2].voice_to_voice, i))[:MOST_BARS]
        shown = sorted(slowest)  # type: ignore[assignment]
    height = _HEAD + _BAR * len(shown) + 0.75
    with figure(height, path) as drawn:
        area = axes(drawn, _LEFT, _HEAD - 0.45, WIDTH - _LEFT - _RIGHT, height - _HEAD - 0.3)
        area.set_ylim(len(shown) + 0.5, -1.2)
        for y, i in enumerate(shown, 1):
            _bar(area, y, parts[i], 0.7, owners)
        _scale_of_bars(area, [*([mean] if mean else ()), *(parts[i] for i in shown)])
        ticks: dict[float, str] = {y: _short(_named(*rows[i])) for y, i in enumerate(shown, 1)}
        if mean:
            ticks[-0.6] = "mean without †" if len(waited) < len(rows) else "mean"
            _bar(area, -0.6, mean, 0.86, owners)
            _name_parts(area, mean)
        area.set_yticks(list(ticks), list(ticks.values()))
        marks = {
            "* counterfactual": any(rows[i][1].counterfactual for i in shown),
            "† begins at a commit before the end of the user's speech": any(early(rows[i][2]) for i in shown),
        }
        _title(drawn, len(rows), len(shown), "     ".join(text for text, used in marks.items() if used))
    return True


def _named(session: str, row: TurnRow, fall: Waterfall) -> str:
    return f"{session} · {row.turn}{' *' if row.counterfactual else ''}{' †' if early(fall) else ''}"


def _short(name: str) -> str:
    room = int((_LEFT - 0.15) / text_inches("x", 9.5))
    return name if len(name) <= room else "…" + name[len(name) - room + 1 :]


def _title(drawn: Figure, turns: int, shown: int, marks: str) -> None:
    full = drawn.get_figheight()
    what = f"the {shown} slowest of {turns} answered turns" if shown < turns else f"{turns} answered turns"
    drawn.text(0.15 / WIDTH, 1 - 0.25 / full, f"From the end of speech to the answer: {what}", fontsize=12, va="center")
    patches = [Patch(color=colour, label=owner) for owner, colour in OWNER_COLOURS.items()]
    drawn.legend(
        handles=patches,
        loc="center right",
        bbox_to_anchor=(1, 1 - 0.25 / full),
        ncol=len(patches),
        frameon=False,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=1.2,
    )
    drawn.text(0.15 / WIDTH, 0.18 / full, marks, fontsize=SMALL, color=FAINT, va="center")


def _bar(area: Axes, y: float, parts: Sequence[float], height: float, owners: Mapping[str, str]) -> None:
    """One turn: parts in order of time."""
    ends = edges(parts)
    for name, (start, end) in zip(PARTS, pairwise(ends), strict=True):
        colour = OWNER_COLOURS[owners[name]]
        area.barh(y, end - start, left=start, height=height, color=colour, edgecolor="white", linewidth=0.8, zorder=2)
    area.text(ends[-1], y, f"  {_figure(ends[-1])}", va="center_baseline", fontsize=SMALL, zorder=4)


def _figure(ms: float) -> str:
    """Milliseconds with a thin gap at the thousands."""
    return f"{ms:,.0f}".replace(",", "\u2009").replace("-", "−")


def _scale_of_bars(area: Axes, bars: Sequence[Sequence[float]]) -> None:
    ends = [0.0, *(end for bar in bars for end in edges(bar))]
    span = max(ends) - min(ends) or 1.0
    area.set_xlim(min(ends) - (0.01 * span if min(ends) < 0 else 0), max(ends) + 0.02 * span)
    bare(area, "bottom")
    area.tick_params(axis="y", length=0)
    area.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10]))
    area.grid(axis="x", color=GRID, zorder=0)
    area.axvline(0, color=INK, linewidth=1, zorder=3)
    area.set_xlabel("ms after the last sample of the user's speech")


def _name_parts(area: Axes, mean: Sequence[float]) -> None:
    """Name each part above the mean bar, with a line to it; names too near one another move right."""
    low, high = area.get_xlim()
    step = 0.27 * (high - low) / (WIDTH - _LEFT - _RIGHT)
    ends = edges(mean)
    last = float("-inf")
    for name, part, (start, end) in zip(PARTS, mean, pairwise(ends), strict=True):
        if not part:
            continue
        middle = (start + end) / 2
        x = last = max(middle, last + step)
        area.annotate(
            f"{name} {part:.0f}",
            (middle, -1.03),
            (x, -1.45),
            rotation=35,
            rotation_mode="anchor",
            ha="left",
            va="center",
            fontsize=SMALL,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
        )


def draw_latency(path: Path, scored: Sequence[SessionScores]) -> bool:
    """Draw the share of turns that were answered, and decided, within a time.

    Returns:
        Whether there was anything to draw.
    """
    falls = sorted(samples_to_ms(fall.voice_to_voice) for _, _, fall in answered(scored))
    delays = sorted(
        samples_to_ms(row.endpoint_delay)
        for session in scored
        for row in session.turns
        if row.endpoint_delay is not None
    )
    if not falls and not delays:
        return False
    with figure(4.2, path) as drawn:
        area = axes(drawn, 0.8, 0.6, WIDTH - 1.2, 2.95)
        everything = [*falls, *delays, 0.0]
        span = max(everything) - min(everything) or 1.0
        area.set_xlim(min(everything) - 0.16 * span, max(everything) + 0.2 * span)
        area.set_ylim(0, 1.06)
        bare(area, "bottom", "left")
        area.grid(color=GRID, zorder=0)
        area.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        area.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10]))
        area.axvline(0, color=INK, linewidth=1)
        area.set_xlabel("ms after the last sample of the user's speech")
        area.set_ylabel("share of turns")
        _ecdf(area, delays, "the turn is taken to be over", ORANGE, "right")
        _ecdf(area, falls, "the answer is heard", BLUE, "left")
        title = f"Endpoint delay ({len(delays)} turns) and voice-to-voice latency ({len(falls)} turns)"
        drawn.text(0.15 / WIDTH, 1 - 0.28 / 4.2, title, fontsize=12, va="center")
    return True


def _ecdf(area: Axes, values: Sequence[float], name: str, colour: str, side: str) -> None:
    if not values:
        return
    shares = [i / len(values) for i in range(len(values) + 1)]
    area.step([values[0], *values], shares, where="post", color=colour, linewidth=2, zorder=3)
    for percent in (50, 95):
        at = percentile(values, percent)
        area.plot([at], [percent / 100], "o", color=colour, markersize=6, zorder=4, markeredgecolor="white")
        words = f"p{percent}  {_figure(at)} ms"
        if percent == 50:
            words = f"{name}\n{words}"
        area.annotate(
            words,
            (at, percent / 100),
            # A curve that only rises leaves room below and right of each of its points, and above and left.
            (6, -4) if side == "left" else (-6, 4),
            textcoords="offset points",
            ha=side,
            va="top" if side == "left" else "bottom",
            zorder=2.5,  # over the grid, under the curves
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
