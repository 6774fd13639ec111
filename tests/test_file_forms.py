"""Forms of JSON files: each key that is missing or of another type is named, in one line."""

from typing import Any

import pytest

from workbench.errors import WorkbenchError
from workbench.file_forms import ProfileForm, RunForm, check_form

RUN: dict[str, Any] = {
    "format": 1,
    "config": {"stack": {"name": "nano", "number": 3, "yes": True, "half": 0.5}},
    "fingerprint": "f",
    "stack": "nano",
    "weights": {"stt.model": "d"},
    "generated": False,
    "vocabulary": ["a"],
    "profile": {"digest": "d", "machine": "m"},
    "packages": {"numpy": "2"},
    "python": "3.11",
    "notes": [],
    "sessions": [{"name": "s", "folder": "recordings/s", "mic": "d", "labels": None, "digest": "d"}],
    "of_a_later_version": 1,
}
PROFILE: dict[str, Any] = {"format": 1, "machine": "m", "lm": "l", "unit": "µs", "stages": {"stt": [1, 2.5]}}

STRANGE: tuple[Any, ...] = (None, 3, -1.5, "text", True, [], {}, [[]], [None], {"a": None}, float("nan"), 10**400)


def refused(form: Any, data: Any) -> str:
    with pytest.raises(WorkbenchError) as error:
        check_form(form, data, "run.json", "replay again")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("run.json: ")
    assert str(error.value).endswith("; replay again")
    return str(error.value)


def test_good_files_are_taken() -> None:
    assert check_form(RunForm, RUN, "", "").sessions[0].name == "s"
    knobs = check_form(RunForm, RUN, "", "").config["stack"]
    assert [type(value) for value in knobs.values()] == [str, int, bool, float]
    assert check_form(ProfileForm, PROFILE, "", "").stages == {"stt": [1, 2.5]}


@pytest.mark.parametrize(
    "key", ["format", "config", "stack", "weights", "vocabulary", "profile", "packages", "sessions"]
)
def test_a_key_that_is_missing_is_named(key: str) -> None:
    assert f"{key} is missing" in refused(RunForm, {name: value for name, value in RUN.items() if name != key})


@pytest.mark.parametrize("key", [key for key in RUN if key != "of_a_later_version"])
def test_a_value_of_another_type_is_named(key: str) -> None:
    refusals = 0
    for value in STRANGE:
        try:
            check_form(RunForm, RUN | {key: value}, "", "")
        except WorkbenchError:
            refusals += 1
            assert f" {key}" in refused(RunForm, RUN | {key: value})
    assert refusals >= len(STRANGE) - 3


@pytest.mark.parametrize("costs", [[], [-1], ["1"], [True], [None], [1e300], [float("inf")], 3, {}])
def test_costs_that_cannot_be_are_named(costs: Any) -> None:
    assert "stages.stt" in refused(ProfileForm, PROFILE | {"stages": {"stt": costs}})


@pytest.mark.parametrize("data", STRANGE)
def test_anything_else_than_an_object_is_refused(data: Any) -> None:
    refused(RunForm, data)
    refused(ProfileForm, data)
