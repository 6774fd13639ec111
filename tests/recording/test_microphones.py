"""Another microphone in mid-recording, and headsets at 8 or 16 kHz: from the sound, and from a real sound server."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from workbench.recording.bandwidth import Stretch, stretches
from workbench.recording.notes import microphone_remarks
from workbench.recording.sound_server import current_source

from .conftest import RATE, Sound, noise

WIDE = np.random.default_rng(0).normal(0, 0.05, 12 * RATE)


def narrow(rate: int, pcm: np.ndarray = WIDE) -> np.ndarray:
    """As a headset at this rate gives it behind a sound server."""
    there = soxr.resample(pcm, RATE, rate)
    back: np.ndarray = soxr.resample(np.rint(there * 2**15) / 2**15, rate, RATE)[: len(pcm)]
    return back


def found(folder: Path, *parts: np.ndarray, subtype: str = "PCM_24") -> list[Stretch]:
    soundfile.write(folder / "mic.flac", np.concatenate(parts), RATE, subtype)
    return stretches(folder / "mic.flac")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize(("rate", "limit"), [(8_000, 4_000), (16_000, 8_000)])
def test_a_headset_is_recognised(tmp_path: Path, rate: int, limit: int, subtype: str) -> None:
    assert found(tmp_path, narrow(rate), subtype=subtype) == [Stretch(0, limit)]


@pytest.mark.parametrize("level", [1.0, 0.1, 0.03])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_quiet_room_through_a_whole_microphone_is_none(tmp_path: Path, level: float, subtype: str) -> None:
    assert found(tmp_path, WIDE * level, subtype=subtype) == [Stretch(0, None)]


def test_low_sounds_with_a_microphones_noise_are_none(tmp_path: Path) -> None:
    hum = 0.3 * np.sin(2 * np.pi * 200 * np.arange(12 * RATE) / RATE)
    assert found(tmp_path, hum + WIDE * 10 ** (-70 / 20) / 0.05) == [Stretch(0, None)]


@pytest.mark.parametrize("at", [5, 8])
def test_a_change_is_found_to_the_second(tmp_path: Path, at: int) -> None:
    cut = at * RATE
    assert found(tmp_path, WIDE[:cut], narrow(8_000)[cut:]) == [Stretch(0, None), Stretch(cut, 4_000)]
    assert found(tmp_path, narrow(16_000)[:cut], WIDE[cut:]) == [Stretch(0, 8_000), Stretch(cut, None)]
    said = microphone_remarks([Stretch(0, None), Stretch(cut, 4_000)], [], None)
    assert said == (
        f"the bandwidth changes to 4 kHz at {at}.0 s: another microphone took over? Marked in events.jsonl",
    )


def test_silence_and_a_moment_say_nothing(tmp_path: Path) -> None:
    zeros = np.zeros(5 * RATE)
    assert found(tmp_path, zeros) == []
    assert found(tmp_path, narrow(8_000)[: 2 * RATE], zeros) == []
    assert found(tmp_path, WIDE[: 4 * RATE], narrow(8_000)[: 2 * RATE], WIDE[: 4 * RATE]) == [Stretch(0, None)]
    assert found(tmp_path, WIDE[: 4 * RATE], zeros, WIDE[: 4 * RATE]) == [Stretch(0, None)]


def with_headset(sound: Sound, rate: int) -> Sound:
    """The server with one sink more, ``headset``, whose monitor is a microphone at this rate."""
    sound.control("load-module", "module-null-sink", "sink_name=headset", f"rate={rate}", "channels=1", "format=s16le")
    config = Path(sound.env["ALSA_CONFIG_PATH"])
    server = sound.env["PULSE_SERVER"]
    config.write_text(
        config.read_text() + f'pcm.headset_mic {{ type pulse server "{server}" device "headset.monitor" }}\n'
    )
    return sound


def play(sound: Sound, sink: str) -> "subprocess.Popen[bytes]":
    path = sound.folder / f"{sink}.raw"
    noise(120, seed=5).tofile(path)
    form = ["--format=s16le", "--rate=24000", "--channels=1"]
    with path.open("rb") as file:
        return subprocess.Popen(["pacat", "-p", "-d", sink, *form], stdin=file, env=sound.env)


@pytest.mark.slow
def test_a_headset_behind_a_real_server_is_said_and_kept(own_sound: Sound, tmp_path: Path) -> None:
    player = play(with_headset(own_sound, 8_000), "headset")
    done = own_sound.run("record", "--device", "headset_mic", "--name", "a", "--seconds", "8", where=tmp_path)
    player.kill()
    player.wait()
    assert done.returncode == 0, done.stderr
    said = "the microphone (headset.monitor) runs at 8 kHz behind the sound server: nothing above 4 kHz is heard"
    assert said in done.stdout + done.stderr
    session = json.loads((tmp_path / "recordings" / "a" / "session.json").read_text())
    assert session["device"]["source"] == {"name": "headset.monitor", "rate": 8_000}
    events = [json.loads(line) for line in (tmp_path / "recordings" / "a" / "events.jsonl").read_text().splitlines()]
    assert [event["hz"] for event in events if event["event"] == "bandwidth"] == [4_000]


@pytest.mark.slow
def test_a_move_to_another_microphone_is_said_and_marked(own_sound: Sound, tmp_path: Path) -> None:
    players = [play(with_headset(own_sound, 16_000), sink) for sink in ("headset", "room")]
    process = own_sound.popen("record", "--device", "room_mic", "--name", "b", where=tmp_path)
    tape = tmp_path / "recordings" / "b" / ".recording" / "mic.s24"
    own_sound.wait_for_tape(process, tape, 5)
    listed = subprocess.run(
        ["pactl", "--format=json", "list", "source-outputs"], env=own_sound.env, capture_output=True, check=True
    )
    (output,) = json.loads(listed.stdout)
    own_sound.control("move-source-output", str(output["index"]), "headset.monitor")
    own_sound.wait_for_tape(process, tape, 13)
    process.terminate()
    out, err = process.communicate(timeout=60)
    for player in players:
        player.kill()
        player.wait()
    assert process.returncode == 0, err
    assert "moved the recording to another microphone (headset.monitor, 16 kHz)" in out + err
    events = [json.loads(line) for line in (tmp_path / "recordings" / "b" / "events.jsonl").read_text().splitlines()]
    (moved,) = [event for event in events if event["event"] == "moved"]
    assert (moved["source"], moved["rate"]) == ("headset.monitor", 16_000)
    (band,) = [event for event in events if event["event"] == "bandwidth"]
    assert band["hz"] == 8_000
    assert abs(band["sample"] - moved["sample"]) <= 4 * RATE


def test_without_a_server_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    assert current_source(1) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert current_source(1) is None
