"""Audio files of other programs: what they are, whether they are whole, and their samples in blocks.

Whatever libsndfile reads is read; what it does not read is converted by ffmpeg, where that is installed. A file that
was cut off is refused, or taken as far as it goes where that is asked for.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.errors import WorkbenchError
from workbench.files import check_file
from workbench.sessions.containers import Length, Patched, audio_length, lacks_its_end
from workbench.units import FRAME_MS

Samples = npt.NDArray[Any]
"""int16, int32 with 24 bits in the upper ones, or float32 in [-1, 1); shape (samples,) or (samples, channels)."""

_BLOCK = 1 << 16
"""Samples read at once, over all channels."""
_ESTIMATE = 0.02
"""An MP3's length may be an estimate: it is no damage to be shorter by this share."""
_LEAST_RATE, _MOST_RATE = 1_000, 768_000
"""Samples per second; another figure is a damaged header."""
_MOST_HOURS = 24
_FORMATS = "WAV, FLAC, Ogg, MP3, AIFF, CAF and more"


@dataclass(frozen=True)
class AudioFile:
    """An audio file that can be read.

    Attributes:
        path: as the user named it.
        readable: what libsndfile reads: the same, or what ffmpeg made of it.
        length: declared and real length; None where only decoding can show it.
        take_part: whether a file that is damaged is read as far as it goes.
        encoding: container and subtype, in words.
    """

    path: Path
    readable: Path
    rate: int
    channels: int
    samples: int
    format: str
    subtype: str
    encoding: str
    length: Length | None = None
    take_part: bool = False

    @property
    def seconds(self) -> float:
        """Length by the header."""
        return self.samples / self.rate

    def blocks(self, dtype: str, notes: list[str], always_2d: bool = False) -> Iterator[Samples]:
        """Decoded blocks, checked for damage and for numbers that are none.

        Raises:
            WorkbenchError: the file is damaged (and ``take_part`` false), or holds NaN or infinity.
        """
        position = 0
        try:
            with soundfile.SoundFile(_source(self.readable, self.length, self.take_part)) as file:
                while len(block := file.read(max(1, _BLOCK // self.channels), dtype=dtype, always_2d=always_2d)):
                    if dtype == "float32" and not np.isfinite(block).all():
                        _refuse_number(self.path, block, position, self.rate)
                    position += len(block)
                    yield block
        except (OSError, soundfile.SoundFileError):
            if not (self.take_part and position):
                raise WorkbenchError(
                    f"{self.path}: damaged, cannot be decoded at {position / self.rate:.3f} s"
                    + ("" if self.take_part or not position else "; --truncated takes what comes before")
                ) from None
        self._check_end(position, notes)

    def _check_end(self, position: int, notes: list[str]) -> None:
        if self.take_part:
            if position < self.samples:
                notes.append(f"{self.path}: damaged, taken up to {position / self.rate:.3f} s")
            return
        if position < self.samples and self.format != "MP3":
            raise WorkbenchError(
                f"{self.path}: damaged, ends at sample {position} of {self.samples}; --truncated takes what is there"
            )
        if self.samples - position > _ESTIMATE * self.samples:
            ends = position / self.rate
            notes.append(f"{self.path}: can be decoded up to {ends:.1f} s of {self.seconds:.1f} s only")


def open_audio(path: Path, work: Path, take_part: bool, notes: list[str]) -> AudioFile:
    """Look at an audio file.

    Args:
        path: any file.
        work: folder for what ffmpeg makes of it.
        take_part: whether a file that was cut off is taken as far as it goes.
        notes: list to which what is done to the file is added.

    Raises:
        WorkbenchError: no audio file, an empty or a damaged one, or one shorter than a frame or longer than a day.
    """
    if path.is_dir():
        raise WorkbenchError(f"{path}: is a folder, must be an audio file")
    if check_file(path) == 0:
        raise WorkbenchError(f"{path}: is empty")
    try:
        length = audio_length(path) if take_part else check_whole(path)
    except WorkbenchError as error:
        raise WorkbenchError(f"{error}; --truncated takes what is there") from None
    try:
        info, readable = soundfile.info(_source(path, length, take_part)), path
    except TypeError:
        raise WorkbenchError(f"{path}: headerless audio; convert it to WAV or FLAC first") from None
    except (OSError, soundfile.SoundFileError):
        info, readable, length = *_by_ffmpeg(path, work, notes), None
    encoding = f"{info.format} {info.subtype}" if readable == path else "converted by ffmpeg"
    check_info(path, info)
    if length is not None and take_part and length.declared not in (None, length.there):
        notes.append(f"{path}: {_damage(length)}; taken as far as it goes, {info.frames / info.samplerate:.3f} s")
    return AudioFile(
        path, readable, info.samplerate, info.channels, info.frames, info.format, info.subtype, encoding, length,
        take_part,
    )  # fmt: skip


def _source(path: Path, length: Length | None, take_part: bool) -> Any:
    """What libsndfile is to open: the file, or the file with the length that it really has."""
    differs = length is not None and length.declared not in (None, length.there)
    return Patched(path, length.patches) if take_part and length is not None and differs else path


def check_whole(path: Path) -> Length | None:
    """Refuse a file whose header declares another length than is there; returns the length.

    Raises:
        WorkbenchError: names the file and both lengths.
    """
    length = audio_length(path)
    if length is not None and length.declared not in (None, length.there):
        raise WorkbenchError(f"{path}: damaged, {_damage(length)}")
    if lacks_its_end(path):
        raise WorkbenchError(f"{path}: damaged, the last page of the Ogg file is missing")
    return length


def _damage(length: Length) -> str:
    declared = length.declared or 0
    if not declared:
        return f"its recorder did not close it: the header says 0 bytes of audio, {length.there} follow"
    state = "cut off" if length.there < declared else "longer than its header says"
    return f"{state}: the header says {declared} bytes of audio, {length.there} are there"


def check_info(path: Path, info: Any) -> None:
    """Refuse rates and lengths that no recording has.

    Raises:
        WorkbenchError: names the file and the figure.
    """
    if info.frames <= 0:
        raise WorkbenchError(f"{path}: holds no audio")
    if not _LEAST_RATE <= info.samplerate <= _MOST_RATE:
        raise WorkbenchError(f"{path}: {info.samplerate} Hz, must be {_LEAST_RATE} to {_MOST_RATE} Hz")
    if info.frames / info.samplerate < FRAME_MS / 1000:
        length = f"{info.frames} samples at {info.samplerate} Hz"
        raise WorkbenchError(f"{path}: {length} are less than one frame of {FRAME_MS} ms")
    if info.frames / info.samplerate > _MOST_HOURS * 3600:
        hours = info.frames / info.samplerate / 3600
        raise WorkbenchError(f"{path}: {hours:.1f} h, a session has at most {_MOST_HOURS} h; cut it into parts")


def _by_ffmpeg(path: Path, work: Path, notes: list[str]) -> tuple[Any, Path]:
    """The first audio stream of a file that libsndfile does not read, as 24-bit WAV."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise WorkbenchError(
            f"{path}: not audio that libsndfile reads ({_FORMATS}); with ffmpeg installed m4a, webm and others are read"
        )
    work.mkdir(exist_ok=True)
    target = work / f"{len(list(work.iterdir()))}.wav"
    done = subprocess.run(
        [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i", f"file:{path}", "-map", "0:a:0",
         "-c:a", "pcm_s24le", "-rf64", "auto", str(target)],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode or not target.exists():
        raise WorkbenchError(f"{path}: not audio that libsndfile or ffmpeg reads ({_FORMATS})")
    if complaints := done.stderr.strip().splitlines():
        notes.append(f"{path}: ffmpeg complains {len(complaints)} times, first of {complaints[0]!r}")
    notes.append(f"{path}: converted by ffmpeg")
    return soundfile.info(target), target


def _refuse_number(path: Path, block: Samples, position: int, rate: int) -> None:
    wide = block.reshape(len(block), -1)
    row, column = np.argwhere(~np.isfinite(wide))[0]
    what = "NaN" if np.isnan(wide[row, column]) else "infinity"
    where = f"sample {position + row} ({(position + row) / rate:.3f} s), channel {column + 1}"
    raise WorkbenchError(f"{path}: {what} at {where}; repair the recording")
