"""Scores over a grid of silence and threshold, for the page's sliders: every point of it is a replay.

Replays are exact, or, where models are slow, take the words of one pass of the STT over each session (its stand-in).
The grid is kept as ``sliders.json`` in the folder of the run, under the digests of the run's traces and its
prices: a page of another run never shows it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.cache import Store, default_folder, key_of
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.files import canonical_json, read_json, write_text
from workbench.reports.material import Material
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import pooled
from workbench.units import SAMPLE_RATE

SILENCES_MS = (240, 400, 560, 720, 880, 1040, 1280, 1600)
"""Values of ``stt_silence_ms``, each a whole number of 80 ms frames; the run's own is added."""
THRESHOLD_STEPS_DB = (-12, -6, -3, 0, 3, 6)
"""Values of ``stt_silence_threshold`` around the run's own."""

SCORE_NAMES: Mapping[str, str] = {
    "loss_s_per_turn": "Seconds lost per turn",
    "cutin_per_hold": "Cut-ins, of all pauses",
    "cutin_per_turn": "Turns cut in on",
    "missed_eot_rate": "Missed turns",
    "voice_to_voice_ms_p50": "Answer time, median",
    "voice_to_voice_ms_p95": "Answer time, 95 %",
    "turns_answered_n": "Turns answered",
    "false_bargein_per_agent_hour": "Wrong stops per hour of agent",
}
"""Scores that sliders show, with their names for people."""
KEYS = tuple(SCORE_NAMES)

_FILE = "sliders.json"


def grid_settings(config: Config) -> tuple[list[int], list[float]]:
    """Values of silence in ms and of the threshold, ascending, the config's own among them."""
    own = config.assistant.stt_silence_threshold
    frames = {-(-value // 80): value for value in (*SILENCES_MS, config.assistant.stt_silence_ms)}
    thresholds = {own * 10 ** (step / 20) if step else own for step in THRESHOLD_STEPS_DB}
    return sorted(frames.values()), sorted(value for value in thresholds if value <= 1)


def point_config(config: Config, silence: int, threshold: float) -> Config:
    """The run's config with another silence and threshold."""
    return override(config, {"stt_silence_ms": silence, "stt_silence_threshold": threshold})


CHEAP_SECONDS = 120
"""Sessions of the scripted stack that are this long together give a grid in a second of processor time."""


def cheap(data: Material) -> bool:
    """Whether a grid takes so little that every page can have it."""
    config, length = data.run.config, sum(item.session.samples for item in data.run.sessions)
    scripted = config.stack.name == "scripted" and config.step_costs.source != "measured"
    return scripted and config.assistant.stt_silence and length <= CHEAP_SECONDS * SAMPLE_RATE


def write_grid(data: Material, watch: Callable[[int, int], None] = lambda _done, _of: None, exact: bool = True) -> Path:
    """Replay every point of the grid and write ``sliders.json``.

    Args:
        data: the run and its scores.
        watch: gets (points done, points in all).
        exact: replay with the STT itself; else with its stand-in, all points but the run's own.

    Raises:
        WorkbenchError: the run has no energy gate, or its own setting no longer gives its own scores.
    """
    run = data.run
    if not run.config.assistant.stt_silence:
        raise WorkbenchError(f"{run.folder}: stt_silence is off, so that silence and threshold do nothing; no sliders")
    silences, thresholds = grid_settings(run.config)
    store = Store(default_folder())
    try:
        evaluator = Evaluator([item.session.folder for item in run.sessions], run.config, store, prices=data.prices)
        evaluator = evaluator if exact else evaluator.stand_in
        points: list[list[float | None]] = []
        for silence in silences:
            for threshold in thresholds:
                watch(len(points), len(silences) * len(thresholds))
                scored = evaluator.scores(point_config(run.config, silence, threshold), evaluator.names)
                points.append(list(pooled(KEYS, scored).values()))
    finally:
        store.close()
    own = _own_point(run.config, silences, thresholds)
    scores = [data.summary.scores[key] for key in KEYS]
    if not exact:
        points[own] = scores
    elif points[own] != scores:
        raise WorkbenchError(f"{run.folder}: models or step costs have changed since this run; replay it again")
    path = run.folder / _FILE
    grid = {"of": _identity(data), "silences": silences, "thresholds": thresholds, "own": own, "points": points}
    write_text(path, canonical_json(grid | {"keys": list(KEYS), "exact": exact}) + "\n")
    return path


def read_grid(data: Material) -> dict[str, Any] | None:
    """The grid of a run; None where there is none, or it is that of other traces or prices."""
    path = data.run.folder / _FILE
    if not path.exists():
        return None
    grid = read_json(path)
    known = isinstance(grid, dict) and grid.get("of") == _identity(data) and grid.get("keys") == list(KEYS)
    known = known and isinstance(grid.get("exact"), bool)
    return grid if known else None


def best_point(grid: Mapping[str, Any]) -> int:
    """Index of the point at which a user loses least; of equals the run's own, then the first."""
    loss = grid["keys"].index("loss_s_per_turn")
    known = [number for number, point in enumerate(grid["points"]) if point[loss] is not None]
    return min(known, key=lambda number: (grid["points"][number][loss], number != grid["own"]), default=grid["own"])


def grid_advice(grid: Mapping[str, Any]) -> Iterator[str]:
    """The best point of the grid with what it buys and costs; nothing where the run's own is the best."""
    best = best_point(grid)
    if best == grid["own"]:
        return
    silence, threshold = divmod(best, len(grid["thresholds"]))
    own, found = (dict(zip(grid["keys"], grid["points"][number], strict=True)) for number in (grid["own"], best))
    words = [
        f"{name} {own[key] * scale:.{digits}f} → {found[key] * scale:.{digits}f} {unit}"
        for name, key, scale, digits, unit in _ADVICE
        if own[key] is not None and found[key] is not None
    ]
    yield (
        f"stt_silence_ms = {grid['silences'][silence]}, stt_silence_threshold = {grid['thresholds'][threshold]:.3g}: "
        f"{', '.join(words)} ({_SURE[grid['exact']]}; whether it holds on others, tune says)"
    )


_SURE = {True: "replayed on these sessions", False: "estimated: replayed with a stand-in for the STT"}

_ADVICE = (
    ("lost per turn", "loss_s_per_turn", 1, 2, "s"),
    ("cut-ins", "cutin_per_hold", 100, 1, "% of pauses"),
    ("missed turns", "missed_eot_rate", 100, 1, "%"),
    ("median answer", "voice_to_voice_ms_p50", 1, 0, "ms"),
)
"""Name, score, scale, digits and unit of what the advice says."""


def _own_point(config: Config, silences: Sequence[int], thresholds: Sequence[float]) -> int:
    frames = -(-config.assistant.stt_silence_ms // 80)
    row = next(number for number, value in enumerate(silences) if -(-value // 80) == frames)
    return row * len(thresholds) + thresholds.index(config.assistant.stt_silence_threshold)


def _identity(data: Material) -> str:
    sessions = sorted((item.session.name, item.digest) for item in data.run.sessions)
    return key_of("sliders", data.run.config.fingerprint, asdict(data.prices), sessions)
