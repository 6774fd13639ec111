"""Audio of another program to a track: one channel or the mean of all, 24 kHz, 16 or 24 bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import WorkbenchError
from workbench.sessions.audio_files import AudioFile, Samples
from workbench.sessions.channels import ChannelStats, mean_remarks
from workbench.sessions.tracks import write_track
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

_SIXTEEN_BITS = {"PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW", "DPCM_8", "DPCM_16", "IMA_ADPCM", "MS_ADPCM"}
"""libsndfile's subtypes that FLAC's 16 bits hold; all others get 24."""

_EXACT = {"PCM_16": "int16", "PCM_24": "int32"}
"""Subtypes that are copied number by number if rate and channels fit; libsndfile gives 24 bits in the upper ones."""

_QUALITY = "VHQ"
"""soxr's: a passband to 91 % of the lower Nyquist rate, errors below 28 bits."""


@dataclass(frozen=True)
class TrackSource:
    """Where a track comes from. ``channel`` counts from 1; None is the mean of all."""

    audio: AudioFile
    channel: int | None


@dataclass
class _Converted:
    """What came out of one file, known once its blocks are through."""

    clipped: int = 0
    silent: bool = True


def convert_track(source: TrackSource, target: Path, samples: int | None, notes: list[str]) -> int:
    """Write one track; ``samples`` cuts or fills it to another track's length. Returns its length."""
    done, stats = _Converted(), ChannelStats(source.audio.channels)
    path, subtype = source.audio.path, "PCM_16" if source.audio.subtype in _SIXTEEN_BITS else "PCM_24"
    blocks = _quantized(_converted(source, stats, notes), subtype, done)
    written = write_track(target, blocks if samples is None else _fitted(blocks, samples), subtype)
    if written < FRAME_SAMPLES:
        raise WorkbenchError(f"{path}: holds no audio")
    if source.channel is None:
        notes += [f"{path}: {remark}" for remark in mean_remarks(stats)]
    if done.clipped:
        notes.append(f"{path}: {done.clipped} samples were beyond full scale and are clipped")
    if done.silent:
        track = "" if source.channel is None else f" of channel {source.channel}"
        notes.append(f"{path}: every sample{track} is zero")
    return written


def _converted(source: TrackSource, stats: ChannelStats, notes: list[str]) -> Iterator[Samples]:
    """Blocks of one channel at 24 kHz; notes say what is done to them."""
    audio, channel = source.audio, source.channel
    is_one = audio.channels == 1 or channel is not None
    if channel is not None:
        notes.append(f"{audio.path}: channel {channel} of {audio.channels}")
    if audio.rate == SAMPLE_RATE and is_one and audio.subtype in _EXACT:
        column = 0 if channel is None else channel - 1
        return (block[:, column] for block in audio.blocks(_EXACT[audio.subtype], notes, True))
    if not is_one:
        notes.append(f"{audio.path}: {audio.channels} channels mixed down to one (their mean)")
    blocks = (_one(block, channel, stats) for block in audio.blocks("float32", notes, True))
    if audio.rate != SAMPLE_RATE:
        notes.append(f"{audio.path}: resampled from {audio.rate} Hz to {SAMPLE_RATE} Hz")
        return _resampled(blocks, audio.rate)
    return blocks


def _one(block: Samples, channel: int | None, stats: ChannelStats) -> Samples:
    """One channel of a block of several."""
    if channel is not None:
        one: Samples = block[:, channel - 1]
        return one
    if stats.channels > 1:
        stats.add(block)
    mean: Samples = block.mean(axis=1, dtype=np.float32)
    return mean


def _resampled(blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality=_QUALITY)
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def _quantized(blocks: Iterator[Samples], subtype: str, done: _Converted) -> Iterator[Samples]:
    """Whole numbers of 16 or 24 bits, rounded to nearest and clipped to full scale; keeps count of what was clipped."""
    kind, bits, shift = (np.int16, 15, 0) if subtype == "PCM_16" else (np.int32, 23, 8)
    for block in blocks:
        if block.dtype.kind == "f":
            done.clipped += int(np.count_nonzero(np.abs(block) > 1))
            scaled = np.clip(np.rint(block.astype(np.float64) * 2**bits), -(2**bits), 2**bits - 1)
            block = scaled.astype(kind) << shift
        done.silent = done.silent and not block.any()
        yield block


def _fitted(blocks: Iterator[Samples], samples: int) -> Iterator[Samples]:
    """Exactly ``samples``: rates that differ can leave two equal lengths one sample apart."""
    left = samples
    for block in blocks:
        yield block[:left]
        left -= len(block[:left])
    if left:
        yield np.zeros(left, dtype=np.int16)
