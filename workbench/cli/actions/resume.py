"""The study that ``tune --resume`` goes on with: options left out keep its values, and others must agree with them."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli.actions.score import prices_of
from workbench.cli.options import build_config, changes
from workbench.config import Config, Knob, get, knobs, override
from workbench.errors import WorkbenchError
from workbench.metrics.budget import read_budget, read_prices
from workbench.sessions.folders import check_name
from workbench.sessions.session import open_session
from workbench.tuning.inactive_knobs import find_inactive_knobs, searched
from workbench.tuning.plan import check_trials
from workbench.tuning.space import read_space
from workbench.tuning.spec import STUDIES, SessionRef, StudySpec, read_spec
from workbench.tuning.storage import missing, open_storage
from workbench.tuning.study import load

if TYPE_CHECKING:
    from workbench.cli.actions.tune import TuneRequest

_CONFIG = {
    "config_file": "--config",
    "assignments": "--set",
    "stack": "--stack",
    "models": "--models",
    "listener": "--listener",
}


def resumed(folders: Sequence[Path], request: "TuneRequest") -> StudySpec:
    """The study as it is, with the number of trials that is asked for now.

    Raises:
        WorkbenchError: there is none of that name, or an option would change it.
    """
    kept = _kept(folders, request)
    for option, same, was in _asked(kept, request):
        if not same:
            raise WorkbenchError(f"{option}: study {kept.name!r} was made {was}; leave it out, or take a new --name")
    trials = kept.trials
    if request.trials not in (None, trials):
        check_trials(request.trials, kept.sampler)
        trials = request.trials or trials
    return replace(kept, config=_config(kept, request), sessions=_sessions(kept, folders), trials=trials)


def _kept(folders: Sequence[Path], request: "TuneRequest") -> StudySpec:
    """From its folder, whose files must be its own; from its storage where sessions or a storage are given."""
    check_name(request.name, "--name")
    own = STUDIES / request.name
    if request.storage is None and not folders and (own / "study.toml").exists():
        return read_spec(own)
    url = f"journal:{own / 'journal.log'}" if request.storage is None else request.storage
    if request.storage is None and missing(url):
        raise WorkbenchError(f"{own}: no such study ('workbench studies' lists them)")
    return load(request.name, open_storage(url, existing=True))[1]


def _asked(kept: StudySpec, request: "TuneRequest") -> Iterator[tuple[str, bool, str]]:
    """Options that were given: how, whether they say what the study says, and what that is."""
    given = request.given
    if "objectives" in given:
        yield "--objective", request.objectives == kept.objectives, f"with {' and '.join(kept.objectives)}"
    if "sampler" in given:
        yield f"--sampler {request.sampler}", request.sampler == kept.sampler, f"with sampler {kept.sampler}"
    if "seed" in given:
        yield f"--seed {request.seed}", request.seed == kept.seed, f"with seed {kept.seed}"
    if "prune" in given:
        yield "--prune", kept.prune, "without it"
    if "exact" in given:
        yield "--exact", kept.exact, "without it"
    if "space" in given:
        space = read_space(request.space)
        space = searched(space, find_inactive_knobs(space, kept.config))
        yield f"--space {request.space}", space == kept.space, "with another space"
    if "budget" in given:
        yield f"--budget {request.budget}", read_budget(request.budget) == kept.budget, "with another budget"
    if request.given & {"budget", "prices"}:
        base = read_prices(request.budget) if "budget" in request.given else kept.prices
        asked = prices_of(request.prices, base)
        odd = next(
            (item.name for item in fields(asked) if getattr(asked, item.name) != getattr(kept.prices, item.name)), ""
        )
        was = f"with {odd}={getattr(kept.prices, odd):g}" if odd else ""
        yield f"--price {odd}={getattr(asked, odd):g}" if odd else "--price", not odd, was
    config = _config(kept, request)
    if knob := _other(config, kept.config):
        options = ", ".join(option for name, option in _CONFIG.items() if name in given)
        yield options, False, f"with {knob} = {_shown(get(kept.config, knob))}, not {_shown(get(config, knob))}"


def _config(kept: StudySpec, request: "TuneRequest") -> Config:
    """The baseline that is asked for: from a file, or the study's own, with what else is said."""
    if "config_file" in request.given:
        return build_config(
            request.config_file, request.stack, request.models, request.listener, None, request.assignments
        )
    return override(kept.config, changes(request.stack, request.models, request.listener, None, request.assignments))


def _other(config: Config, kept: Config) -> str | None:
    """A knob in which two configs differ; whether cost profiles do is seen when the study is taken up."""
    paths = (path for path in knobs() if path != "step_costs.profile")
    return next((path for path in paths if get(config, path) != get(kept, path)), None)


def _shown(value: Knob) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _sessions(kept: StudySpec, folders: Sequence[Path]) -> tuple[SessionRef, ...]:
    """The study's sessions, where they are now."""
    if not folders:
        return kept.sessions
    opened = [open_session(folder) for folder in folders]
    given = {item.name: item.folder.as_posix() for item in opened}
    names = {ref.name for ref in kept.sessions}
    if odd := sorted(names ^ set(given)):
        how = "without" if odd[0] in given else "with"
        raise WorkbenchError(
            f"study {kept.name!r} was made {how} session {odd[0]!r}; leave the sessions out, or take a new --name"
        )
    return tuple(replace(ref, folder=given[ref.name]) for ref in kept.sessions)
