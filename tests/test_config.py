"""Config: TOML there and back, names, types, fingerprint."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config import AssistantConfig, Config, dump_toml, get, knobs, load, override, resolve, to_dict
from workbench.errors import WorkbenchError


def value_of(path: str) -> st.SearchStrategy[object]:
    knob = knobs()[path]
    low, high, choices = (knob.metadata[name] for name in ("low", "high", "choices"))
    if choices:
        return st.sampled_from(choices)
    kind = type(knob.default)
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(int(low), int(high))
    if kind is float:
        return st.floats(low, high)
    return st.text("ab \"'\\\n\té=#[", max_size=12)


changes = st.lists(st.sampled_from(sorted(knobs())), unique=True).flatmap(
    lambda paths: st.fixed_dictionaries({path: value_of(path) for path in paths})
)


@given(changes)
def test_toml_there_and_back(made: dict[str, object]) -> None:
    import tempfile

    made = {
        path: value for path, value in made.items() if path not in ("assistant.stt_silence", "assistant.tts_stream")
    }
    config = override(Config(), made)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(dump_toml(config), encoding="utf-8")
        again = load(path)
    assert again == config
    assert again.fingerprint == config.fingerprint
    assert (config.fingerprint == Config().fingerprint) == (config == Config())


def test_every_knob_has_one_name_and_a_description() -> None:
    names = [path.partition(".")[2] for path in knobs()]
    assert len(set(names)) == len(names)
    assert all(knob.metadata["help"] for knob in knobs().values())
    assert all(resolve(name) == path for name, path in zip(names, knobs(), strict=True))


def test_the_consumer_has_26_keys() -> None:
    assert len(dataclasses.fields(AssistantConfig)) == 26


def test_text_is_read_as_the_knob_wants_it() -> None:
    config = override(Config(), {"stt_silence_ms": "560", "barge_in": "true", "stt_silence_threshold": "1e-2"})
    assert (get(config, "stt_silence_ms"), get(config, "barge_in")) == (560, True)
    assert get(config, "assistant.stt_silence_threshold") == 0.01


def test_whole_numbers_pass_as_numbers_but_not_the_reverse() -> None:
    assert get(override(Config(), {"stt_max_seconds": 5}), "stt_max_seconds") == 5.0
    with pytest.raises(WorkbenchError, match="must be a whole number"):
        override(Config(), {"stt_silence_ms": 560.0})
    with pytest.raises(WorkbenchError, match="must be a whole number"):
        override(Config(), {"stt_silence_ms": True})


def test_overrides_beat_the_file_and_the_file_beats_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[assistant]\nstt_silence_ms = 640\nstt_min_speech_ms = 80\n")
    config = load(path, {"stt_silence_ms": "480"})
    assert (config.assistant.stt_silence_ms, config.assistant.stt_min_speech_ms) == (480, 80)
    assert to_dict(config)["assistant"]["stt_vad_hits"] == 2
