"""The timeline of one session: microphone, labels, agent and playback buffer on one axis of time.

Long sessions are drawn in lines of 45 s, one below the other, as music is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, MultipleLocator

from workbench.reports.colours import BLUE, GREEN, PURPLE, RED
from workbench.reports.drawing import (
    FAINT,
    GRID,
    INK,
    KIND_COLOURS,
    LIGHT_GREEN,
    SMALL,
    WIDTH,
    axes,
    bare,
    figure,
    text_inches,
    write_within,
)
from workbench.reports.timeline_data import FLOOR_DBFS, Marker, TimelineData
from workbench.sessions.labels import Label
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

_LINE = 45.0
"""Seconds in one line of a long session."""
_SINGLE = 60.0
"""Sessions up to this many seconds are drawn in one line."""

_LEFT, _RIGHT = 1.1, 0.9
_TITLE, _LINE_HEIGHT = 0.42, 3.52
_LANES = {"mic": (0.52, 1.35), "labels": (1.95, 0.3), "agent": (2.33, 0.3), "buffer": (2.71, 0.5)}
"""Lane → (upper edge, height) in inches from the top of its line."""


@dataclass(frozen=True)
class Heading:
    """Content of the title.

    Attributes:
        name: of the session.
        facts: shown beside it.
        threshold: dBFS of the gate, or None where no level gates.
        echo: whether the level holds the agent's echo.
    """

    name: str
    facts: str
    threshold: float | None
    echo: bool


def draw_timeline(path: Path, heading: Heading, data: TimelineData, labels: Sequence[Label], samples: int) -> None:
    """Draw ``samples`` of a session."""
    seconds = samples / SAMPLE_RATE
    line = seconds if seconds <= _SINGLE else _LINE
    lines = max(1, -(-samples // round(line * SAMPLE_RATE)))
    with figure(_TITLE + lines * _LINE_HEIGHT + 0.05, path) as drawn:
        full = drawn.get_figheight()
        drawn.text(0.15 / WIDTH, 1 - 0.25 / full, heading.name, fontsize=12, va="center")
        drawn.text(1 - 0.15 / WIDTH, 1 - 0.25 / full, heading.facts, color=FAINT, va="center", ha="right")
        for number in range(lines):
            _Line(drawn, _TITLE + number * _LINE_HEIGHT, number * line, line, seconds).draw(heading, data, labels)


class _Line:
    """One line of a timeline: four lanes over ``[begin, begin + length)`` seconds."""

    def __init__(self, drawn: Figure, top: float, begin: float, length: float, end: float) -> None:
        self.begin, self.length = begin, length
        self.end = min(begin + length, end)
        self.inches = (WIDTH - _LEFT - _RIGHT) / length
        share = (self.end - begin) / length
        self.lanes = {
            name: axes(drawn, _LEFT, top + at, (WIDTH - _LEFT - _RIGHT) * share, height)
            for name, (at, height) in _LANES.items()
        }
        for area in self.lanes.values():
            area.set_xlim(begin, self.end)

    def draw(self, heading: Heading, data: TimelineData, labels: Sequence[Label]) -> None:
        self._microphone(heading, data)
        self._labels(labels)
        self._agent(data)
        self._buffer(data)
        self._markers(data.markers)
        for name, words in (
            ("mic", "mic + echo\ndBFS" if heading.echo else "mic\ndBFS"),
            ("labels", "labels"),
            ("agent", "agent"),
            ("buffer", "buffer\nframes"),
        ):
            offset = -(_LEFT - 0.1) / (self.inches * (self.end - self.begin))
            self.lanes[name].text(
                offset, 0.5, words, transform=self.lanes[name].transAxes, va="center", ha="left", fontsize=SMALL
            )

    def _seen(self, start: int, stop: int) -> tuple[float, float] | None:
        """Part of ``[start, stop)`` within this line, in seconds."""
        a, b = max(self.begin, start / SAMPLE_RATE), min(self.end, stop / SAMPLE_RATE)
        return (a, b) if a < b else None

    def _microphone(self, heading: Heading, data: TimelineData) -> None:
        area = self.lanes["mic"]
        bare(area, "left")
        area.set_ylim(FLOOR_DBFS, 0)
        area.yaxis.set_major_locator(MultipleLocator(20))
        area.tick_params(labelsize=SMALL)
        area.grid(axis="y", color=GRID, zorder=0)
        first = True
        for start, stop in data.gates:
            if seen := self._seen(start, stop):
                area.axvspan(*seen, color=BLUE, alpha=0.13, linewidth=0, zorder=1)
                if first and (seen[1] - seen[0]) * self.inches > text_inches("gate open"):
                    area.text(seen[0], -3, " gate open", color=BLUE, fontsize=SMALL, va="top", ha="left")
                    first = False
        frame = FRAME_SAMPLES / SAMPLE_RATE
        a, b = int(self.begin / frame), min(len(data.level), int(self.end / frame) + 1)
        times = [i * frame for i in range(a, b + 1)]
        level = data.level[a:b]
        area.stairs(level, times, baseline=FLOOR_DBFS, fill=True, color="#b9b9b9", zorder=2)
        area.stairs(level, times, baseline=None, color=INK, linewidth=0.9, zorder=3)
        if heading.threshold is not None:
            area.axhline(heading.threshold, color=PURPLE, linewidth=1.4, zorder=4)
            words = f"threshold\n{heading.threshold:.0f} dBFS".replace("-", "−")
            area.text(self.end + 0.06 / self.inches, heading.threshold, words, va="center", fontsize=SMALL)

    def _labels(self, labels: Sequence[Label]) -> None:
        area = self._lane("labels")
        if not labels:
            area.text(self.begin, 0.5, " none", va="center_baseline", fontsize=SMALL, color=FAINT)
        notes = [label for label in labels if label.kind == "note"]
        boxes = [label for label in labels if label.kind != "note"]
        for label in boxes:
            self._box(area, label.start, label.end, KIND_COLOURS[label.kind])
        for label in notes:
            self._note(area, label)
        # Words run on to the right until the next label begins; those of a note inside another label have no room.
        named = [*boxes, *(note for note in notes if not any(box.start <= note.start < box.end for box in boxes))]
        for number, label in enumerate(named := sorted(named)):
            following = min((other.start for other in named[number + 1 :]), default=round(self.end * SAMPLE_RATE))
            begun = self._seen(label.start, max(label.end, label.start + 1))
            if begun and (seen := self._seen(label.start, max(label.end, following))):
                words = label.text if label.kind == "speech" else f"{label.kind}: {label.text}".removesuffix(": ")
                write_within(area, *seen, words, self.inches)

    def _note(self, area: Axes, note: Label) -> None:
        """A line over the lane where a note begins, and along its upper edge as far as it goes."""
        if seen := self._seen(note.start, max(note.end, note.start + 1)):
            if note.start / SAMPLE_RATE >= self.begin:
                area.plot([seen[0]] * 2, [0, 1], color=INK, linewidth=1.8, solid_capstyle="butt", zorder=4)
            area.plot(seen, [0.96, 0.96], color=INK, linewidth=1.8, solid_capstyle="butt", zorder=4)

    def _agent(self, data: TimelineData) -> None:
        area = self._lane("agent")
        for start, stop in data.thinks:
            if seen := self._seen(start, stop):
                area.plot(seen, [0.5, 0.5], color=FAINT, linewidth=1, linestyle=(0, (1, 1.5)), zorder=1)
        for start, stop in data.plays:
            self._box(area, start, stop, LIGHT_GREEN)
        for start, stop, text in data.captions:
            if seen := self._seen(start, stop):
                going_on = "… " if start / SAMPLE_RATE < self.begin else ""
                write_within(area, *seen, going_on + text, self.inches)
        for start, stop in data.audible:
            if seen := self._seen(start, stop):
                area.plot(seen, [0.04, 0.04], color=GREEN, linewidth=3, solid_capstyle="butt", zorder=3)
        for start, stop in data.underruns:
            if seen := self._seen(start, stop):
                area.axvspan(*seen, color=RED, linewidth=0, zorder=4)

    def _lane(self, name: str) -> Axes:
        area = self.lanes[name]
        bare(area)
        area.set_ylim(0, 1)
        area.set_facecolor("#f6f6f6")
        return area

    def _box(self, area: Axes, start: int, stop: int, colour: str) -> None:
        if seen := self._seen(start, stop):
            box = Rectangle((seen[0], 0), seen[1] - seen[0], 1, facecolor=colour, edgecolor="white", linewidth=0.8)
            box.set_zorder(2)
            area.add_patch(box)

    def _buffer(self, data: TimelineData) -> None:
        area = self.lanes["buffer"]
        bare(area, "left", "bottom")
        most = max((level for _, level in data.buffer), default=0)
        area.set_ylim(0, max(4, most) * 1.08)
        area.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        area.xaxis.set_major_locator(MultipleLocator(5 if self.length > 25 else 2 if self.length > 8 else 1))
        area.tick_params(labelsize=SMALL)
        area.xaxis.set_major_formatter("{x:g} s")
        if data.buffer:
            times = [t / SAMPLE_RATE for t, _ in data.buffer]
            levels = [level for _, level in data.buffer]
            area.fill_between(times, levels, step="post", color=GREEN, alpha=0.35, linewidth=0)
            area.step(times, levels, where="post", color=GREEN, linewidth=1)
        for start, stop in data.underruns:
            if seen := self._seen(start, stop):
                area.axvspan(*seen, color=RED, alpha=0.8, linewidth=0)

    def _markers(self, markers: Sequence[Marker]) -> None:
        """A line through all lanes at each moment, its name above; names that would meet take turns in three rows."""
        free = [float("-inf")] * 3
        for marker in markers:
            at = marker.t / SAMPLE_RATE
            if not self.begin <= at < self.end:
                continue
            colour = RED if marker.bad else INK
            for area in self.lanes.values():
                # Behind the boxes of a lane, before the level.
                order = 1.5 if area in (self.lanes["labels"], self.lanes["agent"]) else 6
                area.axvline(at, color=colour, linewidth=0.9, linestyle=(0, (3, 2)), zorder=order)
            row = next((number for number, taken in enumerate(free) if at >= taken), None)
            if row is None:
                continue
            name = f"▾ {marker.name}"
            width = text_inches(name) / self.inches
            free[row] = at + width + 0.08 / self.inches
            fits = at + width < self.end + _RIGHT / self.inches
            area = self.lanes["mic"]
            area.text(
                at + (-0.05 if fits else 0.05) / self.inches,
                1 + (0.02 + 0.16 * row) / _LANES["mic"][1],
                name if fits else f"{marker.name} ▾",
                transform=area.get_xaxis_transform(),
                color=colour,
                fontsize=SMALL,
                va="bottom",
                ha="left" if fits else "right",
            )
