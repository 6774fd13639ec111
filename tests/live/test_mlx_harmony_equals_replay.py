"""The published listener, live and replayed: an STT that nobody resets shows whether both heard the same, always."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.arrays import Audio
from workbench.cache import Store
from workbench.config import Config, override
from workbench.live.microphone import LiveMicrophone
from workbench.sessions.session import open_session
from workbench.simulation.step_costs import MeasuredCosts
from workbench.stages.cached_stt import CachedStt
from workbench.stages.protocols import Stages, SttStep, SttStream
from workbench.stages.scripted import ScriptedStack, ScriptedStt
from workbench.trace import BargeIn
from workbench.units import FRAME_SAMPLES

from .fake_microphone import run_live, run_replay
from .test_equals_replay import RECORDINGS, by_kind, said


class LeakyStt(ScriptedStt):
    """Remembers all it heard since it was last reset, like a codec and caches that nobody clears, and says so."""

    def __init__(self) -> None:
        super().__init__(())
        self._heard: list[int] = []
        self.steps = 0

    def open(self, fresh: bool = True) -> SttStream:
        if fresh:
            self._heard.clear()
        stt, stream, heard = self, super().open(fresh), self._heard

        class Stream:
            def step(self, frame: Audio, at: int) -> SttStep:
                heard.append(at)
                stt.steps += 1
                step = stream.step(frame, at)
                past = f" {len(heard)}/{zlib.crc32(repr(heard).encode())}"
                return SttStep(past if step.piece else "", step.pause)

        return Stream()


def leaky() -> Stages:
    return replace(ScriptedStack().stages(()), stt=LeakyStt())


INTERRUPTS: dict[str, dict[str, object]] = {
    "not": {},
    "not, and is streamed": {"tts_stream": True},
    "by a watch": {"barge_in": True},
}
ENDS: dict[str, dict[str, object]] = {
    "energy": {},
    "energy and pause head": {"stt_vad": True},
    "pause head": {"stt_vad": True, "stt_silence": False},
}


@settings(max_examples=60)
@given(
    talk=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 25)), min_size=1, max_size=8),
    kind=st.tuples(st.sampled_from(sorted(INTERRUPTS)), st.sampled_from(sorted(ENDS))),
    changes=st.fixed_dictionaries(
        {
            "barge_in_window_seconds": st.sampled_from([0.4, 2.0, 5.0]),
            "placement": st.sampled_from(["serial", "shared", "split"]),
            "stt_max_seconds": st.sampled_from([0.0, 0.7, 8.0]),
            "stt_min_speech_ms": st.sampled_from([0, 80, 200]),
            "stt_silence_ms": st.sampled_from([80, 400, 700]),
            "stt_step_ms": st.sampled_from([10.0, 55.0, 80.0, 130.0, 400.0]),
            "tts_chunk_chars": st.sampled_from([20, 60, 180]),
            "tts_step_ms": st.sampled_from([5.0, 40.0, 80.0, 95.0]),
        }
    ),
    block=st.integers(100, 9000),
)
def test_whatever_the_published_listener_hears_it_is_the_replay(
    talk: list[tuple[int, int]],
    kind: tuple[str, str],
    changes: dict[str, object],
    block: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Time-outs, dropped blocks, watches that are left alone, and what all of them leave behind in the STT."""
    session = said(talk, tmp_path_factory.mktemp("said"))
    base: dict[str, object] = {"listener": "mlx-harmony", "step_costs.source": "fixed", "stack.name": "scripted"}
    config = override(Config(), base | INTERRUPTS[kind[0]] | ENDS[kind[1]] | changes)
    live, replayed = run_live(session, (), config, block, leaky()), run_replay(session, (), config, leaky())
    assert by_kind(live) == by_kind(replayed)


def test_a_timed_stt_that_is_not_reset_goes_on_from_where_it_is() -> None:
    """A live run cannot hear a frame twice: it keeps a minute, and has no time."""

    def hear(costs: MeasuredCosts | None) -> tuple[list[str], int]:
        stt, mic, said = LeakyStt(), LiveMicrophone(0.01), []
        mic.add(np.full(100 * FRAME_SAMPLES, 0.1, dtype=np.float32))
        mic.catch_up(100 * FRAME_SAMPLES + 1)
        hearing = CachedStt(stt, mic, Store(None), costs)
        for first, frames in [(0, 20), (30, 0), (40, 12), (60, 25)]:
            heard = hearing.open(fresh=False)
            for frame in range(first, first + frames):
                heard.hear(frame, 1)
            said.append(heard.text)
            hearing.close()
        return said, stt.steps

    timed, steps = hear(MeasuredCosts())
    assert (timed, steps) == hear(None)
    assert steps == 20 + 12 + 25
    assert timed[3].split()[-1].startswith("53/"), "its last word, six frames late, knows of all cycles"


@pytest.mark.slow
def test_nano_that_nobody_resets_is_its_replay() -> None:
    session = open_session(RECORDINGS / "barge-in")
    config = override(
        Config(),
        {"listener": "mlx-harmony", "barge_in": True, "barge_in_window_seconds": 8.0, "echo.path": "off",
         "step_costs.source": "fixed", "stt_step_ms": 30.0, "tts_step_ms": 70.0},
    )  # fmt: skip
    live, replayed = run_live(session, (), config, 1777), run_replay(session, (), config)
    assert by_kind(live) == by_kind(replayed)
    assert any(isinstance(event, BargeIn) for event in live)
