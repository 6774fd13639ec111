"""The study on its storage: made, found again, and read for its best trial."""

from collections.abc import Mapping

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from workbench.config import Knob
from workbench.errors import WorkbenchError
from workbench.files import canonical_json
from workbench.simulation.step_costs import profile_to_dict
from workbench.tuning.objective import Goal, Outcome
from workbench.tuning.samplers import make_sampler
from workbench.tuning.spec import STUDIES, StudySpec, from_dict
from workbench.tuning.storage import missing, open_storage, study_names

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
PRUNE_SESSIONS = 8
"""With fewer sessions a Wilcoxon test at 5 % has next to no power before the trial is over anyway."""

PRUNE_P = 0.02
"""Looked at after each session: about 5 % in all by Pocock's correction for five looks."""


def outcome_of(trial: FrozenTrial) -> Outcome | None:
    """Outcome of a finished trial; None for one that was pruned."""
    if trial.state != TrialState.COMPLETE or "scored" not in trial.user_attrs:
        return None
    return Outcome(tuple(trial.values), trial.constraints, trial.user_attrs["scored"]["scores"])


def look_up(name: str, url: str, resume: bool) -> None:
    """Look for a study before anything of it is made or loaded.

    Raises:
        WorkbenchError: the storage has a study of that name, or, where one is to be resumed, has none.
    """
    if resume:
        load(name, open_storage(url, existing=True))
    elif known(name, url):
        raise _exists(name)
    elif (STUDIES / name / "study.toml").exists():
        raise WorkbenchError(
            f"{STUDIES / name}: there is a study of that name, whose trials are elsewhere; --resume with its --storage "
            "goes on with it, or take another --name"
        )


def known(name: str, url: str) -> bool:
    """Whether a storage has a study of that name; a file that is not there has none, and is not made."""
    if missing(url):
        return False
    storage = open_storage(url)
    return name in study_names(storage) and not _only_a_name(name, storage)


def _only_a_name(name: str, storage: BaseStorage) -> bool:
    """Whether a study was broken off before anything of it was written down; there is nothing in it to lose."""
    study = optuna.load_study(study_name=name, storage=storage)
    return not study.user_attrs and not study.get_trials(deepcopy=False)


def _exists(name: str) -> WorkbenchError:
    return WorkbenchError(f"there is a study {name!r} already; --resume goes on with it")


def _no_study(name: str) -> WorkbenchError:
    return WorkbenchError(f"the storage has no study {name!r} ('workbench studies' lists them)")


def create(spec: StudySpec, storage: BaseStorage) -> optuna.Study:
    """Make the study on its storage, and queue what is to be tried first.

    Raises:
        WorkbenchError: the storage has a study of that name, or the baseline is outside the space.
    """
    spec.space.point(spec.config)
    if spec.name in study_names(storage) and _only_a_name(spec.name, storage):
        optuna.delete_study(study_name=spec.name, storage=storage)
    try:
        study = optuna.create_study(
            study_name=spec.name,
            storage=storage,
            directions=spec.goal.directions,  # type: ignore[arg-type]
            sampler=make_sampler(spec.sampler, spec.seed, spec.trials),
            pruner=make_pruner(spec),
        )
    except optuna.exceptions.DuplicatedStudyError:
        raise _exists(spec.name) from None
    study.set_metric_names(list(spec.objectives))
    keep(study, spec)
    queue(study, spec)
    return study


def queue(study: optuna.Study, spec: StudySpec) -> None:
    """Queue the baseline, and after it a whole grid if that is the sampler: points that were not, before a kill."""
    trials = study.get_trials(deepcopy=False)
    queued = {_spelling(trial.system_attrs["fixed_params"]) for trial in trials if "fixed_params" in trial.system_attrs}
    for point in (spec.space.point(spec.config), *(spec.space.grid() if spec.sampler == "grid" else ())):
        if _spelling(point) not in queued:
            queued.add(_spelling(point))
            study.enqueue_trial(point)


def _spelling(point: Mapping[str, Knob]) -> tuple[tuple[str, Knob], ...]:
    return tuple(sorted(point.items()))


def keep(study: optuna.Study, spec: StudySpec) -> None:
    """Write down in a study what it is, for :func:`load`."""
    if spec.profile is not None:
        study.set_user_attr("profile", profile_to_dict(spec.profile))
    study.set_user_attr("spec", spec.to_dict())


def load(name: str, storage: BaseStorage) -> tuple[optuna.Study, StudySpec]:
    """Take a study from its storage.

    Raises:
        WorkbenchError: it is not there.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        raise _no_study(name) from None
    attributes = study.user_attrs
    if "spec" not in attributes:
        if _only_a_name(name, storage):
            raise WorkbenchError(f"study {name!r} was broken off before it began; leave --resume out to begin it")
        raise WorkbenchError(f"study {name!r} was not made by 'workbench tune'")
    spec = from_dict(attributes["spec"], attributes.get("profile"), f"study {name!r}")
    study.sampler = make_sampler(spec.sampler, spec.seed, spec.trials)
    study.pruner = make_pruner(spec)
    return study, spec


def make_pruner(spec: StudySpec) -> optuna.pruners.BasePruner:
    """Wilcoxon over sessions where it was asked for, else none.

    Raises:
        WorkbenchError: it would not be sound.
    """
    if not spec.prune:
        return optuna.pruners.NopPruner()
    if len(spec.objectives) > 1:
        raise WorkbenchError("--prune: with several objectives there is no best trial to be worse than; leave it out")
    if len(spec.tuning) < PRUNE_SESSIONS:
        raise WorkbenchError(
            f"--prune: {len(spec.tuning)} tuning sessions, a test needs {PRUNE_SESSIONS}; leave it out"
        )
    return optuna.pruners.WilcoxonPruner(p_threshold=PRUNE_P)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that count."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def best(study: optuna.Study, goal: Goal) -> FrozenTrial:
    """The feasible trial with the best first objective; where none is feasible, the one that oversteps least.

    Of equals the earliest, so the baseline before all others.

    Raises:
        WorkbenchError: no trial was finished.
    """
    found = ranked(study, goal)
    if not found:
        raise WorkbenchError(f"study {study.study_name!r} has no finished trial")
    return found[0]


def ranked(study: optuna.Study, goal: Goal) -> list[FrozenTrial]:
    """Finished trials, the best first."""
    candidates = [(trial, found) for trial in finished(study) if (found := outcome_of(trial))]
    return [trial for trial, _ in sorted(candidates, key=lambda item: (goal.rank(item[1]), item[0].number))]


def front(study: optuna.Study) -> list[FrozenTrial]:
    """Trials of a study with several objectives that no feasible other beats in all; one of each kind."""
    seen: dict[str, FrozenTrial] = {}
    for trial in sorted(study.best_trials, key=lambda item: item.number):
        seen.setdefault(canonical_json(trial.values), trial)
    return sorted(seen.values(), key=lambda item: tuple(item.values))
