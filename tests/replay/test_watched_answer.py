"""Watches of MLX-Harmony that outlive their chunk: sessions of a few frames, with every time worked out by hand.

A frame of 1920 samples ends at ``1920 (k + 1)``. An STT step takes 240 samples, the LM's one token 2400, setting a
chunk up 240, a TTS step 960; each step brings a frame. The loudspeaker adds nothing. Of jobs that become ready at one
moment the agent's or the listener's comes first, then the watches', the oldest first.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from workbench.arrays import Audio
from workbench.config import Config, override
from workbench.metrics import evaluate, summarise
from workbench.sessions.session import Session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.stages.protocols import Stages, SttStep
from workbench.trace import (
    BargeIn,
    Cancel,
    Chunk,
    Commit,
    Done,
    Event,
    Header,
    Heard,
    Listen,
    Pcm,
    Play,
    SharedModel,
    Steps,
    Tokens,
    Trace,
    Transcript,
)
from workbench.units import FRAME_SAMPLES, frame_end

from ..live.fake_microphone import run_live, run_replay
from ..live.test_equals_replay import by_kind

_E = TypeVar("_E")
STT, LM, SET_UP, TTS = 240, 2400, 240, 960
CHUNKS = {"one": 10, "two": 20}
"""Chunks of the replies, and how many frames each has."""


class WordsAt:
    """Says a word in the step that hears a frame; ``asked`` lists the frames of all steps in order."""

    delay_frames = prefix_frames = flush_frames = 0
    has_pause_heads = False

    def __init__(self, words: Mapping[int, str]) -> None:
        self.words, self.fingerprint = words, f"words at {sorted(words.items())}"
        self.asked: list[int] = []

    def open(self, fresh: bool = True) -> "WordsAt":
        return self

    def step(self, frame: Audio, at: int) -> SttStep:
        self.asked.append(at)
        return SttStep(self.words.get(at, ""))


class SaysAlways:
    def __init__(self, reply: str) -> None:
        self.said = self.fingerprint = reply

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        yield self.said


class Tones:
    fingerprint = "tones"

    def synthesize(self, text: str, seed: int) -> Iterator[Audio | None]:
        for _ in range(CHUNKS[text.strip()]):
            yield np.full(FRAME_SAMPLES, 0.1, dtype=np.float32)


def session(loud: Sequence[range], frames: int, folder: Path) -> Session:
    level = np.zeros(frames, dtype=np.int16)
    for part in loud:
        level[part] = 1000
    write_track(folder / "mic.flac", iter([np.repeat(level, FRAME_SAMPLES)]))
    return write_manifest(folder, tracks={"mic": "mic.flac"}, name="made")


def config(**changes: Any) -> Config:
    return override(
        Config(),
        {
            "listener": "mlx-harmony",
            "barge_in": True,
            "stack.name": "scripted",
            "step_costs.source": "fixed",
            "stt_step_ms": 10.0,
            "lm_ttft_ms": 100.0,
            "tts_start_ms": 10.0,
            "tts_step_ms": 40.0,
            "playout_ms": 0.0,
            "stt_min_speech_ms": 80,
            "tts_chunk_chars": 4,
            "tts_chunk_min_chars": 0,
        }
        | changes,
    )


def heard(made: Session, words: Mapping[int, str], reply: str, options: Config) -> tuple[Event, ...]:
    """The trace of the replay, which a live run must give, too, and step the model in the same order."""
    stts = WordsAt(words), WordsAt(words)
    stages = [Stages(stt, SaysAlways(reply), Tones()) for stt in stts]
    events = run_replay(made, (), options, stages[0])
    for block in (777, 5000):
        stts[1].asked.clear()
        assert by_kind(run_live(made, (), options, block, stages[1])) == by_kind(events)
        assert stts[1].asked == stts[0].asked
    return events


def of(events: Sequence[Event], kind: type[_E]) -> list[_E]:
    return [event for event in events if isinstance(event, kind)]


def shared_listens(events: Sequence[Event]) -> float | None:
    scores = summarise([evaluate(Trace(Header("made", 0), tuple(events)), ())], bootstrap=False).scores
    return scores["shared_model_listens"]


def test_a_cough_at_the_chunks_end_is_heard_until_words_come(tmp_path: Path) -> None:
    """The watch of the first chunk hears the cough in its last block but goes on for two seconds and more."""
    made = session([range(10, 20), range(29, 31), range(45, 55)], 58, tmp_path)
    options = config(stt_silence_ms=240, barge_in_window_seconds=0.4)
    events = heard(made, {15: " hi", 50: " so"}, "one two", options)

    first, second = of(events, Commit)
    # Frame 22 is the third quiet one.
    assert (first.t, first.frame_end) == (frame_end(22) + STT, frame_end(22)) == (44_400, 44_160)
    assert of(events, Tokens)[0].t == 44_400 + LM == 46_800
    one, two = of(events, Pcm)[:2]
    # Nobody is in speech before frame 29, whose step begins at 57,600, when the first chunk has been made.
    assert one.ready == tuple(46_800 + SET_UP + TTS * step for step in range(1, 11))
    # The last request before the stream closes, 0.1 s after the last step, is at 47,040 + 6 × 1920; its frame ends.
    assert [chunk.t for chunk in of(events, Chunk)[:2]] == [46_800, 60_480]
    # The cough's watch steps frames 31 to 36 meanwhile: 61,440, 63,360, 65,280, 67,200, 69,120, 71,040. At 67,200 the
    # next step of the TTS becomes ready, too, and comes first.
    assert two.ready[:10] == (61_680, 62_880, 63_840, 65_040, 66_000, 67_200, 68_160, 69_360, 70_560, 71_520)
    assert two.ready[10:13] == (72_720, 73_680, 74_880)

    # The last of its 20 steps ends at 82,560, and the frame asked for at 62,640 + 11 × 1920 at 85,680. The listen that
    # opens then drops frames 45 and 46.
    assert two.ready[19] == 82_560
    assert of(events, Listen)[1].t == 85_680
    # The watch goes on during that listen, whose user brings the word that ends it: 29 frames of the model.
    (cough,) = [item for item in of(events, Heard) if item.start == 29 * FRAME_SAMPLES]
    assert (cough.t, cough.end) == (111_840, frame_end(57))
    assert {len(item.costs) for item in of(events, Steps) if item.stage == "stt"} == {13, 29, 11}
    # Both step frames 47 to 57: the listener first, then the watch.
    assert (second.t, second.frame_end) == (frame_end(57) + STT, frame_end(57)) == (111_600, 111_360)
    assert [item.text for item in of(events, Transcript)] == ["hi", "so"]
    # The LM waits for the watch's last step.
    assert of(events, Tokens)[1].t == 111_840 + LM
    assert not of(events, BargeIn)
    assert of(events, SharedModel) == [
        SharedModel(frame_end(29) + STT, 111_840),
        SharedModel(frame_end(47) + STT, 111_600),
    ]
    assert shared_listens(events) == 2


def test_a_cough_without_words_never_ends_its_watch(tmp_path: Path) -> None:
    made = session([range(10, 20), range(29, 31)], 80, tmp_path)
    events = heard(made, {15: " hi"}, "one", config(stt_silence_ms=240, barge_in_window_seconds=0.4))
    (cough,) = [item for item in of(events, Heard) if item.start == 29 * FRAME_SAMPLES]
    assert cough.end == frame_end(79), "to the end of the session, 49 frames later"
    assert shared_listens(events) == 0, "nobody else steps the model"


def test_a_waiting_watch_hears_the_next_turn(tmp_path: Path) -> None:
    """It costs the answer to that turn one STT step, and nothing else."""
    made = session([range(10, 20), range(40, 45)], 60, tmp_path)
    words = {15: " hi", 42: " so"}
    events = heard(made, words, "one", config(stt_silence_ms=240, barge_in_window_seconds=5.0))

    assert [item.t for item in of(events, Listen)] == [0, 60_480, 108_720]
    assert of(events, Done)[0].t == 60_480
    # The second answer is given from 95,040 on: its last frame is asked for at 97,200 + 5 × 1920.
    # The watch began at 46,800 and would wait until 166,800. Frame 47 is the third quiet one for both.
    assert [(item.t, item.start, item.end) for item in of(events, Heard)][1:3] == [
        (92_400, 40 * FRAME_SAMPLES, frame_end(47)),
        (92_640, 40 * FRAME_SAMPLES, frame_end(47)),
    ]
    assert of(events, Commit)[1].t == frame_end(47) + STT == 92_400
    assert [item.text for item in of(events, Transcript)] == ["hi", "so"]
    assert of(events, Tokens)[1].t == 92_400 + STT + LM == 95_040
    assert of(events, Pcm)[1].ready[0] == 95_040 + SET_UP + TTS
    assert not of(events, BargeIn), "its chunk is over: nobody looks at its stop"
    assert of(events, SharedModel) == [SharedModel(78_960, 92_400), SharedModel(79_200, 92_640)]
    assert shared_listens(events) == 2

    # A window that ends before the next turn: the watch is gone, and the answer does not wait.
    short = heard(made, words, "one", config(stt_silence_ms=240, barge_in_window_seconds=1.0))
    assert of(short, Tokens)[1].t == 92_400 + LM
    assert shared_listens(short) == 0


def test_two_watches_open_at_once_step_one_model(tmp_path: Path) -> None:
    """The cough's watch hears the interruption too; the one of the chunk that is spoken stops it, a step later."""
    made = session([range(10, 20), range(28, 29), range(32, 34)], 60, tmp_path)
    events = heard(made, {15: " hi", 33: " stop"}, "one two", config(stt_silence_ms=80, barge_in_window_seconds=2.0))

    assert of(events, Commit)[0].t == frame_end(20) + STT == 40_560
    assert [chunk.t for chunk in of(events, Chunk)] == [42_960, 56_640]
    two = of(events, Pcm)[1]
    # The cough's watch steps frames 29 to 34, the second one 32 to 34.
    assert two.ready == (57_840, 59_040, 60_000, 61_200, 62_160, 63_360, 64_320, 65_760, 67_200, 68_160)
    assert [(item.t, item.start, item.end) for item in of(events, Heard)][1:3] == [
        (68_400, 28 * FRAME_SAMPLES, frame_end(34)),
        (68_640, 32 * FRAME_SAMPLES, frame_end(34)),
    ]
    assert of(events, BargeIn) == [BargeIn(68_640, 0, 32 * FRAME_SAMPLES, frame_end(34))]
    assert of(events, Cancel)[0].t == 68_640
    # The step that runs then ends at 69,600; its frame is not played. The stream closes 0.1 s later; its last frame
    # was asked for at 56,880 + 7 × 1920.
    spoken = [item for item in of(events, Play) if item.chunk == 1]
    assert [(item.t, item.samples) for item in spoken] == [(58_800, 7 * FRAME_SAMPLES)]
    assert of(events, Listen)[1].t == 70_320 + FRAME_SAMPLES == 72_240
    assert of(events, SharedModel) == [SharedModel(55_920, 68_400), SharedModel(64_800, 68_640)]
    assert shared_listens(events) == 2


@pytest.mark.parametrize("window", [0.4, 2.0, 8.0])
def test_a_longer_window_never_ends_a_watch_earlier(window: float, tmp_path: Path) -> None:
    """Every watch is in the trace: it began with a chunk, and waited or was in speech until its own end."""
    made = session([range(10, 20), range(60, 70), range(90, 100)], 160, tmp_path)
    words = {15: " hi", 65: " so", 95: " then"}
    events = heard(made, words, "one", config(stt_silence_ms=240, barge_in_window_seconds=window))
    assert (shared_listens(events) or 0) >= {0.4: 0, 2.0: 0, 8.0: 2}[window]
    assert [item.text for item in of(events, Transcript)] == ["hi", "so", "then"]
