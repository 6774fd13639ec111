"""Recordings made elsewhere become sessions.

Whatever libsndfile reads goes in, at any rate and channel count, a block at a time: a recording of many hours is never
held in memory. A session is put together in a folder beside its place and renamed into it, so that it is whole or not
there.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.errors import WorkbenchError
from workbench.files import sha256_file
from workbench.sessions.label_formats import check_source, read_label_file
from workbench.sessions.labels import write_labels
from workbench.sessions.session import LABELS, Session, check_name, open_session, write_manifest, write_track
from workbench.units import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE

_BLOCK = 1 << 16
"""Sample frames read at once."""

_ESTIMATE = 0.02
"""An MP3's length may be an estimate: it is no damage to be shorter by this share."""

_SIXTEEN_BITS = {"PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW", "DPCM_8", "DPCM_16", "IMA_ADPCM", "MS_ADPCM"}
"""libsndfile's subtypes that FLAC's 16 bits hold; all others get 24."""

_EXACT = {"PCM_16": "int16", "PCM_24": "int32"}
"""Subtypes that are copied number by number if rate and channels fit; libsndfile gives 24 bits in the upper ones."""

_QUALITY = "VHQ"
"""soxr's: a passband to 91 % of the lower Nyquist rate, errors below 28 bits."""

Mono = npt.NDArray[Any]
"""Samples of one channel: int16, int32 with 24 bits in the upper ones, or float in [-1, 1) while being converted."""


@dataclass(frozen=True)
class Imported:
    """A new session, and what was done to the audio, a line each."""

    session: Session
    notes: tuple[str, ...]


@dataclass
class _Converted:
    """What came out of one file, known once its blocks are through."""

    clipped: int = 0
    silent: bool = True


def import_session(
    audio: Path,
    folder: Path,
    *,
    agent: Path | None = None,
    labels: Path | None = None,
    speaker: str | None = None,
    labels_source: str = "human",
) -> Imported:
    """Make a session of a recording.

    Args:
        audio: what the microphone heard.
        folder: the session to be; its last part is the name.
        agent: what the loudspeaker played, of the same length.
        labels: ``.csv``, ``.txt`` (Audacity), ``.rttm`` or ``.stm``.
        speaker: see :func:`read_label_file`.
        labels_source: one of :data:`workbench.sessions.session.LABEL_SOURCES`.

    Raises:
        WorkbenchError: names the file that is missing, not audio, empty, damaged, not finite or of another length,
            the label row that is wrong, or the name that is taken. Nothing is left behind.
    """
    check_name(folder.name, f"{folder}")
    check_source(labels_source)
    notes: list[str] = []
    with _decoders_complaints(notes):
        _import(audio, folder, agent, labels, speaker, labels_source, notes)
    return Imported(open_session(folder), tuple(notes))


def _import(
    audio: Path,
    folder: Path,
    agent: Path | None,
    labels: Path | None,
    speaker: str | None,
    labels_source: str,
    notes: list[str],
) -> None:
    given = {"mic": audio} | ({"agent": agent} if agent else {})
    info = {track: _probe(path) for track, path in given.items()}
    if agent:
        _check_lengths(audio, info["mic"], agent, info["agent"])
    if labels:
        read_label_file(labels, None, speaker)  # a wrong row is told before hours of audio are converted
    with _new_folder(folder) as beside:
        samples = 0
        for track, path in given.items():
            samples = _convert_track(path, info[track], beside / f"{track}.flac", samples or None, notes)
        if labels:
            write_labels(beside / LABELS, read_label_file(labels, samples, speaker))
        write_manifest(
            beside,
            tracks={track: f"{track}.flac" for track in given},
            labels_source=labels_source if labels else None,
            provenance={f"{track}_imported_from": _origin(path, info[track]) for track, path in given.items()},
            name=folder.name,
        )


@contextmanager
def _decoders_complaints(notes: list[str]) -> Iterator[None]:
    """What libmpg123 writes to the terminal behind everybody's back, made one note."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
        kept.seek(0)
        lines = [line.split("] ")[-1] for line in kept.read().decode(errors="replace").splitlines() if line.strip()]
    if lines:
        notes.append(f"damaged in places: the decoder complains {len(lines)} times, first of '{lines[0]}'")


def name_from(audio: Path) -> str:
    """A session name from a file's: what a name may not hold becomes a dash.

    >>> name_from(Path("My call (2).wav"))
    'My-call-2'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", audio.stem).strip("-.") or "session"


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` to fill; renamed into place on success, removed on failure."""
    if folder.exists():
        raise WorkbenchError(f"{folder}: name is taken; choose another with --name")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.importing")
    try:
        beside.mkdir(parents=True)
        yield beside
        os.rename(beside, folder)
    except (OSError, soundfile.SoundFileError) as error:
        raise WorkbenchError(f"{folder}: cannot be written ({error})") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _probe(path: Path) -> Any:
    """What libsndfile says of a file."""
    if not path.exists():
        raise WorkbenchError(f"{path}: no such file")
    if path.is_dir():
        raise WorkbenchError(f"{path}: is a folder, must be an audio file")
    if path.stat().st_size == 0:
        raise WorkbenchError(f"{path}: is empty")
    try:
        info = soundfile.info(path)
    except TypeError:
        raise WorkbenchError(f"{path}: headerless audio; convert it to WAV or FLAC first") from None
    except (OSError, soundfile.SoundFileError):
        formats = "WAV, FLAC, OGG, MP3, AIFF, CAF and more"
        raise WorkbenchError(f"{path}: not audio that libsndfile reads ({formats})") from None
    if info.frames <= 0:
        raise WorkbenchError(f"{path}: holds no audio")
    if info.frames / info.samplerate < FRAME_MS / 1000:
        length = f"{info.frames} samples at {info.samplerate} Hz"
        raise WorkbenchError(f"{path}: {length} are less than one frame of {FRAME_MS} ms")
    return info


def _check_lengths(audio: Path, mic: Any, agent_path: Path, agent: Any) -> None:
    """Both tracks must last equally long: to the sample, or within one at 24 kHz where rates differ."""
    apart = abs(mic.frames / mic.samplerate - agent.frames / agent.samplerate) * SAMPLE_RATE
    if (mic.samplerate == agent.samplerate and mic.frames != agent.frames) or apart > 1:
        lengths = f"{mic.duration:.6f} s, {agent_path} {agent.duration:.6f} s"
        raise WorkbenchError(f"{audio}: {lengths}; both must start at one moment and be equally long")


def _origin(path: Path, info: Any) -> dict[str, Any]:
    return {
        "file": path.name,
        "sha256": sha256_file(path),
        "sample_rate": info.samplerate,
        "channels": info.channels,
        "encoding": f"{info.format} {info.subtype}",
    }


def _convert_track(path: Path, info: Any, target: Path, samples: int | None, notes: list[str]) -> int:
    """Write one track; ``samples`` cuts or pads it to another track's length. Returns its length."""
    done = _Converted()
    subtype = "PCM_16" if info.subtype in _SIXTEEN_BITS else "PCM_24"
    blocks = _quantized(_converted(path, info, notes), subtype, done)
    written = write_track(target, blocks if samples is None else _fitted(blocks, samples), subtype)
    if written < FRAME_SAMPLES:
        raise WorkbenchError(f"{path}: holds no audio")
    if done.clipped:
        notes.append(f"{path}: {done.clipped} samples were beyond full scale and are clipped")
    if done.silent:
        notes.append(f"{path}: every sample is zero")
    return written


def _converted(path: Path, info: Any, notes: list[str]) -> Iterator[Mono]:
    """Blocks at 24 kHz; says aloud what is done to them."""
    if info.samplerate == SAMPLE_RATE and info.channels == 1 and info.subtype in _EXACT:
        return _blocks(path, info, _EXACT[info.subtype], notes)
    if info.channels > 1:
        notes.append(f"{path}: {info.channels} channels mixed down to one (their mean)")
    blocks: Iterator[Mono] = (
        block.mean(axis=1, dtype=np.float32) for block in _blocks(path, info, "float32", notes, True)
    )
    if info.samplerate != SAMPLE_RATE:
        notes.append(f"{path}: resampled from {info.samplerate} Hz to {SAMPLE_RATE} Hz")
        blocks = _resampled(blocks, info.samplerate)
    return blocks


def _blocks(path: Path, info: Any, dtype: str, notes: list[str], always_2d: bool = False) -> Iterator[Mono]:
    """Decoded blocks, checked for damage and for numbers that are none."""
    position = 0
    try:
        with soundfile.SoundFile(path) as file:
            while len(block := file.read(_BLOCK, dtype=dtype, always_2d=always_2d)):
                if dtype == "float32" and not np.isfinite(block).all():
                    _refuse_number(path, block, position, info.samplerate)
                position += len(block)
                yield block
    except (OSError, soundfile.SoundFileError):
        raise WorkbenchError(f"{path}: damaged, cannot be decoded at {position / info.samplerate:.3f} s") from None
    if position < info.frames and info.format != "MP3":
        raise WorkbenchError(f"{path}: damaged, ends at sample {position} of {info.frames}")
    if info.frames - position > _ESTIMATE * info.frames:
        ends, length = position / info.samplerate, info.frames / info.samplerate
        notes.append(f"{path}: can be decoded up to {ends:.1f} s of {length:.1f} s only")


def _refuse_number(path: Path, block: Mono, position: int, rate: int) -> None:
    row, column = np.argwhere(~np.isfinite(block))[0]
    what = "NaN" if np.isnan(block[row, column]) else "infinity"
    where = f"sample {position + row} ({(position + row) / rate:.3f} s), channel {column + 1}"
    raise WorkbenchError(f"{path}: {what} at {where}; repair the recording")


def _resampled(blocks: Iterator[Mono], rate: int) -> Iterator[Mono]:
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality=_QUALITY)
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def _quantized(blocks: Iterator[Mono], subtype: str, done: _Converted) -> Iterator[Mono]:
    """Whole numbers of 16 or 24 bits, rounded to nearest and clipped to full scale; keeps count of what was clipped."""
    kind, bits, shift = (np.int16, 15, 0) if subtype == "PCM_16" else (np.int32, 23, 8)
    for block in blocks:
        done.silent = done.silent and not block.any()
        if block.dtype.kind == "f":
            done.clipped += int(np.count_nonzero(np.abs(block) > 1))
            scaled = np.clip(np.rint(block.astype(np.float64) * 2**bits), -(2**bits), 2**bits - 1)
            block = scaled.astype(kind) << shift
        yield block


def _fitted(blocks: Iterator[Mono], samples: int) -> Iterator[Mono]:
    """Exactly ``samples``: rates that differ can leave two equal lengths one sample apart."""
    left = samples
    for block in blocks:
        yield block[:left]
        left -= len(block[:left])
    if left:
        yield np.zeros(left, dtype=np.int16)
