"""A folder with a file of every format that the program reads, whole and small, made by the program itself."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from safetensors.numpy import save_file

from workbench.config import Config, override, to_dict
from workbench.files import pretty_json, read_json, sha256_file
from workbench.moshi.generate import Recipe, init
from workbench.recording.tape import TapeWriter
from workbench.sessions.folders import LIVE_TRACE
from workbench.sessions.labels import Label, write_labels
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.simulation.step_costs import STAGES
from workbench.trace import Header, Trace
from workbench.trace_file import write_trace
from workbench.units import SAMPLE_RATE

from ..command_line import workbench
from ..live.fake_microphone import run_live

SECONDS = 5
AUDIO = {
    "wav": "WAV", "aiff": "AIFF", "w64": "W64", "au": "AU", "caf": "CAF", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3",
    "rf64": "RF64",
}  # fmt: skip
"""Ending of an audio file, and what libsndfile calls its format."""

LABEL_FILES = {
    "csv": "start,end,kind,turn,text\n1.000000,2.000000,speech,1,what can you tell me\n2.500000,2.700000,noise,,\n",
    "txt": "1.000000\t2.000000\tspeech 1: what can you tell me\n2.500000\t2.700000\tnoise: door\n",
    "rttm": "SPEAKER talk 1 0.1 0.3 <NA> <NA> anna <NA> <NA>\nSPEAKER talk 1 0.5 0.4 <NA> <NA> bert <NA> <NA>\n",
    "stm": ";; by hand\ntalk 1 anna 1.00 2.00 <o,f0,male> what can you tell me\ntalk 1 bert 2.50 3.00 <o> yes\n",
}
REPLIES = (
    '{"history":["what can you tell me"],"tokens":["It"," is"," noon."],"times_ms":[120.0,150.5,190.0]}\n'
    '{"history":["what"],"tokens":["Yes."],"times_ms":[90.0],"remark":"cut off"}\n'
)
SPEC = """format = 1
name = "synthetic"
clips = "clips.json"
tail_s = 1.0
room = { noise_dbfs = -58.0, sway_db = 2.0 }
echo = { taps = [[40, -20]] }

[[event]]
clip = "talk"
after_s = 1.0
level_dbfs = -30.0

[[event]]
sound = "cough"
kind = "noise"
after_s = 0.5
"""
BUDGET = "[budget]\nvoice_to_voice_ms_p95 = 2000\ncutin_per_hold = 0.1\n"
SPACE = '[assistant]\nstt_silence_ms = { type = "frames", low = 160, high = 800 }\n'


def build(root: Path) -> None:
    """Write it all; ``root`` exists and is empty."""
    sound = _sound()
    folders = [_session(root / "recordings" / name, sound) for name in ("made", "other")]
    _live(root / "recordings" / "live", folders[0])
    _session(root / "recordings" / "silent", sound[:SAMPLE_RATE], labels=())
    (root / "audio").mkdir()
    for ending, kind in AUDIO.items():
        soundfile.write(root / "audio" / f"talk.{ending}", sound[:SAMPLE_RATE], SAMPLE_RATE, format=kind)
    (root / "clips.json").write_text('[{"file": "audio/talk.wav", "words": [["one", 0.1, 0.5]], "voice": "noise"}]\n')
    (root / "spec.toml").write_text(SPEC)
    for ending, text in LABEL_FILES.items():
        (root / f"labels.{ending}").write_text(text)
    tape = TapeWriter(root / "tapes" / "cut", ("mic",), {"name": "cut"})
    for second in range(2):
        tape.append("mic", (sound[second * SAMPLE_RATE :][:SAMPLE_RATE] * (1 << 23)).astype(np.int32))
        tape.commit({"mic": 0.0})
    tape.event({"sample": 480, "event": "mark", "text": "here"})
    tape.close()
    for kind in ("stt", "tts", "duplex"):
        init(root / "models" / kind, Recipe(kind))  # type: ignore[arg-type]
    save_file({"speaker_wavs": np.ones((1, 512, 125), dtype=np.float32)}, root / "voice.safetensors")
    (root / "my.toml").write_text('[assistant]\nstt_silence_ms = 560\n[stack]\nname = "scripted"\n')
    (root / "moshi.json").write_text(pretty_json({"stt_silence_ms": 480, "barge_in": True, "stt_model_path": None}))
    (root / "budget.toml").write_text(BUDGET)
    (root / "configs").mkdir()
    for name in ("space.toml", "configs/space.toml"):
        (root / name).write_text(SPACE)
    (root / "replies.jsonl").write_text(REPLIES)
    stages = {stage: [900.0, 1000.0] for stage in STAGES}
    profile = {"format": 1, "machine": "m", "unit": "µs", "stages": stages}
    (root / "profile.json").write_text(pretty_json(profile))
    _run(root, ["replay", "made", "--out", "run"])
    _run(root, [*TUNE, "--trials", "3"])


TUNE = ["tune", "made", "other", "--name", "s", "--stack", "scripted", "--config", "my.toml", "--space", "space.toml",
        "--budget", "budget.toml", "--sampler", "random"]  # fmt: skip


def _run(root: Path, arguments: Sequence[str]) -> None:
    done = workbench(list(arguments), root)
    assert done.returncode in (0, 1), done.stderr


def _sound() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    random = np.random.default_rng(0)
    level = np.full(SECONDS * SAMPLE_RATE, 0.001)
    level[SAMPLE_RATE : 2 * SAMPLE_RATE] = 0.1
    return (random.standard_normal(len(level)) * level).astype(np.float32)


_SPOKEN = (Label(SAMPLE_RATE, 2 * SAMPLE_RATE, "speech", 1, "what can you tell me"),)


def _session(
    folder: Path, sound: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", labels: Sequence[Label] = _SPOKEN
) -> Session:
    folder.mkdir(parents=True)
    write_track(folder / "mic.flac", iter([sound]))
    write_track(folder / "agent.flac", iter([sound[::-1].copy()]))
    write_labels(folder / "labels.csv", list(labels))
    (folder / "events.jsonl").write_text('{"sample":480,"event":"mark","text":"here"}\n')
    return write_manifest(folder, tracks={"mic": "mic.flac", "agent": "agent.flac"}, labels_source="human")


def _live(folder: Path, of: Session) -> None:
    """A session as if its assistant had run live."""
    shutil.copytree(of.folder, folder)
    config = override(Config(), {"stack.name": "scripted", "echo.path": "off"})
    manifest = read_json(folder / "session.json")
    trace = Trace(Header("live", of.samples), run_live(of, (), config, 1920))
    write_trace(folder / LIVE_TRACE, trace)
    live = {"file": LIVE_TRACE, "sha256": sha256_file(folder / LIVE_TRACE), "config": to_dict(config)}
    (folder / "session.json").write_text(pretty_json(manifest | {"name": "live", "live": live}))
    open_session(folder)


def copy(world: Path, to: Path) -> None:
    """A copy to break; models, which are large and which nothing writes, are the same files."""

    def place(source: str, target: str) -> None:
        (os.link if os.path.getsize(source) > 1 << 18 else shutil.copy2)(source, target)

    shutil.copytree(world, to, copy_function=place)
