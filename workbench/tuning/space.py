"""The search space: which knobs are searched and between what, as data.

``space.toml`` mirrors the config: a section, and in it a knob with what may be tried::

    [assistant]
    stt_silence_threshold = { type = "float", low = 0.002, high = 0.08, log = true }
    stt_silence_ms = { type = "frames", low = 160, high = 1600 }

``frames`` is a time in ms that acts in steps of 80 ms: only whole frames are tried.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workbench.config import Config, Knob, get, knobs, override, override_alone, resolve
from workbench.errors import WorkbenchError
from workbench.files import read_toml
from workbench.units import FRAME_MS, frames_for_ms

if TYPE_CHECKING:
    import optuna

TYPES = ("float", "int", "frames", "categorical")
_KEYS = {
    "float": {"low", "high", "log", "points"},
    "int": {"low", "high", "step"},
    "frames": {"low", "high"},
    "categorical": {"choices"},
}
_FIXED = {"workbench.listener": "values tuned for one listener are not honest for another", "workbench.seed": "",
          "workbench.timing": "", "assistant.use_stt": "", "assistant.use_tts": "", "assistant.smoke_test": "",
          "assistant.enabled": ""}  # fmt: skip
"""Knobs that a search must not touch, and why where it is not plain."""

POINTS = 13
"""Points of a float on a grid, unless the space says otherwise."""

GRID = 5_000
"""Most points of a grid. Each is a trial, and in the study's queue from the beginning: at 0.14 s for an hour of audio
5,000 take twelve minutes, and as long again for each session that is left out in turn. The default sampler finds in 200
trials what 5,000 random ones do."""

DIGITS = 4
"""Significant digits of a float that is tried: 0.0012 dB for a threshold, and short enough to be typed."""


@dataclass(frozen=True)
class Parameter:
    """One searched knob.

    Attributes:
        path: dotted path in the config.
        type: one of :data:`TYPES`.
        low, high: ends, both tried; ms for ``frames``.
        step: of ``int`` and ``frames``.
        log: whether a float is searched by its logarithm.
        points: of a float on a grid.
        choices: of ``categorical``.
    """

    path: str
    type: str
    low: float = 0
    high: float = 0
    step: int = 1
    log: bool = False
    points: int = POINTS
    choices: tuple[Knob, ...] = ()

    @property
    def name(self) -> str:
        """The knob's own name; unique in the config."""
        return self.path.partition(".")[2]

    def suggest(self, trial: "optuna.Trial") -> Knob:
        """Let Optuna choose."""
        if self.type == "categorical":
            chosen: Any = trial.suggest_categorical(self.name, self.choices)
            return cast(Knob, chosen)
        if self.type == "float":
            return trial.suggest_float(self.name, self.low, self.high, log=self.log)
        return trial.suggest_int(self.name, int(self.low), int(self.high), step=self.step)

    @property
    def count(self) -> int:
        """How many values :meth:`grid` has."""
        if self.type == "categorical":
            return len(self.choices)
        return self.points if self.type == "float" else int(self.high - self.low) // self.step + 1

    def grid(self) -> list[Knob]:
        """All values, or evenly spaced ones of a float."""
        if self.type == "categorical":
            return list(self.choices)
        if self.type != "float":
            return list(range(int(self.low), int(self.high) + 1, self.step))
        share = [index / (self.points - 1) for index in range(self.points)]
        if self.log:
            values = [self.low * (self.high / self.low) ** part for part in share]
        else:
            values = [self.low + (self.high - self.low) * part for part in share]
        return [min(max(short(value), self.low), self.high) for value in values]

    def fit(self, value: Knob) -> Knob:
        """The nearest value that the search can express.

        Raises:
            WorkbenchError: the value is outside the range.
        """
        if self.type == "categorical":
            if value not in self.choices:
                raise WorkbenchError(f"{self.name} is {value!r} in the baseline, which is not among its choices")
            return value
        assert isinstance(value, int | float)
        if self.type == "frames":
            value = frames_for_ms(value) * FRAME_MS
        if not self.low <= value <= self.high:
            raise WorkbenchError(
                f"{self.name} is {value:g} in the baseline, not in {self.low:g} to {self.high:g} of the space; widen it"
            )
        if self.type == "int":
            if (value - self.low) % self.step:
                raise WorkbenchError(
                    f"{self.name} is {value:g} in the baseline, which no step of {self.step} from {self.low:g} reaches"
                )
            return int(value)
        return value


def short(value: float) -> float:
    """A float with as many digits as matter.

    >>> short(0.012345678)
    0.01235
    """
    return float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True)
class Space:
    """All searched knobs."""

    parameters: tuple[Parameter, ...]

    def suggest(self, trial: "optuna.Trial") -> dict[str, Knob]:
        """One point, chosen by Optuna: knob name → value."""
        return {parameter.name: parameter.suggest(trial) for parameter in self.parameters}

    def config(self, baseline: Config, params: Mapping[str, Knob]) -> Config:
        """The baseline with a point's values.

        Raises:
            WorkbenchError: the config refuses the combination.
        """
        paths = {parameter.name: parameter.path for parameter in self.parameters}
        return override(
            baseline,
            {paths[name]: short(value) if isinstance(value, float) else value for name, value in params.items()},
        )

    def point(self, config: Config) -> dict[str, Knob]:
        """A config as a point of the space.

        Raises:
            WorkbenchError: a knob's value is outside the space.
        """
        return {parameter.name: parameter.fit(get(config, parameter.path)) for parameter in self.parameters}

    def size(self) -> int:
        """Points of the grid."""
        return math.prod(parameter.count for parameter in self.parameters)

    def check_grid(self) -> None:
        """Refuse a grid that nobody would wait for.

        Raises:
            WorkbenchError: says how many points it has, and which knobs make it big.
        """
        if self.size() > GRID:
            largest = sorted(self.parameters, key=lambda item: -item.count)[:4]
            counts = ", ".join(f"{item.name} {item.count}" for item in largest)
            raise WorkbenchError(
                f"--sampler grid: the space has {self.size():,} points, at most {GRID:,} are taken; most values: "
                f"{counts}. Take knobs out of the space, narrow them (floats: points), or take another --sampler"
            )

    def holds(self, point: Mapping[str, Knob]) -> bool:
        """Whether a point is one of the grid's."""
        return all(point[parameter.name] in parameter.grid() for parameter in self.parameters)

    def grid(self) -> Iterator[dict[str, Knob]]:
        """Every point of the grid, the last knob changing fastest."""
        names = [parameter.name for parameter in self.parameters]
        for values in itertools.product(*(parameter.grid() for parameter in self.parameters)):
            yield dict(zip(names, values, strict=True))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """As ``space.toml`` has it; :func:`parse` gives the space back."""
        out: dict[str, dict[str, Any]] = {}
        for item in self.parameters:
            section, _, name = item.path.partition(".")
            values: dict[str, Any] = {"low": item.low, "high": item.high, "step": item.step, "log": item.log}
            values |= {"points": item.points, "choices": list(item.choices)}
            keep = _KEYS[item.type]
            out.setdefault(section, {})[name] = {"type": item.type} | {k: v for k, v in values.items() if k in keep}
        return out


def read_space(path: Path) -> Space:
    """Read ``space.toml``.

    Raises:
        WorkbenchError: names the file and the knob that is unknown, has no effect, or whose range is wrong.
    """
    return parse(read_toml(path, "give a search space with --space"), str(path))


def parse(data: Mapping[str, Any], where: str) -> Space:
    """Check a space.

    Raises:
        WorkbenchError: see :func:`read_space`.
    """
    found = []
    for section, entries in data.items():
        if not isinstance(entries, dict):
            raise WorkbenchError(f"{where}: {section} must be a section, [{section}]")
        for name, entry in entries.items():
            try:
                found.append(_parameter(f"{section}.{name}", entry))
            except WorkbenchError as error:
                raise WorkbenchError(f"{where}: {error}") from None
    if not found:
        raise WorkbenchError(f"{where}: names no knob to search")
    return Space(tuple(found))


def _parameter(path: str, entry: Any) -> Parameter:
    if path not in knobs():
        resolve(path)
    if path.partition(".")[0] not in ("assistant", "workbench"):
        raise WorkbenchError(f"{path}: only knobs of [assistant] and [workbench] can be searched")
    if knobs()[path].metadata["inert"]:
        raise WorkbenchError(f"{path}: has no effect in the assistant; take it out")
    if path in _FIXED or path.endswith("_path"):
        why = _FIXED.get(path)
        raise WorkbenchError(f"{path}: cannot be searched{f': {why}' if why else ''}; set it in the baseline")
    if not isinstance(entry, dict):
        raise WorkbenchError(
            f'{path}: is {entry!r}, must say what to search, as {{ type = "int", low = 1, high = 9 }}; '
            "a fixed value belongs in the baseline"
        )
    kind = entry.get("type")
    if kind not in TYPES:
        raise WorkbenchError(f"{path}: type is {kind!r}, must be one of {', '.join(TYPES)}")
    if unknown := sorted(set(entry) - _KEYS[kind] - {"type"}):
        raise WorkbenchError(f"{path}: unknown key {unknown[0]!r} for type {kind!r}")
    if kind == "categorical":
        parameter = Parameter(path, kind, choices=tuple(_choices(path, entry.get("choices"))))
    else:
        parameter = _range(path, kind, entry)
    for value in (parameter.low, parameter.high) if kind != "categorical" else parameter.choices:
        # What the config refuses alone it refuses in every trial.
        override_alone(path, value if kind in ("float", "categorical") else int(value))
    return parameter


def _choices(path: str, choices: Any) -> Sequence[Knob]:
    plain = isinstance(choices, list) and all(isinstance(choice, bool | int | float | str) for choice in choices)
    if not plain or len(choices) < 2 or len(set(choices)) != len(choices):
        raise WorkbenchError(f"{path}: choices must be a list of two or more different values")
    return list(choices)


def _range(path: str, kind: str, entry: Mapping[str, Any]) -> Parameter:
    low: Any = entry.get("low")
    high: Any = entry.get("high")
    numbers = (int, float) if kind == "float" else (int,)
    if type(low) not in numbers or type(high) not in numbers or not low < high:
        raise WorkbenchError(f"{path}: low and high must be numbers ({kind}), low below high")
    step, log, points = entry.get("step", 1), entry.get("log", False), entry.get("points", POINTS)
    if type(step) is not int or step < 1 or type(points) is not int or points < 2 or type(log) is not bool:
        raise WorkbenchError(f"{path}: step must be 1 or more, points 2 or more, log true or false")
    if log and low <= 0:
        raise WorkbenchError(f"{path}: low is {low:g}, must be above 0 for a logarithmic search")
    if kind == "frames":
        step = FRAME_MS
        if low % FRAME_MS or high % FRAME_MS:
            raise WorkbenchError(f"{path}: low and high must be whole frames, multiples of {FRAME_MS} ms")
    if kind != "float" and (high - low) % step:
        raise WorkbenchError(f"{path}: {high} is no whole number of steps of {step} above {low}")
    return Parameter(path, kind, low, high, step, log, points)
