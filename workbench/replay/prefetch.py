"""Sessions replayed ahead by other processes, so that the replay here finds what the models say in the store.

Sessions do not depend on each other, and running the models is most of the work: while this process takes the sessions
in order, helpers take them from the other end. The store is all they hand over. The replay here is the same one with
the same trace, whether they helped, failed or were killed; and an error of theirs is met again here, where it counts.

Work that is soon done starts no process: helpers are asked only when it has taken a while, and stay for what comes
after it.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Literal

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config
from workbench.replay.engine import cost_source, replay
from workbench.sessions.labels import Label
from workbench.sessions.session import open_session
from workbench.simulation.step_costs import Profile
from workbench.stacks import make_stack
from workbench.stages.protocols import Stack

PATIENCE = 2.0
"""Seconds that work takes here before helpers are asked: about what starting one and loading nano costs."""

_State = Literal["free", "here", "there", "done"]


@dataclass(frozen=True)
class Task:
    """One session to replay under one config.

    Attributes:
        folder: of the session.
        labels: its labels.
        stack: config that names the models; of many tasks with one stack it is the same.
        config: the knobs.
        profile: costs, where they are drawn from one.
    """

    folder: Path
    labels: tuple[Label, ...]
    stack: Config
    config: Config
    profile: Profile | None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def helpers(stack: Stack, config: Config) -> int:
    """How many processes beside this one make the models say more in the same time."""
    return cores() - 1 if stack.several and config.step_costs.source != "measured" else 0


class Prefetcher(AbstractContextManager["Prefetcher"]):
    """Helpers, from when they are first needed to the end of the context.

    Args:
        store: where they leave what the models said; one that is not on disk cannot be shared, and nobody helps.
        most: helpers.
        patience: seconds that work takes here before they are asked.
    """

    def __init__(self, store: Store, most: int, patience: float = PATIENCE) -> None:
        self._folder = store.folder
        self._most = most if store.folder is not None else 0
        self._patience = patience
        self._helpers: list[_Helper] = []
        self._starting = threading.Lock()
        self._closed = False

    def in_turn(self, tasks: Sequence[Task]) -> Iterator[int]:
        """The tasks' numbers in order, each when it is to be replayed here; later ones may be helpers'."""
        batch = _Batch(tasks)
        timer = threading.Timer(self._patience, self._ask, (batch,))
        timer.daemon = True
        if self._most and len(tasks) > 1:
            timer.start()
        try:
            for number in range(len(tasks)):
                batch.take(number)
                yield number
        finally:
            timer.cancel()
            batch.end()

    def _ask(self, batch: "_Batch") -> None:
        with self._starting:
            if self._folder is None or self._closed:
                return
            while len(self._helpers) < min(self._most, batch.free()):
                self._helpers.append(_Helper(self._folder))
        for helper in self._helpers:
            helper.join(batch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send the helpers away, whatever they are at; what they have put into the store stays there."""
        with self._starting:
            self._closed = True
        for helper in self._helpers:
            helper.kill()


class _Batch:
    """Tasks, and who is at which: this process takes them from the front, helpers from the back."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self._states: list[_State] = ["free"] * len(tasks)
        self._over = False
        self._changed = threading.Condition()

    def take(self, number: int) -> None:
        """Wait until a task is no helper's."""
        with self._changed:
            while self._states[number] == "there":
                self._changed.wait()
            self._states[number] = "here"

    def free(self) -> int:
        """Tasks that nobody has begun."""
        with self._changed:
            return 0 if self._over else self._states.count("free")

    def last(self) -> int | None:
        """A task for a helper; None when there is none left."""
        with self._changed:
            free = [] if self._over else [number for number, state in enumerate(self._states) if state == "free"]
            if not free:
                return None
            self._states[free[-1]] = "there"
            return free[-1]

    def done(self, number: int) -> None:
        """A helper is done with a task, or gone."""
        with self._changed:
            self._states[number] = "done"
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more of it is needed."""
        with self._changed:
            self._over = True


class _Helper:
    """One process, and a thread here for each batch that hands it task after task."""

    def __init__(self, folder: Path) -> None:
        # Ctrl-C goes to the whole group: the helper starts with it blocked and leaves the answer to its parent.
        resource_tracker.ensure_running()  # which would unblock it again on its first start
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            context = get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs, folder), name="ahead", daemon=True)
            self.process.start()
            theirs.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._one = threading.Lock()

    def join(self, batch: _Batch) -> None:
        """Take part in a batch."""
        threading.Thread(target=self._work, args=(batch,), daemon=True).start()

    def _work(self, batch: _Batch) -> None:
        # It is told the stack first, and takes no task before that is loaded: nobody is to wait for it meanwhile.
        with self._one, suppress(OSError, EOFError):  # it was killed: what it was at is done here
            self._ask(batch.tasks[0].stack)
            while (number := batch.last()) is not None:
                try:
                    self._ask(batch.tasks[number])
                finally:
                    batch.done(number)

    def _ask(self, what: Config | Task) -> None:
        self._pipe.send(what)
        self._pipe.recv()

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.join()


def _serve(told: Connection, folder: Path) -> None:
    """A helper: loads a stack and replays what it is told to, until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    store = Store(folder)
    while True:
        try:
            what: Config | Task = told.recv()
        except EOFError:
            return
        with suppress(Exception):  # met again by the replay that counts
            if isinstance(what, Task):
                _replay(what, store)
            else:
                _stack(what)
        told.send(None)


def _replay(task: Task, store: Store) -> None:
    session = open_session(task.folder)
    stages, knobs = _stack(task.stack).stages(task.labels), knobs_of(task.config)
    replay(session, stages, knobs, cost_source(knobs, task.profile, session.name), store)


@lru_cache(maxsize=1)
def _stack(config: Config) -> Stack:
    return make_stack(config)
