"""Forms of JSON files: each key that is missing or of another type is named, in one line."""

from typing import Any

import pytest

from workbench.errors import WorkbenchError
from workbench.file_forms import ProfileForm, RunForm, SessionForm, StudyForm, check_form

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

SESSION: dict[str, Any] = {
    "format": 1,
    "name": "s",
    "sample_rate": 24000,
    "samples": 24000,
    "tracks": {"mic": {"file": "mic.flac", "samples": 24000, "sha256": "d"}},
    "device": {"name": "m"},
    "calibration": None,
    "echo": None,
    "labels": "human",
    "live": {"file": "live.trace.jsonl", "sha256": "d", "config": {"stack": {"name": "nano"}}},
    "provenance": {},
}
STUDY: dict[str, Any] = {
    "format": 5,
    "name": "s",
    "sessions": [{"name": "s", "folder": "recordings/s", "mic": "d", "reference": "d"}],
    "split": "held-out",
    "tuning": ["s"],
    "held_out": [],
    "config": {"stack": {"name": "nano"}},
    "space": {"assistant": {"stt_silence_ms": {"type": "frames", "low": 160, "high": 800}}},
    "objectives": ["wer"],
    "budget": {"wer": 1},
    "sampler": "tpe",
    "seed": 0,
    "prune": False,
    "exact": True,
    "price": {},
    "trials": 3,
    "in_flight": 8,
    "profile": "",
    "weights": {},
    "unread": {},
}
FILES: tuple[tuple[Any, dict[str, Any]], ...] = ((RunForm, RUN), (SessionForm, SESSION), (StudyForm, STUDY))

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
    ("form", "data", "key"),
    [
        (form, data, key)
        for form, data in FILES
        for key in data
        if form.model_fields.get(key) is not None and form.model_fields[key].is_required()
    ],
    ids=str,
)
def test_a_key_that_is_missing_is_named(form: Any, data: dict[str, Any], key: str) -> None:
    assert f"{key} is missing" in refused(form, {name: value for name, value in data.items() if name != key})


@pytest.mark.parametrize(
    ("form", "data", "key"),
    [
        (form, data, key)
        for form, data in FILES
        for key in data
        if key not in ("of_a_later_version", "echo") and (form, key) != (SessionForm, "name")
    ],
    ids=str,
)
def test_a_value_of_another_type_is_named(form: Any, data: dict[str, Any], key: str) -> None:
    refusals = 0
    for value in STRANGE:
        try:
            check_form(form, data | {key: value}, "", "")
        except WorkbenchError:
            refusals += 1
            assert f" {key}" in refused(form, data | {key: value})
    assert refusals >= len(STRANGE) - 3


@pytest.mark.parametrize(
    ("form", "data", "said"),
    [
        (SessionForm, SESSION | {"samples": 0}, "samples is 0, must be more than 0"),
        (SessionForm, SESSION | {"samples": 86_400 * 24_000 + 1}, "must be 2073600000 at most"),
        (SessionForm, SESSION | {"colour": "red"}, "unknown key 'colour'"),
        (SessionForm, SESSION | {"labels": "guess"}, "labels is 'guess', must be 'human', 'constructed' or 'auto'"),
        (SessionForm, SESSION | {"tracks": {"mic": {"file": "a"}}}, "tracks.mic.samples is missing"),
        (StudyForm, STUDY | {"seed": -1}, "seed is -1, must be 0 or more"),
        (StudyForm, STUDY | {"seed": 1 << 32}, "seed is 4294967296, must be less than 4294967296"),
        (StudyForm, STUDY | {"tuning": []}, "tuning is [], must not be empty"),
        (StudyForm, STUDY | {"budget": {"wer": float("nan")}}, "budget.wer is nan, must be a number"),
        (StudyForm, STUDY | {"sessions": [{"name": "s"}]}, "sessions.0.folder is missing"),
    ],
)
def test_a_value_out_of_range_is_named(form: Any, data: dict[str, Any], said: str) -> None:
    assert said in refused(form, data)


@pytest.mark.parametrize("costs", [[], [-1], ["1"], [True], [None], [1e300], [float("inf")], 3, {}])
def test_costs_that_cannot_be_are_named(costs: Any) -> None:
    assert "stages.stt" in refused(ProfileForm, PROFILE | {"stages": {"stt": costs}})


@pytest.mark.parametrize("data", STRANGE)
def test_anything_else_than_an_object_is_refused(data: Any) -> None:
    for form in (RunForm, ProfileForm, SessionForm, StudyForm):
        refused(form, data)
