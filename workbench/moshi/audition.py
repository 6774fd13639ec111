"""Voices one after another on the same text: a FLAC each and a row of what can be measured without ears."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.moshi.checkpoint import Checkpoint
from workbench.sessions.tracks import write_track
from workbench.units import SAMPLE_RATE

AUDIBLE = 10 ** (-50 / 20)
"""-50 dBFS, as everywhere a sample counts as audible."""


@dataclass(frozen=True)
class Take:
    """One voice's reading.

    Attributes:
        voice: as given.
        path: its FLAC.
        seconds: length of the sound.
        words_per_minute: from the first word's step to the last one's end.
        level_db: RMS, dB relative to full scale.
        peak: largest magnitude.
        lead_ms: silence before the first audible sample.
        speed: sound per computing time on this machine; below 1 it stutters.
    """

    voice: str
    path: Path
    seconds: float
    words_per_minute: float
    level_db: float
    peak: float
    lead_ms: float
    speed: float


def audition(checkpoint: Checkpoint, voices: Sequence[str], text: str, out: Path, seed: int) -> Iterator[Take]:
    """Speak ``text`` with each voice and write ``out/<voice>.flac``.

    Raises:
        WorkbenchError: a voice is not there or unfit, or two would have the same file name.
    """
    from workbench.moshi.tts import DsmTts, TtsOptions
    from workbench.moshi.voices import check, resolve

    files = {v: out / (_stem(v) + ".flac") for v in voices}
    if len(set(files.values())) < len(voices):
        raise WorkbenchError("audition: two of the voices have the same name; give each one once")
    for voice in voices:
        check(resolve(checkpoint, voice), checkpoint)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise WorkbenchError(f"{out}: cannot be made ({e.strerror})") from e
    tts = DsmTts(checkpoint, TtsOptions(voice=voices[0]))
    for voice in voices:
        tts = tts.with_voice(voice)
        begun = time.perf_counter()
        speech = tts.synthesize(text, seed)
        frames = [f for f in speech if f is not None]
        taken = time.perf_counter() - begun
        pcm = np.concatenate(frames) if frames else np.zeros(1, np.float32)
        write_track(files[voice], iter([np.clip(pcm, -1, 1)]))
        yield _take(voice, files[voice], pcm, len(speech.words), taken)


def _stem(voice: str) -> str:
    return Path(voice).name.split("@")[0].removesuffix(".safetensors") or voice


def _take(voice: str, path: Path, pcm: Audio, words: int, taken: float) -> Take:
    seconds = len(pcm) / SAMPLE_RATE
    audible = np.flatnonzero(np.abs(pcm) >= AUDIBLE)
    level = float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))
    return Take(
        voice,
        path,
        seconds,
        words / seconds * 60,
        20 * float(np.log10(max(level, 1e-9))),
        float(np.abs(pcm).max()),
        (float(audible[0]) if len(audible) else len(pcm)) / SAMPLE_RATE * 1000,
        seconds / taken,
    )


HEADER = f"{'voice':40} {'seconds':>8} {'words/min':>10} {'RMS dB':>8} {'peak':>6} {'lead ms':>8} {'speed':>7}"


def row(t: Take) -> str:
    """One line of the table under :data:`HEADER`."""
    numbers = f"{t.seconds:8.2f} {t.words_per_minute:10.0f} {t.level_db:8.1f} {t.peak:6.2f} {t.lead_ms:8.0f}"
    return f"{t.voice[-40:]:40} {numbers} {t.speed:6.2f}x"
