"""Sessions heard beforehand by other processes, so that the replay here finds the models' outputs in the cache.

Sessions do not depend on each other, and running the models is most of the work: while this process takes the sessions
in order, helpers take them from the other end. The cache is all they hand over. The replay here is the same one with
the same trace, whether they helped, failed or were killed; and an error of theirs is met again here, where it counts.

Work that is soon done starts no process: helpers are asked only when it has taken a while, and stay for what comes
after it.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config
from workbench.execution import Local, Setup
from workbench.replay.engine import cost_source, replay
from workbench.sessions.labels import Label
from workbench.sessions.session import open_session
from workbench.simulation.step_costs import Profile
from workbench.stacks import make_stack
from workbench.stages.protocols import Stack

PATIENCE = 2.0
"""Seconds that work takes here before helpers are asked: about what starting one and loading nano costs."""


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def helpers(stack: Stack, config: Config) -> int:
    """How many more processes make the models say more in the same time."""
    return cores() - 1 if stack.several and config.step_costs.source != "measured" else 0


class Prefetcher(ExitStack):
    """Helpers, from when they are first needed to the end of the context.

    Args:
        setup: of the helpers, see :class:`workbench.execution.JobPool`.
        store: cache that they fill; one that is not on disk cannot be shared, and nobody helps.
        most: helpers.
        patience: seconds that work takes here before they are asked.
    """

    def __init__(self, setup: Setup, store: Store, most: int, patience: float = PATIENCE) -> None:
        super().__init__()
        self._most = most if store.folder is not None else 0
        self._patience = patience
        self.pool = self.enter_context(Local(max(1, self._most)))
        self.pool.prepare(setup, store)

    def tasks_in_order(self, function: Callable[..., object], tasks: Sequence[tuple[Any, ...]]) -> Iterator[int]:
        """Numbers of the tasks in order, each when it is to be replayed here; later ones may be helpers'.

        Args:
            function: job that hears a session.
            tasks: its arguments, a task each.
        """
        jobs: dict[int, Future[object]] = {}
        here = threading.Lock()
        at = 0

        def ask() -> None:
            with here, suppress(RuntimeError):  # the context has ended meanwhile
                for _ in range(self._most):  # a helper that is still loading keeps nobody waiting
                    self.pool.submit(_load)
                for number in range(len(tasks) - 1, at, -1):
                    jobs[number] = self.pool.submit(function, *tasks[number])

        timer = threading.Timer(self._patience, ask)
        timer.daemon = True
        if self._most and len(tasks) > 1:
            timer.start()
        try:
            for number in range(len(tasks)):
                with here:
                    at = number
                if number in jobs and not jobs[number].cancel():
                    wait([jobs[number]])
                yield number
        finally:
            timer.cancel()
            with here:
                at = len(tasks)
                for job in jobs.values():
                    job.cancel()


def _load(state: object) -> None:
    """Job that is done once a helper has loaded what it needs."""


@dataclass(frozen=True)
class LoadedStack:
    """What a helper hears sessions with."""

    stack: Stack
    store: Store


def load_stack(config: Config, store: Store) -> LoadedStack:
    """Setup of a helper: the models of a config."""
    return LoadedStack(make_stack(config), store)


def hear(loaded: LoadedStack, folder: Path, labels: tuple[Label, ...], config: Config, profile: Profile | None) -> None:
    """Job of a helper: replay a session, for what its models put into the cache.

    Args:
        loaded: see :func:`load_stack`.
        folder: of the session.
        labels: of the session.
        config: the knobs.
        profile: step costs, where they are drawn from one.
    """
    session, knobs = open_session(folder), knobs_of(config)
    costs = cost_source(knobs, profile, session.name)
    replay(session, loaded.stack.stages(labels), knobs, costs, loaded.store)
