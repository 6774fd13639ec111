"""Sections on scores, with intervals and counts, on the budget, and notes."""

from collections.abc import Iterator

from workbench.metrics.budget import Evidence, certify
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER, Points
from workbench.metrics.missing import explained
from workbench.reports.markdown import table
from workbench.reports.material import Material

GROUPS: dict[str, tuple[str, ...]] = {
    "Latency": ("voice_to_voice_ms", "endpoint_delay_ms", "silence_hold_ms", "ttfa_ms"),
    "Turn taking": (
        "cutin_per_hold",
        "cutin_per_turn",
        "cutin_per_floor_hour",
        "missed_eot_rate",
        "eot_recall",
        "eot_fp_rate",
        "onset_clipped_ms",
        "tail_clipped_ms",
        "wer",
    ),
    "Barge-in": (
        "false_bargein_per_agent_hour",
        "missed_bargein_rate",
        "bargein_detection_ms",
        "bargein_reaction_ms",
        "selectivity_backchannel",
        "selectivity_noise",
        "selectivity_background",
    ),
    "Stutter and compute": (
        "underrun_events",
        "underrun_ms_total",
        "stall_ratio",
        "stalls_per_agent_minute",
        "midword_splits",
        "chunk_gap_ms",
        "rtf",
        "stt_rtf",
        "deadline_miss_rate",
        "headroom",
        "buffer_ms_min",
        "xruns",
        "mic_dropped_ms_total",
        "shared_model_listens",
    ),
}
"""Scores of the report by section; a distribution is named without its suffix and shown at p50 and p95."""


def tables(data: Material) -> Iterator[str]:
    """The score tables."""
    yield from ("## Scores", "")
    yield (
        "Intervals are at 95 %. A rate over fewer than 10 events is shown as its counts. "
        "Figures of which more is better are marked ↑."
    )
    yield ""
    for title, names in GROUPS.items():
        rows = [row for name in names for row in _rows(data, name)]
        yield from (f"### {title}", "", *table(("score", "value"), rows))


def _rows(data: Material, name: str) -> Iterator[tuple[str, str]]:
    keys = [name] if name in BY_KEY else [f"{name}_p50", f"{name}_p95"]
    for key in keys:
        if key not in BY_KEY:
            continue
        value = explained(data.summary, key, data.run.config)
        measure = BY_KEY[key]
        if isinstance(measure, Points) and measure.n_key and (n := data.summary.scores[measure.n_key]):
            value = f"{value}, n = {n:.0f}"
        yield f"`{key}`{' ↑' if key in HIGHER_IS_BETTER else ''}", value


def budget(data: Material) -> Iterator[str]:
    """Limits, values, and whether the evidence certifies the limit."""
    if not data.limits:
        return
    rows = [
        (
            f"`{item.key}`",
            explained(data.summary, item.key, data.run.config),
            _limit(item),
            _verdict(item),
            _evidence(item),
        )
        for item in certify(data.summary, data.limits)
    ]
    over = sum(row[3] == "**over**" for row in rows)
    yield from (
        "## Budget",
        "",
        f"{over} of {len(rows)} figures are over budget." if over else "Nothing is over budget.",
    )
    yield from ("", *table(("score", "value", "limit", "verdict", "certified within the limit?"), rows))


def _limit(item: Evidence) -> str:
    return f"{'at least' if item.key in HIGHER_IS_BETTER else 'at most'} {item.limit:g}"


def _verdict(item: Evidence) -> str:
    if item.value is None:
        return "nothing to measure"
    over = item.value < item.limit if item.key in HIGHER_IS_BETTER else item.value > item.limit
    return "**over**" if over else "within"


def _evidence(item: Evidence) -> str:
    if item.certified:
        return f"yes: the bound at 95 % is {item.bound:.4g}"
    if item.bound is None:
        return "not known" if item.value is not None else "–"
    if item.more_hours is None:
        return f"no: the bound at 95 % is {item.bound:.4g}"
    return f"no: the bound at 95 % is {item.bound:.4g}; about {_hours(item.more_hours)} more like this would do"


def _hours(hours: float) -> str:
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} h"


def notes(data: Material) -> Iterator[str]:
    """Notes on the scores, such as bounds for events that never happened."""
    if data.summary.notes:
        yield from ("## Notes", "", *(f"- {note}" for note in data.summary.notes), "")
