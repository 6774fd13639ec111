"""Finalists of a search that rested on a stand-in: replayed exactly, the best first, until the order is sure.

The stand-in orders the settings; exact replays decide. What a replay shows the stand-in to be wrong by corrects its
guesses of the settings near it (kriging of the difference), and the best by corrected guesses is replayed next: where a
whole hill of the stand-in is wrong, one replay on it is enough.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Floats
from workbench.assistants import knobs_of
from workbench.config import Config
from workbench.tuning.objective import TIE, Goal, Outcome
from workbench.tuning.sensitivity import Judge

FEWEST, SPREAD, MOST = 4, 4, 20
"""Settings that are replayed exactly: the best by the stand-in in any case; then others far from those, for where it
may be wrong; and at most."""

AS_GOOD = 0.001
"""Settings whose first objective differs by less than this share are as good as each other."""

REACH = 0.2
"""Distance, as a share of the range of the most important knob, at which a correction has fallen to a third (1/e)."""

LIKELY, DOUBT = 1.0, 3.0
"""Standard deviations of a correction by which settings may be better than is expected of them: as they are put in
order, and until none could be better than the best."""

Locate = Callable[[Config], Floats]
"""Where a setting lies: one coordinate or more for each knob; what acts alike should lie close together."""

More = Callable[[Config], Iterable[Config]]
"""From the best setting so far to others near it."""


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


@dataclass(frozen=True)
class _Tried:
    """A setting replayed exactly: where it lies, its guess and what is true."""

    config: Config
    place: Floats
    guessed: Outcome
    found: Outcome


class Correction:
    """Guesses of the stand-in, corrected by exact replays of settings near by.

    Args:
        goal: objectives and limits.
        guess: outcome with the stand-in.
        exact: outcome of the exact replay.
        place: of a setting.

    Attributes:
        tried: settings that were replayed exactly.
    """

    def __init__(self, goal: Goal, guess: Judge, exact: Judge, place: Locate) -> None:
        self.tried: list[_Tried] = []
        self._goal, self._guess, self._exact, self._place = goal, guess, exact, place
        self._inverse: Floats = np.zeros((0, 0))
        self._off: Floats = np.zeros((0, 3))

    def replay(self, config: Config) -> None:
        """Replay a setting exactly, and learn from it."""
        self.tried.append(_Tried(config, self._place(config), self._guess(config), self._exact(config)))
        off = [np.subtract(self._goal.rank(item.found), self._goal.rank(item.guessed)) for item in self.tried]
        flips = [float(item.found.violation > 0) - float(item.guessed.violation > 0) for item in self.tried]
        self._off = np.nan_to_num(np.column_stack([np.array(off), flips]), nan=0.0, posinf=0.0, neginf=0.0)
        places = np.array([item.place for item in self.tried])
        inverse: Floats = np.linalg.inv(_near(places, places) + 1e-6 * np.eye(len(places))).astype(np.float64)
        self._inverse = inverse

    def rank(self, config: Config, doubt: float) -> tuple[float, float]:
        """What a setting is ordered by, corrected: so many standard deviations better than expected, but no guess is
        taken to be too bad by more than any was so far.
        """
        violation, value = self._goal.rank(self._guess(config))
        near = _near(self._place(config)[None], np.array([item.place for item in self.tried]))[0]
        weights = near @ self._inverse
        unknown = max(0.0, 1 - float(weights @ near)) ** 0.5
        spread = np.sqrt(np.mean(self._off**2, axis=0))
        hoped = np.maximum(weights @ self._off - doubt * spread * unknown, np.minimum(0.0, self._off.min(axis=0)))
        # A limit is kept or broken, there is nothing between: whether it is broken is corrected by itself.
        broken = (violation > 0) + float(hoped[2]) > 0.5
        return max(TIE, violation + float(hoped[0])) if broken else 0.0, value + float(hoped[1])

    def farthest(self, pool: Mapping[str, Config]) -> str:
        """The one of a pool's better half that lies farthest from all that were replayed."""
        ranked = sorted(pool, key=lambda key: self._goal.rank(self._guess(pool[key])))
        half = ranked[: (len(ranked) + 1) // 2]
        places = np.array([item.place for item in self.tried])
        near = _near(np.array([self._place(pool[key]) for key in half]), places).max(axis=1)
        return half[int(np.argmin(near))]

    def best(self) -> _Tried:
        """The best of those replayed; of equals the first."""
        return min(self.tried, key=lambda item: self._goal.rank(item.found))


def _near(a: Floats, b: Floats) -> Floats:
    """How near places are, 1 to 0: (n, d) and (m, d) to (n, m)."""
    apart = np.sqrt(3) * np.linalg.norm(a[:, None] - b[None], axis=-1) / REACH
    nearness: Floats = (1 + apart) * np.exp(-apart)  # Matérn's, once differentiable: steps are met half-way
    return nearness


def choose(goal: Goal, candidates: Sequence[Config], correction: Correction, more: More) -> tuple[Config, Agreement]:
    """Replay finalists exactly until none that is left could be better, and take the best.

    Args:
        goal: objectives and limits.
        candidates: settings, the one that the search would choose first, today's second; those that act alike count
            once.
        correction: with nothing replayed yet.
        more: asked for further settings once no candidate could be better.

    Returns:
        The best setting, and how far both agree.
    """
    pool = {knobs_of(config).key: config for config in reversed(candidates)}
    for config in candidates[:2]:
        if pool.pop(knobs_of(config).key, None) is not None:
            correction.replay(config)
    settled = _replay(goal, pool, correction, more)
    first, best = correction.tried[0], correction.best()
    same = not _better(goal.rank(best.found), goal.rank(first.found))
    return (first if same else best).config, _agreement(correction.tried, settled)


def _replay(goal: Goal, pool: dict[str, Config], correction: Correction, more: More) -> bool:
    """Replay settings of a pool, which grows, until none could be better; False where the most were replayed before."""
    asked: Config | None = None
    while len(correction.tried) < MOST:
        best = correction.best()
        limit = goal.rank(best.found)
        few = len(correction.tried) < FEWEST
        if not few and len(correction.tried) < FEWEST + SPREAD and pool:
            correction.replay(pool.pop(correction.farthest(pool)))
            continue
        left = [key for key, config in pool.items() if few or _better(correction.rank(config, DOUBT), limit)]
        if left:
            key = min(left, key=lambda key: correction.rank(pool[key], LIKELY))
            correction.replay(pool.pop(key))
        elif asked == best.config:
            return True
        else:
            asked = best.config
            seen = {knobs_of(item.config).key for item in correction.tried}
            near = {knobs_of(config).key: config for config in more(asked)}
            pool |= {key: config for key, config in near.items() if key not in seen}
    return False


def _better(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether one rank is better than another by more than :data:`AS_GOOD`, in either of its parts."""
    for one, other in zip(a, b, strict=True):
        if one != other and not abs(one - other) <= AS_GOOD * abs(other):
            return one < other
    return False


def _agreement(tried: Sequence[_Tried], settled: bool) -> Agreement:
    guesses = np.array([item.guessed.values[0] for item in tried])
    truths = np.array([item.found.values[0] for item in tried])
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
