"""Forms of the JSON and TOML files that programs write and people may change: checked where such a file is read.

Import this only inside the function that reads the file: it loads pydantic.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.errors import WorkbenchError, quoted
from workbench.files import read_json

_LONGEST_US = 3_600e6
_LONGEST_SESSION = 86_400 * 24_000
"""Samples: no session is longer than a day."""
_Settings = dict[str, dict[str, bool | int | float | str]]
"""Section → knob → value."""


class Form(BaseModel):
    """A JSON object; types are taken as they stand, and keys of later versions are passed over."""

    model_config = ConfigDict(strict=True, frozen=True, defer_build=True)  # a command reads one or two of these forms


class ProfileForm(Form):
    """A cost profile; ``stages`` holds µs, 0 to an hour."""

    format: Literal[1]
    machine: str = ""
    lm: str = ""
    stages: dict[
        str, Annotated[list[Annotated[float, Field(ge=0, le=_LONGEST_US, allow_inf_nan=False)]], Field(min_length=1)]
    ]


class RunProfileForm(Form):
    """The profile that a run's costs were drawn from."""

    digest: str
    machine: str


class RunSessionForm(Form):
    """One session of a run."""

    name: str
    folder: str
    mic: str
    labels: str | None
    digest: str


class RunForm(Form):
    """``run.json``."""

    format: Literal[1]
    config: _Settings
    fingerprint: str
    stack: str
    weights: dict[str, str]
    generated: bool = False
    vocabulary: list[str] | None
    profile: RunProfileForm | None
    packages: dict[str, str]
    python: str
    notes: list[str] = []
    sessions: Annotated[list[RunSessionForm], Field(min_length=1)]


class TrackForm(Form, extra="forbid"):
    """One track of a session."""

    file: str
    samples: int
    sha256: str


class LiveForm(Form, extra="forbid"):
    """The live run of a session."""

    file: Literal["live.trace.jsonl"]
    sha256: str
    config: dict[str, dict[str, Any]]


class SessionForm(Form, extra="forbid"):
    """``session.json``; ``echo`` is checked where it is used."""

    format: Literal[1]
    name: Any = None
    sample_rate: Literal[24000]
    samples: Annotated[int, Field(gt=0, le=_LONGEST_SESSION)]
    tracks: dict[str, TrackForm]
    device: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    echo: Any = None
    labels: Literal["human", "constructed", "auto"] | None = None
    live: LiveForm | None = None
    provenance: dict[str, Any] | None = None


class StudySessionForm(Form, extra="forbid"):
    """One session of a study."""

    name: str
    folder: str
    mic: str
    reference: str


class StudyForm(Form):
    """``study.toml``; space, budget and config are checked where they are made of it."""

    format: Literal[5]
    name: str
    sessions: list[StudySessionForm]
    split: Literal["held-out", "leave-one-out", "none"]
    tuning: Annotated[list[str], Field(min_length=1)]
    held_out: list[str]
    config: _Settings
    space: dict[str, Any]
    objectives: Annotated[list[str], Field(min_length=1)]
    budget: dict[str, Annotated[float, Field(allow_inf_nan=False)]]
    sampler: str
    seed: Annotated[int, Field(ge=0, lt=1 << 32)]
    price: dict[str, Any]
    prune: bool
    exact: bool
    trials: Annotated[int, Field(ge=1)]
    in_flight: Annotated[int, Field(ge=1, le=1_000)]
    profile: str
    weights: dict[str, str]
    unread: dict[str, str] = {}


_EXPECTED = {
    "missing": "is missing",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "too_short": "must not be empty",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} at most",
    "value_error": "{error}",
}
"""What pydantic's errors say, in the words of this program."""

_LONGEST_PLACE = 80
"""Characters of a key that an error names: a line has room for them."""

Checked = TypeVar("Checked", bound=Form)


def check_form(form: type[Checked], data: Any, where: str, hint: str) -> Checked:
    """Check what a file holds.

    Args:
        form: what it must be.
        data: parsed JSON.
        where: names the file in errors.
        hint: says what to do.

    Raises:
        WorkbenchError: names the file and the key.
    """
    try:
        return form.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # Of a value that may have several types, the last part of its place names the type that was tried.
        place = ".".join(str(part) for part in first["loc"] if part not in ("bool", "int", "float", "str"))
        place = place if len(place) <= _LONGEST_PLACE else place[:_LONGEST_PLACE] + "…"
        expected = _EXPECTED.get(first["type"]) or first["msg"].lower().replace("input should", "must")
        expected = expected.format_map(first.get("ctx", {}))
        if first["type"] == "extra_forbidden":
            raise WorkbenchError(f"{where}: unknown key {quoted(place)}; {hint}") from None
        value = f"is {quoted(first['input'])}, " if expected.startswith("must") and place else ""
        raise WorkbenchError(f"{where}: {place or 'the file'} {value}{expected}; {hint}") from None


def read_run_json(folder: Path) -> RunForm:
    """Read and check a run's manifest.

    Raises:
        WorkbenchError: not a run, or a key is missing or of another type.
    """
    path = folder / "run.json"
    if not path.exists():
        raise WorkbenchError(f"{folder}: not a run, run.json is missing ('workbench replay' makes one)")
    return check_form(RunForm, read_json(path), str(path), "replay the sessions again")
