import optuna
import pytest
from made_sessions import REPOSITORY

from workbench.assistants import acts_alike, knobs_of
from workbench.config import Config, load, override
from workbench.errors import WorkbenchError
from workbench.tuning.space import Space, parse, read_space

THRESHOLD = {"type": "float", "low": 0.002, "high": 0.2, "log": True, "points": 5}


@pytest.mark.parametrize("name", ["space", "quick"])
def test_the_shipped_spaces_hold_the_shipped_baseline(name):
    space = read_space(REPOSITORY / f"configs/{name}.toml")
    baseline = load(REPOSITORY / "configs/baseline.toml")
    point = space.point(baseline)
    assert point["stt_silence_ms"] == 720
    assert acts_alike(space.config(baseline, point), baseline)
    assert parse(space.to_dict(), "again") == space


def test_grid_has_both_ends_and_every_frame():
    space = parse(
        {
            "assistant": {
                "stt_silence_threshold": THRESHOLD,
                "stt_silence_ms": {"type": "frames", "low": 160, "high": 400},
                "tts_chunk_sentences": {"type": "categorical", "choices": [True, False]},
            }
        },
        "test",
    )
    threshold, silence, _ = space.parameters
    assert silence.grid() == [160, 240, 320, 400]
    assert [threshold.grid()[0], threshold.grid()[-1]] == [0.002, 0.2]
    assert threshold.grid()[2] == 0.02
    points = list(space.grid())
    assert len(points) == space.size() == 5 * 4 * 2
    assert len({knobs_of(space.config(Config(), point)).key for point in points}) == 40


def test_optuna_is_asked_for_whole_frames_only():
    space = parse({"assistant": {"stt_silence_ms": {"type": "frames", "low": 160, "high": 1600}}}, "test")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = {space.suggest(study.ask())["stt_silence_ms"] for _ in range(60)}
    assert all(value % 80 == 0 and 160 <= value <= 1600 for value in seen)
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("knob", "values"),
    [
        ("stt_silence_ms", (700, 720)),
        ("stt_min_speech_ms", (0, 80)),
        ("barge_in_min_ms", (161, 240)),
        ("tts_prebuffer_frames", (0, 1)),
        ("stt_vad_threshold", (0.2, 0.9)),
        ("stt_block_ms", (80, 20)),
        ("stt_max_seconds", (8.0, 2.0)),
        ("tts_voice_path", ("a", "b")),
    ],
)
def test_settings_that_act_alike_have_one_name(baseline, knob, values):
    first, second = (knobs_of(override(baseline, {knob: value})).key for value in values)
    assert first == second


@pytest.mark.parametrize(
    ("knob", "values"),
    [
        ("stt_silence_ms", (720, 721)),
        ("stt_silence_threshold", (0.01, 0.0101)),
        ("barge_in_min_ms", (240, 320)),
        ("tts_prebuffer_frames", (1, 2)),
        ("tts_chunk_chars", (180, 160)),
        ("placement", ("serial", "shared")),
        ("listener", ("workbench", "mlx-harmony")),
        ("seed", (0, 1)),
        ("echo.path", ("off", "config")),
    ],
)
def test_settings_that_differ_have_two_names(baseline, knob, values):
    first, second = (knobs_of(override(baseline, {knob: value})).key for value in values)
    assert first != second


def test_barge_in_knobs_are_alike_without_barge_in():
    names = {knobs_of(override(Config(), {"barge_in_min_ms": value})).key for value in (80, 800)}
    assert len(names) == 1


BAD = {
    "unknown key": ({"assistant": {"stt_silense_ms": {}}}, "did you mean stt_silence_ms"),
    "wrong section": ({"workbench": {"stt_silence_ms": {}}}, "did you mean stt_silence_ms"),
    "no section": ({"stt_silence_ms": 3}, "must be a section"),
    "no effect": ({"assistant": {"stt_block_ms": {"type": "int", "low": 20, "high": 80}}}, "no effect"),
    "path": ({"assistant": {"stt_model_path": {"type": "categorical", "choices": ["a"]}}}, "cannot be searched"),
    "seed": ({"workbench": {"seed": {"type": "int", "low": 0, "high": 9}}}, "cannot be searched"),
    "other section": ({"step_costs": {"stt_step_ms": {"type": "float", "low": 1, "high": 2}}}, "only knobs of"),
    "no type": ({"assistant": {"stt_silence_ms": {"low": 1}}}, "type is None"),
    "not a table": ({"assistant": {"stt_silence_ms": 700}}, "is 700, must say what to search"),
    "half a frame": ({"assistant": {"stt_silence_ms": {"type": "frames", "low": 100, "high": 400}}}, "whole frames"),
    "backwards": ({"assistant": {"stt_silence_ms": {"type": "frames", "low": 400, "high": 160}}}, "low below high"),
    "log of nothing": (
        {"assistant": {"stt_silence_threshold": {"type": "float", "low": 0.0, "high": 1.0, "log": True}}},
        "above 0",
    ),
    "steps that do not fit": (
        {"assistant": {"tts_chunk_chars": {"type": "int", "low": 40, "high": 100, "step": 25}}},
        "whole number of steps",
    ),
    "out of range": ({"assistant": {"stt_silence_ms": {"type": "frames", "low": 160, "high": 80_000}}}, "from 0 to"),
    "not a float": ({"assistant": {"stt_silence_ms": {"type": "float", "low": 0.5, "high": 9.5}}}, "whole number"),
    "unknown choice": (
        {"workbench": {"placement": {"type": "categorical", "choices": ["serial", "both"]}}},
        "must be one of",
    ),
    "no choice": (
        {"workbench": {"placement": {"type": "categorical", "choices": []}}},
        "list of two or more different values",
    ),
    "one choice": (
        {"workbench": {"placement": {"type": "categorical", "choices": ["split"]}}},
        "two or more different values",
    ),
    "choices of lists": (
        {"workbench": {"placement": {"type": "categorical", "choices": [["split"], ["serial"]]}}},
        "two or more different values",
    ),
    "odd key": ({"assistant": {"stt_silence_ms": {"type": "frames", "low": 80, "high": 160, "step": 2}}}, "'step'"),
    "empty": ({}, "names no knob"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_space_is_named(case):
    data, says = BAD[case]
    with pytest.raises(WorkbenchError, match=says) as caught:
        parse(data, "space.toml")
    assert str(caught.value).startswith("space.toml: ")
    assert "\n" not in str(caught.value)


def test_a_baseline_outside_the_space_is_named():
    space: Space = parse({"assistant": {"stt_silence_ms": {"type": "frames", "low": 160, "high": 400}}}, "test")
    with pytest.raises(WorkbenchError, match="stt_silence_ms is 720 in the baseline"):
        space.point(Config())


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(WorkbenchError, match="no such file"):
        read_space(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[assistant")
    with pytest.raises(WorkbenchError, match=r"bad\.toml: not valid TOML"):
        read_space(tmp_path / "bad.toml")
