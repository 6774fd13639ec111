"""``record --live`` on a real PortAudio device: a demo session is played into the room, and interrupts the answers."""

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import load
from workbench.metrics import evaluate
from workbench.moshi.generate import Recipe, init
from workbench.recording.resample import dequantise, quantise
from workbench.replay.engine import cost_source, replay
from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import Session, open_session
from workbench.stacks import make_stack
from workbench.trace import BargeIn, Cancel, Commit, Done, Pcm, Play, Steps, Transcript, Underrun
from workbench.trace_file import read_trace
from workbench.units import FRAME_SAMPLES

from .conftest import RATE, ROOT, Noise, Sound

SPOKEN = ROOT / "recordings" / "questions" / "mic.flac"


def spoken(seconds: float) -> Noise:
    pcm, _ = soundfile.read(SPOKEN, frames=round(seconds * RATE), dtype="int16")
    return pcm


def wait_for_tape(folder: Path) -> None:
    tape, deadline = folder / PARTIAL / "mic.s24", time.monotonic() + 60
    while not (tape.exists() and tape.stat().st_size > 72_000):
        assert time.monotonic() < deadline, "the recorder did not start"
        time.sleep(0.05)


def killed(sound: Sound, folder: Path, process: "subprocess.Popen[str]", once: str) -> Session:
    """Kill a live recording as soon as its log holds something, and recover the session."""
    wait_for_tape(folder)
    player = sound.play(spoken(20))
    log, deadline = folder / PARTIAL / "live.jsonl", time.monotonic() + 30
    while once not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.communicate()
    player.terminate()
    player.wait()
    done = sound.run("record", "--recover", where=folder.parent.parent)
    assert done.returncode == 0, done.stderr
    session = open_session(folder)
    assert session.verify() == []
    return session


@pytest.mark.slow
def test_real_barge_ins_are_recorded_and_stop_the_answers(sound: Sound, tmp_path: Path) -> None:
    """The answers go to the other sink, so that what the microphone hears is the session alone."""
    process = sound.popen(
        "record", "--live", "--name", "l", "--device", "room_mic", "--output", "deck",
        "--stack", "scripted", "--set", "barge_in=true", where=tmp_path,
    )  # fmt: skip
    folder = tmp_path / "recordings" / "l"
    wait_for_tape(folder)
    sound.play(spoken(26)).wait()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "assistant: loading stack scripted" in err
    assert "playing the answers" in err
    assert "assistant answering, 1 answered" in err
    assert "compare it with its replay: workbench compare recordings/l" in out
    session = open_session(folder)
    assert session.verify() == []
    assert session.live is not None
    trace = read_trace(session.live.path)
    evaluate(trace, ())
    commits = [event for event in trace.events if isinstance(event, Commit)]
    assert len(commits) >= 2
    stops = [event for event in trace.events if isinstance(event, BargeIn)]
    assert stops, "the questions come sooner than the answers end"
    for stop in stops:
        assert any(isinstance(event, Cancel) and event.reply == stop.reply for event in trace.events)
        played = [event for event in trace.events if isinstance(event, Play) and event.reply == stop.reply]
        silent = played[-1].t + played[-1].samples
        assert stop.t < silent < stop.t + 1.0 * RATE, "what the device had already is all that is heard afterwards"
        quiet = session.read(silent, silent + 10 * FRAME_SAMPLES, "agent")
        assert not quiet.any(), "the agent track holds what was handed over, and then silence"
    for play in [event for event in trace.events if isinstance(event, Play)]:
        whole = play.samples // FRAME_SAMPLES * FRAME_SAMPLES
        sounds = np.abs(session.read(play.t, play.t + whole, "agent")).reshape(-1, FRAME_SAMPLES).max(axis=1) > 0
        assert sounds[1:-1].all()
    said = [event.text for event in trace.events if isinstance(event, Transcript)]
    assert all(set(text.split()) == {"sound"} for text in said)
    done = sound.run("compare", "l", "--json", where=tmp_path)
    found = json.loads(done.stdout)
    assert found["same"], done.stdout
    assert done.returncode == 0
    assert len(found["turns"]) == len(commits)
    assert all(row["live"]["is_stopped"] == row["replay"]["is_stopped"] for row in found["turns"][:-1])


@pytest.mark.slow
def test_the_published_listener_and_speaker_run_live(sound: Sound, tmp_path: Path) -> None:
    """The end of each chunk is cut off: no stack is faster than this one."""
    process = sound.popen(
        "record", "--live", "--name", "p", "--device", "room_mic", "--output", "deck", "--listener", "mlx-harmony",
        "--stack", "scripted", "--set", "barge_in=true", "--set", "barge_in_window_seconds=8", where=tmp_path,
    )  # fmt: skip
    folder = tmp_path / "recordings" / "p"
    wait_for_tape(folder)
    sound.play(spoken(26)).wait()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "was stopped" not in out, out
    session = open_session(folder)
    assert session.verify() == []
    assert session.live is not None
    trace = read_trace(session.live.path)
    assert trace.header.listener == "mlx-harmony"
    evaluate(trace, ())
    commits = [event for event in trace.events if isinstance(event, Commit)]
    assert commits
    made = {(event.reply, event.chunk): event for event in trace.events if isinstance(event, Pcm)}
    played: dict[tuple[int, int], int] = {}
    for play in [event for event in trace.events if isinstance(event, Play)]:
        whole = play.samples // FRAME_SAMPLES * FRAME_SAMPLES
        sounds = np.abs(session.read(play.t, play.t + whole, "agent")).reshape(-1, FRAME_SAMPLES).max(axis=1) > 0
        assert sounds[1:-1].all()
        key = play.reply, play.chunk
        played[key] = played.get(key, 0) + play.samples
    assert played.keys() <= made.keys()
    assert all(samples < len(made[key].ready) * FRAME_SAMPLES for key, samples in played.items())
    done = sound.run("compare", "p", "--json", where=tmp_path)
    found = json.loads(done.stdout)
    assert len([row for row in found["turns"] if row["live"]]) == len(commits)


@pytest.mark.slow
def test_a_killed_live_recording_keeps_its_earlier_turns(sound: Sound, tmp_path: Path) -> None:
    process = sound.popen(
        "record", "--live", "--name", "k", "--device", "room_mic", "--output", "deck", "--stack", "scripted",
        where=tmp_path,
    )  # fmt: skip
    session = killed(sound, tmp_path / "recordings" / "k", process, '"transcript"')
    assert session.live is not None
    assert [event.reply for event in read_trace(session.live.path).events if isinstance(event, Commit)] == [0]


@pytest.mark.slow
def test_a_model_that_hears_and_speaks_at_once_is_recorded(sound: Sound, tmp_path: Path) -> None:
    """Of generated weights. What its replay says is what was played, sample by sample, and where it was not there."""
    init(tmp_path / "tiny", Recipe("duplex"))
    process = sound.popen(
        "record", "--live", "--name", "d", "--device", "room_mic", "--output", "deck",
        "--stack", "moshi-duplex", "--models", "tiny", "--set", "tts_prebuffer_frames=2", where=tmp_path,
    )  # fmt: skip
    folder = tmp_path / "recordings" / "d"
    wait_for_tape(folder)
    sound.play(spoken(12)).wait()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "assistant: loading stack moshi-duplex" in err
    assert "assistant speaking, 1 utterance\n" in err
    assert "  the assistant made 1 utterance\n" in out
    session = open_session(folder)
    assert session.verify() == []
    assert session.live is not None
    trace = read_trace(session.live.path)
    evaluate(trace, ())
    assert sum(len(event.costs) for event in trace.events if isinstance(event, Steps)) == session.frames
    config = load(
        None,
        {
            "stack.name": "moshi-duplex",
            "models": str(tmp_path / "tiny"),
            "step_costs.source": "fixed",
            "echo.path": "off",
        },
    )
    stages = make_stack(config).stages(())
    costs = cost_source(knobs_of(config), None, session.name)
    said = replay(session, stages, knobs_of(config), costs, Store(None)).sounds()
    pcm = dequantise(quantise(np.concatenate([frame for _, frame in said])))
    plays = [event for event in trace.events if isinstance(event, Play)]
    assert sum(play.samples for play in plays) > 8 * RATE
    ended = 0
    for play in plays:
        played = session.read(play.t, play.t + play.samples, "agent")
        assert np.array_equal(played, pcm[play.offset : play.offset + play.samples])
        assert not session.read(ended, play.t, "agent").any(), "a hole is silence"
        ended = play.t + play.samples
    holes = [event for event in trace.events if isinstance(event, Underrun)]
    assert len(holes) == len(plays) - 1
    done = sound.run("compare", "d", "--json", where=tmp_path)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["same"]


@pytest.mark.slow
def test_a_killed_recording_keeps_the_utterances_that_were_over(sound: Sound, tmp_path: Path) -> None:
    process = sound.popen(
        "record", "--live", "--name", "u", "--device", "room_mic", "--output", "deck", "--stack", "moshi-duplex",
        where=tmp_path, module="tests.live.fake_duplex",
    )  # fmt: skip
    session = killed(sound, tmp_path / "recordings" / "u", process, '"done"')
    assert session.live is not None
    trace = read_trace(session.live.path)
    evaluate(trace, ())
    assert [event.reply for event in trace.events if isinstance(event, Done)] == [0]
    assert any(isinstance(event, Play) for event in trace.events)


@pytest.mark.slow
def test_a_model_slower_than_real_time_starves_a_loudspeaker(sound: Sound, tmp_path: Path) -> None:
    process = sound.popen(
        "record", "--live", "--name", "s", "--device", "room_mic", "--output", "deck", "--stack", "moshi-duplex",
        where=tmp_path, module="tests.live.fake_duplex", env=sound.env | {"PARROT_STEP_SECONDS": "0.11"},
    )  # fmt: skip
    folder = tmp_path / "recordings" / "s"
    wait_for_tape(folder)
    sound.play(spoken(10)).wait()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "  ASSISTANT IS 2 s BEHIND\n" in err
    assert "s of silence inside what was played, marked in events.jsonl" in out
    assert "this stack is slower than real time here; nothing is missing from the recording" in out
    session = open_session(folder)
    assert session.verify() == []
    assert session.live is not None
    trace = read_trace(session.live.path)
    evaluate(trace, ())
    costs = [cost for event in trace.events if isinstance(event, Steps) for cost in event.costs]
    assert min(costs) >= round(0.11 * RATE) - 1
    assert any(isinstance(event, Underrun) and event.voiced for event in trace.events), "holes inside what it said"
    compared = sound.popen("compare", "s", where=tmp_path, module="tests.live.fake_duplex")
    shown, _ = compared.communicate(timeout=60)
    assert f" of {session.samples / RATE:.2f} s; the model was behind, or was stopped\n" in shown
    assert compared.returncode in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--play", "x.wav"], "--play, --play-session and --live: give one of them"),
        (["--stack", "nonsense"], "stack.name is 'nonsense'"),
        (["--stack", "moshi"], "no stt model given"),
        (["--stack", "moshi-duplex"], "no duplex model given"),
        (["--set", "stt_silence_ms=-1"], "stt_silence_ms"),
        (["--output", "nonsense"], "no audio output device 'nonsense'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_user_can_get_wrong_live(sound: Sound, tmp_path: Path, arguments: list[str], says: str) -> None:
    done = sound.run("record", "--live", "--device", "room_mic", "--name", "w", *arguments, where=tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "recordings" / "w").exists(), "nothing is left of it"
