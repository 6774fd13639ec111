"""A model that hears and speaks at once beside a recording, at the speed it has; the loudspeaker never closes."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.config import Config, override
from workbench.live import loudspeaker_device as device_module
from workbench.live import recording_observer as module
from workbench.live.loudspeaker_device import OpenDevicePlayback
from workbench.live.recording_observer import LiveAssistantObserver
from workbench.recording.callbacks import Speaker
from workbench.recording.observer import Clock
from workbench.sessions.session import Session, open_session
from workbench.trace import Commit, Done, Event, Heard, Pcm, Play, Steps, Tokens
from workbench.units import FRAME_SAMPLES

from .fake_duplex import LOUD, Parrot
from .fake_microphone import Simulated, checked, of, record_live
from .test_speaker import Device, frame

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
CONFIG = override(Config(), {"stack.name": "moshi-duplex", "tts_prebuffer_frames": 3})


def record(tmp_path: Path, parrot: Parrot, pace: float = 0.0) -> tuple[Session, tuple[str, ...]]:
    session = open_session(RECORDINGS / "barge-in")
    recorded, remarks = record_live(session, tmp_path / "l", LiveAssistantObserver(parrot, CONFIG), pace)
    checked(recorded, session)
    return recorded, remarks


def test_what_it_says_is_on_the_agent_track_where_the_trace_says(tmp_path: Path) -> None:
    """The parrot's PCM is the microphone's, so that each frame played can be looked up."""
    recorded, remarks = record(tmp_path, Parrot(), pace=0.004)
    said = {event.reply: event for event in of(recorded, Pcm)}
    assert len(said) > 1
    assert remarks[0] == f"the assistant made {len(said)} utterances"
    mic = recorded.read(0, recorded.samples).reshape(-1, FRAME_SAMPLES)
    loud = np.flatnonzero(np.abs(mic).max(axis=1) >= LOUD)
    played = of(recorded, Play)
    assert {play.reply for play in played} == set(said)
    first = {reply: int(loud[sum(pcm.voiced.count("1") for r, pcm in said.items() if r < reply)]) for reply in said}
    compared = 0
    for play in played:
        agent = recorded.read(play.t, play.t + play.samples, "agent")
        for number in range(play.samples // FRAME_SAMPLES):
            heard = agent[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES]
            place = play.offset // FRAME_SAMPLES + number
            if said[play.reply].voiced[place] == "1":
                assert np.array_equal(heard, mic[first[play.reply] + place])
                compared += 1
            else:
                assert not heard.any()
    assert compared > len(loud) // 2, "a busy machine may still have some of it to play when the session ends"
    texts = of(recorded, Tokens)
    assert len(texts) == len(said)
    assert all(text.times[0] <= said[text.reply].ready[0] for text in texts)


def test_every_step_is_logged_with_its_cost(tmp_path: Path) -> None:
    recorded, _ = record(tmp_path, Parrot(step_seconds=0.002), pace=0.012)
    costs = [cost for event in of(recorded, Steps) for cost in event.costs]
    assert len(costs) == recorded.frames
    assert min(costs) >= 48, "2 ms"
    assert max(event.end for event in of(recorded, Heard)) == recorded.frames * FRAME_SAMPLES


def test_a_slow_model_starves_the_loudspeaker_and_says_so(tmp_path: Path) -> None:
    recorded, remarks = record(tmp_path, Parrot(step_seconds=0.008), pace=0.004)
    assert remarks[-1].startswith("the assistant was up to ")
    assert remarks[-1].endswith("slower than real time here; nothing is missing from the recording")
    events = [json.loads(line) for line in (recorded.folder / "events.jsonl").read_text().splitlines()]
    assert sum(event["event"] == "starved" for event in events) > 10
    heard = sum(len(event.costs) for event in of(recorded, Steps))
    assert heard < recorded.frames, "it ends with the session, and does not go on for nobody"
    assert of(recorded, Commit)


def test_one_that_fails_is_named_and_what_it_said_is_kept(tmp_path: Path) -> None:
    recorded, remarks = record(tmp_path, Parrot(fails_at=150), pace=0.004)
    assert "the assistant was stopped: RuntimeError: out of seeds; the recording went on" in remarks
    assert sum(len(event.costs) for event in of(recorded, Steps)) == 150
    assert of(recorded, Commit)
    events = [json.loads(line) for line in (recorded.folder / "events.jsonl").read_text().splitlines()]
    late = [event for event in events if event["event"] == "starved" and event["sample"] > 200 * FRAME_SAMPLES]
    assert late == [], "a loudspeaker that is owed nothing does not starve"


def test_its_slow_first_steps_are_taken_before_the_devices_run(tmp_path: Path) -> None:
    parrot, taken = Parrot(), []

    class Beginning(LiveAssistantObserver):
        def begin(self, tape: Path, speaker: Speaker, clock: Clock) -> None:
            super().begin(tape, speaker, clock)
            taken.extend(stream.steps for stream in parrot.streams)

    session = open_session(RECORDINGS / "barge-in")
    recorded, _ = record_live(session, tmp_path / "l", Beginning(parrot, CONFIG), 0.004)
    assert taken == [8, 0], "in a stream of their own"
    assert [stream.steps for stream in parrot.streams] == [8, recorded.frames]


def test_one_that_fails_at_once_is_named(tmp_path: Path) -> None:
    _, remarks = record(tmp_path, Parrot(fails_at=3))
    assert remarks == (
        "the assistant made 0 utterances",
        "the assistant was stopped: RuntimeError: out of seeds; the recording went on",
    )


def test_one_far_behind_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GIVEN_UP_SECONDS", 3.0)
    _, remarks = record(tmp_path, Parrot(step_seconds=0.01))
    assert "the assistant was stopped: it was 3 s behind the microphone; the recording went on" in remarks


def test_a_full_disk_ends_the_log_after_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote = LiveAssistantObserver._write
    lines: list[str] = []

    def write(self: LiveAssistantObserver, line: str) -> None:
        lines.append(line)
        if len(lines) > 3:
            raise OSError(28, "No space left on device")
        wrote(self, line)

    monkeypatch.setattr(LiveAssistantObserver, "_write", write)
    _, remarks = record(tmp_path, Parrot(), pace=0.004)
    assert any("its log cannot be written (No space left on device)" in remark for remark in remarks)
    assert len(lines) == 4


def test_finished_answers_are_logged_while_it_goes_on() -> None:
    session = open_session(RECORDINGS / "barge-in")
    config = override(CONFIG, {"step_costs.source": "fixed"})
    live = Simulated(session, (), config, Parrot())
    live.thread.start()
    pcm = session.read(0, session.samples)
    loud = np.flatnonzero(np.abs(pcm[: session.frames * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)).max(axis=1) >= LOUD)
    last = int(loud[np.flatnonzero(np.diff(loud) > 12)[0]])
    live.hear(pcm[: (last + 3 + 13) * FRAME_SAMPLES])  # the parrot's delay, and twelve frames of silence after it
    until = time.monotonic() + 20
    while not any(isinstance(event, Done) for event in live.events):
        assert time.monotonic() < until, "the first utterance is over"
        time.sleep(0.01)
    assert live.assistant.doing in ("listening", "speaking")
    assert live.assistant.replies == 1
    early: list[Event] = list(live.events)
    live.end()
    live.finish()
    assert live.assistant.doing == "over"
    assert [event for event in early if isinstance(event, Pcm)] == [e for e in live.events if isinstance(e, Pcm)][:1]


def test_the_state_is_in_words() -> None:
    follower = LiveAssistantObserver(Parrot(), CONFIG)
    assert follower.state == "listening, 0 utterances"
    assert follower.trouble == ""


class Room:
    """A room on an output that asks when told; what went out is handed on as the writer does."""

    def __init__(self, prebuffer: int = 1, slots: int = 8) -> None:
        self.device, self.room = Device(slots), OpenDevicePlayback(prebuffer)
        self.room.open(Clock(lambda: 0, lambda: 0, lambda: 0), self.device.speaker)
        self.asked = 0

    def ask(self, times: int = 1, lose: bool = False) -> None:
        for _ in range(times):
            self.device.ask()
            if (cue := self.device.cues[-1]) >= 0 and not lose:
                self.room.played(cue, self.asked * FRAME_SAMPLES)
            self.asked += 1

    def sounded(self) -> list[tuple[int, int]]:
        return [(number, sample // FRAME_SAMPLES) for number, sample in self.room.sounded()]


def test_played_frames_are_reported_once_in_order() -> None:
    room = Room(prebuffer=2)
    room.room.play(frame(0.1))
    room.ask()
    room.room.play(frame(0.2))
    room.room.play(frame(0.3))
    room.ask(2)
    assert room.sounded() == [(0, 1), (1, 2)]
    assert room.sounded() == []
    room.ask(2)
    room.room.play(frame(0.4))
    room.ask()
    assert room.sounded() == [(2, 3), (3, 5)]
    assert room.device.starved == [False, False, False, False, True, False], "the hole is real"


def test_a_frame_that_the_tape_lost_is_left_out() -> None:
    room = Room()
    for value in (0.1, 0.2, 0.3):
        room.room.play(frame(value))
    room.ask()
    room.ask(lose=True)
    room.ask()
    assert room.sounded() == [(0, 0), (2, 2)]


def test_audio_made_in_a_pause_is_not_played_late() -> None:
    room = Room()
    for value in (0.1, 0.2):
        room.room.play(frame(value))
    room.ask()
    assert room.sounded() == [(0, 0)]
    room.device.tap.playing = False
    for value in (0.3, 0.4, 0.5):
        room.room.play(frame(value))
        room.ask()
    room.device.tap.playing = True
    room.room.play(frame(0.6))
    room.ask(2)
    assert room.sounded() == [(1, 4), (5, 5)]
    assert room.device.heard[5][0] == pytest.approx(0.6, abs=1e-6)
    assert not any(room.device.starved)


def test_before_the_recording_begins_nothing_is_thrown_away() -> None:
    room = Room()
    room.device.tap.playing = False
    room.room.play(frame(0.1))
    room.ask()
    room.device.tap.playing = True
    room.ask()
    assert room.sounded() == [(0, 1)]


def test_hushed_it_plays_nothing_more_and_knows_what_went_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "_WAIT_SECONDS", 0.0)
    room = Room(slots=4)
    for value in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        room.room.play(frame(value))
    room.ask(2)
    room.room.hush()
    room.ask(3)
    assert room.sounded() == [(0, 0), (1, 1)]
    assert room.device.cues[2:] == [-1, -1, -1]
    assert not any(room.device.starved)
