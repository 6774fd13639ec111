"""A manifest of the usual form is taken without pydantic, and only where pydantic would take it as it is."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.file_forms import SessionForm, check_form
from workbench.sessions.manifest import is_usual, parse_manifest

USUAL: dict[str, Any] = {
    "format": 1,
    "name": "kitchen",
    "sample_rate": 24_000,
    "samples": 48_000,
    "tracks": {"mic": {"file": "mic.flac", "samples": 48_000, "sha256": "0" * 64}},
    "device": {"name": "microphone"},
    "calibration": None,
    "echo": {"taps": [[120.0, -30.0]]},
    "labels": "human",
    "provenance": {},
}

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2), st.sampled_from([24_000, 48_000, 10**12, 1.0, "1", "auto", b"x"]),
    st.lists(st.none(), max_size=1), st.dictionaries(st.sampled_from(["file", "x"]), st.integers(), max_size=2),
)  # fmt: skip


def accepted(data: Any) -> dict[str, Any] | None:
    """What pydantic makes of a manifest; None where it refuses it."""
    try:
        return check_form(SessionForm, data, "x", "restore it").model_dump()
    except WorkbenchError:
        return None


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_what_is_taken_unseen_pydantic_takes_as_it_is(data: st.DataObject) -> None:
    track = dict(USUAL["tracks"]["mic"])
    changed = {**USUAL, "tracks": {"mic": track}}
    for place in data.draw(st.lists(st.sampled_from([changed, changed, track]), max_size=2)):
        key = data.draw(st.sampled_from([*sorted(place), "odd"]))
        if data.draw(st.booleans()):
            place[key] = data.draw(ODD)
        else:
            place.pop(key, None)
    if is_usual(changed):
        found = accepted(changed)
        assert found is not None
        assert {key: found[key] for key in changed} == changed
        assert not any(found[key] for key in found.keys() - changed.keys())


def test_a_usual_manifest_is_one() -> None:
    assert is_usual(USUAL)


@pytest.mark.parametrize("key", ["format", "samples", "tracks"])
def test_what_is_missing_is_named(key: str) -> None:
    left = {name: value for name, value in USUAL.items() if name != key}
    with pytest.raises(WorkbenchError, match=f"x: {key} is missing; restore it, or import the audio again"):
        parse_manifest(left, "x")


def test_the_live_run_is_read() -> None:
    live = {"file": "live.trace.jsonl", "sha256": "1" * 64, "config": {"assistant": {"stt_vad": True}}}
    found = parse_manifest(USUAL | {"live": live}, "x").live
    assert found is not None
    assert (found.sha256, found.config) == (live["sha256"], live["config"])


def test_listing_sessions_loads_no_pydantic() -> None:
    script = (
        "import sys; from workbench.cli.actions.sessions import list_sessions\n"
        "assert list_sessions(['questions'], False, True) == 0\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
