"""Live runs of sessions that are there: fed to the microphone, or through the whole recorder, as fast as it goes."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Audio
from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config
from workbench.live.assistant import LiveAssistant, check_live
from workbench.live.duplex import LiveDuplex
from workbench.live.loudspeaker import SimulatedOpenPlayback, SimulatedPlayback
from workbench.live.microphone import LiveMicrophone
from workbench.metrics import evaluate
from workbench.recording.callbacks import Speaker
from workbench.recording.devices import Device, StreamSettings
from workbench.recording.finalize import finish
from workbench.recording.observer import Clock, RecordingObserver
from workbench.recording.plan import RecordingPlan
from workbench.recording.portaudio import InputCallback, OutputCallback
from workbench.recording.recorder import Recorder
from workbench.replay.engine import cost_source, replay
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.stacks import make_stack
from workbench.stages.protocols import DuplexModel, Stages
from workbench.trace import Event, in_order
from workbench.trace_file import read_trace
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, samples_to_seconds

SETTLING = 25
"""Blocks a recording gives up before its first sample, where time stamps are steady."""


class Simulated:
    """A live assistant in a simulated room, as the follower of a recording; ``given`` in place of the stack's."""

    def __init__(
        self, session: Session, labels: Sequence[Label], config: Config, given: Stages | DuplexModel | None = None
    ) -> None:
        stack, knobs = make_stack(config) if given is None else None, knobs_of(config)
        stages = check_live(knobs, stack.stages(tuple(labels)) if stack else given)  # type: ignore[arg-type]
        costs = cost_source(knobs_of(config), stack.profile if stack else None, session.name)
        playout = knobs.playback.playout
        self.events: list[Event] = []
        self.mic = LiveMicrophone(knobs.listen.threshold)
        self.assistant: LiveAssistant | LiveDuplex
        if isinstance(stages, Stages):
            room = SimulatedPlayback(costs, playout)
            self.assistant = LiveAssistant(stages, knobs, self.mic, room, self.events.extend)
        else:
            open_room = SimulatedOpenPlayback(costs, playout, knobs.playback.prebuffer)
            self.assistant = LiveDuplex(stages, knobs, self.mic, open_room, self.events.extend)
        self.thread = threading.Thread(target=self.assistant.run, daemon=True)
        self.state, self.trouble = "", ""

    def begin(self, tape: Path, speaker: Speaker, clock: Clock) -> None:
        self.thread.start()

    def hear(self, pcm: Audio) -> None:
        self.mic.add(pcm)

    def played(self, cue: int, sample: int) -> None:
        raise AssertionError("nothing was queued")

    def end(self) -> None:
        self.mic.end()

    def finish(self) -> tuple[str, ...]:
        self.thread.join()
        return ("done",)


def run_live(
    session: Session, labels: Sequence[Label], config: Config, block: int, given: Stages | DuplexModel | None = None
) -> tuple[Event, ...]:
    """Feed the session in blocks of any size from a thread of its own."""
    live = Simulated(session, labels, config, given)
    pcm = session.read(0, session.samples)
    live.thread.start()
    for start in range(0, session.samples, block):
        live.hear(pcm[start : start + block])
    live.end()
    live.finish()
    return in_order(live.events)


def run_replay(
    session: Session, labels: Sequence[Label], config: Config, given: Stages | DuplexModel | None = None
) -> tuple[Event, ...]:
    stack = make_stack(config) if given is None else None
    stages = stack.stages(tuple(labels)) if stack else given
    assert stages is not None
    costs = cost_source(knobs_of(config), stack.profile if stack else None, session.name)
    return replay(session, stages, knobs_of(config), costs, Store(None)).trace.events


class FeedStream:
    """A stream that calls back every ``pace`` seconds; ``holds`` keeps it back before a block."""

    active = True
    latency = 0.1

    def __init__(
        self, call: Callable[[int, float], None], blocks: int, holds: Callable[[int], bool], pace: float
    ) -> None:
        self._call, self._blocks, self._holds, self._pace = call, blocks, holds, pace
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.time = 0.0

    def _run(self) -> None:
        for number in range(self._blocks):
            while self._holds(number):
                time.sleep(0.002)
            self.time = (number + 1) * FRAME_SAMPLES / SAMPLE_RATE
            self._call(number, number * FRAME_SAMPLES / SAMPLE_RATE)
            if self._pace:
                time.sleep(self._pace)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._thread.join()


def checked(recorded: Session, session: Session) -> None:
    """A live recording of a session holds what was heard, and a trace that can be scored."""
    assert recorded.verify() == []
    assert np.array_equal(recorded.read(0, recorded.samples), session.read(0, session.frames * FRAME_SAMPLES))
    assert recorded.live is not None
    evaluate(read_trace(recorded.live.path), ())


def of(session: Session, kind: type) -> list:  # type: ignore[type-arg]
    """Events of one kind in the trace of a live run."""
    assert session.live is not None
    return [event for event in read_trace(session.live.path).events if isinstance(event, kind)]


def record_live(
    session: Session, folder: Path, follower: RecordingObserver, pace: float = 0.0
) -> tuple[Session, tuple[str, ...]]:
    """Record a session's microphone through callback, ring, writer and tape, the follower beside it.

    Args:
        session: what is heard.
        folder: where to.
        follower: who hears along.
        pace: seconds to a block of 80 ms; 0 is as fast as it goes.

    Returns:
        The new session, and what the follower had to say.
    """
    pcm = session.read(0, session.frames * FRAME_SAMPLES)
    pcm = np.concatenate([np.zeros(SETTLING * FRAME_SAMPLES, dtype=np.float32), pcm])
    blocks = len(pcm) // FRAME_SAMPLES
    takes: list[Recorder] = []

    def open_input(how: StreamSettings, callback: InputCallback) -> FeedStream:
        def call(number: int, stamp: float) -> None:
            block = pcm[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES, None]
            callback(block, stamp, 0, time.perf_counter())

        def holds(number: int) -> bool:
            settling = number >= SETTLING and not takes[0].writer.ready.is_set()
            return settling or len(takes[0].mic_ring) > 500

        return FeedStream(call, blocks, holds, pace)

    def open_output(how: StreamSettings, callback: OutputCallback) -> FeedStream:
        buffer = np.zeros((FRAME_SAMPLES, 1), dtype=np.float32)
        return FeedStream(
            lambda _, stamp: callback(buffer, stamp, 0, time.perf_counter()),
            blocks,
            lambda _: len(takes[0].lines[1].ring) > 500,
            pace,
        )

    device = Device(0, "feed", "none", 1, 1, SAMPLE_RATE, True, True)
    plan = RecordingPlan(
        folder,
        StreamSettings(device, "input", SAMPLE_RATE, 1),
        (0.01, 700, 200),
        output=StreamSettings(device, "output", SAMPLE_RATE, 1),
        seconds=samples_to_seconds(session.frames * FRAME_SAMPLES),
        follower=follower,
    )
    take = Recorder(plan, (open_input, open_output))  # type: ignore[arg-type]
    takes.append(take)
    take.start()
    while take.watch() is None:
        time.sleep(0.01)
    facts = take.stop()
    return finish(folder, facts, take.lock).session, take.remarks
