"""The table of scores: each key, and which raw values it is made of. ``docs/metrics.md`` defines them in words.

Three shapes cover all of them: :class:`Points` (percentiles of pooled values), :class:`Rate` (pooled counts or amounts
over pooled chances or amounts) and :class:`Total` (a sum over sessions).

Longer than 300 lines because it is one table.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from workbench.metrics.rows import CAUSES, EVENT_KINDS, PARTS, SessionScores, TurnRow
from workbench.units import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, SAMPLES_PER_MS

PERCENTS: Mapping[str, int] = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}
"""Suffixes of a distribution's keys."""

_HOUR = 3600 * SAMPLE_RATE
_MINUTE = 60 * SAMPLE_RATE


@dataclass(frozen=True)
class Points:
    """Percentiles of values pooled over sessions.

    Attributes:
        keys: score key → percent; 0 is the least value.
        pairs: (value, how often) of one session.
        scale: from a value to what the key says.
        unit: for people.
        n_key: score key of the number of values, or empty.
        by_turn: the value of one turn, where the values are those of turns: two configs are then paired by turn.
    """

    keys: Mapping[str, int]
    pairs: Callable[[SessionScores], Iterable[tuple[int, int]]]
    scale: Callable[[float], float]
    unit: str = "ms"
    n_key: str = ""
    by_turn: Callable[[TurnRow], int | None] | None = None


@dataclass(frozen=True)
class Rate:
    """One pooled quotient.

    Attributes:
        key: score key.
        parts: (above, below) of one session.
        kind: ``share`` (k of n: Wilson), ``time`` (events in an exposure: Poisson) or ``ratio`` (bootstrap).
        per: what one of ``below`` is called; for ``time`` the unit of exposure.
        exposure: for ``time``: samples in one unit of exposure.
        inverse: the key is below over above.
    """

    key: str
    parts: Callable[[SessionScores], tuple[int, int]]
    kind: str
    per: str
    exposure: int = 1
    inverse: bool = False

    def value(self, above: float, below: float) -> float | None:
        """The quotient, or None where it has no denominator."""
        if self.inverse:
            above, below = below, above
        return above * self.exposure / below if below else None


@dataclass(frozen=True)
class Total:
    """A sum over sessions."""

    key: str
    value: Callable[[SessionScores], int]
    scale: float = 1
    unit: str = ""


Measure = Points | Rate | Total


def _ms(value: float) -> float:
    return value / SAMPLES_PER_MS


def _distribution(key: str, values: Callable[[SessionScores], Iterable[int | None]]) -> Points:
    return Points(
        {f"{key}_{suffix}": percent for suffix, percent in PERCENTS.items()},
        lambda session: [(value, 1) for value in values(session) if value is not None],
        _ms,
        n_key=f"{key}_n",
    )


def _of_turns(key: str, value: Callable[[TurnRow], int | None]) -> Points:
    plain = _distribution(key, lambda session: map(value, session.turns))
    return Points(plain.keys, plain.pairs, plain.scale, n_key=plain.n_key, by_turn=value)


def _part(name: str) -> Callable[[TurnRow], int | None]:
    return lambda row: getattr(row.waterfall, name) if row.waterfall else None


def _ttfa(row: TurnRow) -> int | None:
    return row.waterfall.tts_ttfb + row.waterfall.tts_leading_silence if row.waterfall else None


_LATENCY: tuple[Measure, ...] = (
    _of_turns("voice_to_voice_ms", _part("voice_to_voice")),
    *(_of_turns(f"{part}_ms", _part(part)) for part in (*PARTS[:2], "silence_hold", *PARTS[2:])),
    _of_turns("ttfa_ms", _ttfa),
    _of_turns("endpoint_delay_ms", lambda row: row.endpoint_delay),
    Points(
        {"waterfall_residual_samples_max": 100},
        lambda session: [(abs(row.waterfall.residual), 1) for row in session.turns if row.waterfall],
        float,
        unit="samples",
    ),
)


def _count(rows: Iterable[object]) -> int:
    return sum(1 for row in rows if row)


def _ended(session: SessionScores) -> list[TurnRow]:
    return [row for row in session.turns if not row.censored]


def _unanswered(session: SessionScores) -> tuple[int, int]:
    ended = _ended(session)
    return _count(not row.waterfall for row in ended), len(ended)


_TURNS: tuple[Measure, ...] = (
    Rate("cutin_per_hold", lambda s: (_count(row.cut for row in s.holds), len(s.holds)), "share", "holds"),
    Rate("cutin_per_turn", lambda s: (_count(row.cutins for row in s.turns), len(s.turns)), "share", "turns"),
    Rate(
        "cutin_per_floor_hour",
        lambda s: (sum(row.cutins for row in s.turns), sum(row.end - row.start for row in s.turns)),
        "time",
        "floor hours",
        _HOUR,
    ),
    Rate("missed_eot_rate", lambda s: (_count(row.missed for row in s.turns), len(_ended(s))), "share", "turns"),
    Rate(
        "unanswered_rate", lambda s: (_count(not row.waterfall for row in _ended(s)), len(_ended(s))), "share", "turns"
    ),
    Rate("eot_recall", lambda s: (_count(row.end_found for row in s.turns), len(_ended(s))), "share", "turns"),
    Rate("eot_fp_rate", lambda s: (s.false_ends, s.spans), "share", "stretches"),
    _of_turns("onset_clipped_ms", lambda row: row.onset_clipped),
    _of_turns("tail_clipped_ms", lambda row: row.tail_clipped),
    Rate(
        "wer",
        lambda s: (sum(row.word_errors for row in s.turns), sum(row.words for row in s.turns)),
        "ratio",
        "words",
    ),
)


def _false_stops(cause: str) -> Callable[[SessionScores], tuple[int, int]]:
    causes = CAUSES if cause == "all" else (cause,)
    return lambda s: (_count(row.cause in causes for row in s.barge_ins), s.played if s.labelled else 0)


def _selectivity(kind: str) -> Callable[[SessionScores], tuple[int, int]]:
    return lambda s: (
        _count(row.kind == kind and not row.stopped for row in s.events),
        _count(row.kind == kind for row in s.events),
    )


def _resumed(is_false: bool) -> Callable[[SessionScores], tuple[int, int]]:
    def parts(session: SessionScores) -> tuple[int, int]:
        rows = [row for row in session.barge_ins if (row.cause != "speech") == is_false]
        return _count(row.resumed is not None for row in rows), len(rows)

    return parts


_BARGE_IN: tuple[Measure, ...] = (
    Rate("false_bargein_per_agent_hour", _false_stops("all"), "time", "agent hours", _HOUR),
    *(
        Rate(f"false_bargein_per_agent_hour_{cause}", _false_stops(cause), "time", "agent hours", _HOUR)
        for cause in CAUSES
    ),
    Rate(
        "missed_bargein_rate",
        lambda s: (_count(row.missed for row in s.floor), len(s.floor)),
        "share",
        "turns over agent speech",
    ),
    _distribution("bargein_detection_ms", lambda s: [row.detection for row in s.barge_ins]),
    _distribution("bargein_reaction_ms", lambda s: [row.reaction for row in s.barge_ins]),
    *(Rate(f"selectivity_{kind}", _selectivity(kind), "share", "events") for kind in EVENT_KINDS),
    Rate("false_bargein_resumed_share", _resumed(is_false=True), "share", "false barge-ins"),
    Rate("true_bargein_resumed_share", _resumed(is_false=False), "share", "true barge-ins"),
    _distribution("bargein_pause_ms", lambda s: [row.resumed for row in s.barge_ins]),
)


def _missing(session: SessionScores) -> int:
    return sum(row.samples for row in session.underruns)


def _steps(pairs: Iterable[tuple[int, int]]) -> int:
    return sum(value * times for value, times in pairs)


def _heard(session: SessionScores) -> tuple[int, int]:
    """Each STT step hears one frame, whether its words are used or not."""
    return _steps(session.stt_steps), sum(times for _, times in session.stt_steps) * FRAME_SAMPLES


def _all_steps(session: SessionScores) -> tuple[tuple[int, int], ...]:
    return session.stt_steps + session.tts_steps


def _late(session: SessionScores) -> tuple[int, int]:
    steps = _all_steps(session)
    return sum(times for cost, times in steps if cost > FRAME_SAMPLES), sum(times for _, times in steps)


_STUTTER: tuple[Measure, ...] = (
    Total("underrun_events", lambda s: len(s.underruns)),
    Total("underrun_events_voiced", lambda s: _count(row.voiced for row in s.underruns)),
    Total("underrun_events_silent", lambda s: _count(not row.voiced for row in s.underruns)),
    Total("underrun_ms_total", _missing, SAMPLES_PER_MS, "ms"),
    Total("underrun_ms_total_voiced", lambda s: sum(r.samples for r in s.underruns if r.voiced), SAMPLES_PER_MS, "ms"),
    Total(
        "underrun_ms_total_silent", lambda s: sum(r.samples for r in s.underruns if not r.voiced), SAMPLES_PER_MS, "ms"
    ),
    _distribution("underrun_ms", lambda s: [row.samples for row in s.underruns]),
    Rate("stall_ratio", lambda s: (_missing(s), s.played + _missing(s)), "ratio", "samples"),
    Rate("stalls_per_agent_minute", lambda s: (len(s.underruns), s.played), "time", "agent minutes", _MINUTE),
    Total("midword_splits", lambda s: s.midword_splits),
    _distribution("chunk_gap_ms", lambda s: s.chunk_gaps),
    Rate("rtf", lambda s: (_steps(s.tts_steps), s.tts_audio), "ratio", "samples"),
    Rate("speed", lambda s: (_steps(s.tts_steps), s.tts_audio), "ratio", "samples", inverse=True),
    Rate("stt_rtf", _heard, "ratio", "samples"),
    Rate("stt_speed", _heard, "ratio", "samples", inverse=True),
    Rate("deadline_miss_rate", _late, "share", "steps"),
    Rate("late_frame_rate", lambda s: (s.late_frames, s.timed_frames), "share", "PCM frames"),
    Points({"headroom": 99}, _all_steps, lambda cost: 1 - cost / FRAME_SAMPLES, unit=""),
    Points({"buffer_ms_min": 0, "buffer_ms_p5": 5}, lambda s: s.reserve, lambda frames: frames * FRAME_MS),
    Total("xruns", lambda s: s.xruns),
    Total("xrun_ms_total", lambda s: s.xrun_samples, SAMPLES_PER_MS, "ms"),
    Total("mic_dropped_ms_total", lambda s: s.dropped, SAMPLES_PER_MS, "ms"),
    Total("shared_model_listens", lambda s: s.shared_model),
)

_EVIDENCE: tuple[Measure, ...] = (
    Total("sessions_n", lambda s: 1),
    Total("sessions_unlabelled_n", lambda s: not s.labelled),
    Total("session_seconds", lambda s: s.samples, SAMPLE_RATE, "s"),
    Total("agent_speech_seconds", lambda s: s.played, SAMPLE_RATE, "s"),
    Total("floor_seconds", lambda s: sum(row.end - row.start for row in s.turns), SAMPLE_RATE, "s"),
    Total("turns_n", lambda s: len(s.turns)),
    Total("turns_answered_n", lambda s: _count(row.waterfall for row in s.turns)),
    Total(
        "turns_cancelled_before_speech_n",
        lambda s: _count(row.reply is not None and not row.waterfall for row in s.turns),
    ),
    Total("turns_unheard_n", lambda s: _count(row.onset_clipped is None for row in s.turns)),
    Total("turns_censored_n", lambda s: _count(row.censored for row in s.turns)),
    Total("turns_counterfactual_n", lambda s: _count(row.counterfactual for row in s.turns)),
)

_LOSS: tuple[Measure, ...] = (
    Rate(
        "loss_s_per_turn",
        lambda s: (sum(row.total for row in s.losses), len(s.losses) * SAMPLE_RATE),
        "ratio",
        "turns",
    ),
)

MEASURES: tuple[Measure, ...] = _LOSS + _LATENCY + _TURNS + _BARGE_IN + _STUTTER + _EVIDENCE

HIGHER_IS_BETTER = frozenset(
    {
        "eot_recall",
        "speed",
        "stt_speed",
        "headroom",
        "buffer_ms_min",
        "buffer_ms_p5",
        *(f"selectivity_{kind}" for kind in EVENT_KINDS),
        "false_bargein_resumed_share",
    }
)
"""Keys for which a budget is a lower limit; for every other key it is an upper one."""


def keys_of(measure: Measure) -> tuple[str, ...]:
    """Score keys of one measure, in order."""
    if isinstance(measure, Points):
        return (*measure.keys, measure.n_key) if measure.n_key else tuple(measure.keys)
    return (measure.key,)


BY_KEY: Mapping[str, Measure] = {key: measure for measure in MEASURES for key in keys_of(measure)}
"""Every score key, in the order of ``scores.json``."""
