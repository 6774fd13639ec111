"""Sweep: one knob over its values, or two as a grid, all others as they are; every score at each value.

The values come from the search space, where a knob of two or more choices is all of them. A value that acts as today's
does (700 ms of silence acts as 720) is today's point; where none does, today's own value is added.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.assistants import acts_alike
from workbench.config import Config, Knob, get, knobs, override, resolve
from workbench.errors import WorkbenchError
from workbench.metrics.summary import summarise
from workbench.tuning.objective import Scorer
from workbench.tuning.space import Space

MOST_POINTS = 1_000
"""Points of a sweep; a replay of a short session from the cache takes some 50 ms."""

SCORE_HEADINGS: Mapping[str, tuple[str, str]] = {
    "loss_s_per_turn": ("loss", "s per turn"),
    "voice_to_voice_ms_p50": ("answer", "p50 ms"),
    "voice_to_voice_ms_p95": ("answer", "p95 ms"),
    "cutin_per_hold": ("cut-ins", "per pause"),
    "missed_eot_rate": ("missed ends", "per turn"),
    "turns_answered_n": ("answered", "turns"),
    "endpoint_delay_ms_p50": ("end decided", "p50 ms"),
    "onset_clipped_ms_p95": ("clipped", "p95 ms"),
    "wer": ("words wrong", "share"),
    "false_bargein_per_agent_hour": ("false stops", "per hour"),
    "missed_bargein_rate": ("not stopped", "per try"),
    "bargein_reaction_ms_p50": ("stops after", "p50 ms"),
    "underrun_events": ("stutters", "count"),
    "stall_ratio": ("stutter", "share"),
    "midword_splits": ("words cut", "count"),
    "shared_model_listens": ("two listens", "on one STT"),
}
"""Scores that tables and figures of a sweep show, in this order: key → heading in two lines."""

_FIXED = ("workbench.seed", "workbench.timing", "assistant.quantize", "assistant.enabled", "assistant.use_stt",
          "assistant.use_tts", "assistant.smoke_test")  # fmt: skip
"""Knobs that choose models or nothing: a loaded stack cannot be swept over them."""


@dataclass(frozen=True)
class SweepAxis:
    """A knob and the values it takes.

    Attributes:
        path: dotted path in the config.
        values: in the order of table and figure.
        today: value in the config that the sweep starts from.
        now: index of the value that acts as ``today`` does.
    """

    path: str
    values: tuple[Knob, ...]
    today: Knob
    now: int

    @property
    def name(self) -> str:
        """The knob's own name."""
        return self.path.partition(".")[2]


@dataclass(frozen=True)
class SweepPoint:
    """Scores at one value, or one pair of values.

    Attributes:
        values: one for each knob.
        scores: every key of ``docs/metrics.md``, as a single replay has it; empty where the setting is refused.
        counts: rate key → (k, n), see :class:`workbench.metrics.summary.Summary`.
        refused: why the setting cannot be replayed, or empty.
    """

    values: tuple[Knob, ...]
    scores: Mapping[str, float | None]
    counts: Mapping[str, tuple[float, float]]
    refused: str = ""


@dataclass(frozen=True)
class Sweep:
    """Scores over the values of one or two knobs.

    Attributes:
        axes: one or two; the last changes fastest in ``points``.
        sessions: their names.
        points: one for each combination of values.
    """

    axes: tuple[SweepAxis, ...]
    sessions: tuple[str, ...]
    points: tuple[SweepPoint, ...]

    @property
    def now(self) -> int:
        """Index of today's point."""
        found = 0
        for axis in self.axes:
            found = found * len(axis.values) + axis.now
        return found

    @property
    def moving(self) -> tuple[str, ...]:
        """Keys of the scores that are not the same at all points: those of :data:`SCORE_HEADINGS` first."""
        tried = [point.scores for point in self.points if not point.refused]
        found = {key for key in (tried[0] if tried else ()) if len({scores[key] for scores in tried}) > 1}
        shown = [key for key in SCORE_HEADINGS if key in found]
        return (*shown, *(key for key in tried[0] if key in found and key not in SCORE_HEADINGS)) if tried else ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "knobs": [
                {"knob": axis.path, "values": list(axis.values), "today": axis.today, "acts_as": axis.values[axis.now]}
                for axis in self.axes
            ],
            "sessions": list(self.sessions),
            "moving": list(self.moving),
            "points": [
                {
                    "values": list(point.values),
                    "scores": dict(point.scores),
                    "counts": {key: list(count) for key, count in point.counts.items()},
                    "refused": point.refused,
                }
                for point in self.points
            ],
        }


def axis(name: str, config: Config, space: Space, values: Sequence[str] = ()) -> SweepAxis:
    """A knob with the values to try.

    Args:
        name: of the knob, with or without its section.
        config: today's settings.
        space: where the range of a knob stands.
        values: as typed, in place of the range.

    Raises:
        WorkbenchError: there is no such knob, it cannot be swept, it has no known range, or a value is refused.
    """
    path = resolve(name)
    if path.partition(".")[0] in ("stack", "step_costs") or path in _FIXED or path.endswith("_path"):
        raise WorkbenchError(
            f"{path}: a sweep loads models and step costs once; replay with --set {name}=VALUE instead"
        )
    if knobs()[path].metadata["inert"]:
        raise WorkbenchError(f"{path}: has no effect in the assistant")
    today = get(config, path)
    tried = list(dict.fromkeys(_typed(config, path, values) if values else _range(path, space)))
    alike = [number for number, value in enumerate(tried) if _alike(config, path, value)]
    if not alike:
        tried.append(today)
        if not isinstance(today, str | bool):
            tried.sort(key=float)
    now = tried.index(today) if today in tried else alike[0]
    return SweepAxis(path, tuple(tried), today, now)


def _typed(config: Config, path: str, values: Sequence[str]) -> Iterator[Knob]:
    for text in values:
        try:
            yield get(override(config, {path: text}), path)
        except WorkbenchError as error:
            raise WorkbenchError(f"--values {text}: {error}") from None


def _range(path: str, space: Space) -> list[Knob]:
    if found := next((parameter for parameter in space.parameters if parameter.path == path), None):
        return found.grid()
    knob = knobs()[path]
    if isinstance(knob.default, bool):
        return [False, True]
    if choices := knob.metadata["choices"]:
        return list(choices)
    low, high = knob.metadata["low"], knob.metadata["high"]
    between = f", from {low:g} to {high:g}" if low is not None and high is not None else ""
    raise WorkbenchError(
        f"{path}: no range for it in configs/space.toml; give the values to try{between}: --values A,B,C"
    )


def _alike(config: Config, path: str, value: Knob) -> bool:
    try:
        return acts_alike(config, override(config, {path: value}))
    except WorkbenchError:
        return False


def settings(config: Config, axes: Sequence[SweepAxis]) -> list[tuple[tuple[Knob, ...], Config | str]]:
    """Every combination of values, with its config, or why the config refuses it.

    Raises:
        WorkbenchError: they are more than :data:`MOST_POINTS`.
    """
    combined = list(itertools.product(*(axis.values for axis in axes)))
    if len(combined) > MOST_POINTS:
        raise WorkbenchError(f"{len(combined):,} points are too many, at most {MOST_POINTS:,}; give fewer --values")
    found: list[tuple[tuple[Knob, ...], Config | str]] = []
    for values in combined:
        try:
            found.append((values, override(config, {one.path: value for one, value in zip(axes, values, strict=True)})))
        except WorkbenchError as error:
            found.append((values, str(error)))
    return found


def sweep(
    scorer: Scorer,
    config: Config,
    sessions: Sequence[str],
    axes: Sequence[SweepAxis],
    watch: Callable[[int, int], None] = lambda _done, _of: None,
) -> Sweep:
    """Scores over the values of one or two knobs; each point equals a single replay with that value.

    Args:
        scorer: replays and scores a session under a config: :class:`workbench.tuning.evaluator.Evaluator`.
        config: today's settings.
        sessions: names of sessions that the scorer knows.
        axes: one or two, from :func:`axis`.
        watch: is given how many points are done, of how many.

    Raises:
        WorkbenchError: see :func:`settings`.
    """
    points = []
    tried = settings(config, axes)
    for number, (values, setting) in enumerate(tried):
        watch(number, len(tried))
        try:
            if isinstance(setting, str):
                raise WorkbenchError(setting)
            summary = summarise([scorer.score(setting, name) for name in sessions], bootstrap=False)
            points.append(SweepPoint(values, summary.scores, summary.counts))
        except WorkbenchError as error:
            points.append(SweepPoint(values, {}, {}, str(error)))
    return Sweep(tuple(axes), tuple(sorted(sessions)), tuple(points))
