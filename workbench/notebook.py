"""Figures for notebooks and scripts: replays, comparisons and sweeps as pandas DataFrames.

``docs/notebook.md`` has the columns and a worked example. Sessions are given by path or by name, as on the command
line; settings by knob name, ``stt_silence_ms=960``. Nothing is printed; errors are :class:`WorkbenchError`.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from workbench.config import Config, override
from workbench.config import load as load_config
from workbench.errors import WorkbenchError
from workbench.files import RECORDINGS, shipped
from workbench.metrics import SessionScores, evaluate, summarise
from workbench.metrics.budget import read_prices
from workbench.metrics.changes import COMPARABLE, differences, judged, outcome, paired_sessions
from workbench.metrics.loss import Prices
from workbench.metrics.summary import Summary
from workbench.run_folders import default_run_folder, make_room
from workbench.runs import Run, read_run, run_sessions, scores_of
from workbench.sessions.folders import find_sessions
from workbench.sessions.labels import Label, read_labels, validate
from workbench.trace import Trace
from workbench.trace_file import read_trace
from workbench.tuning.space import read_space
from workbench.tuning.sweep import axis
from workbench.tuning.sweep_sessions import run_sweep
from workbench.units import SAMPLE_RATE, SAMPLES_PER_MS, seconds_to_samples

Named = str | Path
"""A session, a run or a config: path, or name of a session in ``recordings/``."""

HandLabels = Sequence[tuple[float, float, str, int | None, str]]
"""Labels by hand: start and end in seconds, kind, turn, words."""

TURN_COLUMNS = (
    "session", "turn", "start_s", "end_s", "outcome", "answer_ms", "endpoint_delay_ms", "cutins", "onset_clipped_ms",
    "words", "word_errors", "loss_s", "why", "remedy",
)  # fmt: skip
"""Columns of :func:`load` and :func:`replay`."""


def load(run: Named) -> pd.DataFrame:
    """Turns of a run that is on disk, one a row.

    Args:
        run: folder that ``workbench replay`` wrote.

    Returns:
        :data:`TURN_COLUMNS`; ``attrs["run"]`` names the folder, ``attrs["scores"]`` holds every score.

    Raises:
        WorkbenchError: not a run, or one of its files is missing.
    """
    return _turns(read_run(Path(run)))


def replay(
    sessions: Named | Sequence[Named],
    config: Named | None = None,
    *,
    out: Named | None = None,
    force: bool = False,
    **knobs: object,
) -> pd.DataFrame:
    """Replay sessions as ``workbench replay`` does, and give their turns, one a row.

    Args:
        sessions: one or several.
        config: TOML file or the assistant's ``moshi.json``; by default ``configs/baseline.toml``.
        out: folder of the run; by default one named for config and sessions.
        force: whether a run with another config or of other sessions is replaced.
        **knobs: settings by name, over the config.

    Returns:
        See :func:`load`.

    Raises:
        WorkbenchError: a session, a knob or the stack is wrong; or another run is in the way.
    """
    folders, settings = _folders(sessions), _config(config, knobs)
    place = Path(out) if out else default_run_folder(settings, [folder.resolve().name for folder in folders])
    make_room(place, settings, folders, force)
    run = run_sessions(folders, settings, place)
    if run.failed:
        raise WorkbenchError(run.failed[0][1])
    return _turns(run)


def compare(a: Named | pd.DataFrame, b: Named | pd.DataFrame) -> pd.DataFrame:
    """Compare two runs, paired by session and turn: a row for each percentile and rate.

    Args:
        a, b: folders of runs, or what :func:`load` or :func:`replay` gave.

    Returns:
        Index ``score``; columns ``a``, ``b``, ``difference`` (b − a), ``low`` and ``high`` (its interval at 95 %),
        ``sessions`` and ``verdict``: ``better``, ``worse`` or ``no difference shown``, about ``b``.

    Raises:
        WorkbenchError: not runs, or of different sessions.
    """
    first, second = (_scored(side) for side in (a, b))
    rows = [
        (item.key, item.a, item.b, item.difference, item.low, item.high, item.sessions, judged(item))
        for item in differences(first, paired_sessions(first, second)[0], COMPARABLE)
    ]
    columns = ["score", "a", "b", "difference", "low", "high", "sessions", "verdict"]
    return pd.DataFrame(rows, columns=columns).set_index("score")


def sweep(
    sessions: Named | Sequence[Named],
    knob: str,
    values: Sequence[object] = (),
    config: Named | None = None,
    **knobs: object,
) -> pd.DataFrame:
    """Every score at each value of one knob, all others as they are.

    Args:
        sessions: one or several.
        knob: name of the knob.
        values: to try; by default those of ``configs/space.toml``.
        config: see :func:`replay`.
        **knobs: settings by name, over the config.

    Returns:
        Index: the knob's values. Columns: every score key, then ``today`` (the value that acts as the config's) and
        ``refused`` (why a value cannot be replayed, or empty).

    Raises:
        WorkbenchError: a session or a knob is wrong, or the knob has no known range.
    """
    settings = _config(config, knobs)
    one = axis(knob, settings, read_space(shipped(Path("configs/space.toml"))), [str(value) for value in values])
    found = run_sweep(_folders(sessions), settings, [one], _prices())
    frame = pd.DataFrame([dict(point.scores) for point in found.points], index=pd.Index(one.values, name=one.name))
    frame["today"] = [number == one.now for number in range(len(one.values))]
    frame["refused"] = [point.refused for point in found.points]
    return frame


def score(trace: Trace | Named, labels: Named | Sequence[Label] | HandLabels = ()) -> pd.DataFrame:
    """Score a trace that was written by hand or by another program.

    Args:
        trace: events, or a file of them (docs/trace.md).
        labels: the truth: a ``labels.csv``, :class:`Label` values in samples, or tuples in seconds; none is unlabelled.

    Returns:
        Index ``score``; columns ``value``, ``low`` and ``high`` (interval at 95 %, where there is one).

    Raises:
        WorkbenchError: the trace holds what cannot be, or a label is wrong.
    """
    found = trace if isinstance(trace, Trace) else read_trace(Path(trace))
    samples = found.header.samples
    if isinstance(labels, str | Path):
        known = read_labels(Path(labels), samples)
    else:
        known = validate([_label(item) for item in labels], samples, found.header.session)
    return _score_table(summarise([evaluate(found, known, prices=_prices())]))


def _label(item: Label | tuple[float, float, str, int | None, str]) -> Label:
    if isinstance(item, Label):
        return item
    start, end, kind, turn, text = item
    return Label(seconds_to_samples(start), seconds_to_samples(end), kind, turn, text)


def _score_table(summary: Summary) -> pd.DataFrame:
    rows = [(key, value, *summary.intervals.get(key, (None, None))) for key, value in summary.scores.items()]
    return pd.DataFrame(rows, columns=["score", "value", "low", "high"]).set_index("score")


def _prices() -> Prices:
    return read_prices(shipped(Path("configs/budget.toml")))


def _config(config: Named | None, knobs: dict[str, object]) -> Config:
    path = shipped(Path(config or "configs/baseline.toml"))
    if path.suffix == ".json":
        from workbench.moshi_json import settings

        return load_config(None, settings(path) | knobs)
    return override(load_config(path), knobs)


def _folders(sessions: Named | Sequence[Named]) -> list[Path]:
    names = [sessions] if isinstance(sessions, str | Path) else list(sessions)
    found: list[Path] = []
    for name in names:
        path = Path(name)
        path = path if path.exists() else shipped(RECORDINGS / path)
        found += find_sessions(path) if path.is_dir() and not (path / "session.json").exists() else [path]
    return found


def _scored(side: Named | pd.DataFrame) -> tuple[SessionScores, ...]:
    folder = side.attrs.get("run") if isinstance(side, pd.DataFrame) else side
    if folder is None:
        raise WorkbenchError("the DataFrame names no run (attrs['run']); give the run's folder")
    return scores_of(read_run(Path(folder)), _prices())[0]


def _turns(run: Run) -> pd.DataFrame:
    scored, summary = scores_of(run, _prices())
    rows = []
    for scores in sorted(scored, key=lambda item: item.session):
        loss = {row.turn: row.total / SAMPLE_RATE for row in scores.losses}
        why = {row.turn: row for row in reversed(scores.reasons) if row.turn is not None}
        for turn in scores.turns:
            reason = why.get(turn.turn)
            answer = turn.waterfall.voice_to_voice if turn.waterfall else None
            rows.append(
                (
                    scores.session, turn.turn, turn.start / SAMPLE_RATE, turn.end / SAMPLE_RATE, outcome(turn),
                    _ms(answer), _ms(turn.endpoint_delay), turn.cutins, _ms(turn.onset_clipped), turn.words,
                    turn.word_errors, loss.get(turn.turn), reason.text if reason else "",
                    f"{reason.knob} = {reason.value:g}" if reason and reason.value is not None else "",
                )
            )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(TURN_COLUMNS))
    frame.attrs = {"run": str(run.folder), "scores": dict(summary.scores)}
    return frame


def _ms(samples: int | None) -> float | None:
    return None if samples is None else samples / SAMPLES_PER_MS
