"""Audio of a track: mono FLAC at 24 kHz, written whole or not at all, and the level of its frames."""

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.files import replacing
from workbench.units import SAMPLE_RATE


@dataclass(frozen=True)
class Track:
    """One audio file of a session: mono FLAC at 24 kHz."""

    name: str
    path: Path
    samples: int
    sha256: str


def frame_rms(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Root mean square of each frame, shape (n, 1920) → (n,), in float32 as the consumer computes it.

    >>> frame_rms(np.full((1, 1920), 0.5, dtype=np.float32)).tolist()
    [0.5]
    """
    means: npt.NDArray[np.float32] = np.square(frames).mean(axis=1, dtype=np.float32)
    # One scalar power a frame, as the consumer takes it: numpy's root and its power of arrays differ in the last bit.
    return np.fromiter((mean**0.5 for mean in means), dtype=np.float32, count=len(means))


def read_part(path: Path, start: int, stop: int, samples: int) -> Audio:
    """Samples ``[start, stop)`` of a track of ``samples``, float32 in [-1, 1); zeros beyond either end.

    Raises:
        WorkbenchError: the file cannot be decoded there.
    """
    out = np.zeros(max(0, stop - start), dtype=np.float32)
    first, last = max(0, start), min(stop, samples)
    if first >= last:
        return out
    try:
        with soundfile.SoundFile(path) as file:
            file.seek(first)
            block = file.read(last - first, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise WorkbenchError(f"{path}: cannot be decoded ({error}); restore the file") from None
    if len(block) != last - first:
        raise WorkbenchError(f"{path}: ends early, at sample {first + len(block)}; restore the file")
    out[first - start : first - start + len(block)] = block
    return out


def write_track(path: Path, blocks: Iterator[npt.NDArray[Any]], subtype: str = "PCM_16") -> int:
    """Write mono blocks to a FLAC file, whole or not at all.

    Args:
        path: ends in ``.flac``.
        blocks: 1-D, concatenated. Whole numbers are taken as they are, at full scale of their type. Floats in [-1, 1)
            are rounded to the nearest step here, by the scale at which they are read, so that a sample that came from
            a track goes back as it was; libsndfile would write floats by another scale, one step less than that.
        subtype: ``PCM_16`` or ``PCM_24``.

    Returns:
        Samples written.

    Raises:
        OSError: names the file.
    """
    samples = 0
    try:
        with (
            replacing(path) as temporary,
            soundfile.SoundFile(temporary, "w", SAMPLE_RATE, 1, subtype=subtype, format="FLAC") as file,
        ):
            for block in blocks:
                file.write(_whole(block, 16 if subtype == "PCM_16" else 24) if block.dtype.kind == "f" else block)
                samples += len(block)
    except soundfile.SoundFileError as error:
        # libsndfile does not tell why the system refused; where nothing else is known it is the disk.
        why = f"cannot be written, libsndfile reports {getattr(error, 'error_string', error)!r}: is the disk full?"
        raise OSError(errno.EIO, why, str(path)) from None
    return samples


def _whole(pcm: npt.NDArray[Any], bits: int) -> npt.NDArray[np.int32]:
    """Floats as whole numbers of ``bits`` bits, in the upper bits of 32; clipped, and 0 for NaN."""
    full = 1 << (bits - 1)
    # Exact in single precision too: full is a power of two, and all whole numbers up to it are floats.
    scaled = np.clip(np.rint(pcm * pcm.dtype.type(full)), -full, full - 1)
    scaled[np.isnan(scaled)] = 0
    whole: npt.NDArray[np.int32] = scaled.astype(np.int32) << (32 - bits)
    return whole


def track_samples(path: Path) -> int:
    """Length of an audio file in samples.

    Raises:
        WorkbenchError: the file is missing or cannot be decoded.
    """
    try:
        return int(soundfile.info(path).frames)
    except (OSError, soundfile.SoundFileError) as error:
        raise WorkbenchError(f"{path}: cannot be decoded ({error}); make it again") from None


def read_track(path: Path, samples: int) -> Audio:
    """The first ``samples`` of a mono audio file, fewer if it is shorter, float32 in [-1, 1).

    Raises:
        WorkbenchError: the file is missing or cannot be decoded.
    """
    try:
        with soundfile.SoundFile(path) as file:
            pcm: Audio = file.read(samples, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise WorkbenchError(f"{path}: cannot be decoded ({error}); make it again") from None
    return pcm


def agent_blocks(played: Iterable[tuple[int, Audio]], samples: int) -> Iterator[npt.NDArray[Any]]:
    """What the agent played on the session clock, gaps included, at least as long as the session.

    Sound is float32; silence, most of it, comes as whole numbers, which need no rounding.
    """
    at = 0
    for begin, pcm in played:
        yield from _silence(begin - at)
        yield pcm
        at = begin + len(pcm)
    yield from _silence(samples - at)


def _silence(samples: int) -> Iterator[npt.NDArray[np.int32]]:
    block = np.zeros(10 * SAMPLE_RATE, dtype=np.int32)
    while samples > 0:
        yield block[:samples]
        samples -= len(block)
