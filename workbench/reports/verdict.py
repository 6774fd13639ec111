"""First screen of a run: the verdict in a sentence, figures against their limits, and what would help most."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workbench.metrics.budget import check_budget
from workbench.metrics.definitions import HIGHER_IS_BETTER
from workbench.metrics.missing import explained
from workbench.reports.incidents import Incident
from workbench.reports.material import Material


@dataclass(frozen=True)
class Tile:
    """A figure of the first screen.

    Attributes:
        title: for people.
        key: score.
        value: for people, counts and interval included.
        limit: for people; empty where there is none.
        verdict: ``over``, ``within``, ``unknown`` (nothing to measure) or ``free`` (no limit).
        exact: the score itself, as ``scores.json`` has it.
    """

    title: str
    key: str
    value: str
    limit: str
    verdict: str
    exact: float | None


MOST_ADVICE = 3

TILES: Mapping[str, str] = {
    "Seconds lost per turn": "loss_s_per_turn",
    "Cut-ins": "cutin_per_hold",
    "Wrong stops": "false_bargein_per_agent_hour",
    "Missed turns": "missed_eot_rate",
    "Answer time, median": "voice_to_voice_ms_p50",
    "Answer time, 95 %": "voice_to_voice_ms_p95",
    "Stutter": "stall_ratio",
}
"""Figures of the first screen: title → score."""


def left_out(data: Material) -> Iterator[str]:
    """Warnings about labels and the model that two listens share, and sessions that could not be replayed."""
    if any(item.session.labels_source == "auto" for item, _ in data.sessions):
        yield "Some labels are automatic: scores against them are only as good as the detector."
    if shared := sum(scores.shared_model for _, scores in data.sessions):
        yield (
            f"{shared} listen cycle{'s' * (shared != 1)} stepped the STT model between steps of another one "
            "(shared_model_listens), since a watch for barge-in outlived its chunk. Whose text it is in MLX-Harmony "
            "cannot be known; here each cycle has that of its own steps."
        )
    for _, problem in data.run.failed:
        yield f"Left out: {problem}"


def tiles(data: Material) -> tuple[Tile, ...]:
    """Figures of the first screen, each against its limit."""
    broken = {item.key for item in check_budget(data.summary.scores, data.limits)}
    found = []
    for title, key in TILES.items():
        limit, exact = data.limits.get(key), data.summary.scores[key]
        side = "at least" if key in HIGHER_IS_BETTER else "at most"
        verdict = "unknown" if exact is None else "free" if limit is None else "over" if key in broken else "within"
        words = "" if limit is None else f"{side} {_limit(key, limit)}"
        found.append(Tile(title, key, explained(data.summary, key, data.run.config), words, verdict, exact))
    return tuple(found)


def _limit(key: str, limit: float) -> str:
    if "_ms" in key:
        return f"{limit:g} ms"
    if key.endswith("_hour"):
        return f"{limit:g} an hour"
    return f"{100 * limit:g} %"


def verdict(data: Material, found: Sequence[Incident]) -> str:
    """One sentence: whether the limits are kept, and what happens most."""
    scores = data.summary.scores
    broken = [item.key for item in check_budget(scores, data.limits)]
    measured = sum(scores[key] is not None for key in data.limits)
    if not scores["turns_n"]:
        return "No turn is labelled: only playback and computing can be judged."
    if not scores["turns_answered_n"]:
        return "No turn was answered."
    if not data.limits:
        first = "No limits were given"
    elif broken:
        first = f"Breaks {len(broken)} of {measured} limits"
    else:
        first = f"Keeps all {measured} limits that could be measured"
    middle = scores["voice_to_voice_ms_p50"] or 0.0
    answered = f"{scores['turns_answered_n']:.0f} of {scores['turns_n']:.0f} turns were answered"
    counted = ", ".join(
        f"{n} × {kind}" for kind, n in sorted(Counter(it.kind for it in found).items(), key=lambda x: -x[1])
    )
    happened = f"Incidents: {counted}." if counted else "No incident."
    return f"{first}. {answered}, half of them within {middle / 1000:.2f} s. {happened}"


def advice(data: Material) -> tuple[str, ...]:
    """Settings that would have prevented most, a line each; elsewhere they may do harm, which a sweep shows."""
    helped: dict[str, list[float]] = {}
    for _, scores in data.sessions:
        for row in scores.reasons:
            # An end that was missed for a cut-in before it goes with that cut-in.
            if row.knob and row.value is not None and row.kind != "cut_in":
                helped.setdefault(row.knob, []).append(row.value)
    lines = []
    for knob, values in sorted(helped.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_ADVICE]:
        low, high = f"{min(values):g}", f"{max(values):g}"
        span = low if low == high else f"{low} to {high}"
        times = f"{len(values)} incident{'s' * (len(values) > 1)}"
        lines.append(
            f"{knob} at {span} would have prevented {times}; what it costs elsewhere: workbench sweep, or tune"
        )
    return tuple(lines)
