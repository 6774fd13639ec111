"""Page of a run: verdict, incidents with their sound, timelines of all sessions, where the waiting goes, tables."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.metrics.budget import certify
from workbench.metrics.missing import explained
from workbench.reports.charts import LEAST, SettingPoint, front_chart, run_charts
from workbench.reports.html import PageData, write_page
from workbench.reports.incidents import KINDS, incidents
from workbench.reports.material import Material, clock
from workbench.reports.overview import changed_knobs, facts, first_words
from workbench.reports.page_sessions import PageSessions
from workbench.reports.parts import PART_WORDS, owners
from workbench.reports.sliders import SCORE_NAMES, best_point, grid_advice, read_grid
from workbench.reports.study_at_hand import study_advice
from workbench.reports.table_files import cell_text
from workbench.reports.tables import DataTable, run_tables
from workbench.reports.verdict import advice, left_out, tiles, verdict
from workbench.units import SAMPLE_RATE


def write_run_page(data: Material, full_audio: bool = False) -> Path:
    """Write ``index.html`` into the folder of a run.

    Args:
        data: the run and its scores.
        full_audio: every session is audible as a whole, however long.
    """
    found = incidents(data)
    clips = [(it.session, it.start, it.end) for it in found]
    sessions = PageSessions(math.inf if full_audio else None)
    places = sessions.add(data, clips)
    causes = owners(data.run.config)
    grid = read_grid(data)
    charts = run_charts(data, causes) | ({"front": grid_front(grid)} if grid else {})
    tables = run_tables(data, found)
    values = {
        "title": f"Run {data.run.folder.name}",
        "folder": data.run.folder.name,
        "warnings": (*first_words(data.run), *left_out(data)),
        "verdict": verdict(data, found),
        "tiles": tiles(data),
        "advice": (*study_advice(data), *(grid_advice(grid) if grid else ()), *advice(data)),
        "kinds": KINDS,
        "incidents": [(number, it, clock(it.t)) for number, it in enumerate(found)],
        "counted": Counter(it.kind for it in found),
        "sessions": [item.session.name for item, _ in data.sessions],
        "parts": [(part, words, causes.get(part, "")) for part, words in PART_WORDS.items()],
        "charts": [name for name in charts if name != "front"],
        "tables": tables,
        "budget": [
            (item, explained(data.summary, item.key, data.run.config)) for item in certify(data.summary, data.limits)
        ],
        "grid": grid,
        "names": SCORE_NAMES,
        "facts": facts(data),
        "knobs": list(changed_knobs(data.run.config)),
        "notes": data.summary.notes,
    }
    small = {
        "kind": "run",
        "rate": SAMPLE_RATE,
        "sessions": sessions.listed,
        "incidents": [
            {"kind": it.kind, "t": it.t, "start": it.start, "end": it.end} | place
            for it, place in zip(found, places, strict=True)
        ],
        "grid": grid,
    }
    later = {f"table-{table.name}": {"columns": table.columns, "rows": list(cells(table))} for table in tables}
    packed = PageData(small, sessions.packed, later, charts, sessions.sounds)
    return write_page(data.run.folder / "index.html", "run.html.jinja", values, packed)


def grid_front(grid: dict[str, Any]) -> dict[str, Any]:
    """Chart of the sliders' grid, the run's own setting marked."""
    answer, cut = grid["keys"].index("voice_to_voice_ms_p50"), grid["keys"].index("cutin_per_hold")
    places = [(silence, threshold) for silence in grid["silences"] for threshold in grid["thresholds"]]
    return front_chart(
        [
            SettingPoint(
                f"stt_silence_ms {silence}, stt_silence_threshold {threshold:.3g}",
                point[answer],
                point[cut] or 0.0,
                "today" if number == grid["own"] else LEAST if number == best_point(grid) else "",
            )
            for number, ((silence, threshold), point) in enumerate(zip(places, grid["points"], strict=True))
        ]
    )


def cells(table: DataTable) -> Iterator[list[str | list[str | float]]]:
    """Rows for the page: texts, or text and moment in seconds where the cell leads into the timeline."""
    jumps = ("at_s", "start_s", "end_s", "onset_s")  # moments, not durations
    for row in table.rows:
        yield [
            [cell_text(value), value] if name in jumps and isinstance(value, float) else cell_text(value)
            for name, value in zip(table.columns, row, strict=True)
        ]
