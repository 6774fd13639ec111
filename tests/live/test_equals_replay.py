"""A live run that is fed a session's frames gives the trace that the session's replay gives, event by event."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.assistants import knobs_of
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.live.assistant import check_live
from workbench.live.microphone import LiveMicrophone
from workbench.sessions.labels import read_labels
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.simulation.energy_gate import EnergyGate, GrowingGate
from workbench.stacks import make_stack
from workbench.stages.protocols import Stages
from workbench.trace import BargeIn, Cancel, Commit, Event, Pcm, Tokens, Transcript
from workbench.units import FRAME_SAMPLES

from .fake_duplex import Parrot
from .fake_microphone import Simulated, record_live, run_live, run_replay

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"

CONFIGS: dict[str, dict[str, object]] = {
    "defaults": {},
    "barge-in": {"barge_in": True},
    "eager barge-in, prebuffer": {"barge_in": True, "barge_in_min_ms": 80, "tts_prebuffer_frames": 10},
    "pause heads, no flush": {"stt_vad": True, "stt_flush": False},
    "pause heads alone": {"stt_silence": False, "stt_vad": True},
    "cut at 2 s, no pre-roll": {"stt_max_speech_seconds": 2.0, "stt_preroll_ms": 0},
    "stutter": {"step_costs.source": "fixed", "tts_step_ms": 95.0, "barge_in": True},
    "slow STT": {"step_costs.source": "fixed", "stt_step_ms": 100.0},
    "split": {"placement": "split"},
    "streamed": {"tts_stream": True, "tts_chunk_chars": 40, "tts_chunk_min_chars": 5},
    "streamed, slow LM, split": {"tts_stream": True, "tts_chunk_chars": 40, "placement": "split", "barge_in": True,
                                 "step_costs.source": "fixed", "lm_token_ms": 170.0},
    "streamed, STT beside": {"tts_stream": True, "tts_chunk_chars": 40, "placement": "shared", "barge_in": True,
                             "barge_in_min_ms": 80},
    "streamed, STT beside, stutter": {"tts_stream": True, "placement": "shared", "barge_in": True,
                                      "step_costs.source": "fixed", "tts_step_ms": 60.0, "stt_step_ms": 55.0},
    "STT beside": {"placement": "shared", "barge_in": True},
    "voice": {"barge_in": True, "barge_in_rule": "vad", "barge_in_min_ms": 160},
    "words": {"barge_in": True, "barge_in_rule": "words", "placement": "shared"},
    "words, slow STT, split": {"barge_in": True, "barge_in_rule": "words", "placement": "split",
                               "step_costs.source": "fixed", "stt_step_ms": 95.0},
    "two words, streamed": {"barge_in": True, "barge_in_rule": "words_n", "placement": "shared", "tts_stream": True,
                            "barge_in_backchannels": "yes no"},
    "pause head, split": {"barge_in": True, "barge_in_rule": "pause_head", "placement": "split"},
    "voice and words": {"barge_in": True, "barge_in_rule": "vad+words", "placement": "shared"},
    "unmute": {"barge_in": True, "barge_in_rule": "words/pause_head", "placement": "split", "barge_in_grace_ms": 3000},
    "grace": {"barge_in": True, "barge_in_grace_ms": 1000, "barge_in_min_ms": 80},
    "goes on": {"barge_in": True, "barge_in_min_ms": 80, "barge_in_resume_ms": 800, "placement": "shared"},
    "goes on at once, split": {"barge_in": True, "barge_in_min_ms": 80, "barge_in_resume_ms": 80, "placement": "split",
                               "tts_prebuffer_frames": 10},
    "published": {"listener": "mlx-harmony"},
    "published, barge-in": {"listener": "mlx-harmony", "barge_in": True, "barge_in_window_seconds": 4.0},
    "published, pause heads, short chunks": {
        "listener": "mlx-harmony", "barge_in": True, "stt_vad": True, "tts_chunk_chars": 40, "tts_chunk_min_chars": 5,
    },
    "published, slow STT": {
        "listener": "mlx-harmony", "barge_in": True, "step_costs.source": "fixed", "stt_step_ms": 130.0,
    },
    "published, slow TTS, split": {
        "listener": "mlx-harmony", "barge_in": True, "step_costs.source": "fixed", "tts_step_ms": 95.0,
        "placement": "split",
    },
    "published, no energy gate": {"listener": "mlx-harmony", "barge_in": True, "stt_silence": False, "stt_vad": True},
    "published, time-outs": {"listener": "mlx-harmony", "barge_in": True, "stt_max_seconds": 0.7,
                             "barge_in_window_seconds": 0.5},
    "published, streamed": {"listener": "mlx-harmony", "tts_stream": True, "tts_chunk_chars": 30,
                            "tts_chunk_min_chars": 5},
}  # fmt: skip


def by_kind(events: tuple[Event, ...]) -> list[Event]:
    """Events of one moment have no order."""
    return sorted(events, key=lambda event: (event.t, type(event).__name__, repr(event)))


def as_far(live: tuple[Event, ...], replayed: tuple[Event, ...]) -> tuple[Event, ...]:
    """A replay knows how an answer would have gone on that was stopped while it was thought up; a live run does not."""
    whole = {event.reply: event for event in replayed if isinstance(event, Tokens)}
    out: list[Event] = []
    for event in live:
        if isinstance(event, Tokens) and event.reply in whole and event != whole[event.reply]:
            assert whole[event.reply].text.startswith(event.text)
            assert any(isinstance(other, Cancel) and other.reply == event.reply for other in live)
            event = replace(event, text=whole[event.reply].text)
        out.append(event)
    return tuple(out)


TALKS = (("barge-in", "hesitation"), ("backchannel", "holds"))
"""Demo sessions that the configs take turns with."""


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        pytest.param(name, changes, id=f"{name}-{kind}")
        for number, (kind, changes) in enumerate(CONFIGS.items())
        for name in TALKS[number % 2]
    ],
)
def test_a_live_run_of_a_demo_session_is_its_replay(name: str, changes: dict[str, object]) -> None:
    session = open_session(RECORDINGS / name)
    labels = read_labels(session.labels_path, session.samples)
    config = override(Config(), {"stack.name": "scripted", "echo.path": "off", **changes})
    live, replayed = run_live(session, labels, config, 1777), run_replay(session, labels, config)
    assert any(isinstance(event, Commit) for event in live)
    assert by_kind(as_far(live, replayed)) == by_kind(replayed)


def test_without_labels_sound_is_words_live_as_replayed() -> None:
    session = open_session(RECORDINGS / "barge-in")
    config = override(Config(), {"stack.name": "scripted", "echo.path": "off", "barge_in": True})
    live = run_live(session, (), config, 4096)
    assert by_kind(as_far(live, run := run_replay(session, (), config))) == by_kind(run)
    assert any(isinstance(event, BargeIn) for event in live)
    assert {word for event in live if isinstance(event, Transcript) for word in event.text.split()} == {"sound"}


def test_a_live_run_equals_the_replay_of_its_recording(tmp_path: Path) -> None:
    """The recorder's whole path but for the device, faster than real time."""
    session = open_session(RECORDINGS / "barge-in")
    labels = read_labels(session.labels_path, session.samples)
    config = override(Config(), {"stack.name": "scripted", "echo.path": "off", "barge_in": True})
    follower = Simulated(session, labels, config)
    recorded, remarks = record_live(session, tmp_path / session.name, follower)
    assert remarks == ("done",)
    assert recorded.samples == session.frames * FRAME_SAMPLES
    assert np.array_equal(recorded.read(0, recorded.samples), session.read(0, recorded.samples))
    replayed = run_replay(recorded, labels, config)
    assert by_kind(as_far(tuple(follower.events), replayed)) == by_kind(replayed)
    assert any(isinstance(event, BargeIn) for event in replayed)


def said(talk: list[tuple[int, int]], folder: Path) -> Session:
    """Stretches of silence and sound of any length, in frames."""
    loud = np.concatenate([np.repeat([False, True], [silent, sound]) for silent, sound in talk])
    signs = np.where(np.arange(FRAME_SAMPLES) % 7 < 3, 1000, -1000).astype(np.int16)
    pcm = (loud[:, None] * signs).astype(np.int16).reshape(-1)
    write_track(folder / "mic.flac", iter([pcm]))
    return write_manifest(folder, tracks={"mic": "mic.flac"}, name="said")


@settings(max_examples=30)
@given(
    talk=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 25)), min_size=1, max_size=8),
    changes=st.fixed_dictionaries(
        {
            "barge_in": st.booleans(),
            "barge_in_min_ms": st.sampled_from([80, 240, 400]),
            "stt_silence_ms": st.sampled_from([80, 400, 700]),
            "stt_min_speech_ms": st.sampled_from([0, 80, 200]),
            "stt_vad": st.booleans(),
            "stt_flush": st.booleans(),
            "tts_prebuffer_frames": st.integers(0, 4),
            "tts_chunk_chars": st.sampled_from([20, 60, 180]),
        }
    ),
    block=st.integers(100, 9000),
)
def test_whatever_is_said_it_is_the_replay(
    talk: list[tuple[int, int]], changes: dict[str, object], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    session = said(talk, tmp_path_factory.mktemp("said"))
    config = override(Config(), {"stack.name": "scripted"} | changes)
    live, replayed = run_live(session, (), config, block), run_replay(session, (), config)
    assert by_kind(as_far(live, replayed)) == by_kind(replayed)


@settings(max_examples=40)
@given(
    talk=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 25)), min_size=1, max_size=8),
    changes=st.fixed_dictionaries(
        {
            "barge_in": st.booleans(),
            "barge_in_min_ms": st.sampled_from([80, 400]),
            "placement": st.sampled_from(["serial", "shared", "split"]),
            "tts_stream": st.booleans(),
            "tts_chunk_chars": st.sampled_from([20, 60, 180]),
            "tts_chunk_min_chars": st.sampled_from([1, 30]),
            "tts_prebuffer_frames": st.sampled_from([0, 3, 500]),
            "chunker": st.sampled_from(["workbench", "mlx-harmony"]),
            "stt_step_ms": st.sampled_from([0.0, 20.0, 55.0, 80.0]),
            "lm_ttft_ms": st.sampled_from([0.0, 80.0, 150.0]),
            "lm_token_ms": st.sampled_from([0.0, 15.0, 80.0, 333.0]),
            "tts_start_ms": st.sampled_from([0.0, 10.0]),
            "tts_step_ms": st.sampled_from([0.0, 40.0, 80.0, 95.0]),
        }
    ),
    block=st.integers(100, 9000),
)
def test_every_placement_equals_the_replay(
    talk: list[tuple[int, int]], changes: dict[str, object], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """LM, TTS and STT in turn, all at once or on devices of their own; many a step ends with a frame."""
    session = said(talk, tmp_path_factory.mktemp("said"))
    config = override(Config(), {"stack.name": "scripted", "step_costs.source": "fixed"} | changes)
    live, replayed = run_live(session, (), config, block), run_replay(session, (), config)
    assert by_kind(as_far(live, replayed)) == by_kind(replayed)


@settings(max_examples=40)
@given(
    talk=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 25)), min_size=1, max_size=8),
    changes=st.fixed_dictionaries(
        {
            "barge_in_rule": st.sampled_from(["energy", "words", "words_n", "pause_head", "energy+words"]),
            "placement": st.sampled_from(["shared", "split"]),
            "barge_in_min_ms": st.sampled_from([80, 400]),
            "barge_in_grace_ms": st.sampled_from([0, 0, 800, 3000]),
            "barge_in_resume_ms": st.sampled_from([0, 80, 640, 2000]),
            "tts_stream": st.booleans(),
            "tts_chunk_chars": st.sampled_from([20, 180]),
            "tts_prebuffer_frames": st.sampled_from([0, 3, 500]),
            "stt_step_ms": st.sampled_from([0.0, 20.0, 55.0, 80.0, 95.0]),
            "lm_token_ms": st.sampled_from([0.0, 15.0, 80.0, 333.0]),
            "tts_step_ms": st.sampled_from([0.0, 40.0, 80.0, 95.0]),
            "playout_ms": st.sampled_from([0.0, 20.0, 160.0]),
        }
    ),
    block=st.integers(100, 9000),
)
def test_every_barge_in_rule_equals_the_replay(
    talk: list[tuple[int, int]], changes: dict[str, object], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    session = said(talk, tmp_path_factory.mktemp("said"))
    more = {"stack.name": "scripted", "step_costs.source": "fixed", "barge_in": True}
    config = override(Config(), more | changes)
    live, replayed = run_live(session, (), config, block), run_replay(session, (), config)
    assert by_kind(as_far(live, replayed)) == by_kind(replayed)


@pytest.mark.parametrize("placement", ["serial", "shared", "split"])
def test_steps_that_end_as_the_user_interrupts_are_done(placement: str, tmp_path: Path) -> None:
    """Tokens end with frames and chunks take no time, so that all of it is there at the very moment of the stop."""
    session = said([(3, 10), (14, 5), (30, 1)], tmp_path)
    free = dict.fromkeys(["stt_step_ms", "stt_reset_ms", "tts_start_ms", "tts_step_ms"], 0.0)
    changes = {"placement": placement, "barge_in": True, "barge_in_min_ms": 80, "tts_stream": True,
               "tts_chunk_chars": 20, "tts_chunk_min_chars": 1, "lm_ttft_ms": 80.0, "lm_token_ms": 80.0}  # fmt: skip
    config = override(Config(), {"stack.name": "scripted", "step_costs.source": "fixed", **free, **changes})
    live, replayed = run_live(session, (), config, 1777), run_replay(session, (), config)
    assert by_kind(as_far(live, replayed)) == by_kind(replayed)
    stops = {event.t for event in live if isinstance(event, BargeIn)}
    assert stops & {event.times[-1] for event in live if isinstance(event, Tokens)}


DUPLEX: dict[str, dict[str, object]] = {
    "defaults": {},
    "prebuffer": {"tts_prebuffer_frames": 5},
    "slower than its frames": {"tts_step_ms": 95.0},
    "just as fast, far away": {"tts_step_ms": 80.0, "playout_ms": 333},
    "a prebuffer that is never full": {"tts_prebuffer_frames": 1000},
}


def duplex_config(**changes: object) -> Config:
    return override(
        Config(), {"stack.name": "moshi-duplex", "step_costs.source": "fixed", "echo.path": "off", **changes}
    )


@pytest.mark.parametrize("changes", DUPLEX.values(), ids=DUPLEX)
@pytest.mark.parametrize("name", ["barge-in", "hesitation"])
def test_a_model_that_hears_and_speaks_at_once_is_its_replay(name: str, changes: dict[str, object]) -> None:
    session, config = open_session(RECORDINGS / name), duplex_config(**changes)
    live, replayed = run_live(session, (), config, 1777, Parrot()), run_replay(session, (), config, Parrot())
    commits = [event for event in live if isinstance(event, Commit)]
    assert len(commits) > 1
    assert {commit.reason for commit in commits} == {"model"}
    assert [event.reply for event in live if isinstance(event, Tokens)] == list(range(len(commits)))
    assert by_kind(live) == by_kind(replayed)


def test_a_real_duplex_model_is_its_replay(tmp_path: Path) -> None:
    """Of generated weights: what it says means nothing, and depends on all that it hears."""
    from workbench.moshi.generate import Recipe, init

    init(tmp_path / "tiny", Recipe("duplex"))
    session = open_session(RECORDINGS / "barge-in")
    config = duplex_config(models=str(tmp_path / "tiny"), tts_step_ms=79.0)
    live, replayed = run_live(session, (), config, 24_000), run_replay(session, (), config)
    assert by_kind(live) == by_kind(replayed)
    assert sum(len(event.ready) for event in live if isinstance(event, Pcm)) > 250, "it is never silent for long"
    assert any(isinstance(event, Tokens) for event in live)


def test_a_live_duplex_model_equals_the_replay_of_its_recording(tmp_path: Path) -> None:
    session, config = open_session(RECORDINGS / "barge-in"), duplex_config()
    follower = Simulated(session, (), config, Parrot())
    recorded, _ = record_live(session, tmp_path / session.name, follower)
    assert by_kind(tuple(follower.events)) == by_kind(run_replay(recorded, (), config, Parrot()))


@settings(max_examples=20)
@given(
    talk=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 25)), min_size=1, max_size=8),
    delay=st.integers(0, 5),
    prebuffer=st.integers(0, 20),
    step=st.sampled_from([0.0, 40.0, 79.9, 81.0, 200.0]),
    block=st.integers(100, 9000),
)
def test_whatever_a_duplex_model_hears_it_is_the_replay(
    talk: list[tuple[int, int]],
    delay: int,
    prebuffer: int,
    step: float,
    block: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    session = said(talk, tmp_path_factory.mktemp("said"))
    config = duplex_config(tts_prebuffer_frames=prebuffer, tts_step_ms=step)
    live = run_live(session, (), config, block, Parrot(delay))
    assert by_kind(live) == by_kind(run_replay(session, (), config, Parrot(delay)))


@given(
    levels=st.lists(st.sampled_from([0.0, 0.01, 0.02]), max_size=60),
    start=st.integers(0, 70),
    frames=st.integers(0, 5),
)
def test_a_gate_that_grows_is_the_gate_of_all_there_is(levels: list[float], start: int, frames: int) -> None:
    whole, grown = EnergyGate(np.array(levels), 0.01), GrowingGate(0.01)
    for number, level in enumerate(levels):
        grown.add(level, number)
    assert grown.loud.tolist() == whole.loud.tolist()
    assert grown.next_loud(start, frames) == whole.next_loud(start, frames)
    assert grown.next_quiet(start, frames) == whole.next_quiet(start, frames)
    for frame in range(len(levels)):
        assert grown.quiet_run(frame) == whole.quiet_run(frame)


def test_a_gate_grows_beyond_its_first_size() -> None:
    levels = np.tile([0.0, 0.02, 0.02], 1000)
    whole, grown = EnergyGate(levels, 0.01), GrowingGate(0.01)
    for number, level in enumerate(levels.tolist()):
        grown.add(level, 10 * number)
    assert grown.next_loud(2500, 2) == whole.next_loud(2500, 2)
    assert grown.arrived(np.array([0, 2999])).tolist() == [0, 29_990]


def test_a_microphone_keeps_a_minute_and_knows_what_waits() -> None:
    mic = LiveMicrophone(0.01)
    mic.add(np.repeat(np.arange(800, dtype=np.float32), FRAME_SAMPLES)[: 800 * FRAME_SAMPLES - 1])
    assert mic.waiting == 799, "the last frame is not whole"
    mic.end()
    while mic.more():
        pass
    assert (mic.frames, mic.ended, mic.more()) == (799, True, False)
    assert mic.recorded(798)[0] == 798
    assert mic.recorded(49)[0] == 49
    with pytest.raises(AssertionError, match="not kept"):
        mic.recorded(48)


def test_what_cannot_run_live_is_named() -> None:
    stages = make_stack(override(Config(), {"stack.name": "scripted"})).stages(())
    assert isinstance(stages, Stages)
    stages.stt.has_pause_heads = False
    with pytest.raises(WorkbenchError, match="no pause heads"):
        check_live(knobs_of(override(Config(), {"stt_vad": True})), stages)
