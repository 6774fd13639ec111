"""Knobs that nothing reads are not searched, and nothing that is read is taken for unread."""

import itertools
import json

import optuna
import pytest
from made_sessions import REPOSITORY, Sound, make_session
from test_tune import run, tuned

from workbench.assistants import acts_alike, knobs_of
from workbench.cache import Store
from workbench.config import Config, load, override
from workbench.errors import WorkbenchError
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.inactive_knobs import find_inactive_knobs, told
from workbench.tuning.objective import Goal
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.search import Objective, run_trials
from workbench.tuning.space import Space, parse, read_space
from workbench.tuning.spec import read_spec
from workbench.tuning.study import create

SHIPPED = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
SPACE = read_space(REPOSITORY / "configs/space.toml")
HITS = {"stt_vad_hits": {"type": "int", "low": 1, "high": 4}}
SWITCH = {"stt_vad": {"type": "categorical", "choices": [False, True]}}

UNREAD = [
    ({}, 'barge_in_window_seconds: no effect with listener = "workbench"'),
    (
        {"listener": "mlx-harmony"},
        'tts_prebuffer_frames, barge_in_min_ms, placement: no effect with listener = "mlx-harmony"',
    ),
    (
        {"barge_in": False},
        'barge_in_window_seconds: no effect with barge_in = false and listener = "workbench"; '
        "barge_in_min_ms, placement: no effect with barge_in = false",
    ),
    (
        {"listener": "mlx-harmony", "barge_in": False, "tts_stream": True},
        'tts_chunk_sentences: no effect with tts_stream = true and listener = "mlx-harmony"',
    ),
]


@pytest.mark.parametrize(("changes", "says"), UNREAD, ids=lambda item: ",".join(item) if isinstance(item, dict) else "")
def test_what_the_shipped_space_has_for_nothing(changes, says):
    assert told(find_inactive_knobs(SPACE, override(SHIPPED, changes))).startswith(says)


def test_a_knob_stays_where_another_wakes_it():
    alone, beside = (parse({"assistant": knobs}, "test") for knobs in (HITS, HITS | SWITCH))
    assert list(find_inactive_knobs(alone, SHIPPED)) == ["stt_vad_hits"]
    assert not find_inactive_knobs(beside, SHIPPED)
    # Under the published listener the watch for barge-in asks the pause head whatever stt_vad says.
    assert not find_inactive_knobs(alone, override(SHIPPED, {"listener": "mlx-harmony"}))
    # Two have to change: a longest chunk, where the baseline has none, and whole replies.
    data = {
        "tts_chunk_sentences": {"type": "categorical", "choices": [True, False]},
        "tts_chunk_chars": {"type": "int", "low": 0, "high": 80},
        "tts_stream": {"type": "categorical", "choices": [True, False]},
    }
    stuck = override(SHIPPED, {"listener": "mlx-harmony", "barge_in": False, "tts_chunk_chars": 0, "tts_stream": True})
    assert not find_inactive_knobs(parse({"assistant": data}, "test"), stuck)


def test_a_knob_of_the_stack_is_named_without_a_switch():
    space = parse({"assistant": {"quantize": {"type": "int", "low": 0, "high": 8}} | HITS}, "test")
    assert find_inactive_knobs(space, SHIPPED)["quantize"] == "no effect in a replay"


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    """One session with a pause, an interruption, a knock, and an echo."""
    sounds = [
        Sound(1.0, 2.2, 0.05, "speech", 1, "what can you tell me"),
        Sound(2.7, 3.6, 0.05, "speech", 1, "about it"),
        Sound(7.0, 8.4, 0.05, "speech", 2, "no that is not it"),
        Sound(14.0, 14.3, 0.03, "noise"),
    ]
    made = make_session(tmp_path_factory.mktemp("unread") / "one", sounds, 24.0, echo=[[40.0, -20.0]])
    return Evaluator([made.folder], SHIPPED, Store(None))


KNOBS = {
    "stt_silence_threshold": (0.01, 0.03),
    "stt_silence_ms": (700, 320),
    "stt_min_speech_ms": (200, 480),
    "stt_max_seconds": (8.0, 2.0),
    "stt_vad_threshold": (0.5, 0.9),
    "stt_vad_hits": (2, 5),
    "stt_preroll_ms": (240, 0),
    "stt_flush": (True, False),
    "stt_max_speech_seconds": (30.0, 1.0),
    "tts_chunk_min_chars": (60, 10),
    "tts_chunk_sentences": (True, False),
    "chunker": ("workbench", "mlx-harmony"),
    "tts_prebuffer_frames": (0, 6),
    "barge_in_min_ms": (240, 560),
    "barge_in_window_seconds": (2.0, 6.0),
    "placement": ("serial", "shared", "split"),
}
SWITCHES = {
    "listener": ("workbench", "mlx-harmony"),
    "barge_in": (True, False),
    ("stt_silence", "stt_vad"): ((True, False), (False, True)),
    ("tts_stream", "tts_chunk_chars"): ((False, 60), (False, 0), (True, 60)),
}


def settings() -> list[dict[str, object]]:
    out = []
    for values in itertools.product(*SWITCHES.values()):
        changes: dict[str, object] = {}
        for name, value in zip(SWITCHES, values, strict=True):
            changes |= dict(zip(name, value, strict=True)) if isinstance(name, tuple) else {name: value}
        try:
            knobs_of(override(SHIPPED, changes))
        except WorkbenchError:
            continue
        out.append(changes)
    return out


@pytest.mark.parametrize("changes", settings(), ids=lambda changes: "-".join(map(str, changes.values())))
def test_what_is_taken_for_unread_changes_no_event(evaluator, changes):
    config = override(SHIPPED, changes)
    events = evaluator.replay(config, "one").trace.events
    alike = 0
    for knob, values in KNOBS.items():
        for value in values[1:]:
            other = override(config, {knob: value})
            if acts_alike(other, config):
                alike += 1
                assert evaluator.replay(other, "one").trace.events == events, knob
    assert alike >= 3


def test_the_search_is_that_of_the_space_without_them(here, recordings):
    """barge_in_window_seconds is in the shipped space for mlx-harmony alone: trials under workbench are as without."""
    without = Space(tuple(item for item in SPACE.parameters if item.name != "barge_in_window_seconds"))
    drawn = []
    for space in (SPACE, without):
        spec = plan(
            "same",
            recordings[:2],
            SHIPPED,
            space,
            Goal(("endpoint_delay_ms_p50",), {}),
            SearchOptions(seed=3, trials=25),
        )
        study = create(spec, optuna.storages.InMemoryStorage())
        run_trials(study, spec, Objective(spec, Evaluator(recordings[:2], SHIPPED, Store(None)), spec.tuning))
        drawn.append([(trial.params, trial.values) for trial in study.trials])
    assert drawn[0] == drawn[1]
    assert "barge_in_window_seconds" not in drawn[0][0][0]


def test_a_space_with_nothing_to_search_is_refused(recordings):
    with pytest.raises(
        WorkbenchError, match="no knob to search: stt_vad_hits: no effect with stt_vad = false"
    ) as caught:
        plan("none", recordings, SHIPPED, parse({"assistant": HITS}, "test"), Goal(("wer",), {}))
    assert "\n" not in str(caught.value)


def test_an_unread_knob_may_be_outside_the_space(recordings):
    config: Config = override(SHIPPED, {"barge_in_window_seconds": 100.0})
    assert plan("wide", recordings, config, SPACE, Goal(("wer",), {})).unread.keys() == {"barge_in_window_seconds"}


def test_a_study_says_what_it_did_not_search(here, recordings):
    tuned(recordings[:2], "--listener", "mlx-harmony", "--trials", "12")
    line = 'Not searched: tts_prebuffer_frames, barge_in_min_ms, placement: no effect with listener = "mlx-harmony".'
    found = json.loads((here / "studies/one/result.json").read_text())
    gone = {"tts_prebuffer_frames", "barge_in_min_ms", "placement"}
    assert found["not_searched"].keys() == gone
    assert {"stt_silence_ms", "barge_in_window_seconds"} <= found["recommended"].keys()
    sensitivity = found["sensitivity"]
    assert sensitivity["importances"]
    assert not gone & (found["recommended"].keys() | sensitivity["importances"].keys())
    assert not gone & {knob["knob"].partition(".")[2] for swept in found["sweeps"] for knob in swept["knobs"]}
    text = (here / "configs/one/checklist.md").read_text()
    assert text.splitlines().count(line) == 1
    assert read_spec(here / "studies/one").unread.keys() == gone
    assert run("tune", "--name", "one", "--resume", "--trials", "13", "--json").return_value in (0, 1)


def test_the_checklist_says_why_a_key_was_not_searched(here, recordings):
    tuned(recordings[:1], "--trials", "2")
    text = (here / "configs/one/checklist.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| `barge_in_window_seconds` |"))
    assert 'not searched: no effect with listener = "workbench"' in row
