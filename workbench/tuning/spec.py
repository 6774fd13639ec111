"""Description of a study: what its trials need, and what a resumed study must still agree with.

Kept as ``studies/<name>/study.toml`` for people, with ``profile.json`` in the same folder, and as attributes of the
study on its storage. What a step costs is measured once, where the study begins; from then on it belongs to the study,
as the weights do: a trial is worth the same wherever it runs, and ``workbench replay`` with its config, which names
that ``profile.json``, gives its trace.

Format history:
    1: first published.
    2: ``profile``, digest of the cost profile, which is kept with the study, and ``weights``, those of its models.
    3: ``reference`` of each session.
    4: ``in_flight``, and trials that are told in the order of their numbers.
    5: ``price``: what each fault costs, in seconds; ``exact``, and searches on a stand-in for the STT.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from workbench.config import Config, override, to_dict
from workbench.errors import WorkbenchError
from workbench.files import canonical_json, read_json, read_toml, sha256_file, sha256_text, write_text
from workbench.metrics.loss import DEFAULT, Prices, check_prices
from workbench.simulation.step_costs import Profile, parse_profile, read_profile, write_profile
from workbench.tuning.objective import Goal
from workbench.tuning.space import Space, parse

if TYPE_CHECKING:
    from workbench.sessions.session import Session

FORMAT = 5
STUDIES = Path("studies")

IN_FLIGHT = 8
"""Trials that are worked on at once. Optuna draws each not knowing the seven before it: few enough for the search to
learn from nearly all, and enough for eight workers.
"""

_LACKED = {
    1: "when a study kept neither its step costs nor its weights",
    2: "when a study did not keep which labels it was scored by",
    3: "when its trials depended on how many workers there were",
    4: "when faults had no prices",
}


@dataclass(frozen=True)
class SessionRef:
    """A session as the study knows it.

    Attributes:
        folder: where it was.
        mic: digest of the audio it must have.
        reference: digest of what else its scores come from: labels, echo path and recorded agent.
    """

    name: str
    folder: str
    mic: str
    reference: str

    def check(self) -> None:
        """Look whether the session is what the study was made with.

        Raises:
            WorkbenchError: it is another, or not there.
        """
        from workbench.sessions.session import (
            open_session,  # a list of studies opens none, and libsndfile takes its time
        )

        found = ref(open_session(Path(self.folder)))
        if found.mic != self.mic:
            raise WorkbenchError(f"{self.folder}: the study was made with another recording of that name")
        if found.reference != self.reference:
            raise WorkbenchError(
                f"{self.folder}: its labels, echo path or agent track are not those that the study was made with; "
                "put them back, or tune under a new --name"
            )


def ref(session: "Session") -> SessionRef:
    """What a study keeps of a session."""
    labels = sha256_file(session.labels_path) if session.has_labels else None
    agent = session.tracks["agent"].sha256 if "agent" in session.tracks else None
    reference = sha256_text(canonical_json([labels, session.echo, agent]))
    return SessionRef(session.name, session.folder.as_posix(), session.mic.sha256, reference)


@dataclass(frozen=True)
class StudySpec:
    """A study.

    Attributes:
        name: of the study, its folder and its configs.
        sessions: all of them.
        tuning: names of those the search sees.
        held_out: names of those that only judge.
        split: see :class:`workbench.tuning.split.Split`.
        config: the baseline.
        exact: whether the search replays exactly; else a stand-in for the STT is asked, and only what is chosen and
            claimed is replayed exactly.
        prune: whether hopeless trials are broken off session by session.
        trials: finished trials wanted, the baseline's included.
        in_flight: trials that are asked for before the first of them is told.
        profile: what the costs of all trials are drawn from; None where they are fixed, or nobody has looked yet.
        weights: of the models, name → digest.
        unread: knobs that were asked for and left out of the space, since nothing reads them, name → why.
        prices: of each fault, for the loss.
    """

    name: str
    sessions: tuple[SessionRef, ...]
    split: str
    tuning: tuple[str, ...]
    held_out: tuple[str, ...]
    config: Config
    space: Space
    objectives: tuple[str, ...]
    budget: Mapping[str, float]
    sampler: str = "tpe"
    seed: int = 0
    prune: bool = False
    exact: bool = True
    trials: int = 200
    in_flight: int = IN_FLIGHT
    profile: Profile | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    prices: Prices = DEFAULT

    @property
    def goal(self) -> Goal:
        """What is wanted."""
        return Goal(self.objectives, self.budget)

    @property
    def folder(self) -> Path:
        """Where the study is kept."""
        return STUDIES / self.name

    @property
    def profile_path(self) -> Path:
        """Where the study's cost profile is kept."""
        return self.folder / "profile.json"

    def settled(self, profile: Profile | None, weights: Mapping[str, str]) -> "StudySpec":
        """The study with what its trials draw costs from, named in its config, and the weights they run on."""
        config = override(self.config, {"step_costs.profile": self.profile_path.as_posix()}) if profile else self.config
        return replace(self, config=config, profile=profile, weights=dict(weights))

    def to_dict(self) -> dict[str, Any]:
        """As ``study.toml`` has it."""
        plain = {
            "format": FORMAT,
            "name": self.name,
            "objectives": list(self.objectives),
            "sampler": self.sampler,
            "seed": self.seed,
            "trials": self.trials,
            "in_flight": self.in_flight,
            "prune": self.prune,
            "exact": self.exact,
            "split": self.split,
            "tuning": list(self.tuning),
            "held_out": list(self.held_out),
            "profile": self.profile.digest if self.profile else "",
            "sessions": [asdict(item) for item in self.sessions],
        }
        tables = {"budget": dict(self.budget), "price": asdict(self.prices), "weights": dict(self.weights)}
        return (
            plain
            | tables
            | {"config": to_dict(self.config), "space": self.space.to_dict(), "unread": dict(self.unread)}
        )

    def write(self) -> None:
        """Write ``study.toml``, and the profile beside it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.profile is not None:
            write_profile(self.profile_path, self.profile)
        write_text(self.folder / "study.toml", tomli_w.dumps(self.to_dict()))

    def resumed(self, kept: "StudySpec") -> "StudySpec":
        """This study, as it was asked for anew, with the costs and weights of ``kept``, as it was begun.

        What may have changed is how many trials it is to have, and where its sessions are.

        Raises:
            WorkbenchError: names what else differs.
        """
        asked = self.config.step_costs.profile
        other = asked not in ("", kept.config.step_costs.profile)  # the study's own may be lost: it is written anew
        if kept.profile and other and read_profile(Path(asked)).digest != kept.profile.digest:
            raise WorkbenchError(f"study {self.name!r} has another cost profile than {asked}; leave it out")
        self._check_same(kept)
        return self.settled(kept.profile, kept.weights)

    def _check_same(self, other: "StudySpec") -> None:
        mine, theirs = self.to_dict(), other.to_dict()
        for spec in (mine, theirs):
            for key in ("trials", "profile", "weights", "unread"):
                spec.pop(key)
            spec["config"]["step_costs"].pop("profile")
            spec["sessions"] = [item["name"] for item in spec["sessions"]]
        for key, value in mine.items():
            if value != theirs[key]:
                raise WorkbenchError(
                    f"study {self.name!r} was made with another {key}; resume it as it was, or take a new --name"
                )


def from_dict(data: Any, profile: Any, where: str) -> StudySpec:
    """The inverse of :meth:`StudySpec.to_dict`.

    Args:
        data: the study.
        profile: its cost profile as :func:`workbench.simulation.step_costs.profile_to_dict` gives it, or None.
        where: to say where it is from.

    Raises:
        WorkbenchError: not a study of this format.
    """
    from workbench.file_forms import StudyForm, check_form

    if isinstance(data, dict) and (lacked := _LACKED.get(data.get("format", 0))):
        raise WorkbenchError(f"{where}: of format {data['format']}, {lacked}; tune under a new --name")
    form = check_form(StudyForm, data, where, "tune under a new --name")
    flat = {f"{section}.{knob}": value for section, values in form.config.items() for knob, value in values.items()}
    return StudySpec(
        name=form.name,
        sessions=tuple(SessionRef(**item.model_dump()) for item in form.sessions),
        split=form.split,
        tuning=tuple(form.tuning),
        held_out=tuple(form.held_out),
        config=override(Config(), flat),
        space=parse(form.space, where),
        objectives=tuple(form.objectives),
        budget=form.budget,
        sampler=form.sampler,
        seed=form.seed,
        prices=check_prices(form.price, where),
        prune=form.prune,
        exact=form.exact,
        trials=form.trials,
        in_flight=form.in_flight,
        profile=_profile(form.profile, profile, where),
        weights=form.weights,
        unread=form.unread,
    )


def _profile(digest: str, data: Any, where: str) -> Profile | None:
    if data is None:
        return None
    profile = parse_profile(data, where)
    if profile.digest != digest:
        raise WorkbenchError(f"{where}: the cost profile is not the one that the study was made with")
    return profile


def local_url(spec: StudySpec) -> str:
    """Where a study is kept if nothing else is said."""
    return f"journal:{spec.folder / 'journal.log'}"


def read_spec(folder: Path) -> StudySpec:
    """Read ``study.toml`` of a study's folder, and the profile beside it where it is there.

    Raises:
        WorkbenchError: there is none, or it is not one.
    """
    path = folder / "study.toml"
    if not path.exists():
        raise WorkbenchError(f"{folder}: no such study ('workbench studies' lists them)")
    data = read_toml(path)
    profile = folder / "profile.json"
    return from_dict(data, read_json(profile) if profile.exists() else None, str(path))
