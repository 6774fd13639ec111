"""What a user can get wrong: one clear line that names it, exit code 2, nothing lost, no traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.files import read_json

from ..command_line import snapshot, workbench
from ..conftest import MakeSession

Break = Callable[[Path], list[str]]
QUESTION = (1.0, 2.5, "speech", 1, "what can you tell me")


@pytest.fixture
def folder(make_session: MakeSession) -> Path:
    session, _ = make_session([QUESTION], 12)
    return session.folder


def manifest(changes: dict[str, object]) -> Break:
    def apply(folder: Path) -> list[str]:
        path = folder / "session.json"
        path.write_text(json.dumps(read_json(path) | changes))
        return ["replay", str(folder)]

    return apply


def track(**changes: object) -> Break:
    def apply(folder: Path) -> list[str]:
        path = folder / "session.json"
        data = read_json(path)
        data["tracks"]["mic"] |= changes
        path.write_text(json.dumps(data))
        return ["replay", str(folder)]

    return apply


def text(name: str, content: str, *arguments: str) -> Break:
    def apply(folder: Path) -> list[str]:
        path = folder / name if name == "labels.csv" else folder.parent / name
        path.write_text(content)
        return [item.format(folder=folder, file=path) for item in (arguments or ("replay", "{folder}"))]

    return apply


def knob(*assignments: str) -> Break:
    return lambda folder: ["replay", str(folder), *(part for item in assignments for part in ("--set", item))]


def config(content: str) -> Break:
    return text("my.toml", content, "replay", "{folder}", "--config", "{file}")


def budget(content: str) -> Break:
    return text("budget.toml", content, "replay", "{folder}", "--budget", "{file}")


def audio(samples: int, rate: int, channels: int) -> Break:
    def apply(folder: Path) -> list[str]:
        soundfile.write(folder / "mic.flac", np.zeros((samples, channels), dtype=np.float32), rate)
        return ["replay", str(folder)]

    return apply


def truncated(folder: Path) -> list[str]:
    data = (folder / "mic.flac").read_bytes()
    (folder / "mic.flac").write_bytes(data[: len(data) // 2])
    return ["replay", str(folder)]


def flipped(folder: Path) -> list[str]:
    data = bytearray((folder / "mic.flac").read_bytes())
    data[-2000] ^= 0x40
    (folder / "mic.flac").write_bytes(data)
    return ["replay", str(folder)]


def linked(folder: Path) -> list[str]:
    shutil.move(folder / "mic.flac", folder.parent / "elsewhere.flac")
    (folder / "mic.flac").symlink_to(folder.parent / "elsewhere.flac")
    return ["replay", str(folder)]


def gone(name: str) -> Break:
    def apply(folder: Path) -> list[str]:
        (folder / name).unlink()
        return ["replay", str(folder)]

    return apply


def trace(content: str) -> Break:
    """A run whose trace somebody has edited."""

    def apply(folder: Path) -> list[str]:
        run = folder.parent / "run"
        done = workbench(["replay", str(folder), "--out", str(run)], folder.parent)
        assert done.returncode == 0, done.stderr
        path = run / "made.trace.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        if content == "edit":
            lines[0] = lines[0].replace('"scripted"', '"other"')
        elif content == "empty":
            lines = []
        else:
            lines = [lines[0], content + "\n"]
        path.write_text("".join(lines))
        return ["score", str(run)]

    return apply


def profile(content: str) -> Break:
    return text("p.json", content, "replay", "{folder}", "--set", "profile={file}")


HEAD = "start,end,kind,turn,text\n"

CASES: dict[str, tuple[Break, str]] = {
    "no session": (lambda folder: ["replay", "nowhere"], "nowhere: no such session folder"),
    "no sessions at all": (lambda folder: ["replay"], "SESSION"),
    "not a session": (
        lambda folder: ["replay", str((folder / "inner").mkdir() or folder / "inner")],
        "json is missing",
    ),
    "cut-off recording": (
        lambda folder: [gone("session.json")(folder)[0], str((folder / ".recording").mkdir() or folder)],
        "record --recover",
    ),
    "manifest is not JSON": (text("made/session.json", "{", "replay", "{folder}"), "session.json: not valid JSON"),
    "manifest is a list": (
        text("made/session.json", "[]", "replay", "{folder}"),
        "session.json: the file must be an object",
    ),
    "newer format": (manifest({"format": 99}), "format is 99, must be 1"),
    "unknown manifest key": (manifest({"colour": "red"}), "unknown key 'colour'"),
    "other rate in manifest": (manifest({"sample_rate": 16000}), "sample_rate is 16000"),
    "no samples": (manifest({"samples": 0}), "samples is 0"),
    "no mic track": (manifest({"tracks": {}}), "tracks must hold 'mic'"),
    "unknown label source": (manifest({"labels": "guess"}), "labels is 'guess'"),
    "name with a slash": (manifest({"name": "a/b"}), "name 'a/b'"),
    "echo louder than possible": (manifest({"echo": {"taps": [[40, 90]]}}), "echo tap [40, 90]"),
    "track leaves the session": (track(file="../elsewhere.flac"), "leaves the session folder"),
    "absolute track": (track(file="/etc/passwd"), "leaves the session folder"),
    "track is a link": (linked, "leaves the session folder"),
    "track length differs": (track(samples=7), "288000 samples"),
    "track checksum differs": (track(sha256="0" * 64), "checksum differs"),
    "track is missing": (gone("mic.flac"), "track 'mic' is missing"),
    "track is truncated": (truncated, "mic.flac"),
    "track has a flipped bit": (flipped, "checksum differs"),
    "track at 16 kHz": (audio(288_000, 16_000, 1), "16000 Hz, must be 24000"),
    "stereo track": (audio(288_000, 24_000, 2), "2 channels, must be mono"),
    "labels without header": (text("labels.csv", "1,2,speech,1,hi\n"), "first line must be start,end,kind,turn,text"),
    "label kind": (text("labels.csv", HEAD + "1,2,shout,,hi\n"), "line 2: kind 'shout'"),
    "label ends before it starts": (
        text("labels.csv", HEAD + "2,1,speech,1,\n"),
        "line 2: ends at 1 s",
    ),
    "label after the session": (
        text("labels.csv", HEAD + "1,99,speech,1,\n"),
        "line 2: ends at 99 s",
    ),
    "label is NaN": (text("labels.csv", HEAD + "nan,2,speech,1,\n"), "line 2: 'nan' is not a time"),
    "labels overlap": (
        text("labels.csv", HEAD + "1,3,speech,1,\n2,4,speech,1,\n"),
        "line 3: overlaps",
    ),
    "unknown knob": (knob("stt_silence=560x", "stt_silenc_ms=3"), "stt_silence is '560x', must be true or false"),
    "misspelt knob": (knob("stt_silenc_ms=3"), "did you mean stt_silence_ms"),
    "knob without value": (knob("stt_silence_ms"), "must be knob=value"),
    "knob of the wrong type": (knob("stt_silence_ms=soon"), "stt_silence_ms is 'soon', must be a whole number"),
    "knob out of range": (knob("stt_silence_threshold=2"), "must be from 0 to 1"),
    "knob is NaN": (knob("stt_silence_threshold=nan"), "stt_silence_threshold is NaN"),
    "nothing ends a turn": (knob("stt_silence=false"), "nothing would ever end a turn"),
    "what the consumer refuses": (
        knob("listener=mlx-harmony", "barge_in=true", "tts_stream=true"),
        "tts_stream with barge_in",
    ),
    "no such stack": (lambda folder: ["replay", str(folder), "--stack", "gpt"], "stack.name is 'gpt'"),
    "no such listener": (lambda folder: ["replay", str(folder), "--listener", "me"], "'me' is not one of"),
    "no config file": (lambda folder: ["replay", str(folder), "--config", "no.toml"], "no.toml: no such file"),
    "config is not TOML": (config("[assistant\n"), "not valid TOML"),
    "config section": (config("[assistent]\nbarge_in = true\n"), "unknown key 'assistent'"),
    "config key": (config("[assistant]\nbarge = true\n"), "unknown key 'assistant.barge'"),
    "config type": (config('[assistant]\nbarge_in = "true"\n'), "assistant.barge_in is 'true', must be true or false"),
    "budget key": (budget("[budget]\nlatency = 3\n"), "unknown score 'latency'"),
    "price key": (budget("[price]\ncutin = 3\n"), "unknown price 'cutin'"),
    "price option": (lambda folder: ["replay", str(folder), "--price", "cut_in"], "must be FAULT=SECONDS"),
    "price seconds": (
        lambda folder: ["replay", str(folder), "--price", "cut_in=-1"],
        "cut_in is -1.0, must",
    ),
    "budget limit": (budget('[budget]\nwer = "low"\n'), "wer is 'low', must be a number"),
    "no profile file": (knob("profile=none.json"), "none.json: no such file"),
    "profile is something else": (profile("{}"), "format is missing; measure a cost profile"),
    "profile lacks a stage": (
        profile('{"format": 1, "stages": {"stt": [1]}}'),
        "stages.stt_reset is missing; it must be a list",
    ),
    "no run": (lambda folder: ["score", "reports/none"], "not a run"),
    "edited trace": (trace("edit"), "digest differs"),
    "empty trace": (trace("empty"), "the first line must be the header"),
    "unknown event": (trace('{"event":"shout","t":1}'), "line 2: unknown event 'shout'"),
    "event without time": (trace('{"event":"listen"}'), "line 2: listen: field 't' is missing"),
    "event before the session": (trace('{"event":"listen","t":-1}'), "t is -1"),
    "event field": (trace('{"event":"listen","t":1,"who":"me"}'), "unknown field 'who'"),
    "unknown option": (lambda folder: ["replay", str(folder), "--fast"], "No such option"),
    "unknown command": (lambda folder: ["reply"], "No such command"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line(folder: Path, case: str) -> None:
    prepare, words = CASES[case]
    arguments = prepare(folder)
    before = snapshot(folder)
    done = workbench(arguments, folder.parent.parent)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert "Traceback" not in done.stdout
    assert snapshot(folder) == before


@pytest.mark.parametrize("arguments", [[], ["models"], ["voices"]], ids=["workbench", "models", "voices"])
def test_no_command_is_a_call_for_help(arguments: list[str], tmp_path: Path) -> None:
    done, asked = workbench(arguments, tmp_path), workbench([*arguments, "--help"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == asked.stdout
    assert done.stdout.startswith("Usage: ")


def test_a_bad_session_in_a_batch_is_named_and_the_others_finish(folder: Path, make_session: MakeSession) -> None:
    make_session([QUESTION], 12, name="other")
    flipped(folder)
    out = folder.parent.parent / "run"
    done = workbench(["replay", str(folder), str(folder.parent / "other"), "--out", str(out)], folder.parent)
    assert done.returncode == 2
    assert "checksum differs" in done.stderr
    assert (out / "other.trace.jsonl").exists()
    assert read_json(out / "scores.json")["scores"]["turns_n"] == 1


def test_of_several_folders_one_without_a_session_is_left_out(folder: Path) -> None:
    """``recordings/*``, as a shell spells it out."""
    where = folder.parent
    for name in ("others", "lost"):
        (where / name).mkdir()
    (where / "lost" / "mic.flac").write_bytes(b"")
    done = workbench(["replay", folder.name, "others", "--out", "run", "--json"], where)
    assert done.returncode == 0
    assert done.stderr.strip() == "note: others: no session in this folder, left out"
    alone = workbench(["replay", "others"], where)
    assert alone.returncode == 2
    assert "error: others: not a session" in alone.stderr
    lost = workbench(["replay", folder.name, "lost", "--out", "run", "--json"], where)
    assert lost.returncode == 2
    assert "lost: not a session, session.json is missing" in lost.stderr


@pytest.mark.parametrize(
    "names", [["."], ["made", "."], [".", "other"], ["made", "other", "made"]], ids=lambda names: "+".join(names)
)
def test_a_folder_of_sessions_stands_for_its_sessions(
    folder: Path, make_session: MakeSession, names: list[str]
) -> None:
    make_session([QUESTION], 12, name="other")
    done = workbench(["replay", *names, "--out", "run", "--json"], folder.parent)
    assert (done.returncode, done.stderr) == (0, "")
    run = read_json(folder.parent / "run" / "run.json")
    assert sorted(entry["name"] for entry in run["sessions"]) == ["made", "other"]


@pytest.mark.parametrize("arguments", [["label", ".", "--auto"], ["compare", "."]], ids=lambda arguments: arguments[0])
def test_a_folder_of_sessions_is_not_one_session(folder: Path, arguments: list[str]) -> None:
    done = workbench(arguments, folder.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: .: a folder of sessions, one session is needed here, such as made\n"


def test_over_budget_is_exit_code_1_and_names_the_figure(folder: Path) -> None:
    path = folder.parent / "budget.toml"
    path.write_text("[budget]\nvoice_to_voice_ms_p50 = 1\nstall_ratio = 0.5\n")
    done = workbench(["replay", str(folder), "--budget", str(path), "--json"], folder.parent.parent)
    assert done.returncode == 1
    assert json.loads(done.stdout)["over_budget"] == ["voice_to_voice_ms_p50"]
    assert "over budget: voice_to_voice_ms_p50" in done.stderr
