"""Optuna's samplers, seeded by study seed and trial number, so that a resumed study draws what it would have drawn."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from workbench.errors import WorkbenchError

STARTUP = 24
"""Random trials before the model of a TPE or GP study is used; a quarter of them all where those are few."""


class PerTrial(BaseSampler):
    """Makes a fresh sampler for each trial, seeded by the study's seed and the trial's number.

    A knob that is drawn by itself has a seed of its own: a trial that a kill met half-way draws the rest as it would
    have.

    Args:
        make: seed → sampler.
        seed: of the study.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed
        self._sampler = make(seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        self._sampler = self._seeded(trial.number)
        self._sampler.before_trial(study, trial)

    def _seeded(self, *parts: int) -> BaseSampler:
        return self._make(int(np.random.SeedSequence([self._seed, *parts]).generate_state(1)[0]))

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See :class:`optuna.samplers.BaseSampler`."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See :class:`optuna.samplers.BaseSampler`."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See :class:`optuna.samplers.BaseSampler`."""
        sampler = self._seeded(trial.number, zlib.crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        self._sampler.after_trial(study, trial, state, values)


class Alternating(PerTrial):
    """TPE with a model of all knobs jointly in odd trials, and of each knob by itself in even ones.

    Jointly, as Optuna does of itself, it refines, but seldom leaves what it found first; knob by knob it gets about
    sooner and now and then misses the last step. Both learn from all trials (figures in ``benchmarks/search.py``).

    Args:
        seed: of the study.
        startup: random trials before the models are used.
    """

    def __init__(self, seed: int, startup: int) -> None:
        self._joint = False
        super().__init__(
            lambda draw: optuna.samplers.TPESampler(seed=draw, multivariate=self._joint, n_startup_trials=startup), seed
        )

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        self._joint = trial.number % 2 == 1
        super().before_trial(study, trial)


def make_sampler(name: str, seed: int, trials: int) -> BaseSampler:
    """A sampler by name.

    Args:
        name: as in ``--sampler``.
        seed: of the study.
        trials: wanted in all.

    Raises:
        WorkbenchError: it needs a package that is not installed.
    """
    startup = max(2, min(STARTUP, trials // 4))
    if name == "gp":
        try:
            import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
        except ImportError:
            raise WorkbenchError("--sampler gp needs PyTorch (pip install torch); tpe does not") from None
        return PerTrial(
            lambda draw: optuna.samplers.GPSampler(seed=draw, deterministic_objective=True, n_startup_trials=startup),
            seed,
        )
    if name == "nsga2":
        return PerTrial(lambda draw: optuna.samplers.NSGAIISampler(seed=draw, population_size=40), seed)
    if name in ("random", "grid"):  # the points of a grid are queued: nothing is drawn
        return PerTrial(lambda draw: optuna.samplers.RandomSampler(seed=draw), seed)
    return Alternating(seed, startup)
