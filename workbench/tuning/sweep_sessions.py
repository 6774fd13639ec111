"""A sweep over sessions on disk: loaded, replayed with the cores there are, and scored."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from workbench.cache import Store, default_folder
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.metrics.loss import DEFAULT, Prices
from workbench.replay.prefetch import Prefetcher
from workbench.tuning.evaluator import Evaluator, hear
from workbench.tuning.sweep import Sweep, SweepAxis, settings, sweep


class SweepWatch(Protocol):
    """Is given what is being loaded, and how many replays are done."""

    def say(self, what: str) -> None:
        """What is being loaded."""
        ...

    def step(self, what: str, done: int, total: int) -> None:
        """How many are done."""
        ...


def run_sweep(
    folders: Sequence[Path],
    config: Config,
    axes: Sequence[SweepAxis],
    prices: Prices = DEFAULT,
    watch: SweepWatch | None = None,
) -> Sweep:
    """Load sessions and stack, replay every session at every point with the cores there are, and score them.

    Args:
        folders: of the sessions.
        config: today's settings.
        axes: one or two, from :func:`axis`.
        prices: of faults.
        watch: see :class:`SweepWatch`.

    Raises:
        WorkbenchError: a session or the stack cannot be loaded; or see :func:`settings`.
    """
    store = Store(default_folder())
    try:
        evaluator = Evaluator(folders, config, store, watch.say if watch else lambda _: None, prices=prices)
        if config.assistant.tts_stream or "assistant.tts_stream" in [one.path for one in axes]:
            evaluator.refuse_unknown_lm_time()
        setup = partial(Evaluator, folders, config, profile=evaluator.profile)
        tried = [setting for _, setting in settings(config, axes) if isinstance(setting, Config)]
        tasks = [(name, setting) for setting in tried for name in evaluator.names]
        with Prefetcher(setup, store, evaluator.helpers) as ahead:
            for number in ahead.tasks_in_order(_heard, tasks):
                if watch is not None:
                    watch.step("replays", number, len(tasks))
                _heard(evaluator, *tasks[number])
        return sweep(evaluator, config, evaluator.names, axes)
    finally:
        store.close()


def _heard(evaluator: Evaluator, name: str, config: Config) -> None:
    """Job: replay a session; a setting that a stage refuses is a row of the table."""
    try:
        hear(evaluator, name, config)
    except WorkbenchError:
        return
