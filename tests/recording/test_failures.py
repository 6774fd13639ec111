"""Every way a recording can fail to begin or end early: one clear line."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.sessions.folders import PARTIAL
from workbench.sessions.session import open_session
from workbench.sessions.tracks import read_track

from .conftest import RATE, Sound, noise, track

RECORDINGS = Path(__file__).parents[2] / "recordings"


def line(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line on stderr, of a command that could not do its work."""
    assert done.returncode == 2, done.stderr
    (only,) = done.stderr.strip().splitlines()
    assert only.startswith("error: ")
    return only


def python(script: str, sound: Sound, where: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", script], env=sound.env, cwd=where, capture_output=True, text=True)


def test_no_portaudio(sound: Sound, tmp_path: Path) -> None:
    """The library is not found: sounddevice's own search comes back with nothing."""
    hide = "import sys, ctypes.util; ctypes.util.find_library = lambda name: None; sys.argv = ['workbench', {}]\n"
    main = "from workbench.cli import main; main()"
    for arguments in ("'record'", "'devices'"):
        assert "PortAudio is not installed: 'apt install" in line(
            python(hide.format(arguments) + main, sound, tmp_path)
        )


def test_no_device(sound: Sound, tmp_path: Path) -> None:
    env = sound.env | {"ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf", "PULSE_SERVER": f"unix:{tmp_path}/nowhere"}
    alone = Sound(sound.folder, env, sound.server)
    assert "no audio input device: plug one in" in line(alone.run("record", where=tmp_path))
    assert "PortAudio sees no audio device" in line(alone.run("devices", where=tmp_path))


def test_a_busy_device_is_said_in_words() -> None:
    """PortAudio's own error for it; ``test_busy.py`` has a device that really is."""
    sounddevice = pytest.importorskip("sounddevice", exc_type=OSError)
    from workbench.recording.devices import reason_of

    error = sounddevice.PortAudioError("Error opening InputStream: Device unavailable", -9985)
    assert reason_of(error) == "busy or gone; close the program that uses it, or choose another with --device"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--device", "nonsense"], "no audio input device 'nonsense' ('workbench devices' lists them)"),
        (["--device", "99"], "no audio input device '99'"),
        (["--device", "mic"], "fits several"),
        (["--device", "room"], "input device 'room' cannot be opened: input/output error"),
        (["--name", "a/b"], "must be letters"),
        (["--name", "taken"], "taken: the name is taken; choose another with --name"),
        (["--play", "missing.wav"], "missing.wav: no such file"),
        (["--play", "text.wav"], "text.wav: cannot be decoded"),
        (["--play", "empty.wav"], "empty.wav: holds no audio"),
        (["--play-session", "nowhere"], "nowhere: no such session folder"),
        (["--play", "a.wav", "--play-session", "b"], "give one of them"),
        (["--output", "room"], "nothing to play"),
        (["--config", "none.toml"], "none.toml: no such file"),
        (["--dir", "text.wav"], "text.wav: is not a folder; choose one with --dir"),
        (["--seconds", "0"], "0.0 is not in the range"),
        (["--seconds", "nan"], "'nan' is not a number of seconds"),
        (["--recover", "--name", "taken"], "no recording to finish here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_user_can_get_wrong(sound: Sound, tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "recordings" / "taken").mkdir(parents=True)
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    given = ["--device", "room_mic"] if "--device" not in arguments else []
    assert says in line_of_end(sound.run("record", *given, *arguments, where=tmp_path))


def line_of_end(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error: ") == 1
    return done.stderr.strip().splitlines()[-1]


def test_a_lost_device_ends_the_session_and_keeps_the_audio(own_sound: Sound, tmp_path: Path) -> None:
    process = own_sound.popen("record", "--name", "u", "--device", "room_mic", where=tmp_path)
    tape = tmp_path / "recordings" / "u" / PARTIAL / "mic.s24"
    while not (tape.exists() and tape.stat().st_size > 72_000):
        time.sleep(0.05)
    own_sound.server.kill()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    (warning,) = [text for text in err.splitlines() if text.startswith("warning: ")]
    assert warning.startswith("warning: the microphone (room_mic) ")
    assert out.startswith("recordings/u: ")
    session = open_session(tmp_path / "recordings" / "u")
    assert session.verify() == []
    assert session.samples >= RATE
    assert '"device_lost"' in (session.folder / "events.jsonl").read_text()


def test_a_device_at_48_khz_in_stereo_is_fitted_and_says_so(sound: Sound, tmp_path: Path) -> None:
    """A 1 kHz tone comes out of soxr as a 1 kHz tone of the same level, in mono, for as long as was asked."""
    tone = 0.25 * np.sin(np.arange(8 * 48_000) * 2 * np.pi * 1000 / 48_000)
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, tone], axis=1), 48_000)
    done = sound.run(
        "record", "--name", "t", "--device", "deck_mic", "--output", "deck", "--rate", "48000",
        "--play", "tone.wav", "--seconds", "5", where=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "microphone: deck_mic (48 kHz to 24 kHz by soxr)" in done.stderr
    assert "tone.wav: 2 channels mixed to mono, 48 kHz to 24 kHz by soxr" in done.stderr
    folder = tmp_path / "recordings" / "t"
    for name in ("mic", "agent"):
        pcm, _ = soundfile.read(folder / f"{name}.flac")
        assert len(pcm) == 5 * RATE
        part = pcm[2 * RATE : 4 * RATE]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert np.argmax(spectrum) == 2000, "1 kHz in steps of 0.5 Hz"
        assert np.sqrt(np.mean(part**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.01)
    device = open_session(folder).device
    assert device is not None
    assert device["input"]["fit"] == "48 kHz to 24 kHz by soxr"


@pytest.mark.slow
def test_calibration_is_printed_and_stored(sound: Sound, tmp_path: Path) -> None:
    """Somebody who never stops talking."""
    voice = np.concatenate([read_track(RECORDINGS / name / "mic.flac", 60 * RATE) for name in ("reader", "questions")])
    player = sound.play((voice * 32_767).astype(np.int16))
    sound.wait_for_sound()
    done = sound.run("record", "--name", "c", "--device", "room_mic", "--calibrate", "--seconds", "1", where=tmp_path)
    player.terminate()
    player.wait()
    assert done.returncode == 0, done.stderr
    assert "be quiet for 4 s" in done.stderr
    assert "noise floor" in done.stdout
    assert "hotmic says" in done.stdout
    session = open_session(tmp_path / "recordings" / "c")
    assert session.calibration is not None
    assert f"stt_silence_threshold = {session.calibration['stt_silence_threshold']:.3g}" in done.stdout
    assert track(session.folder).any()


@pytest.mark.slow
def test_calibration_without_speech_suggests_nothing(sound: Sound, tmp_path: Path) -> None:
    arguments = ("record", "--name", "c", "--device", "room_mic", "--calibrate", "--seconds", "1")
    dead = sound.run(*arguments, where=tmp_path)
    assert (dead.returncode, dead.stdout) == (2, "")
    assert "error: input device 'room_mic' gives nothing but digital zeros: it is muted, or" in dead.stderr
    player = sound.play(noise(60) // 100)
    sound.wait_for_sound()
    done = sound.run(*arguments, where=tmp_path)
    player.terminate()
    player.wait()
    assert done.returncode == 0, done.stderr
    assert "no threshold is suggested" in done.stdout
    assert "stt_silence_threshold" not in done.stdout


def test_devices_are_listed_with_what_will_be_done(sound: Sound, tmp_path: Path) -> None:
    import json

    done = sound.run("devices", "--json", where=tmp_path)
    rows = {(row["name"], row["kind"]): row for row in json.loads(done.stdout)}
    assert rows["room_mic", "input"]["fit"] == "24 kHz mono, sample for sample"
    assert rows["room", "input"]["fit"].startswith("not usable")
    assert "fit to 24 kHz mono" in sound.run("devices", where=tmp_path).stdout


def test_a_devices_name_is_no_markup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.cli.actions import devices
    from workbench.recording.devices import Device, StreamSettings

    device = Device(3, "brack[usb] [/]", "host[x]", 1, 0, RATE, True, False)
    monkeypatch.setattr(devices, "devices", lambda: [device])
    monkeypatch.setattr(devices, "stream_settings", lambda device, kind: StreamSettings(device, kind, RATE, 1))
    devices.show_devices(as_json=False)
    out = capsys.readouterr().out
    assert "brack[usb] [/]" in out
    assert "host[x]" in out
