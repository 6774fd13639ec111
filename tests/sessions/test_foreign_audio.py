"""Audio files of other programs: cut off, not closed, with channels that cancel, in formats that need ffmpeg."""

import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.errors import WorkbenchError
from workbench.sessions.containers import audio_length, lacks_its_end
from workbench.sessions.import_audio import ImportOptions, import_session
from workbench.sessions.session import Session

from ..command_line import snapshot, workbench

ROOT = Path(__file__).parents[2]
RATE = 24_000
NOISE = np.random.default_rng(0).normal(0, 0.05, 3 * RATE)
CONTAINERS = {"WAV": "wav", "WAVEX": "wav", "AIFF": "aiff", "W64": "w64", "AU": "au", "RF64": "rf64", "CAF": "caf"}
OGG = {"VORBIS": "ogg", "OPUS": "ogg"}


def write(folder: Path, kind: str, subtype: str = "PCM_16", samples: np.ndarray = NOISE) -> Path:
    path = folder / f"a.{(CONTAINERS | OGG)[kind if kind in CONTAINERS else subtype]}"
    soundfile.write(path, samples, RATE, format=kind, subtype=subtype)
    return path


def mic(session: Session) -> np.ndarray:
    return session.read(0, session.samples)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_whole_file_declares_what_is_there(tmp_path: Path, kind: str, subtype: str) -> None:
    path = write(tmp_path, kind, subtype)
    length = audio_length(path)
    assert length is not None
    assert length.declared == length.there == 3 * RATE * {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[subtype]
    assert "--truncated" not in str(import_session(path, tmp_path / "s").notes)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_file_that_was_cut_off_is_damaged(tmp_path: Path, kind: str, share: float) -> None:
    path = write(tmp_path, kind)
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    before = snapshot(tmp_path)
    with pytest.raises(WorkbenchError, match=r"damaged, cut off: .* bytes of audio.*--truncated takes what is there"):
        import_session(path, tmp_path / "s")
    assert snapshot(tmp_path) == before
    done = import_session(path, tmp_path / "s", ImportOptions(truncated=True))
    assert done.session.samples == pytest.approx(3 * RATE * share, abs=4200)
    np.testing.assert_allclose(mic(done.session), NOISE[: done.session.samples], atol=2**-14)
    assert "taken as far as it goes" in done.notes[0]


@pytest.mark.parametrize("subtype", OGG)
def test_an_ogg_without_its_last_page_is_damaged(tmp_path: Path, subtype: str) -> None:
    path = write(tmp_path, "OGG", subtype)
    data = path.read_bytes()
    assert not lacks_its_end(path)
    for share in (0.5, 0.9):
        path.write_bytes(data[: round(len(data) * share)])
        with pytest.raises(WorkbenchError, match="the last page of the Ogg file is missing"):
            import_session(path, tmp_path / "s")
        taken = import_session(path, tmp_path / f"s{share}", ImportOptions(truncated=True)).session.samples
        assert 0.05 * 3 * RATE < taken < 3 * RATE


def test_a_flac_that_was_cut_off_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", NOISE, RATE)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) * 9 // 10])
    with pytest.raises(WorkbenchError, match="damaged"):
        import_session(tmp_path / "a.flac", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def header(path: Path, change: dict[int, bytes]) -> None:
    data = bytearray(path.read_bytes())
    for at, part in change.items():
        data[at : at + len(part)] = part
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "W64", "AU", "RF64", "CAF"])
def test_a_recorder_that_was_killed_left_the_length_0(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    data = path.read_bytes()
    at = {
        "WAV": data.find(b"data") + 4,
        "AIFF": data.find(b"SSND") + 4,
        "W64": data.find(b"data\xf3") + 16,
        "AU": 8,
        "RF64": 28,
        "CAF": data.find(b"data") + 4,
    }[kind]
    size = 8 if kind in ("W64", "RF64", "CAF") else 4
    header(path, {at: bytes(size)})
    with pytest.raises(WorkbenchError, match="its recorder did not close it: the header says 0 bytes of audio, 144000"):
        import_session(path, tmp_path / "s")
    done = import_session(path, tmp_path / "s", ImportOptions(truncated=True))
    np.testing.assert_allclose(mic(done.session)[: 2 * RATE], NOISE[: 2 * RATE], atol=2**-14)
    empty = write(tmp_path, kind, samples=np.zeros(0))
    with pytest.raises(WorkbenchError, match="holds no audio"):
        import_session(empty, tmp_path / "e", ImportOptions(truncated=True))


def test_a_header_that_was_not_brought_up_to_date(tmp_path: Path) -> None:
    path = write(tmp_path, "WAV")
    header(path, {40: struct.pack("<I", 2 * RATE)})
    with pytest.raises(WorkbenchError, match="longer than its header says: the header says 48000 bytes"):
        import_session(path, tmp_path / "s")
    assert import_session(path, tmp_path / "s", ImportOptions(truncated=True)).session.samples == 3 * RATE


@pytest.mark.parametrize("after", [b"LIST" + struct.pack("<I", 4) + b"INFO", b"\0" * 3000, b"TAG" + b" " * 125])
def test_what_programs_leave_after_the_audio_is_no_damage(tmp_path: Path, after: bytes) -> None:
    path = write(tmp_path, "WAV")
    path.write_bytes(path.read_bytes() + after)
    assert import_session(path, tmp_path / "s").session.samples == 3 * RATE


def test_a_stream_whose_length_was_not_known_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "WAV")
    header(path, {4: b"\xff" * 4, 40: b"\xff" * 4})
    assert import_session(path, tmp_path / "s").session.samples == 3 * RATE


def tone(hz: float, seconds: float = 3, rate: int = RATE) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


ZERO = np.zeros(3 * RATE)
CHANNELS: dict[str, tuple[list[np.ndarray], str]] = {
    "one dead of two": ([tone(300), ZERO], "channel 2 is silent: the mean is 6.0 dB quieter than channel 1"),
    "one alive of eight": (
        [ZERO, ZERO, ZERO, tone(300), ZERO, ZERO, ZERO, ZERO],
        "channels 1, 2, 3, 5, 6, 7 and 8 are silent: the mean is 18.1 dB quieter than channel 4; --mic-channel 4",
    ),
    "hiss is no sound": ([tone(300), NOISE * 1e-3], "channel 2 is silent"),
    "opposite": ([tone(300), -tone(300)], "channels 1 and 2 are opposite in phase (correlation -1.00) and cancel"),
    "nearly opposite": ([tone(300), -0.98 * tone(300)], "the mean is 40.0 dB quieter than channel 1"),
    "much louder": ([0.1 * tone(300), tone(300)], "channel 2 is 20.0 dB louder than channel 1: the mean is 5.2 dB"),
    "user and agent": ([tone(300), tone(700)], "--mic-channel and --agent-channel"),
}


@pytest.mark.parametrize("case", CHANNELS)
@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_what_a_mix_down_loses_is_said(tmp_path: Path, case: str, rate: int) -> None:
    channels, said = CHANNELS[case]
    soundfile.write(tmp_path / "a.wav", np.stack(channels, axis=1), rate, "FLOAT")
    assert said in "\n".join(import_session(tmp_path / "a.wav", tmp_path / "s").notes)


@pytest.mark.parametrize("other", [1.0, 0.7, 0.5])
def test_channels_that_are_alike_need_no_word(tmp_path: Path, other: float) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(300), other * tone(300) + NOISE * 0.01], axis=1), RATE)
    notes = import_session(tmp_path / "a.wav", tmp_path / "s").notes
    assert notes == (f"{tmp_path}/a.wav: 2 channels mixed down to one (their mean)",)


def test_silence_is_judged_by_what_is_written(tmp_path: Path) -> None:
    steps = np.rint(tone(300) * 2**15).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", np.stack([steps, -steps], axis=1), RATE)
    assert f"{tmp_path}/a.wav: every sample is zero" in import_session(tmp_path / "a.wav", tmp_path / "s").notes


@pytest.mark.parametrize(("subtype", "kind"), [("PCM_16", "int16"), ("PCM_24", "int32")])
def test_a_stereo_call_becomes_two_tracks(tmp_path: Path, subtype: str, kind: str) -> None:
    numbers = np.random.default_rng(1).integers(-(2**15), 2**15, (3 * RATE, 2)).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", numbers, RATE, subtype)
    options = ImportOptions(mic_channel=2, agent_channel=1)
    session = import_session(tmp_path / "a.wav", tmp_path / "s", options).session
    for track, column in (("mic", 1), ("agent", 0)):
        read, _ = soundfile.read(session.tracks[track].path, dtype="int16")
        np.testing.assert_array_equal(read, numbers[:, column])
        assert session.provenance[f"{track}_imported_from"]["channel"] == column + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mic-channel", "3"], "a.wav: --mic-channel 3: the file has 2 channels, counted from 1"),
        (["--mic-channel", "1", "--agent-channel", "9"], "a.wav: --agent-channel 9: the file has 2 channels"),
        (["--agent-channel", "2"], "--agent-channel: name the user's channel too, with --mic-channel"),
        (["--mic-channel", "2", "--agent-channel", "2"], "--agent-channel: 2 is the microphone's channel already"),
        (["--mic-channel", "1", "--agent-channel", "2", "--agent", "a.wav"], "the agent comes from --agent already"),
        (["--mic-channel", "0"], "Invalid value for '--mic-channel'"),
    ],
)
def test_channels_that_cannot_be(tmp_path: Path, arguments: list[str], message: str) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(300), tone(700)], axis=1), RATE)
    done = workbench(["import", "a.wav", *arguments], tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]


def raw_wav(rate: int, samples: int) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + 2 * samples) + b"WAVEfmt " + form + b"data" + struct.pack("<I", 2 * samples)


@pytest.mark.parametrize(
    ("rate", "seconds", "message"),
    [
        (1, 48_000, "1 Hz, must be 1000 to 768000 Hz"),
        (2**31 - 1, 1, "Hz, must be"),
        (8_000, 90_000, "25.0 h, a session"),
    ],
)
def test_a_header_that_cannot_be(tmp_path: Path, rate: int, seconds: int, message: str) -> None:
    samples = min(rate * seconds, 2**30)
    with (tmp_path / "a.wav").open("wb") as file:
        file.write(raw_wav(rate, samples))
        file.truncate(44 + 2 * samples)  # a hole in the file: no room on the disk is taken
    with pytest.raises(WorkbenchError, match=message):
        import_session(tmp_path / "a.wav", tmp_path / "s")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()])
def test_only_files_are_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.wav")
    with pytest.raises(WorkbenchError, match=r"is a (folder|pipe, socket or device), must be"):
        import_session(tmp_path / "a.wav", tmp_path / "s")
    soundfile.write(tmp_path / "b.wav", NOISE, RATE)
    make(tmp_path / "l.csv")
    with pytest.raises(WorkbenchError, match=r"is a (folder|pipe, socket or device), must be"):
        import_session(tmp_path / "b.wav", tmp_path / "s", ImportOptions(labels=tmp_path / "l.csv"))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.aac", "a.mka"])
def test_what_only_ffmpeg_reads_is_converted(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(440, rate=48_000)] * 2, axis=1), 48_000)
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / name], check=True)
    done = import_session(tmp_path / name, tmp_path / "s")
    assert f"{tmp_path}/{name}: converted by ffmpeg" in done.notes
    assert done.session.samples == pytest.approx(3 * RATE, abs=2000)
    assert np.std(mic(done.session)[RATE : 2 * RATE]) == pytest.approx(0.4 / np.sqrt(2), rel=0.02)
    assert done.session.provenance["mic_imported_from"]["encoding"] == "converted by ffmpeg"
    assert sorted(path.name for path in done.session.folder.iterdir()) == ["mic.flac", "session.json"]


@pytest.mark.parametrize("data", [b"hello" * 999, bytes(4000), b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"])
def test_what_nothing_reads(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.m4a").write_bytes(data)
    with pytest.raises(WorkbenchError, match="not audio that libsndfile"):
        import_session(tmp_path / "a.m4a", tmp_path / "s")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkbenchError, match="with ffmpeg installed m4a, webm and others are read"):
        import_session(tmp_path / "a.m4a", tmp_path / "s")
    assert [path.name for path in tmp_path.iterdir()] == ["a.m4a"]


def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, (60 * 48_000, 2)), 48_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "import", "a.wav"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    while not list(tmp_path.glob("recordings/.*.unfinished/*")):
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    soundfile.write(tmp_path / "b.wav", NOISE, RATE)
    assert workbench(["import", "b.wav"], tmp_path).returncode == 0
    assert len(list(tmp_path.glob("recordings/.*.unfinished"))) == 1  # it is at work
    assert workbench(["sessions"], tmp_path).stdout.count("mic") == 1
    process.kill()
    process.wait()
    assert workbench(["import", "b.wav", "--name", "c"], tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "recordings").iterdir()) == ["b", "c"]
