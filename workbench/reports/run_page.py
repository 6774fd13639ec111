"""Page of a run: verdict, incidents with their sound, timelines of all sessions, where the waiting goes, tables."""

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, default_folder, key_of
from workbench.metrics.budget import certify
from workbench.metrics.missing import explained
from workbench.reports.charts import LEAST, SettingPoint, front_chart, run_charts
from workbench.reports.html import write_page
from workbench.reports.incidents import KINDS, incidents
from workbench.reports.material import Material, clock
from workbench.reports.overview import changed_knobs, facts, first_words
from workbench.reports.parts import PART_WORDS, owners
from workbench.reports.session_data import session_data
from workbench.reports.sliders import best_point, grid_advice, read_grid
from workbench.reports.table_files import cell_text
from workbench.reports.tables import DataTable, run_tables
from workbench.reports.verdict import advice, left_out, tiles, verdict
from workbench.sessions.mp3 import MP3_FORM, encode_mp3
from workbench.units import SAMPLE_RATE

WHOLE_SECONDS = 600
"""Sessions that are this long together are audible as a whole; of the others, the incidents are."""

Clip = tuple[str, int, int]
"""(session, first sample, first sample after)."""


def write_run_page(data: Material, full_audio: bool = False) -> Path:
    """Write ``index.html`` into the folder of a run.

    Args:
        data: the run and its scores.
        full_audio: every session is audible as a whole, however long.
    """
    found = incidents(data)
    clips = [(it.session, it.start, it.end) for it in found]
    sessions, sounds, _ = page_sessions(data, clips, math.inf if full_audio else None)
    causes = owners(data.run.config)
    grid = read_grid(data)
    charts = run_charts(data, causes) | ({"front": grid_front(grid)} if grid else {})
    values = {
        "title": f"Run {data.run.folder.name}",
        "warnings": (*first_words(data.run), *left_out(data)),
        "verdict": verdict(data, found),
        "tiles": tiles(data),
        "advice": (*grid_advice(grid), *advice(data)) if grid else advice(data),
        "kinds": KINDS,
        "incidents": [(number, it, clock(it.t)) for number, it in enumerate(found)],
        "counted": Counter(it.kind for it in found),
        "sessions": [item.session.name for item, _ in data.sessions],
        "parts": [(part, words, causes.get(part, "")) for part, words in PART_WORDS.items()],
        "charts": [name for name in charts if name != "front"],
        "tables": [(table, list(cells(table))) for table in run_tables(data, found)],
        "budget": [
            (item, explained(data.summary, item.key, data.run.config)) for item in certify(data.summary, data.limits)
        ],
        "grid": grid,
        "facts": facts(data),
        "knobs": list(changed_knobs(data.run.config)),
        "notes": data.summary.notes,
    }
    numbers = {item.session.name: number for number, (item, _) in enumerate(data.sessions)}
    scripts = {
        "kind": "run",
        "rate": SAMPLE_RATE,
        "sessions": sessions,
        "incidents": [
            {
                "session": numbers[it.session],
                "kind": it.kind,
                "t": it.t,
                "start": it.start,
                "end": it.end,
                "sound": sound,
            }
            for it, sound in zip(found, sounds, strict=True)
        ],
        "charts": charts,
        "grid": grid,
    }
    return write_page(data.run.folder / "index.html", "run.html.jinja", values, scripts)


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


def cells(table: DataTable) -> Iterator[tuple[tuple[str, str, float | None], ...]]:
    """Rows for the page: (text, column, moment in seconds that the row can jump to, or None for other cells)."""
    jumps = ("at_s", "start_s", "end_s", "onset_s")  # moments, not durations
    for row in table.rows:
        yield tuple(
            (cell_text(value), name, float(value) if name in jumps and isinstance(value, float) else None)
            for name, value in zip(table.columns, row, strict=True)
        )


def page_sessions(
    data: Material, clips: Sequence[Clip], seconds: float | None = None
) -> tuple[list[dict[str, Any]], list[str], float]:
    """Sessions for the scripts, by name, and the sound of clips.

    Args:
        data: the run and its scores.
        clips: (session, first sample, first sample after) of each.
        seconds: sessions that are this long together are audible as a whole; by default :data:`WHOLE_SECONDS`.

    Returns:
        The sessions; MP3 of each clip in base64, empty where its session is audible as a whole; what is left of
        ``seconds``.
    """
    left = (WHOLE_SECONDS if seconds is None else seconds) * SAMPLE_RATE
    sessions, sounds = [], [""] * len(clips)
    store = Store(default_folder())
    try:
        for item, scores in data.sessions:
            agent = data.run.folder / f"{item.session.name}.agent.flac"
            session, mic, played = session_data(data.run, item, scores, agent)
            whole = session["samples"] <= left
            if whole:
                left -= session["samples"]
            session["sound"] = sound(store, mic, played, (0, session["samples"])) if whole else ""
            sessions.append(session)
            for number, (name, start, end) in enumerate(clips):
                if not whole and name == item.session.name:
                    sounds[number] = sound(store, mic, played, (start, end))
    finally:
        store.close()
    return sessions, sounds, left / SAMPLE_RATE


def sound(store: Store, mic: Audio, agent: Audio, span: tuple[int, int]) -> str:
    """MP3 of samples ``[start, end)`` in base64: the user left, the agent right. Encoded once, then cached."""
    start, end = span
    parts = [np.zeros(end - start, dtype=np.float32) for _ in range(2)]
    for part, track in zip(parts, (mic, agent), strict=True):
        cut = track[start:end]
        part[: len(cut)] = cut
    key = key_of("mp3", MP3_FORM, *(hashlib.sha256(part.tobytes()).hexdigest() for part in parts))
    coded = store.get(key, bytes)
    if coded is None:
        coded = encode_mp3(*parts)
        store.put(key, coded, bytes)
    return base64.b64encode(coded).decode("ascii")
