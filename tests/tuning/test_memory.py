"""The memory of a study: what it remembers is what a plain replay finds, for any setting in any order."""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_sessions import REPOSITORY, conversation, make_session, with_noises
from meeting import MEETINGS

from workbench.assistants.listener import TurnBounds
from workbench.cache import Store
from workbench.config import Config, knobs, override
from workbench.errors import WorkbenchError
from workbench.metrics import evaluate
from workbench.replay.engine import cost_source, replay_parts
from workbench.sessions.folders import find_sessions
from workbench.simulation.memo import TOLD_APART, Memo, applies, scope
from workbench.simulation.step_costs import STAGES, Profile, write_profile
from workbench.trace import Event, in_order
from workbench.tuning.evaluator import Evaluator

TRIED = {
    "stt_silence_threshold": [0.0, 0.004, 0.01, 0.0101, 0.03, 0.2],
    "stt_silence_ms": [0, 160, 400, 700, 720, 1600],
    "stt_min_speech_ms": [0, 80, 200, 480],
    "stt_preroll_ms": [0, 240, 800],
    "stt_max_speech_seconds": [1.0, 3.0, 30.0],
    "tts_chunk_chars": [0, 40, 100, 180],
    "tts_chunk_min_chars": [0, 20, 60],
    "tts_chunk_sentences": [True, False],
    "tts_stream": [True, False],
    "chunker": ["workbench", "mlx-harmony"],
    "tts_prebuffer_frames": [0, 1, 5, 12, 100],
    "barge_in_min_ms": [0, 80, 240, 560],
    "placement": ["serial", "shared", "split"],
}
OTHERS = {
    "stt_flush": [True, False],
    "stt_silence": [True, False],
    "stt_vad": [True, False],
    "barge_in": [True, False],
    "playout_ms": [0.0, 20.0],
    "listener": ["workbench", "mlx-harmony"],
    "echo": ["session", "off"],
}
KEYS = {
    "cycle": ("cycle", "turns", "begun", *(f"found.{name}" for name in TurnBounds._fields), "past"),
    "heard": ("first frame", "last frame", "committed", "past"),
    "said": ("before", "text"),
    "pieces": ("conversation", "cuts"),
    "lines": ("pieces", "at", "beside", "placement"),
    "played": ("lines", "prebuffer"),
    "levels": ("lines", "played", "last frame", "past"),
    "answer": ("lines", "played", "last frame", "stopped", "past"),
}
"""Name of each key of the memory, and its parts in turn."""

STEPS = st.one_of([st.tuples(st.just(name), st.sampled_from(values)) for name, values in TRIED.items()])


@pytest.fixture(scope="module")
def baseline(tmp_path_factory) -> Config:
    """Costs that differ from job to job, so that a job in another's place shows."""
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    generator = np.random.default_rng(0)
    spread = {stage: tuple(sorted(generator.integers(100, 2500, 200).tolist())) for stage in STAGES}
    write_profile(path, Profile(spread))
    return override(Config(), {"stack.name": "scripted", "barge_in": True, "profile": str(path)})


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory, baseline):
    folder = tmp_path_factory.mktemp("memory")
    for number, echo in enumerate((None, [[40.0, -14.0]], [[40.0, -8.0]])):
        generator = np.random.default_rng(number)
        sounds, seconds = conversation(generator, 2, gap=(4.0, 9.0))
        make_session(folder / f"s{number}", with_noises(sounds, generator, 0.02, 2.0), seconds, seed=number, echo=echo)
    demo = [path for path in find_sessions(REPOSITORY / "recordings") if path.name in ("echo", "barge-in", "holds")]
    return Evaluator([*sorted(folder.iterdir()), *demo], baseline, Store(None))


def parts(evaluator: Evaluator, config: Config, name: str, memory):
    """Events of a remembered replay; the memory keeps them all, so that whole traces can be put together."""
    item = evaluator.material(name)
    costs = cost_source(config, evaluator.profile, name)
    found, _ = replay_parts(item.session, item.stages, config, costs, evaluator.store, memory)
    for after, event in reversed(memory.notes):
        found.insert(after, (event,))
    return in_order(event for part in found for event in part)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_remembered_replay_is_the_plain_one(evaluator, baseline, data):
    """Must show 5, with what other settings left in the memory: the same events, and so the same digest.

    One knob is changed after the other, so that each replay shares all but one knob with the one before it.
    """
    name = data.draw(st.sampled_from(evaluator.names))
    start = data.draw(st.lists(STEPS, max_size=6))
    config = override(baseline, dict(start))
    memory = Memo(tuple)
    for knob, value in [("placement", "serial"), *data.draw(st.lists(STEPS, min_size=4, max_size=12))]:
        config = override(config, {knob: value})
        assert applies(config)
        assert parts(evaluator, config, name, memory) == evaluator.replay(config, name).trace.events


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.one_of(STEPS, *[st.tuples(st.just(k), st.sampled_from(v)) for k, v in OTHERS.items()])))
def test_scores_are_those_of_the_plain_replay(evaluator, baseline, changes):
    """Any knob, and one evaluator for all examples: what a study's trials are scored by."""
    try:
        config = override(baseline, dict(changes))
    except WorkbenchError:
        return
    for name in evaluator.names:
        item = evaluator.material(name)
        trace = evaluator.replay(config, name).trace
        assert evaluator.score(config, name) == evaluate(trace, item.labels, item.recorded_agent)


class Forgetful(Memo[tuple[Event, ...]]):
    """Leaves a part out of one of the keys; notes how many parts each has."""

    def __init__(self, name: str = "", part: int = 0) -> None:
        super().__init__(tuple)
        self._name, self._part = name, part
        self.lengths: dict[str, int] = {}

    def _less(self, key: Any) -> Hashable:
        name, *rest = key
        if name == "cycle":
            rest[3:4] = rest[3]
        elif name in ("levels", "answer"):
            rest[:1] = rest[0]
        self.lengths[name] = len(rest)
        return (name, *rest[: self._part], *rest[self._part + 1 :]) if name == self._name else key

    def recall(self, key: Hashable, work: Callable[[], Any]) -> Any:
        return super().recall(self._less(key), work)

    def step(self, key: Hashable, events: list[Event], work: Callable[[], Any]) -> Any:
        return super().step(self._less(key), events, work)


@pytest.fixture(scope="module")
def meeting(tmp_path_factory, baseline):
    """Of each of :data:`MEETINGS`: its configs, and what their plain replays are."""
    folder = tmp_path_factory.mktemp("meetings")
    for name, found in MEETINGS.items():
        make_session(folder / name, found.sounds, found.seconds, echo=found.echo)
    evaluator = Evaluator(sorted(folder.iterdir()), baseline, Store(None))
    configs = {name: [override(baseline, knobs) for knobs in found.replays] for name, found in MEETINGS.items()}
    plain = {name: [evaluator.replay(config, name).trace.events for config in found] for name, found in configs.items()}

    def remembers(name: str, memory: Memo) -> bool:
        """Whether replays under one setting after the other are the plain ones."""
        assert len({scope(config) for config in configs[name]}) == 1
        pairs = zip(configs[name], plain[name], strict=True)
        return all(parts(evaluator, config, name, memory) == events for config, events in pairs)

    return remembers


@pytest.mark.parametrize("name", MEETINGS)
def test_pasts_that_meet_go_on_as_in_the_plain_replay(meeting, name):
    assert meeting(name, Memo(tuple))


@pytest.mark.parametrize(("key", "part"), [(key, part) for key, names in KEYS.items() for part in names])
def test_no_part_of_a_key_can_be_left_out_of_plain_replays(meeting, key, part):
    """Without it two pasts are taken for one; so each part is needed, and the test above would find it missing."""
    assert not all(meeting(name, Forgetful(key, KEYS[key].index(part))) for name in MEETINGS)


def test_the_parts_of_the_keys_are_those_that_are_tried(meeting):
    lengths: dict[str, int] = {}
    for name in MEETINGS:
        memory = Forgetful()
        assert meeting(name, memory)
        lengths |= memory.lengths
    assert lengths == {name: len(names) for name, names in KEYS.items()}


def test_a_memory_that_is_full_begins_anew(evaluator, baseline):
    memory = Memo(tuple, room=5)
    for silence in (400, 720, 400, 1040):
        config = override(baseline, {"stt_silence_ms": silence})
        assert parts(evaluator, config, "s1", memory) == evaluator.replay(config, "s1").trace.events


def test_a_replay_that_breaks_off_leaves_no_half_step(evaluator, baseline, monkeypatch):
    """Stopped anywhere, the memory goes on with what it had: no step is remembered that was not done."""
    from workbench.simulation.microphone import Microphone

    memory = Memo(tuple)
    whole = evaluator.replay(baseline, "echo").trace.events

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Microphone, "hear", stop)
        with pytest.raises(KeyboardInterrupt):
            parts(evaluator, baseline, "echo", memory)
    assert parts(evaluator, baseline, "echo", memory) == whole
    assert parts(evaluator, baseline, "echo", memory) == whole


def test_every_knob_is_told_apart_or_asks_for_a_memory_of_its_own(baseline):
    names = {path.partition(".")[2] for path in knobs()}
    assert names >= TOLD_APART
    for path, knob in knobs().items():
        other = {bool: not knob.default, str: "mlx-harmony" if path.endswith("chunker") else None}.get(
            type(knob.default)
        )
        if other is None and type(knob.default) in (int, float):
            other = knob.default + 1 if path != "assistant.stt_vad_threshold" else 0.25
        if other is None:
            continue
        try:
            changed = override(baseline, {path: other})
        except WorkbenchError:
            continue
        same = scope(changed) == scope(baseline)
        assert same == (path.partition(".")[2] in TOLD_APART or changed == baseline), path
