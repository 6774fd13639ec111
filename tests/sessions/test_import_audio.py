"""Recordings of any kind become sessions; what cannot is refused by name and leaves nothing behind."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.errors import WorkbenchError
from workbench.files import read_json, sha256_file
from workbench.sessions.import_audio import ImportOptions, import_session
from workbench.sessions.labels import Label, read_labels
from workbench.sessions.session import Session, open_session

from ..command_line import snapshot, workbench

RATE = 24_000


def tone(seconds: float, rate: int, hz: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def whole(session: Session, track: str = "mic") -> np.ndarray:
    return session.read(0, session.samples, track)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_what_needs_no_change_is_copied_number_by_number(tmp_path: Path, suffix: str, subtype: str, bits: int) -> None:
    numbers = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 30_000).astype(np.int32)
    source = tmp_path / f"a.{suffix}"
    soundfile.write(source, numbers << (32 - bits), RATE, subtype)
    done = import_session(source, tmp_path / "s")
    assert done.notes == ()
    assert soundfile.info(done.session.mic.path).subtype == subtype
    np.testing.assert_array_equal(soundfile.read(done.session.mic.path, dtype="int32")[0] >> (32 - bits), numbers)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_any_rate_comes_out_at_24_khz(tmp_path: Path, rate: int, subtype: str) -> None:
    """A tone stays that tone, at its level and phase, from the first sample on."""
    soundfile.write(tmp_path / "a.wav", tone(3, rate), rate, subtype)
    done = import_session(tmp_path / "a.wav", tmp_path / "s")
    assert done.session.samples == pytest.approx(3 * RATE, abs=1)
    inside = slice(RATE // 10, -RATE // 5)
    np.testing.assert_allclose(whole(done.session)[inside], tone(3, RATE)[: done.session.samples][inside], atol=2e-4)
    assert done.notes == (f"{tmp_path / 'a.wav'}: resampled from {rate} Hz to 24000 Hz",)


def test_what_a_decoder_writes_past_python_is_a_note(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.wav"
    soundfile.write(source, tone(1, RATE), RATE)

    def complaining(path: Path) -> bool:
        os.write(2, b"[src/libmpg123/layer3.c:do_layer3():1774] error: too large\n\nNote: Trying to resync...\n")
        return False

    monkeypatch.setattr("workbench.sessions.audio_files.lacks_its_end", complaining)
    done = import_session(source, tmp_path / "s")
    assert done.notes == ("damaged in places: the decoder complains 2 times, first of 'error: too large'",)
    with pytest.raises(WorkbenchError, match="name is taken"):
        import_session(source, tmp_path / "s")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_an_mp3_that_can_be_decoded_in_part_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.mp3"
    soundfile.write(source, np.random.default_rng(0).normal(0, 0.1, 8 * RATE), RATE)
    good = source.read_bytes()
    assert import_session(source, tmp_path / "good").notes == ()
    notes = ""
    for seed in range(40):
        random = np.random.default_rng(seed)
        bad = bytearray(good)
        for at in random.integers(2000, len(bad) - 2000, 4):
            bad[at] ^= random.integers(1, 256)
        source.write_bytes(bad)
        notes += "\n".join(import_session(source, tmp_path / f"s{seed}").notes)
    assert "s of 8.0 s only" in notes
    assert capfd.readouterr().err == ""


def test_resampling_in_blocks_equals_resampling_at_once(tmp_path: Path) -> None:
    import soxr

    noise = np.random.default_rng(1).normal(0, 0.1, 300_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, 44_100, "FLOAT")
    session = import_session(tmp_path / "a.wav", tmp_path / "s").session
    at_once = soxr.resample(noise, 44_100, RATE, quality="VHQ")
    assert session.samples == len(at_once)
    np.testing.assert_allclose(whole(session), at_once, atol=2**-23)


def test_channels_are_mixed_down_aloud(tmp_path: Path) -> None:
    left, right = tone(1, RATE), tone(1, RATE, 660)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, "FLOAT")
    done = import_session(tmp_path / "a.wav", tmp_path / "s")
    np.testing.assert_allclose(whole(done.session), (left + right) / 2, atol=2**-22)
    assert done.notes == (
        f"{tmp_path / 'a.wav'}: 2 channels mixed down to one (their mean)",
        f"{tmp_path / 'a.wav'}: channels 1 and 2 are different sound (correlation 0.00); if one is the user and one "
        "the agent, choose them with --mic-channel and --agent-channel",
    )


def test_equal_channels_lose_nothing(tmp_path: Path) -> None:
    numbers = np.random.default_rng(2).integers(-(2**15), 2**15, 30_000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", np.stack([numbers] * 2, axis=1), RATE)
    session = import_session(tmp_path / "a.wav", tmp_path / "s").session
    np.testing.assert_array_equal(soundfile.read(session.mic.path, dtype="int16")[0], numbers)


@pytest.mark.parametrize("kind", ["OGG", "MP3", "AIFF", "CAF", "W64", "AU"])
def test_other_formats(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"a.{kind.lower()}"
    soundfile.write(source, tone(2, 48_000), 48_000, format=kind)
    session = import_session(source, tmp_path / "s").session
    assert session.samples == pytest.approx(2 * RATE, abs=1200)
    assert np.std(whole(session)[RATE // 2 : RATE]) == pytest.approx(0.3 / np.sqrt(2), rel=0.02)


def test_beyond_full_scale_is_clipped_aloud(tmp_path: Path) -> None:
    loud = np.zeros(RATE, dtype=np.float32)
    loud[100:103] = 1.5, -2.0, 1.0
    soundfile.write(tmp_path / "a.wav", loud, RATE, "FLOAT")
    done = import_session(tmp_path / "a.wav", tmp_path / "s")
    assert whole(done.session)[100:103] == pytest.approx([1, -1, 1], abs=2**-22)
    assert done.notes == (f"{tmp_path / 'a.wav'}: 2 samples were beyond full scale and are clipped",)


def test_silence_is_said(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    assert import_session(tmp_path / "a.wav", tmp_path / "s").notes == (f"{tmp_path / 'a.wav'}: every sample is zero",)


def test_agent_and_labels_come_along(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(2, RATE), RATE)
    soundfile.write(tmp_path / "b.wav", tone(2, 48_000, 880), 48_000)
    (tmp_path / "l.txt").write_text("0.5\t1.25\tspeech: hello there\n", encoding="utf-8")
    session = import_session(
        tmp_path / "a.wav", tmp_path / "s", ImportOptions(agent=tmp_path / "b.wav", labels=tmp_path / "l.txt")
    ).session
    assert sorted(session.tracks) == ["agent", "mic"]
    assert np.std(whole(session, "agent")) == pytest.approx(0.3 / np.sqrt(2), rel=0.01)
    assert read_labels(session.labels_path) == (Label(12_000, 30_000, "speech", 1, "hello there"),)
    assert session.labels_source == "human"
    assert session.provenance["mic_imported_from"]["sha256"] == sha256_file(tmp_path / "a.wav")
    assert session.provenance["agent_imported_from"]["sample_rate"] == 48_000
    assert session.verify() == []


def test_rates_that_leave_one_sample_between_the_tracks(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(2, RATE), RATE)
    soundfile.write(tmp_path / "b.wav", tone(2, 44_100)[:-1], 44_100)
    session = import_session(tmp_path / "a.wav", tmp_path / "s", ImportOptions(agent=tmp_path / "b.wav")).session
    assert session.samples == 2 * RATE


def test_import_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(3).normal(0, 0.1, (70_000, 2)), 44_100)
    folders = [import_session(tmp_path / "a.wav", tmp_path / name / "s").session.folder for name in "xy"]
    assert snapshot(folders[0]) == snapshot(folders[1])


def test_the_command_says_what_it_did_and_what_comes_next(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "My call (2).wav", np.stack([tone(2, 44_100)] * 2, axis=1), 44_100)
    done = workbench(["import", "My call (2).wav"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert open_session(tmp_path / "recordings" / "My-call-2").samples == 2 * RATE
    assert [line.split(": ")[-1] for line in done.stdout.splitlines()[:3]] == [
        "2 channels mixed down to one (their mean)",
        "resampled from 44100 Hz to 24000 Hz",
        "2.0 s, mic",
    ]
    assert "workbench label" in done.stdout


Make = Callable[[Path], None]


def wav(name: str, data: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> Make:
    return lambda folder: soundfile.write(folder / name, data, rate, subtype)


def put(name: str, data: bytes) -> Make:
    return lambda folder: (folder / name).write_bytes(data) and None


def damaged_flac(folder: Path) -> None:
    soundfile.write(folder / "bad.flac", np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    data = (folder / "bad.flac").read_bytes()
    (folder / "bad.flac").write_bytes(data[: len(data) // 2])


def with_value(value: float, at: int) -> np.ndarray:
    data = np.zeros((RATE, 2), dtype=np.float32)
    data[at, 1] = value
    return data


def nothing(folder: Path) -> None:
    pass


LABELLED = "import", "ok.wav", "--labels"
HEADER = b"start,end,kind,turn,text\n"
CASES: dict[str, tuple[Make, tuple[str, ...], str]] = {
    "no such file": (nothing, ("import", "gone.wav"), "gone.wav: no such file"),
    "a folder": (lambda folder: (folder / "d").mkdir(), ("import", "d"), "d: is a folder"),
    "zero bytes": (put("a.wav", b""), ("import", "a.wav"), "a.wav: is empty"),
    "not audio": (put("a.wav", b"hello" * 99), ("import", "a.wav"), "a.wav: not audio"),
    "headerless": (put("a.raw", bytes(9999)), ("import", "a.raw"), "a.raw: headerless audio"),
    "no samples": (wav("a.wav", np.zeros(0)), ("import", "a.wav"), "a.wav: holds no audio"),
    "too short": (wav("a.wav", np.zeros(1000)), ("import", "a.wav"), "less than one frame"),
    "not a number": (wav("a.wav", with_value(np.nan, 12_000)), ("import", "a.wav"), "NaN at sample 12000 (0.500 s)"),
    "infinite": (wav("a.wav", with_value(-np.inf, 6)), ("import", "a.wav"), "infinity at sample 6"),
    "cut off": (damaged_flac, ("import", "bad.flac"), "bad.flac: damaged"),
    "agent missing": (nothing, ("import", "ok.wav", "--agent", "gone.wav"), "gone.wav: no such file"),
    "agent shorter": (
        wav("b.wav", np.zeros(RATE - 1)),
        ("import", "ok.wav", "--agent", "b.wav"),
        "ok.wav: 1.000000 s, b.wav 0.999958 s; both must",
    ),
    "agent at another rate, longer": (
        wav("b.wav", np.zeros(48_100), 48_000),
        ("import", "ok.wav", "--agent", "b.wav"),
        "equally long",
    ),
    "agent not a number": (
        wav("b.wav", with_value(np.nan, 3)),
        ("import", "ok.wav", "--agent", "b.wav"),
        "b.wav: NaN at sample 3",
    ),
    "name taken": (
        lambda folder: (folder / "recordings" / "ok").mkdir(parents=True),
        ("import", "ok.wav"),
        "name is taken",
    ),
    "name leaves the folder": (nothing, ("import", "ok.wav", "--name", "../up"), "--name: name '../up' must be"),
    "empty name": (nothing, ("import", "ok.wav", "--name", ""), "--name: name '' must be"),
    "no audio given": (nothing, ("import",), "Missing argument 'AUDIO'"),
    "unknown source": (nothing, ("import", "ok.wav", "--source", "me"), "Invalid value for '--source'"),
    "into a file": (put("f", b"x"), ("import", "ok.wav", "--dir", "f"), "f/ok: cannot be written"),
    "labels missing": (nothing, (*LABELLED, "l.csv"), "l.csv: no such file"),
    "labels of no format": (
        put("l.json", b"{}"),
        (*LABELLED, "l.json"),
        "l.json: labels must be a file ending in .csv",
    ),
    "labels without header": (put("l.csv", b"0,1,speech,,\n"), (*LABELLED, "l.csv"), "first line must be"),
    "labels not text": (put("l.txt", b"\xff\xfe\x00"), (*LABELLED, "l.txt"), "cannot be read as UTF-8"),
    "label after the end": (
        put("l.csv", HEADER + b"0.1,0.2,noise,,\n0.5,1.5,noise,,\n"),
        (*LABELLED, "l.csv"),
        "l.csv: line 3: ends at 1.5 s, after the session (1 s)",
    ),
    "label ends before it starts": (
        put("l.csv", HEADER + b"0.5,0.4,noise,,\n"),
        (*LABELLED, "l.csv"),
        "line 2: ends at 0.4 s, not after its start",
    ),
    "unknown kind": (put("l.csv", HEADER + b"0,1,speach,,\n"), (*LABELLED, "l.csv"), "line 2: kind 'speach'"),
    "overlap": (
        put("l.txt", b"0\t0.5\tspeech\n0.4\t0.8\tspeech\n"),
        (*LABELLED, "l.txt"),
        "line 2: overlaps the speech interval before it",
    ),
    "time not a number": (put("l.txt", b"0\tsoon\thello\n"), (*LABELLED, "l.txt"), "line 1: 'soon' is not a time"),
    "time NaN": (put("l.csv", HEADER + b"nan,1,noise,,\n"), (*LABELLED, "l.csv"), "line 2: 'nan' is not a time"),
    "rttm cut short": (put("l.rttm", b"SPEAKER f 1 0.1\n"), (*LABELLED, "l.rttm"), "line 1: a SPEAKER line has"),
    "rttm without speakers": (put("l.rttm", b";; nothing\n"), (*LABELLED, "l.rttm"), "holds no speaker"),
    "nobody of that name": (
        put("l.stm", b"f 1 anna 0.1 0.5 hello\n"),
        (*LABELLED, "l.stm", "--speaker", "bob"),
        "l.stm: no speaker 'bob'; there are anna",
    ),
    "speaker where there are none": (
        put("l.csv", HEADER),
        (*LABELLED, "l.csv", "--speaker", "bob"),
        "l.csv: .csv labels name no speakers",
    ),
    "no sessions anywhere": (nothing, ("sessions",), "recordings: no such folder of sessions"),
    "no folder of sessions": (nothing, ("sessions", "nowhere"), "nowhere: no such session or folder of sessions"),
    "a folder of other things": (
        lambda folder: (folder / "notes").mkdir(),
        ("sessions", "--verify", "notes"),
        "notes: neither a session nor a folder of sessions",
    ),
    "a file": (nothing, ("sessions", "ok.wav"), "ok.wav: neither a session nor a folder of sessions"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gives_one_line_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    make, arguments, message = CASES[case]
    soundfile.write(tmp_path / "ok.wav", np.zeros(RATE, dtype=np.int16), RATE)
    make(tmp_path)
    before = snapshot(tmp_path)
    done = workbench(list(arguments), tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert snapshot(tmp_path) == before
    assert not list(tmp_path.rglob("*.unfinished"))


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails in the middle: the limit on file size stands in for the disk."""
    import resource
    import signal

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 10 * RATE), RATE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        done = workbench(["import", "a.wav"], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert done.returncode == 2
    assert "recordings/a: cannot be written" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.wav"]


def test_list_names_what_is_broken_and_shows_the_rest(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "ok.wav", tone(1, RATE), RATE)
    for name in "abc":
        import_session(tmp_path / "ok.wav", tmp_path / "recordings" / name)
    (tmp_path / "recordings" / "b" / "mic.flac").unlink()
    with (tmp_path / "recordings" / "c" / "mic.flac").open("r+b") as file:
        file.seek(-9, 2)
        file.write(b"x")
    done = workbench(["sessions"], tmp_path)
    assert done.returncode == 2
    assert [name in done.stdout for name in ("a ", "b ", "c ")] == [True, False, True]
    assert "b/mic.flac: track 'mic' is missing" in done.stderr
    (tmp_path / "recordings" / "b" / "session.json").unlink()
    done = workbench(["sessions", "--verify", "--json"], tmp_path)
    assert done.returncode == 1
    assert "c/mic.flac: checksum differs" in done.stderr
    (tmp_path / "out.json").write_text(done.stdout, encoding="utf-8")
    listed = read_json(tmp_path / "out.json")
    assert [(row["name"], row["seconds"], row["labels"]) for row in listed["sessions"]] == [
        ("a", 1.0, None),
        ("c", 1.0, None),
    ]
    assert len(listed["changed"]) == 1


def test_list_takes_sessions_and_folders_of_them(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "ok.wav", tone(1, RATE), RATE)
    for folder in ("recordings/a", "recordings/b", "elsewhere/c"):
        import_session(tmp_path / "ok.wav", tmp_path / folder)

    def listed(*where: str) -> list[str]:
        done = workbench(["sessions", "--verify", "--json", *where], tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        return [row["name"] for row in json.loads(done.stdout)["sessions"]]

    assert listed() == listed("recordings") == ["a", "b"]
    assert listed("recordings/b") == listed("b") == ["b"]  # by its name in recordings/, as all commands take it
    assert listed("recordings/b/", "elsewhere", "recordings") == ["b", "c", "a"]  # each once
    with (tmp_path / "recordings/b/mic.flac").open("r+b") as file:
        file.seek(-9, 2)
        file.write(b"x")
    assert workbench(["sessions", "--verify", "recordings/a", "elsewhere"], tmp_path).returncode == 0
    done = workbench(["sessions", "--verify", "recordings/a", "recordings/b"], tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "b/mic.flac: checksum differs" in done.stderr
    done = workbench(["sessions", "elsewhere", "nowhere"], tmp_path)  # the rest are listed all the same
    assert (done.returncode, done.stderr) == (2, "error: nowhere: no such session or folder of sessions\n")
    assert "c " in done.stdout
