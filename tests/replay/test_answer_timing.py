"""Closed forms of an answer's times equal what the scheduler gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.assistants import assistant, knobs_of
from workbench.config import Config, override
from workbench.dialogue.answer import ChunkAudio
from workbench.replay.answer_timing import AnswerTiming, Timing
from workbench.simulation.scheduler import Job, Process
from workbench.stages.cached_tts import SpokenChunk

TOKENS = 6
costs = st.integers(0, 4000)


@st.composite
def chunks(draw: st.DrawFn) -> list[ChunkAudio]:
    """Up to three chunks, each of some steps, of which any may bring a frame."""
    ends = sorted(draw(st.lists(st.integers(0, TOKENS - 1), min_size=1, max_size=3)))
    out = []
    for token in ends:
        steps = draw(st.lists(costs, min_size=1, max_size=8))
        frames = tuple(step for step in range(len(steps)) if draw(st.booleans()))
        speech = SpokenChunk(len(steps), frames, "1" * len(frames), 0, "")
        out.append(ChunkAudio("chunk", token, False, speech, np.asarray([draw(costs), *steps], dtype=np.int64)))
    return out


class KnownJobs:
    """Jobs beside the answer whose times are known, as the STT's in a replay; to the end of the session."""

    def __init__(self, ready: list[int], spent: list[int]) -> None:
        self._ready, self._spent = ready, spent

    def process(self, over: object) -> Process:
        for ready, cost in zip(self._ready, self._spent, strict=True):
            yield Job(ready, cost, "device")

    def jobs(self) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        return np.asarray(self._ready, dtype=np.int64), np.asarray(self._spent, dtype=np.int64)


def same(a: Timing, b: Timing) -> None:
    assert a[0].tolist() == b[0].tolist()
    assert [(chunk.handed, chunk.steps.tolist()) for chunk in a[1]] == [
        (chunk.handed, chunk.steps.tolist()) for chunk in b[1]
    ]


@pytest.mark.parametrize("name", ["workbench", "mlx-harmony"])
@pytest.mark.parametrize("changes", [{}, {"tts_stream": True, "placement": "split"}], ids=["whole", "streamed"])
def test_stages_alone_are_timed_as_scheduled(name: str, changes: dict[str, object]) -> None:
    knobs = knobs_of(override(Config(), {"listener": name, **changes}))

    @settings(max_examples=100, deadline=None)
    @given(chunks(), st.lists(costs, min_size=TOKENS, max_size=TOKENS), st.integers(0, 50_000))
    def check(audio: list[ChunkAudio], tokens: list[int], begun: int) -> None:
        spent = np.asarray(tokens, dtype=np.int64)
        timing = AnswerTiming(begun, spent, audio, assistant(name).playout, knobs)
        same(timing.times(), timing.scheduled())

    check()


@settings(max_examples=100, deadline=None)
@given(
    chunks(),
    st.lists(costs, min_size=TOKENS, max_size=TOKENS),
    st.lists(costs, max_size=40),
    st.integers(0, 50_000),
)
def test_a_shared_device_is_timed_as_scheduled(
    audio: list[ChunkAudio], tokens: list[int], beside: list[int], begun: int
) -> None:
    knobs = knobs_of(override(Config(), {"barge_in": True, "placement": "shared"}))
    ready = [begun + 1920 * (number + 1) for number in range(len(beside))]
    stt = KnownJobs(ready, beside)
    spent = np.asarray(tokens, dtype=np.int64)
    timing = AnswerTiming(begun, spent, audio, assistant("workbench").playout, knobs, stt)  # type: ignore[arg-type]
    same(timing.times(), timing.scheduled())
