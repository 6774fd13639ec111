"""Builds the demo sessions from ``sources/``: ``python demo_sessions/build.py [--out FOLDER] [NAME...]``.

Every label is exact because the sessions are put together: a clip is trimmed to its first and last audible sample and
laid at a known sample. Audible is where its level, RMS over 10 ms, is less than ``floor_db`` below its highest. In
sources.json that is 45 dB, and 28 dB for the readings, which bring a room of their own, inside the ``span`` given
there. A clip's ``rms`` is taken over the trimmed clip. Built again with the same numpy, soxr and libsndfile, every
sample is the same.
"""

import argparse
import hashlib
import json
import zlib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from scenes import SCENES, Scene, Sound
from sounds import RATE, SOUNDS, Wave, room

from workbench.sessions.folders import LABELS
from workbench.sessions.labels import Label, validate, write_labels
from workbench.sessions.session import write_manifest
from workbench.sessions.tracks import write_track
from workbench.units import FRAME_SAMPLES, ms_to_samples, seconds_to_samples

HERE = Path(__file__).parent
SOURCES = HERE / "sources"
RECORDINGS = HERE.parent / "recordings"
WINDOW = ms_to_samples(10)
FADE = ms_to_samples(3)
NOISE_FLOOR_DB = -45.0


@cache
def sources() -> dict[str, dict[str, Any]]:
    """Entries of sources.json by file stem."""
    return {Path(entry["file"]).stem: entry for entry in json.loads((SOURCES / "sources.json").read_text("utf-8"))}


@cache
def clip(stem: str) -> Wave:
    """A source at 24 kHz, checked against its checksum."""
    entry = sources()[stem]
    path = SOURCES / entry["file"]
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        raise SystemExit(f"{path}: differs from sources.json; restore the file")
    wave, rate = soundfile.read(path, dtype="float64")
    return np.asarray(soxr.resample(wave, rate, RATE, quality="VHQ") if rate != RATE else wave)


def level(wave: Wave) -> Wave:
    """RMS over a window of 10 ms about each sample."""
    padded = np.concatenate([np.zeros(WINDOW // 2), wave**2, np.zeros(WINDOW - WINDOW // 2)])
    total = np.concatenate([[0.0], np.cumsum(padded)])
    return np.sqrt(np.maximum(total[WINDOW : WINDOW + len(wave)] - total[: len(wave)], 0) / WINDOW)


def trimmed(wave: Wave, floor_db: float) -> Wave:
    """From the first audible sample to the last, with 3 ms of fade at both ends."""
    loud = level(wave)
    audible = np.flatnonzero(loud > loud.max() * 10 ** (floor_db / 20))
    out = wave[audible[0] : audible[-1] + 1].copy()
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(FADE) + 0.5) / FADE)
    out[:FADE] *= ramp
    out[-FADE:] *= ramp[::-1]
    return out


def boundary(stem: str, word: int) -> int:
    """Where to cut before a word: the quietest place within 60 ms of the border that sources.json gives."""
    words, wave = sources()[stem]["words"], clip(stem)
    if word in (0, len(words)):
        return seconds_to_samples(sources()[stem]["span"][0 if word == 0 else 1])
    border = (words[word - 1][2] + words[word][1]) / 2
    first = max(0, seconds_to_samples(border) - ms_to_samples(60))
    return first + int(np.argmin(level(wave)[first : first + ms_to_samples(120)]))


def spoken(stem: str, first: int, stop: int) -> tuple[Wave, str]:
    """Words ``[first, stop)`` of a source, trimmed, and their text."""
    entry = sources()[stem]
    wave = clip(stem)[boundary(stem, first) : boundary(stem, stop)]
    return trimmed(wave, entry["floor_db"]), " ".join(word for word, _, _ in entry["words"][first:stop])


def pieces(sound: Sound, seed: int) -> list[tuple[Wave, str]]:
    """The clips of one sound, each at its level: several where there are holds."""
    if sound.clip in SOUNDS:
        found = [(trimmed(SOUNDS[sound.clip](seed), NOISE_FLOOR_DB), sound.clip)]
    else:
        cuts = [0, *(cut for cut, _ in sound.holds), len(sources()[sound.clip]["words"])]
        found = [spoken(sound.clip, a, b) for a, b in pairwise(cuts)]
    scale = sound.rms / np.sqrt(np.mean(np.concatenate([wave for wave, _ in found]) ** 2))
    return [(wave * scale, text) for wave, text in found]


def assemble(scene: Scene) -> tuple[np.ndarray[Any, np.dtype[np.int16]], list[Label]]:
    """Samples and labels of a scene: sounds laid over the room, each ``after`` seconds from the last turn's end."""
    base = zlib.crc32(scene.name.encode())
    placed: list[tuple[int, Wave]] = []
    labels: list[Label] = []
    turn, turn_end = 0, 0
    for number, sound in enumerate(scene.sounds):
        at = turn_end + seconds_to_samples(sound.after)
        turn += sound.kind == "speech"
        holds = iter(seconds for _, seconds in sound.holds)
        for wave, text in pieces(sound, base + 10 * number):
            placed.append((at, wave))
            labels.append(Label(at, at + len(wave), sound.kind, turn if sound.kind == "speech" else None, text))
            end = at + len(wave)
            at = end + seconds_to_samples(next(holds, 0.0))
        turn_end = end if sound.kind == "speech" else turn_end
    samples = -(-(turn_end + seconds_to_samples(scene.tail)) // FRAME_SAMPLES) * FRAME_SAMPLES
    mix = room(samples, base + 5, scene.room_rms, scene.room_sway_db)
    for at, wave in placed:
        mix[at : at + len(wave)] += wave
    if np.abs(mix).max() >= 1:
        raise SystemExit(f"{scene.name}: clips; lower a level")
    return np.rint(mix * 32768).astype(np.int16), labels


def provenance(scene: Scene) -> dict[str, Any]:
    """What the session is made of."""
    used = sorted({sound.clip for sound in scene.sounds if sound.clip not in SOUNDS})
    made = sorted({sound.clip for sound in scene.sounds if sound.clip in SOUNDS})
    return {
        "shows": scene.shows,
        "made_by": "demo_sessions/build.py",
        "nano_vocabulary": scene.nano_vocabulary,
        "sources": [{key: sources()[stem][key] for key in ("file", "voice", "licence", "sha256")} for stem in used],
        "generated": ["room noise", *made],
    }


def build(scene: Scene, out: Path) -> None:
    """Write one session."""
    mix, labels = assemble(scene)
    folder = out / scene.name
    folder.mkdir(parents=True, exist_ok=True)
    write_track(folder / "mic.flac", iter([mix]))
    write_labels(folder / LABELS, validate(labels, len(mix), scene.name))
    echo = {"taps": [list(tap) for tap in scene.echo]} if scene.echo else None
    tracks = {"mic": "mic.flac"}
    write_manifest(folder, tracks=tracks, echo=echo, labels_source="constructed", provenance=provenance(scene))


def main() -> None:
    """Build all sessions."""
    parser = argparse.ArgumentParser(description="Build the demo sessions from demo_sessions/sources.")
    parser.add_argument("--out", type=Path, default=RECORDINGS, help="folder for the sessions (default: recordings/)")
    parser.add_argument("names", nargs="*", help="sessions to build (default: all)")
    args = parser.parse_args()
    known = {scene.name for scene in SCENES}
    if unknown := sorted(set(args.names) - known):
        raise SystemExit(f"no scene {unknown[0]!r}; there are {', '.join(sorted(known))}")
    for scene in SCENES:
        if not args.names or scene.name in args.names:
            build(scene, args.out)
            print(args.out / scene.name)


if __name__ == "__main__":
    main()
