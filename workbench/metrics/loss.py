"""Loss: seconds that a user loses per labelled turn, by waiting and by what goes wrong.

Conventions:
    Samples at 24 kHz; prices in seconds. A turn counts unless nothing can be said of its end: one that no other turn
    follows and that ends less than 3.0 s before its session does is left out, whatever the assistant did.

Metrics:
    A turn is answered where its end was found and the answer was heard. It costs its voice-to-voice delay, at least 0,
    and the price of each fault, all together at most ``longest_delay``. A turn that is not answered costs
    ``longest_delay`` and ``missed_end``, whatever else happened: so an assistant that never answers is worse than any
    that does, and a fault never lowers a loss. Faults outside counted turns belong to the counted turn before them
    (before the first: to the first).
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from workbench.errors import WorkbenchError
from workbench.metrics.condense import MergedFacts
from workbench.metrics.rows import BargeInRow, FloorRow, LossRow, TurnRow
from workbench.metrics.turns import LATE
from workbench.units import FRAME_SAMPLES, samples_to_seconds, seconds_to_samples

MOST_SECONDS = 3600.0
"""Prices above an hour are typing errors."""


@dataclass(frozen=True)
class Prices:
    """What each fault costs a user, in seconds; ``docs/metrics.md`` gives reasons.

    Attributes:
        cut_in: the assistant took a pause for the end of the turn.
        missed_end: no answer to the turn was heard; comes on top of ``longest_delay``.
        false_barge_in: the assistant stopped for a sound that was no bid for the floor.
        missed_barge_in: the assistant talked on for more than 2.0 s when the user began to speak.
        talked_over: each second that it talked on.
        stutter: each second of missing samples inside an answer.
        clipped_onset: more than 80 ms of the turn's first speech never reached the STT.
        longest_delay: the most that an answered turn costs.
    """

    cut_in: float = 3.0
    missed_end: float = 5.0
    false_barge_in: float = 4.0
    missed_barge_in: float = 2.0
    talked_over: float = 1.0
    stutter: float = 2.0
    clipped_onset: float = 1.0
    longest_delay: float = 10.0


DEFAULT = Prices()


def check_prices(given: Mapping[str, object], where: str, base: Prices = DEFAULT) -> Prices:
    """Prices of a ``[price]`` section or of ``--price``.

    Args:
        given: price name → seconds.
        where: file or option, for the error.
        base: prices of what is not given.

    Raises:
        WorkbenchError: names ``where`` and the price that is unknown or no number of seconds.
    """
    names = [field.name for field in fields(Prices)]
    for name, value in given.items():
        if name not in names:
            raise WorkbenchError(f"{where}: unknown price {name!r}; there are {', '.join(names)}")
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not 0 <= float(value) <= MOST_SECONDS:  # type: ignore[arg-type]
            raise WorkbenchError(f"{where}: {name} is {value!r:.20}, must be seconds from 0 to {MOST_SECONDS:g}")
    return replace(base, **{name: float(value) for name, value in given.items()})  # type: ignore[arg-type]


def losses(
    found: MergedFacts,
    turns: Sequence[TurnRow],
    stops: Sequence[BargeInRow],
    floor: Sequence[FloorRow],
    prices: Prices = DEFAULT,
) -> tuple[LossRow, ...]:
    """Loss of each counted turn.

    Args:
        found: the trace.
        turns: rows of the session, in order of time.
        stops: barge-ins that stopped an answer.
        floor: turns that began while an answer was being spoken.
        prices: of each fault.
    """
    counted = [row for row in turns if not _open(row, turns, found.header.samples)]
    if not counted:
        return ()
    starts = [row.start for row in counted]
    cost: Counter[tuple[int, str]] = Counter()

    def charge(moment: int, fault: str, seconds: float) -> None:
        cost[max(0, bisect_right(starts, moment) - 1), fault] += seconds_to_samples(seconds)

    for row in turns:
        charge(row.start, "cut_in", prices.cut_in * _cut_ins(row))
        if row.onset_clipped is not None and row.onset_clipped > FRAME_SAMPLES:
            charge(row.start, "clipped_onset", prices.clipped_onset)
    for stop in stops:
        if stop.cause != "speech":
            charge(stop.t, "false_barge_in", price_of_stop(stop, prices))
    for take in floor:
        speaking = found.spoken[take.reply].speaking
        if take.missed and speaking:
            over = samples_to_seconds(speaking[1] - take.start)
            charge(take.start, "missed_barge_in", prices.missed_barge_in + prices.talked_over * over)
    for hole in found.total.underruns:
        charge(hole.t, "stutter", prices.stutter * samples_to_seconds(hole.samples))
    return tuple(
        _row(row, {fault: cost[number, fault] for fault in FAULTS}, prices) for number, row in enumerate(counted)
    )


def price_of_stop(stop: BargeInRow, prices: Prices) -> float:
    """Seconds that a false barge-in costs: where the agent went on, no more than its silence."""
    if stop.resumed is None:
        return prices.false_barge_in
    return min(prices.false_barge_in, samples_to_seconds(stop.resumed))


FAULTS = ("cut_in", "false_barge_in", "missed_barge_in", "stutter", "clipped_onset")
"""Faults that turns are charged for: fields of :class:`LossRow`."""


def _open(row: TurnRow, turns: Sequence[TurnRow], samples: int) -> bool:
    """Whether the session ends too early to say what became of the turn; the same for every assistant."""
    return row is turns[-1] and row.end + LATE > samples


def _cut_ins(row: TurnRow) -> int:
    """Commits before the end, without one that found it: up to 0.25 s before the end, since labels are no sharper."""
    return row.cutins - int(row.end_found and row.endpoint_delay is not None and row.endpoint_delay < 0)


def _row(row: TurnRow, cost: Mapping[str, int], prices: Prices) -> LossRow:
    longest = seconds_to_samples(prices.longest_delay)
    if not row.end_found or row.waterfall is None:
        missed = seconds_to_samples(prices.missed_end)
        return LossRow(turn=row.turn, delay=longest, missed_end=missed, total=longest + missed, **cost)
    delay = max(0, row.waterfall.voice_to_voice)
    counted = min(longest, delay + sum(cost.values()))
    return LossRow(turn=row.turn, delay=delay, missed_end=0, total=counted, **cost)
