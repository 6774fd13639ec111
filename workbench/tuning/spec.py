"""What a study is: everything that a worker needs to go on with it, and that a resumed study must still agree with.

Kept as ``studies/<name>/study.toml`` for people and, in the study itself, as an attribute for workers elsewhere.

Format history:
    1: first published.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from workbench.config import Config, override, to_dict
from workbench.errors import WorkbenchError
from workbench.files import write_text
from workbench.tuning.objective import Goal
from workbench.tuning.space import Space, parse

FORMAT = 1
STUDIES = Path("studies")
SAMPLERS = ("tpe", "gp", "nsga2", "random", "grid")


@dataclass(frozen=True)
class SessionRef:
    """A session as the study knows it: where it was, and which audio it must have."""

    name: str
    folder: str
    mic: str


@dataclass(frozen=True)
class Spec:
    """A study.

    Attributes:
        name: of the study, its folder and its configs.
        sessions: all of them.
        tuning: names of those the search sees.
        held_out: names of those that only judge.
        split: see :class:`workbench.tuning.splitting.Split`.
        config: the baseline.
        prune: whether hopeless trials are broken off session by session.
        trials: finished trials wanted, the baseline's included.
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
    trials: int = 200

    @property
    def goal(self) -> Goal:
        """What is wanted."""
        return Goal(self.objectives, self.budget)

    @property
    def folder(self) -> Path:
        """Where the study is kept."""
        return STUDIES / self.name

    def to_dict(self) -> dict[str, Any]:
        """As ``study.toml`` has it."""
        plain = {
            "format": FORMAT,
            "name": self.name,
            "objectives": list(self.objectives),
            "sampler": self.sampler,
            "seed": self.seed,
            "trials": self.trials,
            "prune": self.prune,
            "split": self.split,
            "tuning": list(self.tuning),
            "held_out": list(self.held_out),
            "sessions": [asdict(item) for item in self.sessions],
        }
        return plain | {"budget": dict(self.budget), "config": to_dict(self.config), "space": self.space.to_dict()}

    def write(self) -> None:
        """Write ``study.toml``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "study.toml", tomli_w.dumps(self.to_dict()))

    def check_same(self, other: "Spec") -> None:
        """What a resumed study may change: how many trials it is to have, and where its sessions are.

        Raises:
            WorkbenchError: names what else differs.
        """
        mine, theirs = self.to_dict(), other.to_dict()
        for spec in (mine, theirs):
            spec.pop("trials")
            spec["sessions"] = [(item["name"], item["mic"]) for item in spec["sessions"]]
        for key, value in mine.items():
            if value != theirs[key]:
                raise WorkbenchError(
                    f"study {self.name!r} was made with another {key}; resume it as it was, or take a new --name"
                )


def from_dict(data: Any, where: str) -> Spec:
    """The inverse of :meth:`Spec.to_dict`.

    Raises:
        WorkbenchError: not a study of this format.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise WorkbenchError(f"{where}: not a study of format {FORMAT}; tune under a new --name")
    try:
        flat = {f"{section}.{knob}": v for section, values in data["config"].items() for knob, v in values.items()}
        return Spec(
            name=data["name"],
            sessions=tuple(SessionRef(**item) for item in data["sessions"]),
            split=data["split"],
            tuning=tuple(data["tuning"]),
            held_out=tuple(data["held_out"]),
            config=override(Config(), flat),
            space=parse(data["space"], where),
            objectives=tuple(data["objectives"]),
            budget=dict(data["budget"]),
            sampler=data["sampler"],
            seed=data["seed"],
            prune=data["prune"],
            trials=data["trials"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise WorkbenchError(f"{where}: not in the form of a study ({error}); tune under a new --name") from None


def read_spec(folder: Path) -> Spec:
    """Read ``study.toml`` of a study's folder.

    Raises:
        WorkbenchError: there is none, or it is not one.
    """
    path = folder / "study.toml"
    try:
        return from_dict(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise WorkbenchError(f"{folder}: no such study ('workbench studies' lists them)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"{path}: not valid TOML ({error})") from None
