"""A full, a half-empty and an empty store give the same trace, whatever the STT makes of every sample it heard."""

import hashlib
import random

import numpy as np
import pytest

from workbench.arrays import Audio
from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.replay.engine import cost_source, replay
from workbench.stages.lm import CannedLm
from workbench.stages.protocols import Stages, SttStep
from workbench.stages.scripted import ScriptedStack, ScriptedTts
from workbench.trace_file import trace_digest

from ..conftest import MakeSession

TALK = [
    (2.0, 3.6, "speech", 1, "what can you tell me"),
    (9.0, 10.5, "speech", 2, "stop it"),
    (24.0, 25.2, "speech", 3, "a b c"),
    (31.0, 32.0, "speech", 4, "q r"),
]


class Mindful:
    """Says a word that names all it has heard; a cycle that is not fresh goes on from the one before."""

    fingerprint = "mindful"
    delay_frames = 2
    flush_frames = 3
    prefix_frames = 0
    has_pause_heads = True

    def __init__(self) -> None:
        self.state = b""

    def open(self, fresh: bool = True) -> "MindfulStream":
        if fresh:
            self.state = b""
        return MindfulStream(self)


class MindfulStream:
    def __init__(self, owner: Mindful) -> None:
        self._owner = owner
        self._count = 0
        self._late = [False, False]

    def step(self, frame: Audio, at: int) -> SttStep:
        self._owner.state = hashlib.sha256(self._owner.state + frame.tobytes()).digest()
        loud = float(np.sqrt(np.mean(frame**2))) > 0.02
        self._late.append(loud)
        self._count += 1
        says = self._late.pop(0) and self._count % 4 == 0
        return SttStep(f" w{self._owner.state[0]}" if says else "", (0.1, 0.1, 0.1 if loud else 0.9, 0.1))


class Forgetful(Store):
    """Loses half of what it holds when asked to."""

    def forget(self, seed: int) -> None:
        chance = random.Random(seed)
        for key in [key for key in self._memory if chance.random() < 0.5]:
            del self._memory[key]


def digest(made, changes: dict[str, object], store: Store) -> str:  # type: ignore[no-untyped-def]
    session, _ = made
    config = override(Config(), {"stack.name": "scripted"} | changes)
    stages = Stages(Mindful(), CannedLm(), ScriptedTts())
    costs = cost_source(knobs_of(config), ScriptedStack().profile, session.name)
    return trace_digest(replay(session, stages, knobs_of(config), costs, store).trace)


SETTINGS = [
    {},
    {"barge_in": True},
    {"barge_in": True, "stt_flush": False},
    {"listener": "mlx-harmony"},
    {"listener": "mlx-harmony", "barge_in": True},
]


@pytest.mark.parametrize("echo", [None, {"taps": [[40, -6]]}], ids=["dry", "echo"])
@pytest.mark.parametrize("changes", SETTINGS, ids=lambda changes: ",".join(changes) or "defaults")
def test_a_store_that_forgot_half(make_session: MakeSession, changes: dict, echo: object) -> None:  # type: ignore[type-arg]
    made = make_session(TALK, 45, echo=echo)
    expected = digest(made, changes, Store(None))
    for seed in range(2):
        store = Forgetful(None)
        assert digest(made, changes, store) == expected
        store.forget(seed)
        assert digest(made, changes, store) == expected


@pytest.mark.parametrize(
    ("knob", "values"),
    [("stt_max_seconds", (3.0, 8.0)), ("stt_vad_hits", (1, 4)), ("barge_in_window_seconds", (1.0, 6.0))],
)
def test_a_store_that_another_setting_filled(make_session: MakeSession, knob: str, values: tuple) -> None:  # type: ignore[type-arg]
    made = make_session(TALK, 45, echo={"taps": [[40, -6]]})
    on = {"listener": "mlx-harmony", "barge_in": True}
    for first, second in (values, values[::-1]):
        store = Store(None)
        digest(made, {**on, knob: first}, store)
        assert digest(made, {**on, knob: second}, store) == digest(made, {**on, knob: second}, Store(None))


class Resumable(Mindful):
    """Can go on from where it has been."""

    def __init__(self, keeps: bool = True) -> None:
        super().__init__()
        self.heard = 0
        self._keeps = keeps
        self._kept: dict[str, tuple[bytes, int, list[bool]]] = {}

    def open(self, fresh: bool = True) -> "CountedStream":
        super().open(fresh)
        self.stream = CountedStream(self)
        return self.stream

    def keep(self, name: str) -> None:
        stream = self.stream
        if self._keeps:
            self._kept.setdefault(name, (self.state, stream._count, [*stream._late]))

    def resume(self, name: str) -> "CountedStream | None":
        if name not in self._kept:
            return None
        self.stream = CountedStream(self)
        self.state, self.stream._count, late = self._kept[name]
        self.stream._late = [*late]
        return self.stream


class CountedStream(MindfulStream):
    def step(self, frame: Audio, at: int) -> SttStep:
        self._owner.heard += 1
        return super().step(frame, at)


@pytest.mark.parametrize("flush", [True, False])
@pytest.mark.parametrize("echo", [None, {"taps": [[40, -6]]}], ids=["dry", "echo"])
def test_trials_go_on_from_where_another_has_been(make_session: MakeSession, echo: object, flush: bool) -> None:
    """They say what the plain replay says, and hear less than if they heard each turn from its start."""
    session, _ = make_session(TALK, 45, echo=echo)
    base = override(Config(), {"stack.name": "scripted", "barge_in": True, "stt_flush": flush})
    costs = cost_source(knobs_of(base), ScriptedStack().profile, session.name)
    heard = []
    for keeps in (True, False):
        stt = Resumable(keeps)
        store = Store(None)
        for silence in (720, 480, 1200, 400, 960):
            config = override(base, {"stt_silence_ms": silence})
            found = replay(session, Stages(stt, CannedLm(), ScriptedTts()), knobs_of(config), costs, store).trace
            stages = Stages(Mindful(), CannedLm(), ScriptedTts())
            plain = replay(session, stages, knobs_of(config), costs, Store(None)).trace
            assert trace_digest(found) == trace_digest(plain)
        heard.append(stt.heard)
    # Where the agent is heard, what a turn sounds like differs from trial to trial: less can be shared.
    assert heard[0] < (0.6 if echo is None else 0.95) * heard[1], heard
