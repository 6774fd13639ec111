"""Knobs: each that acts changes them, those that nothing reads do not, and equal ones replay alike."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.replay.test_engine import run
from workbench.assistants import acts_alike, knobs_of
from workbench.config import Config, Knob, knobs, override
from workbench.config_sections import ASSISTANTS
from workbench.errors import WorkbenchError
from workbench.idle_knobs import idle
from workbench.knobs import Knobs

OTHER: dict[str, Knob] = {
    "step_costs.source": "fixed",
    "echo.path": "config",
    "echo.echo_clip_dbfs": -12.0,
}
"""Another value of knobs that take text; the empty one where there is only one to choose from."""

WAKING = [
    {},
    {"barge_in": True},
    {"barge_in": True, "placement": "shared"},
    {"barge_in": True, "barge_in_rule": "vad"},
    {"barge_in": True, "barge_in_rule": "words_n", "placement": "shared"},
    {"barge_in": True, "barge_in_rule": "pause_head", "placement": "shared"},
    {"stt_vad": True},
    {"tts_stream": True},
    {"step_costs.source": "fixed"},
    {"echo.path": "config"},
    {"canceller": "ratio"},
]
"""Settings under which some knobs are read that nothing reads under the defaults."""


def another(path: str) -> Knob:
    """A value that differs from the default in a replay: times by a frame or more."""
    knob = knobs()[path]
    default, choices = knob.default, knob.metadata["choices"]
    if path in OTHER:
        return OTHER[path]
    if choices:
        return next(choice for choice in choices if choice != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, str):
        return "other"
    if isinstance(default, int):
        return default + (160 if path.endswith("_ms") else 1 if default != 0 or knob.metadata["high"] < 100 else 2)
    return default / 2 if default else 1.0


def changed(path: str, base: dict[str, Knob]) -> bool:
    """Whether another value of a knob changes the knobs that a replay reads."""
    try:
        before, after = override(Config(), base), override(Config(), {**base, path: another(path)})
        return not acts_alike(before, after)
    except WorkbenchError:
        return False


def has_effect(path: str) -> bool:
    return any(changed(path, {**base, "listener": name}) for base in WAKING for name in ASSISTANTS)


ACTING = [p for p, k in knobs().items() if not (k.metadata["inert"] or k.metadata["consumer"]) and OTHER.get(p, "x")]


@pytest.mark.parametrize("path", ACTING)
def test_a_knob_that_acts_changes_what_is_read(path: str) -> None:
    assert has_effect(path)


@pytest.mark.parametrize("path", [p for p, k in knobs().items() if k.metadata["inert"] or k.metadata["consumer"]])
def test_an_inert_knob_never_changes_what_is_read(path: str) -> None:
    assert not has_effect(path)


def test_names_of_the_config_do_not_count() -> None:
    a, b = (knobs_of(override(Config(), {"stt_silence_ms": value})) for value in (700, 720))
    assert a == b
    assert a.key == b.key
    assert a.names.fingerprint != b.names.fingerprint


def test_what_an_assistant_refuses_is_named() -> None:
    config = override(Config(), {"listener": "mlx-harmony", "tts_stream": True, "barge_in": True})
    with pytest.raises(WorkbenchError, match="tts_stream with barge_in: mlx-harmony refuses the two together"):
        knobs_of(config)


@pytest.fixture(scope="module")
def made(tmp_path_factory):  # type: ignore[no-untyped-def]
    from tests.tuning.made_sessions import Sound, make_session

    sounds = [
        Sound(1.0, 2.2, 0.05, "speech", 1, "what can you tell me"),
        Sound(2.7, 3.6, 0.05, "speech", 1, "about it"),
        Sound(7.0, 8.4, 0.05, "speech", 2, "no that is not it"),
    ]
    session = make_session(tmp_path_factory.mktemp("knobs") / "one", sounds, 14.0, echo=[[40.0, -20.0]])
    from workbench.sessions.labels import read_labels

    return session, read_labels(session.labels_path, session.samples)


SEARCHED = [p for p in knobs() if p.startswith(("assistant.", "workbench.")) and not p.endswith(("_path", "quantize"))]
CHANGES = st.lists(st.sampled_from([p for p in SEARCHED if p in ACTING or knobs()[p].metadata["inert"]]), max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=CHANGES, more=CHANGES)
def test_configs_that_act_alike_replay_to_the_same_events(made, base: list[str], more: list[str]) -> None:  # type: ignore[no-untyped-def]
    """Of some changed knobs, the further ones that change nothing are found and replayed."""
    config = override(Config(), {"stack.name": "scripted"})
    for path in base:
        config = _with(config, path)
    events, read = None, _read(config)
    for path in more:
        other = _with(config, path)
        if read is not None and other != config and _read(other) == read:
            events = run(made, _as_changes(config)).trace.events if events is None else events
            assert run(made, _as_changes(other)).trace.events == events, path


def _read(config: Config) -> Knobs | None:
    try:
        return knobs_of(config)
    except WorkbenchError:
        return None


def _with(config: Config, path: str) -> Config:
    try:
        return override(config, {path: another(path)})
    except WorkbenchError:
        return config


def _as_changes(config: Config) -> dict[str, Knob]:
    return {path: getattr(getattr(config, path.partition(".")[0]), path.partition(".")[2]) for path in knobs()}


IDLE = [
    ({"stack.name": "scripted", "lm": "recorded:x"}, ["stack.lm does nothing under stack scripted"]),
    ({"stack.name": "nano", "duplex_temperature": 0.5}, ["stack.duplex_temperature does nothing under stack nano"]),
    ({"stack.name": "moshi-duplex", "tts_cfg": 2.0}, ["stack.tts_cfg does nothing under stack moshi-duplex"]),
    (
        {"stack.name": "moshi-duplex", "stt_silence_ms": 400},
        ["assistant.stt_silence_ms does nothing in a replay with these settings"],
    ),
    ({"stt_vad_hits": 3}, ["assistant.stt_vad_hits does nothing in a replay with these settings"]),
    ({"stt_vad": True, "stt_vad_hits": 3}, []),
    ({"stt_silence_ms": 720}, []),
    ({"tts_stream": True, "barge_in": False}, []),
    ({"stt_block_ms": 20}, ["assistant.stt_block_ms does nothing in a replay with these settings"]),
    ({"listener": "mlx-harmony", "tts_stream": True}, []),
    ({"stack.name": "moshi-duplex", "tts_prebuffer_frames": 4, "models": "x"}, []),
]


@pytest.mark.parametrize(("changes", "lines"), IDLE, ids=lambda item: ",".join(item) if isinstance(item, dict) else "")
def test_a_knob_that_does_nothing_is_named(changes: dict[str, Knob], lines: list[str]) -> None:
    assert list(idle(override(Config(), changes), changes)) == lines
