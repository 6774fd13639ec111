"""What changed between two runs: scores that are better or worse, and turns that went otherwise.

Sides are paired by session and turn. Sessions that were recorded anew have other names: they are paired in order of
their names, which :func:`paired_sessions` returns so that it can be said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from workbench.errors import WorkbenchError
from workbench.metrics.compare import Difference, compare
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER, Points, Rate
from workbench.metrics.rows import SessionScores, TurnRow
from workbench.metrics.stats import MIN_PAIRED

BETTER, WORSE = "better", "worse"

COMPARED = (
    "loss_s_per_turn",
    "voice_to_voice_ms_p50",
    "voice_to_voice_ms_p95",
    "endpoint_delay_ms_p50",
    "cutin_per_hold",
    "missed_eot_rate",
    "unanswered_rate",
    "onset_clipped_ms_p95",
    "wer",
    "false_bargein_per_agent_hour",
    "missed_bargein_rate",
    "bargein_reaction_ms_p50",
    "stall_ratio",
    "rtf",
    "deadline_miss_rate",
)
"""Scores that the console compares."""

COMPARABLE = tuple(
    key
    for key, measure in BY_KEY.items()
    if isinstance(measure, Rate) or (isinstance(measure, Points) and key in measure.keys)
)
"""Scores that can be compared: percentiles and rates."""


@dataclass(frozen=True)
class TurnChange:
    """A turn that went otherwise.

    Attributes:
        session: its name on the first side.
        before, after: what became of it on each side.
        delay_before, delay_after: voice-to-voice delay in samples; None without an answer.
    """

    session: str
    turn: int
    before: str
    after: str
    delay_before: int | None
    delay_after: int | None

    @property
    def otherwise(self) -> bool:
        """Whether more than the delay is different."""
        return self.before != self.after


def judged(item: Difference) -> str:
    """``better``, ``worse``, or that no difference is shown; about the second side.

    >>> judged(Difference("wer", 0.1, 0.2, 0.1, 0.05, 0.15, 8, "higher"))
    'worse'
    """
    if item.verdict not in ("lower", "higher"):
        return item.verdict
    return BETTER if (item.verdict == "higher") == (item.key in HIGHER_IS_BETTER) else WORSE


def paired_sessions(
    a: Sequence[SessionScores], b: Sequence[SessionScores]
) -> tuple[tuple[SessionScores, ...], tuple[tuple[str, str], ...]]:
    """Second side under the names of the first, and the pairs whose names differ.

    Raises:
        WorkbenchError: the sides have neither the same sessions nor the same number of them.
    """
    names = [sorted(scores.session for scores in side) for side in (a, b)]
    if names[0] == names[1]:
        return tuple(b), ()
    if len(names[0]) != len(names[1]):
        odd = sorted(set(names[0]) ^ set(names[1]))
        raise WorkbenchError(
            f"{len(names[0])} sessions against {len(names[1])}, {odd[0]!r} is on one side only: sessions are compared "
            "with the same ones, or with as many that were recorded anew"
        )
    renamed = dict(zip(names[1], names[0], strict=True))
    return tuple(replace(scores, session=renamed[scores.session]) for scores in b), tuple(
        (old, new) for new, old in renamed.items() if new != old
    )


def differences(
    a: Sequence[SessionScores], b: Sequence[SessionScores], keys: Iterable[str] = COMPARABLE, seed: int = 0
) -> tuple[Difference, ...]:
    """Scores of both sides with effect and interval, see :mod:`workbench.metrics.compare`.

    Args:
        a, b: raw values of each side, of the same sessions.
        keys: score keys, percentiles and rates.
        seed: of the bootstrap.
    """
    return compare(a, b, keys, seed)


def outcome(row: TurnRow) -> str:
    """What became of a turn, in a few words."""
    words = []
    early = row.end_found and row.cutins == 1 and (row.endpoint_delay or 0) < 0  # up to 0.25 s is no cut-in
    if row.cutins and not early:
        words.append(f"cut in on {row.cutins}×")
    if row.missed:
        words.append("end missed")
    elif row.censored:
        words.append("session ended first")
    elif row.waterfall is None:
        words.append("answer not heard")
    if row.onset_clipped is None:
        words.append("not heard at all")
    return ", ".join(words) or "answered"


def turn_changes(a: Sequence[SessionScores], b: Sequence[SessionScores]) -> tuple[TurnChange, ...]:
    """Turns of both sides that are not the same, those that went otherwise first, then by session and turn."""
    after = {scores.session: {row.turn: row for row in scores.turns} for scores in b}
    found = []
    for scores in a:
        for row in scores.turns:
            other = after.get(scores.session, {}).get(row.turn)
            if other is None:
                continue
            change = TurnChange(scores.session, row.turn, outcome(row), outcome(other), _delay(row), _delay(other))
            if change.otherwise or change.delay_before != change.delay_after:
                found.append(change)
    return tuple(sorted(found, key=lambda change: (not change.otherwise, change.session, change.turn)))


def _delay(row: TurnRow) -> int | None:
    return row.waterfall.voice_to_voice if row.waterfall else None


def too_few_sessions(sessions: int) -> str:
    """Why no difference can be shown, where sessions are too few; empty elsewhere.

    >>> too_few_sessions(2)
    '2 sessions: a difference takes 6 that agree; what you see happened on these, and may not elsewhere'
    """
    if sessions >= MIN_PAIRED:
        return ""
    return (
        f"{sessions} session{'s' * (sessions != 1)}: a difference takes {MIN_PAIRED} that agree; what you see happened "
        "on these, and may not elsewhere"
    )
