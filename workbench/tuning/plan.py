"""A study put down: its sessions opened and split, its space without knobs that nothing reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.metrics.definitions import BY_KEY, Points, Rate
from workbench.metrics.loss import DEFAULT, Prices
from workbench.runs import open_labelled
from workbench.sessions.folders import as_argument, check_name
from workbench.sessions.labels import is_labelled
from workbench.sessions.session import Session
from workbench.tuning.inactive_knobs import find_inactive_knobs, searched
from workbench.tuning.objective import Goal
from workbench.tuning.samplers import make_sampler
from workbench.tuning.space import Space
from workbench.tuning.spec import StudySpec, ref
from workbench.tuning.split import split
from workbench.tuning.study import make_pruner

TRIALS = 200
"""Trials of a study, unless more or fewer are asked for."""


EXACT_STACKS = ("scripted",)
"""Stacks whose STT costs nothing: there is nothing to stand in for."""


@dataclass(frozen=True)
class SearchOptions:
    """How a study searches.

    Attributes:
        sampler: as in ``--sampler``.
        seed: of sampler, split and intervals.
        trials: finished trials wanted; :data:`TRIALS` by default, and of a grid as many as it has points.
        prune: whether hopeless trials are pruned session by session.
        exact: whether the search replays exactly, and not with a stand-in for the STT.
    """

    sampler: str = "tpe"
    seed: int = 0
    trials: int | None = None
    prune: bool = False
    exact: bool = False


def plan(
    name: str,
    folders: Sequence[Path],
    config: Config,
    space: Space,
    goal: Goal,
    options: SearchOptions = SearchOptions(),
    prices: Prices = DEFAULT,
) -> StudySpec:
    """Open the sessions, split them, and put the study down; knobs that nothing reads are taken out of the space.

    Raises:
        WorkbenchError: names the session, score, knob or option that is wrong.
    """
    check_name(name, "--name")
    for key in goal.objectives:
        if not isinstance(BY_KEY.get(key), Points | Rate) or key.endswith("_n"):
            raise WorkbenchError(f"--objective {key}: not a percentile or a rate (docs/metrics.md lists them)")
    trials = options.trials
    check_trials(trials, options.sampler)
    opened = [open_labelled(folder) for folder in folders]
    _check_names([session for session, _ in opened])
    for session, labels in opened:
        if not is_labelled(labels):
            command = f"workbench label {as_argument(session.folder)} --auto"
            raise WorkbenchError(f"{session.folder}: has no labels to tune against; '{command}' drafts them")
    parts = split({session.name: labels for session, labels in opened}, options.seed)
    unread = find_inactive_knobs(space, config)
    space = searched(space, unread)
    first = space.point(config)
    if options.sampler == "grid":
        space.check_grid()
        trials = space.size() + (not space.holds(first))
    spec = StudySpec(
        name=name,
        sessions=tuple(ref(session) for session, _ in opened),
        split=parts.kind,
        tuning=parts.tuning,
        held_out=parts.held_out,
        config=config,
        space=space,
        objectives=goal.objectives,
        budget=goal.budget,
        prices=prices,
        sampler=options.sampler,
        seed=options.seed,
        prune=options.prune,
        exact=options.exact or config.stack.name in EXACT_STACKS,
        unread=unread,
        trials=TRIALS if trials is None else trials,
    )
    make_pruner(spec)
    make_sampler(options.sampler, options.seed, spec.trials)
    return spec


def check_trials(trials: int | None, sampler: str) -> None:
    """Refuse a number of trials that a study cannot have.

    Raises:
        WorkbenchError: it is too small, or the sampler's own.
    """
    if trials is None:
        return
    if sampler == "grid":
        raise WorkbenchError(
            "--trials: a grid has a trial for each of its points; leave it out, or take --sampler random"
        )
    if trials < 1:
        raise WorkbenchError(f"--trials is {trials}, must be 1 or more")


def _check_names(sessions: Sequence[Session]) -> None:
    seen: dict[str, Path] = {}
    for session in sessions:
        other = seen.get(session.name)
        if other is not None:
            raise WorkbenchError(
                f"{other} and {session.folder}: two sessions have the name {session.name!r}; rename one"
            )
        seen[session.name] = session.folder
