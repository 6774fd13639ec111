"""Finalists of a search that rested on a stand-in: replayed exactly, the best first, until the order is sure.

The stand-in orders the settings; exact replays decide. Further settings are replayed as long as one of them could be
the best, were its guess as much too bad as the worst guess so far.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Floats
from workbench.assistants import knobs_of
from workbench.config import Config
from workbench.tuning.objective import Goal, Outcome
from workbench.tuning.sensitivity import Judge

FEWEST, MOST = 4, 10
"""Settings that are replayed exactly in any case, and at most."""

ALIKE = 2
"""Of settings that the stand-in finds equal, most of them neighbours on one plateau, so many are replayed exactly."""

AS_GOOD = 0.005
"""The first finalist stays unless another is better by more than this share: it was simplified, the others were not."""


HILLS = 2
"""Best finalists that are improved by exact replays: the stand-in may have the wrong one of two hills higher."""


def same(config: Config) -> Config:
    """The setting as it is."""
    return config


@dataclass(frozen=True)
class Agreement:
    """How far exact replays agree with the stand-in that a search rested on.

    Attributes:
        settings: how many were replayed both ways.
        correlation: rank correlation (Spearman) of the first objective; None where nothing differs.
        difference: largest in the first objective.
        settled: whether no further setting could be the best; else the most were replayed.
        passes: frames that the STT heard in all, continuous passes included, over frames recorded.
    """

    settings: int
    correlation: float | None
    difference: float
    settled: bool
    passes: float = 0.0


def choose(
    goal: Goal, candidates: Iterable[Config], guess: Judge, exact: Judge, improve: Callable[[Config], Config] = same
) -> tuple[Config, Agreement]:
    """Replay finalists exactly, improve the best of them, and take the best.

    Args:
        goal: objectives and limits.
        candidates: settings, the one that the search would choose first, today's second, then the others from the best
            on; those that act alike count once.
        guess: outcome with the stand-in.
        exact: outcome of the exact replay.
        improve: from a setting to a neighbour that is better in exact replays, or itself.

    Returns:
        The best setting, and how far both agree.
    """
    tried: list[tuple[Config, Outcome, Outcome]] = []
    seen: set[str] = set()
    settled = True
    for config in candidates:
        if (key := knobs_of(config).key) in seen:
            continue
        seen.add(key)
        guessed = guess(config)
        if sum(guessed.values == other.values for _, other, _ in tried) >= ALIKE:
            continue
        if len(tried) >= FEWEST and not _could_win(goal, guessed, tried):
            break
        if len(tried) == MOST:
            settled = False
            break
        tried.append((config, guessed, exact(config)))
    ranked = sorted(tried, key=lambda item: goal.rank(item[2]))
    first = [tried[0]] if _as_good(tried[0][2], ranked[0][2]) else []
    improved = [improve(config) for config, _, _ in [*first, *ranked[:HILLS]]]
    best = min(improved, key=lambda config: goal.rank(exact(config)))
    chosen = improved[0] if _as_good(exact(improved[0]), exact(best)) else best
    return chosen, _agreement(tried, settled)


def _as_good(outcome: Outcome, best: Outcome) -> bool:
    a, b = outcome.values[0], best.values[0]
    return outcome.violation <= best.violation and (a == b or abs(a - b) <= AS_GOOD * abs(b))


def _could_win(goal: Goal, guessed: Outcome, tried: Sequence[tuple[Config, Outcome, Outcome]]) -> bool:
    """Whether a setting could be better than all that were tried, were its guess as bad as the worst of theirs."""
    best = min(goal.rank(item[2]) for item in tried)
    violation, value = goal.rank(guessed)
    too_bad = [np.subtract(goal.rank(item[1]), goal.rank(item[2])) for item in tried]
    off = np.nanmax(too_bad, axis=0, initial=0.0)
    return (violation - off[0], value - off[1]) < best


def _agreement(tried: Sequence[tuple[Config, Outcome, Outcome]], settled: bool) -> Agreement:
    guesses = np.array([guessed.values[0] for _, guessed, _ in tried])
    truths = np.array([found.values[0] for _, _, found in tried])
    finite = np.isfinite(guesses) & np.isfinite(truths)
    guesses, truths = guesses[finite], truths[finite]
    differ = len(set(guesses)) > 1 and len(set(truths)) > 1
    correlation = float(np.corrcoef(_ranks(guesses), _ranks(truths))[0, 1]) if differ else None
    largest = float(np.abs(guesses - truths).max(initial=0.0))
    return Agreement(len(tried), correlation, largest, settled)


def _ranks(values: Floats) -> Floats:
    """Rank of each value; equal ones share the mean of theirs. scipy's takes 0.5 s to load."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
