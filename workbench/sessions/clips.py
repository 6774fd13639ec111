"""Clips for constructed sessions: a collection of audio files with word times, their trimming and cutting.

A clip is trimmed to its first and last audible sample. Audible is where its level, RMS over 10 ms, is less than
``floor_db`` below its highest. So a file, the times of its words and this rule decide what is taken, and nothing else.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr
from pydantic import Field

from workbench.arrays import Floats
from workbench.errors import WorkbenchError
from workbench.file_forms import Form, check_form
from workbench.files import check_file, read_json, sha256_file
from workbench.units import SAMPLE_RATE, ms_to_samples, seconds_to_samples

FLOOR_DB = -45.0
"""Level below a clip's loudest at which it ends: the hiss of a good microphone lies lower."""
HINT = "docs/synth.md shows what it may hold"
_WINDOW = ms_to_samples(10)
_FADE = ms_to_samples(3)
_RAMP = 0.5 - 0.5 * np.cos(np.pi * (np.arange(_FADE) + 0.5) / _FADE)
_SEARCH = ms_to_samples(60)
"""Word times are good to a few hundredths of a second: a cut is made at the quietest place this close to a border."""

TimedWord = Annotated[tuple[str, float, float], Field(strict=False)]
"""A word, and its start and end in seconds of the file. JSON has lists where Python has tuples."""


class SourceClip(Form, extra="forbid", allow_inf_nan=False):
    """One entry of a clips file: an audio file of spoken words.

    Attributes:
        file: audio file next to the clips file; its stem is the clip's name.
        voice, licence: where it comes from, for the provenance of sessions.
        sha256: checksum of the file; not checked if empty.
        floor_db: see the module.
        span: part of the file to use, in seconds; all of it by default.
        words: the words in order, with their times; empty where nobody aligned them.
    """

    file: str
    voice: str = ""
    licence: str = ""
    sha256: str = ""
    floor_db: Annotated[float, Field(ge=-120, le=-6)] = FLOOR_DB
    span: Annotated[tuple[float, float], Field(strict=False)] | None = None
    words: list[TimedWord] = Field(default=[])


@dataclass(frozen=True)
class OpenClip:
    """A clip whose audio can be cut.

    Attributes:
        path: of the audio file.
        entry: what is known of it.
    """

    path: Path
    entry: SourceClip

    @cached_property
    def wave(self) -> Floats:
        """The file at 24 kHz; of several channels their mean.

        Raises:
            WorkbenchError: it cannot be decoded, or is another file than its checksum says.
        """
        check_file(self.path)
        if self.entry.sha256 and sha256_file(self.path) != self.entry.sha256:
            raise WorkbenchError(f"{self.path}: checksum differs from the clips file; restore the file")
        try:
            wave, rate = soundfile.read(self.path, dtype="float64", always_2d=True)
        except (OSError, TypeError, soundfile.SoundFileError) as error:
            raise WorkbenchError(f"{self.path}: cannot be decoded ({error}); give WAV or FLAC") from None
        mono = wave.mean(axis=1)
        return np.asarray(soxr.resample(mono, rate, SAMPLE_RATE, quality="VHQ") if rate != SAMPLE_RATE else mono)

    def words(self, first: int, stop: int) -> tuple[Floats, str]:
        """Words ``[first, stop)``: their audio, trimmed, and their text. A clip without words is one piece.

        Raises:
            WorkbenchError: nothing can be heard there.
        """
        piece = self.wave[self._border(first, True) : self._border(stop, False)]
        text = " ".join(word for word, _, _ in self.entry.words[first:stop])
        return trim(piece, self.entry.floor_db, str(self.path)), text

    def _border(self, word: int, is_start: bool) -> int:
        """Sample at which to cut before a word: the quietest near the middle between it and the one before."""
        words, wave = self.entry.words, self.wave
        if word in (0, len(words)):
            begin, end = self.entry.span or (0.0, len(wave) / SAMPLE_RATE)
            return seconds_to_samples(begin if is_start else end)
        middle = (words[word - 1][2] + words[word][1]) / 2
        first = max(0, seconds_to_samples(middle) - _SEARCH)
        near = _level(wave)[first : first + 2 * _SEARCH]
        if not len(near):
            raise WorkbenchError(f"{self.path}: word {word + 1} begins after the file's end; correct its times")
        return first + int(np.argmin(near))


def read_clips(path: Path) -> dict[str, OpenClip]:
    """Clips of a collection by name, the stem of their files.

    Args:
        path: JSON list of entries; the audio files are next to it.

    Raises:
        WorkbenchError: names the file, the entry and the key that is wrong.
    """
    data = read_json(path)
    if not isinstance(data, list):
        raise WorkbenchError(f"{path}: must hold a list of clips; {HINT}")
    entries = [check_form(SourceClip, item, f"{path}: clip {number}", HINT) for number, item in enumerate(data, 1)]
    return {Path(entry.file).stem: OpenClip(path.parent / entry.file, entry) for entry in entries}


def trim(wave: Floats, floor_db: float, where: str) -> Floats:
    """Audio from the first audible sample to the last, with 3 ms of fade at both ends.

    Args:
        wave: shape (samples,).
        floor_db: level below the loudest 10 ms at which nothing is audible.
        where: names the source in an error.

    Raises:
        WorkbenchError: nothing is audible, or less than the two fades.
    """
    level = _level(wave)
    audible = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (floor_db / 20))
    if not len(audible) or audible[-1] + 1 - audible[0] < 2 * _FADE:
        raise WorkbenchError(f"{where}: nothing can be heard in the part that is used; give another clip or its times")
    out: Floats = wave[audible[0] : audible[-1] + 1].copy()
    out[:_FADE] *= _RAMP
    return faded(out)


def faded(wave: Floats) -> Floats:
    """Audio with 3 ms of fade at its end; all of it fades where it is shorter."""
    out: Floats = wave.copy()
    fade = min(_FADE, len(out))
    out[len(out) - fade :] *= _RAMP[::-1][_FADE - fade :]
    return out


def _level(wave: Floats) -> Floats:
    """RMS over a window of 10 ms about each sample."""
    padded = np.concatenate([np.zeros(_WINDOW // 2), wave**2, np.zeros(_WINDOW - _WINDOW // 2)])
    total = np.concatenate([[0.0], np.cumsum(padded)])
    level: Floats = np.sqrt(np.maximum(total[_WINDOW : _WINDOW + len(wave)] - total[: len(wave)], 0) / _WINDOW)
    return level
