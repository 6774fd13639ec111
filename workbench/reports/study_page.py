"""Page of a study: the answer, what it rests on, fronts, sweeps, importances, the search, and the checklist.

All figures are those of ``result.json``; the course of the search comes from the study's trials.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.files import read_json, read_text
from workbench.reports.charts import SettingPoint, bar_chart, course_chart, front_chart, sweep_chart
from workbench.reports.html import PageData, write_page
from workbench.reports.sliders import SCORE_NAMES
from workbench.reports.table_files import cell_text
from workbench.tuning.spec import local_url, read_spec
from workbench.tuning.storage import missing, open_storage
from workbench.tuning.study import finished, load, outcome_of

FORMAT = 2
"""Format of ``result.json`` that is read."""

SWEPT = ("loss_s_per_turn", "voice_to_voice_ms_p50", "cutin_per_hold", "missed_eot_rate")
"""Scores that a sweep's chart names; the first is drawn."""

CONFIGS = Path("configs")


def write_study_page(folder: Path) -> Path:
    """Write ``index.html`` into the folder of a study.

    Raises:
        WorkbenchError: the study has no result, or one of another format.
    """
    path = folder / "result.json"
    result = read_json(path)
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise WorkbenchError(f"{path}: not the result of a study of this version; run 'workbench tune --resume' again")
    try:
        values, charts = _values(result, folder)
    except (KeyError, TypeError, IndexError, AttributeError):
        raise WorkbenchError(f"{path}: not in the form of result.json; run 'workbench tune --resume' again") from None
    small = {"kind": "study", "rate": 1, "sweeps": list(values["sweeps"].values())}
    return write_page(folder / "index.html", "study.html.jinja", values, PageData(small, charts=charts))


def _values(result: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    answer, compared = result["answer"], result["held_out"] or result["tuning"]
    sensitivity = result["sensitivity"]
    charts: dict[str, Any] = {}
    captions: dict[str, str] = {}
    sliders: dict[str, dict[str, Any]] = {}

    def add(name: str, caption: str, chart: dict[str, Any] | None) -> None:
        if chart is not None:
            charts[name], captions[name] = chart, caption

    add("front", "Cut-ins against answer time on the recordings that the search saw", _front(result))
    for number, swept in enumerate(result["sweeps"]):
        if len(swept["knobs"]) == 1:
            name = swept["knobs"][0]["knob"].partition(".")[2]
            add(f"sweep-{number}", f"{name} alone, all else as recommended", _sweep(swept))
            if f"sweep-{number}" in charts:
                sliders[f"sweep-{number}"] = _slider(swept, len(sliders), exact=result["stand_in"] is None)
    if sensitivity["importances"]:
        add("importances", "Share of each knob in what made settings differ", bar_chart(sensitivity["importances"]))
    add("course", "Course of the search", _course(folder))
    checklist = CONFIGS / result["study"] / "checklist.md"
    return {
        "title": f"Study {result['study']}: {answer['title']}",
        "result": result,
        "answer": answer,
        "compared": compared,
        "held_out": result["held_out"] is not None,
        "differences": list(_differences(compared)),
        "ranges": [(row, _range(row), sensitivity["importances"].get(row["name"])) for row in sensitivity["ranges"]],
        "settings": [
            (name, cell_text(value), cell_text(result["recommended"][name]))
            for name, value in result["today"].items()
        ],
        "checklist": read_text(checklist).split("\n") if checklist.exists() else (),
        "charts": captions,
        "sweeps": sliders,
        "names": SCORE_NAMES,
    }, charts  # fmt: skip


def _differences(compared: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """(score, today, recommended, difference with interval, verdict) on the sessions that were compared."""
    for row in compared["differences"]:
        span = "" if row["low"] is None else f" ({cell_text(row['low'])} to {cell_text(row['high'])})"
        yield (
            row["key"],
            cell_text(row["a"]),
            cell_text(row["b"]),
            f"{cell_text(row['difference'])}{span}",
            row["verdict"],
        )


def _range(row: Mapping[str, Any]) -> str:
    """Values that are as good as the chosen one."""
    if row["good"]:
        return ", ".join(map(cell_text, row["good"]))
    return f"{cell_text(row['low'])} to {cell_text(row['high'])}"


def _front(result: Mapping[str, Any]) -> dict[str, Any] | None:
    front = result["front"]
    if not front or front["scores"] != ["voice_to_voice_ms_p50", "cutin_per_hold"]:
        return None
    today, tuned = (result["tuning"][which]["scores"] for which in ("baseline", "tuned"))
    points = [
        SettingPoint(f"{point['name']}: {_spelt(point['settings'])}", point["values"][0], point["values"][1] or 0.0)
        for point in front["points"]
    ]
    for mark, scores in (("today", today), ("recommended", tuned)):
        points.append(SettingPoint(mark, scores["voice_to_voice_ms_p50"], scores["cutin_per_hold"] or 0.0, mark))
    return front_chart(points)


def _spelt(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {cell_text(value)}" for name, value in settings.items())


def _sweep(swept: Mapping[str, Any]) -> dict[str, Any] | None:
    knob = swept["knobs"][0]
    points = [point for point in swept["points"] if not point["refused"]]
    if len(points) < 2:
        return None
    names = [cell_text(point["values"][0]) for point in points]
    scores = {SCORE_NAMES[key]: [point["scores"][key] for point in points] for key in SWEPT}
    return sweep_chart(names, scores, recommended=cell_text(knob["acts_as"]))


def _slider(swept: Mapping[str, Any], place: int, exact: bool) -> dict[str, Any]:
    """A sweep of one knob for the page's slider; ``exact`` unless a stand-in took the place of the STT."""
    knob = swept["knobs"][0]
    points = [point for point in swept["points"] if not point["refused"]]
    names = [cell_text(point["values"][0]) for point in points]
    own = cell_text(knob["acts_as"])  # a sweep goes out from what is recommended
    return {
        "knob": knob["knob"].partition(".")[2],
        "place": place,
        "names": names,
        "now": names.index(own) if own in names else 0,
        "exact": exact,
        "scores": list(SWEPT),
        "points": [[point["scores"][key] for key in SWEPT] for point in points],
    }


def _course(folder: Path) -> dict[str, Any] | None:
    """First objective of every trial, in order; None where the trials cannot be read from the study's folder."""
    try:
        spec = read_spec(folder)
        url = local_url(spec)
        if missing(url):
            return None
        study, _ = load(spec.name, open_storage(url, existing=True))
    except WorkbenchError:  # the result stands without them
        return None
    trials = [(trial, outcome_of(trial)) for trial in finished(study)]
    points: Sequence[tuple[int, float, bool]] = [
        (trial.number, found.values[0], not spec.goal.broken(found.scores)) for trial, found in trials if found
    ]
    return course_chart(points, spec.goal.directions[0] == "maximize") if len(points) > 1 else None
