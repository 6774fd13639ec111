"""Forms of files that programs write or people change: checked where such a file is read.

Import this only inside the function that reads the file: it loads pydantic.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.errors import WorkbenchError
from workbench.files import read_json

_LONGEST_US = 3_600e6


class Form(BaseModel):
    """A JSON object; types are taken as they stand, and keys of later versions are passed over."""

    model_config = ConfigDict(strict=True, frozen=True)


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
    config: dict[str, dict[str, bool | int | float | str]]
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
    "extra_forbidden": "is no key that is known here",
    "value_error": "{error}",
}
"""What pydantic's errors say, in the words of this program."""

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
        first = error.errors(include_url=False, include_input=False)[0]
        # Of a value that may have several types, the last part of its place names the type that was tried.
        place = ".".join(str(part) for part in first["loc"] if part not in ("bool", "int", "float", "str"))
        expected = _EXPECTED.get(first["type"]) or first["msg"].lower().replace("input should", "must")
        expected = expected.format_map(first.get("ctx", {}))
        raise WorkbenchError(f"{where}: {place or 'the file'} {expected}; {hint}") from None


def read_run_json(folder: Path) -> RunForm:
    """Read and check a run's manifest.

    Raises:
        WorkbenchError: not a run, or a key is missing or of another type.
    """
    path = folder / "run.json"
    if not path.exists():
        raise WorkbenchError(f"{folder}: not a run, run.json is missing ('workbench replay' makes one)")
    return check_form(RunForm, read_json(path), str(path), "replay the sessions again")
