"""A recording on a real clock: the device's requests, the comparison with the virtual clock, and the whole command."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import workbench
from workbench.live.compare_pace import compare_pace
from workbench.live.paced_device import PacedClock, PacedCosts, PacedLoudspeaker, PacedPlayback
from workbench.runs import read_run
from workbench.simulation.step_costs import FixedCosts
from workbench.trace import BargeIn, Commit, Header, Onset, Play, Trace, Transcript, Underrun
from workbench.trace_file import read_trace
from workbench.units import FRAME_SAMPLES

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
FRAME = np.ones(FRAME_SAMPLES, dtype=np.float32)


class Clock(PacedClock):
    """A clock that is set."""

    at = 0

    def now(self) -> int:
        return self.at


def test_a_request_plays_only_a_frame_that_was_there() -> None:
    clock = Clock()
    loudspeaker, played = PacedLoudspeaker(clock), []
    loudspeaker.open(5000)
    clock.at = 5001
    assert loudspeaker.begin() == 0
    loudspeaker.play(FRAME)
    loudspeaker.play(FRAME)
    for _ in range(4):
        loudspeaker.request(lambda number, moment: played.append((number, moment)))
    assert played == [(0, 6920), (1, 8840)]
    assert [moment for moment, _ in loudspeaker.sounds] == [6920, 8840]
    loudspeaker.play(FRAME)
    assert loudspeaker.stop() == loudspeaker.written == 4
    assert loudspeaker.request(lambda *_: None) is None
    assert loudspeaker.begin() == 3


def test_after_a_pause_the_first_frame_that_was_not_heard_is_next() -> None:
    clock = Clock()
    playback = PacedPlayback(2, 480, PacedCosts(FixedCosts({})), clock, stream_per_chunk=False)
    speaker, answer = playback.loudspeaker, np.arange(6, dtype=np.float32)
    for number in answer[:4]:
        playback.play(FRAME * number)
    heard = [speaker.request(playback.played) for _ in range(2)]
    playback.hold()
    heard += [speaker.request(playback.played) for _ in range(2)]
    playback.play(FRAME * answer[4])
    playback.play(FRAME * answer[5])
    playback.all_queued()
    heard.append(speaker.request(playback.played))
    playback.go_on()
    heard += [speaker.request(playback.played) for _ in range(5)]
    said = [None if frame is None else int(frame[0]) for frame in heard]
    assert said == [0, 1, None, None, None, 2, 3, 4, 5, None]
    assert playback.over(None) == 8 * FRAME_SAMPLES + FRAME_SAMPLES + 480  # type: ignore[arg-type]


def test_a_pause_before_the_prebuffer_is_full_loses_nothing() -> None:
    playback = PacedPlayback(3, 0, PacedCosts(FixedCosts({})), Clock(), stream_per_chunk=False)
    playback.play(FRAME)
    playback.hold()
    playback.loudspeaker.request(playback.played)
    playback.play(2 * FRAME)
    playback.go_on()
    assert playback.loudspeaker.request(playback.played) is None
    playback.play(3 * FRAME)
    heard = [playback.loudspeaker.request(playback.played) for _ in range(3)]
    assert [int(frame[0]) for frame in heard if frame is not None] == [1, 2, 3]


def test_a_step_lasts_as_long_as_the_cost_drawn_for_it() -> None:
    costs = PacedCosts(FixedCosts({"stt": 480, "tts": 0}))
    for job in range(3):
        with costs.timed("stt", 0, job):
            pass
    assert min(costs.taken("stt", 0, range(3))) >= 480
    assert costs.steps == 3
    with costs.timed("tts", 0, 0):
        time.sleep(0.05)
    assert costs.late >= 1
    assert costs.most_late_ms > 40


def turn(reply: int, start: int, end: int, answer: int, length: int, text: str = "a") -> list[object]:
    """Events of a turn and its answer."""
    return [
        Onset(start, start), Commit(end, end, reply, "silence", end), Transcript(end, reply, text),
        Play(answer, reply, 0, 0, length),
    ]  # fmt: skip


def trace(*events: object) -> Trace:
    return Trace(Header("kitchen", 480_000), tuple(events))  # type: ignore[arg-type]


def test_a_run_compared_with_itself_is_the_same() -> None:
    one = trace(*turn(0, 0, 9600, 24_000, 19_200), *turn(1, 100_800, 120_000, 144_000, 1920))
    found = compare_pace([(one, one)])
    assert (found.turns, found.same, found.differences, found.later_ms) == (2, 2, (), (0.0, 0.0))


def test_a_turn_that_ends_later_is_named_with_the_answer_before_it() -> None:
    virtual = trace(*turn(0, 0, 9600, 24_000, 19_200), *turn(1, 100_800, 120_000, 144_000, 1920))
    real = trace(*turn(0, 0, 9600, 25_920, 19_200), *turn(1, 100_800, 121_920, 145_920, 1920))
    found = compare_pace([(virtual, real)])
    assert (found.turns, found.same, found.later_ms) == (2, 1, (80.0, 80.0))
    (difference,) = found.differences
    assert difference.at == 4.2
    assert (
        difference.what == "the turn ends 80 ms later on the real clock; the answer before it (0.0 s) ended 80 ms later"
    )


@pytest.mark.parametrize(
    ("real", "what"),
    [
        ([], "the turn does not end on the real clock"),
        (turn(0, 1920, 9600, 24_000, 1920), "the STT hears it from 80 ms later on"),
        (turn(0, 0, 9600, 24_000, 1920, "b"), "its words are 'b' instead of 'a'"),
    ],
)
def test_each_difference_is_named(real: list[object], what: str) -> None:
    virtual = trace(*turn(0, 0, 9600, 24_000, 1920))
    found = compare_pace([(virtual, trace(*real))])
    assert [item.what for item in found.differences] == [what]
    assert compare_pace([(trace(), virtual)]).differences[0].what == "the turn does not end on the virtual clock"


def test_what_comes_after_the_session_is_not_counted() -> None:
    dry = [Underrun(100, 0, 1920, True), Underrun(480_000, 0, 1920, True)]
    stop = BargeIn(200, 0, 100, 200)
    found = compare_pace([(trace(*dry), trace(stop))])
    assert (found.underruns, found.barge_ins) == ((1, 0), (0, 1))


def test_what_cannot_run_on_a_real_clock_is_refused(tmp_path: Path) -> None:
    asked = ["replay", str(RECORDINGS / "hesitation"), "--pace", "realtime", "--set", "placement=split"]
    done = workbench(asked, tmp_path)
    assert done.returncode == 2
    assert "set placement to serial or shared" in done.stderr
    assert not list(tmp_path.iterdir()), "nothing is replayed before it is refused"


@pytest.fixture
def punctual() -> Iterator[None]:
    """A higher priority, where it may be had: other tests compute at the same time."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    yield
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.mark.slow
@pytest.mark.usefixtures("punctual")
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("hesitation", ["listener=mlx-harmony", "barge_in=true"]),
        ("barge-in-short", ["placement=shared", "barge_in=true", "listener=workbench"]),
        ("echo", ["barge_in=true", "listener=workbench"]),
    ],
)
def test_a_session_on_a_real_clock_goes_as_its_replay(tmp_path: Path, name: str, changes: list[str]) -> None:
    asked = ["replay", str(RECORDINGS / name), "--pace", "realtime", "--out", str(tmp_path / "run"), "--json"]
    for change in ["stack.name=scripted", *changes]:
        asked += ["--set", change]
    done = workbench(asked, tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["turns"] >= 1
    assert found["same"] == found["turns"], found["differences"]
    run = read_run(tmp_path / "run" / "realtime")
    header = read_trace(tmp_path / "run" / f"{name}.trace.jsonl").header
    assert run.sessions[0].trace.header == replace(header, costs="realtime")
    assert all(abs(later) <= 240 for later in found["later_ms"])
