"""The assistant beside a recording, at the speed it has: whatever becomes of it, the recording is whole."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from workbench.arrays import Audio
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.live import recording_observer as module
from workbench.live.recording_observer import LiveAssistantObserver
from workbench.sessions.session import Session, open_session
from workbench.stages.lm import CannedLm
from workbench.stages.protocols import Stages, SttStep
from workbench.stages.scripted import ScriptedStack, ScriptedStt, ScriptedTts
from workbench.trace import (
    BargeIn,
    Cancel,
    Commit,
    Dropped,
    Heard,
    Listen,
    Play,
    SharedModel,
    Steps,
    Tokens,
    Transcript,
)
from workbench.trace import Pcm as PcmEvent
from workbench.units import FRAME_SAMPLES

from .fake_microphone import checked, of, record_live

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"


class SlowStt(ScriptedStt):
    """Takes 10 ms a frame, which is slow where frames come a hundred times faster than real time."""

    seconds = 0.01

    def open(self, fresh: bool = True):  # type: ignore[no-untyped-def]
        stream, seconds = super().open(fresh), self.seconds

        class Stream:
            def step(self, frame: np.ndarray, at: int) -> SttStep:
                time.sleep(seconds)
                return stream.step(frame, at)

        return Stream()


class SteadyStt(SlowStt):
    """Takes 1 ms a frame: 24 samples and more."""

    seconds = 0.001


class FailingLm:
    fingerprint = "x"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        yield "Yes"
        raise self._error


class SlowLm(CannedLm):
    """Takes 10 ms a token."""

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        for token in super().reply(history):
            time.sleep(0.01)
            yield token


class SlowTts(ScriptedTts):
    """Takes 15 ms a step."""

    def synthesize(self, text: str, seed: int) -> Iterator[Audio | None]:
        for frame in super().synthesize(text, seed):
            time.sleep(0.015)
            yield frame


def record(
    tmp_path: Path,
    stt: ScriptedStt | None = None,
    lm: object = None,
    pace: float = 0.0,
    tts: ScriptedTts | None = None,
    changes: Mapping[str, object] | None = None,
) -> tuple[Session, tuple[str, ...]]:
    session = open_session(RECORDINGS / "barge-in")
    stages = ScriptedStack().stages(())
    stages = Stages(stt or stages.stt, lm or stages.lm, tts or stages.tts)  # type: ignore[arg-type]
    follower = LiveAssistantObserver(stages, override(Config(), {"barge_in": True, **(changes or {})}))
    recorded, remarks = record_live(session, tmp_path / "l", follower, pace)
    checked(recorded, session)
    return recorded, remarks


def test_mlx_harmonys_watch_stops_a_chunk_and_cuts_its_end(tmp_path: Path) -> None:
    """Four times as fast as real time, so that a step of the TTS takes 60 ms of the session."""
    changes = {"listener": "mlx-harmony", "barge_in_window_seconds": 8.0}
    recorded, _ = record(tmp_path, tts=SlowTts(), pace=0.02, changes=changes)
    made = {(event.reply, event.chunk): event for event in of(recorded, PcmEvent)}
    stops = of(recorded, BargeIn)
    assert stops
    stop = stops[0]
    last = max(key for key in made if key[0] == stop.reply)
    assert made[last].ready[-1] < stop.t, "a frame that comes after it is thrown away"
    assert [event.reply for event in of(recorded, Cancel)] == [event.reply for event in stops]
    played = [event for event in of(recorded, Play) if event.reply == stop.reply]
    silent = played[-1].t + played[-1].samples
    assert silent > stop.t, "what is queued plays on for 0.1 s"
    assert sum(event.samples for event in played) < FRAME_SAMPLES * sum(
        len(event.ready) for key, event in made.items() if key[0] == stop.reply
    )
    assert any(stop.t <= event.t for event in of(recorded, Listen))


def test_a_watch_that_outlives_its_chunk_keeps_the_costs_of_its_steps(tmp_path: Path) -> None:
    """The costs of an answer's steps are dropped when the listener listens again, but not while a watch may ask."""
    changes = {"listener": "mlx-harmony", "barge_in_window_seconds": 60.0, "tts_chunk_chars": 40}
    recorded, _ = record(tmp_path, stt=SteadyStt(()), changes=changes, pace=0.01)
    assert of(recorded, SharedModel)
    steps = [event for event in of(recorded, Steps) if event.stage == "stt"]
    assert len(steps) > 2
    assert all(cost > 0 for event in steps for cost in event.costs)


def test_it_speaks_while_the_lm_still_writes_and_the_stt_goes_on(tmp_path: Path) -> None:
    """Four times as fast as real time."""
    changes = {"tts_stream": True, "tts_chunk_chars": 20, "tts_chunk_min_chars": 1, "placement": "shared"}
    recorded, _ = record(tmp_path, lm=SlowLm(), tts=SlowTts(), pace=0.02, changes=changes)
    tokens, made = of(recorded, Tokens), of(recorded, PcmEvent)
    assert any(event.ready[0] < said.times[-1] for said in tokens for event in made if event.reply == said.reply)
    stops = of(recorded, BargeIn)
    assert stops
    for stop in stops:
        steps = [t for event in made if event.reply == stop.reply for t in event.ready]
        steps += [t for event in tokens if event.reply == stop.reply for t in event.times]
        assert max(steps) <= stop.t
        turn = [event for event in of(recorded, Commit) if event.t < stop.t][-1]
        beside = [event for event in of(recorded, Steps) if event.t == turn.frame_end + FRAME_SAMPLES]
        assert any(any(event.costs) for event in beside if event.stage == "stt"), "it was really run, and timed"


def test_an_assistant_that_cannot_keep_up_says_so(tmp_path: Path) -> None:
    recorded, remarks = record(tmp_path, stt=SlowStt(()))
    assert remarks[-1].startswith("the assistant was up to ")
    assert remarks[-1].endswith("slower than real time here; nothing is missing from the recording")
    assert of(recorded, Commit)


def test_mlx_harmony_drops_blocks_when_its_stt_is_late(tmp_path: Path) -> None:
    # Without watches: what one listen cycle drops another may hear.
    changes = {"listener": "mlx-harmony", "barge_in": False}
    recorded, remarks = record(tmp_path, stt=SlowStt(()), pace=0.004, changes=changes)
    lost = of(recorded, Dropped)
    assert lost
    assert remarks[1].startswith(f"its STT was too slow for {len(lost)} blocks of 80 ms, which the listener's queue")
    assert not any("behind" in remark for remark in remarks)
    heard = {frame for event in of(recorded, Heard) for frame in range(event.start, event.end, FRAME_SAMPLES)}
    assert heard.isdisjoint(event.start for event in lost)


def test_played_audio_is_on_the_agent_track_as_traced(tmp_path: Path) -> None:
    recorded, remarks = record(tmp_path, pace=0.004)
    assert remarks[0].startswith("the assistant answered ")
    played = of(recorded, Play)
    assert played
    for play in played:
        pcm = recorded.read(play.t, play.t + play.samples, "agent")
        borders = range(0, len(pcm), FRAME_SAMPLES)  # the session may end within the last frame
        sounds = np.asarray([np.abs(pcm[border : border + FRAME_SAMPLES]).max() > 0 for border in borders])
        # A chunk begins and ends with a frame of silence; all between is a tone.
        assert sounds[1:-1].all()
        assert not (play.offset == 0 and sounds[0])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (WorkbenchError("nobody answers there"), "nobody answers there"),
        (RuntimeError("oh"), "RuntimeError: oh"),
    ],
)
def test_a_failing_assistant_is_named_and_recording_goes_on(tmp_path: Path, error: Exception, says: str) -> None:
    recorded, remarks = record(tmp_path, lm=FailingLm(error), pace=0.004)
    assert f"the assistant was stopped: {says}; the recording went on" in remarks
    assert len(of(recorded, Transcript)) == 1, "what was heard before is in the trace"


def test_an_assistant_far_behind_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GIVEN_UP_SECONDS", 3.0)
    _, remarks = record(tmp_path, stt=SlowStt(()))
    assert "the assistant was stopped: it was 3 s behind the microphone; the recording went on" in remarks


def test_trouble_is_shown_while_it_lasts(tmp_path: Path) -> None:
    follower = LiveAssistantObserver(ScriptedStack().stages(()), Config())
    assert (follower.state, follower.trouble) == ("listening, 0 answered", "")
    follower.hear(np.zeros(30 * FRAME_SAMPLES, dtype=np.float32))
    assert follower.trouble == "ASSISTANT IS 2 s BEHIND"
