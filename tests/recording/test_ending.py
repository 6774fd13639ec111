"""However a recording ends, what was heard is a session, and one line says why it ended."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.recording import loop as record
from workbench.recording import portaudio as audio
from workbench.recording.finalize import FinishedRecording, finish
from workbench.recording.meter import PlainView
from workbench.recording.portaudio import close, start
from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import open_session

from ..conftest import SmallDisk
from .conftest import RATE, Sound, noise
from .fed import fed_take, loud


class Hanging:
    """A stream that never comes back from being started."""

    active, latency, time = True, 0.1, 0.0

    def __init__(self) -> None:
        self.closed = False

    def start(self) -> None:
        threading.Event().wait()

    def close(self) -> None:
        self.closed = True


def test_a_stream_that_hangs_when_it_is_started_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "_BEGIN_SECONDS", 0.05)
    monkeypatch.setattr(audio, "_LEFT", [])
    stream = Hanging()
    with pytest.raises(WorkbenchError, match=r"^the loudspeaker did not begin within 0.05 s$"):
        start(stream, "the loudspeaker")
    close(stream)
    assert not stream.closed, "a thread is inside it"


def test_a_device_that_refuses_to_begin_is_said_in_words(tmp_path: Path) -> None:
    sounddevice = pytest.importorskip("sounddevice", exc_type=OSError)
    take = fed_take(tmp_path / "s")

    def refuse() -> None:
        raise sounddevice.PortAudioError("Error starting stream: Unanticipated host error", -9999, (0, -19, "No such"))

    take._streams[0].start = refuse  # type: ignore[method-assign]
    with pytest.raises(WorkbenchError, match=r"^the microphone \(fed\) did not begin: no such$"):
        take.start()
    take.stop()


def test_a_recording_without_a_log_can_be_stopped(tmp_path: Path) -> None:
    take = fed_take(tmp_path / "s")

    class Follower:
        def begin(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

        def end(self) -> None:
            pass

        def finish(self) -> tuple[str, ...]:
            return ()

    object.__setattr__(take.plan, "follower", Follower())
    take.speaker = object()  # type: ignore[assignment]
    with pytest.raises(WorkbenchError, match="the assistant's log cannot be written"):
        take.start()
    take._streams[0].close = lambda: None  # type: ignore[method-assign]
    assert take.stop()["holes"] == 0


def only_line(done: "subprocess.CompletedProcess[str]") -> str:
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2, done.stderr
    return line


@pytest.fixture
def noisy(sound: Sound) -> Iterator[Sound]:
    player = sound.play(noise(300, seed=4))
    yield sound
    player.terminate()
    player.wait()


def tape_of(where: Path, name: str) -> Path:
    return where / "recordings" / name / PARTIAL / "mic.s24"


def recorder(sound: Sound, where: Path, name: str, *more: str) -> "subprocess.Popen[str]":
    """A recorder with a second of tape."""
    process = sound.popen("record", "--name", name, "--device", "room_mic", *more, where=where)
    sound.wait_for_tape(process, tape_of(where, name), 1)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_order(noisy: Sound, tmp_path: Path, number: signal.Signals) -> None:
    process = recorder(noisy, tmp_path, "s")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("recordings/s: ")
    assert open_session(tmp_path / "recordings" / "s").verify() == []
    assert not (tmp_path / "recordings" / "s" / PARTIAL).exists()


def test_ctrl_c_while_finishing_does_not_break_it_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    take = fed_take(tmp_path / "s", blocks=80)
    before = signal.getsignal(signal.SIGINT)

    def interrupted(*given: Any) -> FinishedRecording:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return finish(*given)

    monkeypatch.setattr(record, "Recorder", lambda plan: take)
    monkeypatch.setattr(record, "finish", interrupted)
    done = record.record(take.plan, PlainView(io.StringIO()))
    assert done.finished.session.verify() == []
    assert "stopping; the session is being finished first" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_nohup_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with record.signals() as came:
            os.kill(os.getpid(), signal.SIGHUP)
        assert came == []
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
def test_many_signals_at_once_end_in_order(noisy: Sound, tmp_path: Path) -> None:
    process = recorder(noisy, tmp_path, "t")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("recordings/t: ")


@pytest.mark.slow
def test_recovery_asked_to_stop_finishes_its_session(noisy: Sound, tmp_path: Path) -> None:
    """Ctrl-C once the tape of the first is locked; it is made long, so that there is time."""
    for name in ("a", "b"):
        process = recorder(noisy, tmp_path, name)
        process.kill()
        process.communicate()
        (tape_of(tmp_path, name).parent / "journal.jsonl").unlink()
        with tape_of(tmp_path, name).open("ab") as file:
            file.write(bytes(3 * RATE * 600))
    process = noisy.popen("record", "--recover", where=tmp_path)
    flac = tmp_path / "recordings" / "a" / "mic.flac"
    while not list(flac.parent.glob("*mic.flac*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, (out, err)
    assert out.startswith("recordings/a: ")
    assert "the session is being finished first" in err
    assert "stopped; the same command goes on with the rest" in err
    assert noisy.run("record", "--recover", where=tmp_path).stdout.startswith("recordings/b: ")


@pytest.mark.slow
def test_a_pipe_that_is_closed_ends_no_recording(noisy: Sound, tmp_path: Path) -> None:
    process = noisy.popen("record", "--name", "p", "--device", "room_mic", "--seconds", "4", where=tmp_path)
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.stdout is not None
    out = process.stdout.read()
    assert process.wait(60) == 0
    assert out.startswith("recordings/p: 4.00 s, mic.flac\n")
    assert "the recording went on without it" in out


@pytest.mark.slow
def test_ctrl_c_before_the_first_sample(noisy: Sound, tmp_path: Path) -> None:
    process = noisy.popen("record", "--name", "o", "--device", "room_mic", where=tmp_path)
    while not tape_of(tmp_path, "o").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.splitlines()[-1] == "error: recordings/o: nothing was recorded: stopped"
    assert not (tmp_path / "recordings" / "o").exists()


@pytest.mark.slow
def test_a_microphone_that_gives_nothing_is_named(own_sound: Sound, tmp_path: Path) -> None:
    own_sound.control("suspend-sink", "room", "1")
    done = own_sound.run("record", "--name", "n", "--device", "room_mic", where=tmp_path)
    why = "the microphone (room_mic) gave no audio for 10 s"
    assert only_line(done) == f"error: recordings/n: nothing was recorded: {why}"
    assert not (tmp_path / "recordings" / "n").exists()


@pytest.mark.slow
def test_a_file_that_cannot_be_played_is_named(noisy: Sound, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 5 * RATE), RATE)
    path.write_bytes(path.read_bytes()[:20_000])
    done = noisy.run(
        "record", "--name", "f", "--device", "room_mic", "--output", "room", "--play", "cut.flac", where=tmp_path
    )
    assert only_line(done).startswith("error: recordings/f: nothing was recorded: cut.flac: cannot be decoded (")


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_start(noisy: Sound, tmp_path: Path, small_disk: SmallDisk) -> None:
    small_disk.resize("16k")
    (small_disk.folder / "other").write_bytes(bytes(8192))
    done = noisy.run("record", "--name", "d", "--device", "room_mic", "--dir", "small", where=tmp_path)
    why = "the disk gave up (No space left on device)"
    assert only_line(done) == f"error: small/d: nothing was recorded: {why}"
    assert not (small_disk.folder / "d").exists()


@pytest.mark.slow
def test_a_disk_with_no_room_for_the_assistants_log(noisy: Sound, tmp_path: Path, small_disk: SmallDisk) -> None:
    small_disk.resize("4k")  # the header, and no more
    done = noisy.run(
        "record", "--name", "d", "--device", "room_mic", "--output", "room", "--live", "--stack", "scripted",
        "--dir", "small", where=tmp_path,
    )  # fmt: skip
    why = "the assistant's log cannot be written (No space left on device)"
    assert only_line(done) == f"error: small/d: nothing was recorded: {why}"
    assert not (small_disk.folder / "d").exists()


@pytest.mark.slow
def test_a_sound_server_that_ends_between_opening_and_beginning(own_sound: Sound, tmp_path: Path) -> None:
    """As while the model of a live recording warms up. PortAudio never comes back from starting the stream."""
    script = (
        "from pathlib import Path\n"
        "from workbench.recording.devices import find_device, stream_settings\n"
        "from workbench.errors import WorkbenchError\n"
        "from workbench.recording import recorder\n"
        "from workbench.recording.meter import PlainView\n"
        "from workbench.recording.loop import record\n"
        "how = stream_settings(find_device('room_mic', 'input'), 'input')\n"
        "begin = recorder.Recorder.start\n"
        "def wait(self): print('open', flush=True); input(); begin(self)\n"
        "recorder.Recorder.start = wait\n"
        "try: record(recorder.RecordingPlan(Path('s'), how, (0.01, 700, 200)), PlainView())\n"
        "except WorkbenchError as error: print(error)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path, env=own_sound.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    own_sound.server.kill()
    own_sound.server.wait()
    out, _ = process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert out.startswith("s: nothing was recorded: the microphone (room_mic) "), out
    assert not (tmp_path / "s").exists()


def test_a_program_that_was_stopped_has_not_lost_its_device(tmp_path: Path) -> None:
    """Continued after 15 s, the loop may look before the first block comes."""
    flows = threading.Event()
    flows.set()

    def sound(number: int) -> Audio:
        flows.wait()
        return loud(number)

    take = fed_take(tmp_path / "s", sound)
    take.start()
    while not take.writer.ready.is_set():
        assert take.watch() is None
        time.sleep(0.01)
    flows.clear()
    time.sleep(0.1)
    assert take.watch() is None
    take._heard_at -= 15
    take._looked_at -= 15
    assert take.watch() is None
    flows.set()
    take.stop()
