"""PortAudio's callbacks, which copy one block and move one index; and the thread that reads ahead to play."""

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import soundfile

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.files import check_file
from workbench.recording.gaps import STARVED
from workbench.recording.resample import Fitter, dequantise, quantise
from workbench.recording.ring import BlockRing
from workbench.sessions.audio_files import check_info, check_whole
from workbench.units import SAMPLE_RATE

_READ_FRAMES = 16_384


class InputTap:
    """Input callback: every block goes into the ring with its time stamp and status."""

    def __init__(self, ring: BlockRing) -> None:
        self._push = ring.push

    def __call__(self, block: Audio, stamp: float, flags: int, began: float) -> None:
        """Take one block from the device."""
        self._push(block, stamp, flags, began)


CUE = 32
"""From this bit of a block's flags on: the number of the queued block it was, from 1; 0 for silence."""


class OutputTap:
    """Output callback: plays what is queued, and puts what was handed to the device into a ring.

    Attributes:
        playing: while False, silence is played and the queue left alone (before the start, and in a pause).
        skip: queued blocks of a lower number are thrown away.
    """

    def __init__(self, queue: BlockRing, played: BlockRing) -> None:
        self._queue = queue
        self._push = played.push
        self._silence = np.zeros((queue.frames, 1), dtype=np.float32)
        self.playing = False
        self.skip = 0
        self.ended = False
        """Nothing more will be queued, so an empty queue is the end and no fault."""

    def __call__(self, block: Audio, stamp: float, flags: int, began: float) -> None:
        """Fill one block for the device."""
        queue = self._queue
        if self.playing and len(queue) and (late := self.skip - queue.mark()[0]) > 0:
            queue.pop(min(late, len(queue)))
        if self.playing and len(queue):
            block[:] = queue.audio()
            self._push(queue.audio(), stamp, flags | ((queue.mark()[0] + 1) << CUE), began)
            queue.pop()
            return
        block[:] = self._silence
        starved = self.playing and not self.ended
        self._push(self._silence, stamp, flags | STARVED if starved else flags, began)

    @property
    def is_done(self) -> bool:
        """All that was queued has been handed over."""
        return self.ended and not len(self._queue)


class Speaker:
    """Plays PCM frames as they are made, one utterance after the other, and can be silenced.

    One thread calls it. The samples are rounded to 24 bits first, so that the agent track can hold what the device got.

    Args:
        queue: of blocks at the output's rate.
        played: where the callback says what it handed over.
        tap: the callback.
        rate: of the output.
    """

    def __init__(self, queue: BlockRing, played: BlockRing, tap: OutputTap, rate: int) -> None:
        self._queue, self._played, self._tap, self._rate = queue, played, tap, rate
        self._resampler: Any = None
        self._rest: Audio = np.zeros(0, dtype=np.float32)
        self._waiting: deque[Audio] = deque()
        self._whole = True
        tap.ended = True

    def begin(self) -> int:
        """A new utterance; returns the number of its first block."""
        if self._rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(SAMPLE_RATE, self._rate, 1, dtype="float32", quality="HQ")
        self._rest, self._whole = self._rest[:0], False
        return self._queue.pushed

    def play(self, pcm: Audio) -> None:
        """Go on with these samples, at 24 kHz."""
        self._add(pcm, last=False)
        self.pump()

    def end(self) -> None:
        """The utterance has no more samples."""
        if self._resampler is not None:
            self._add(np.zeros(0, dtype=np.float32), last=True)
        if len(self._rest):
            self._waiting.append(np.pad(self._rest, (0, self._queue.frames - len(self._rest))))
        self._whole = True
        self.pump()

    def _add(self, pcm: Audio, last: bool) -> None:
        pcm = dequantise(quantise(pcm))
        if self._resampler is not None:
            pcm = self._resampler.resample_chunk(pcm, last=last)
        frames, whole = self._queue.frames, np.concatenate([self._rest, pcm])
        for first in range(0, len(whole) - frames + 1, frames):
            self._waiting.append(whole[first : first + frames])
        self._rest = whole[len(whole) // frames * frames :]

    def pump(self) -> None:
        """Move what waits into the queue, as far as there is room; call it every second or more often."""
        while self._waiting and len(self._queue) < self._queue.slots:
            self._queue.push(self._waiting.popleft()[:, None], 0.0, 0, perf_counter())
            self._tap.ended = False  # from here on an empty queue is a hole in the speech
        if self._whole and not self._waiting:
            self._tap.ended = True

    def stop(self) -> int:
        """Play nothing more that the device does not have; returns how many blocks it had been given by now."""
        self._waiting.clear()
        self._tap.ended = True
        self._tap.skip = self._queue.pushed
        return self._played.pushed

    @property
    def is_held(self) -> bool:
        """Whether nothing is taken from the queue: before the start, and in a pause."""
        return not self._tap.playing

    @property
    def written(self) -> int:
        """Blocks handed to the device that the writer has seen."""
        return self._played.pushed - len(self._played)


class Feeder(threading.Thread):
    """Reads an audio file ahead of the output callback.

    The samples are rounded to 24 bits first, so that ``agent.flac`` can hold exactly what the device got.

    Args:
        path: whatever libsndfile reads; any rate, any channel count.
        queue: of blocks at the output's rate.
        rate: of the output.
    """

    def __init__(self, path: Path, queue: BlockRing, tap: OutputTap, rate: int) -> None:
        super().__init__(name="feeder", daemon=True)
        self._path, self._queue, self._tap, self._rate = path, queue, tap, rate
        self._stopping = threading.Event()
        self.error: str = ""

    def run(self) -> None:
        """Fill the queue until the file ends or ``stop``."""
        frames = self._queue.frames
        rest: Audio = np.zeros(0, dtype=np.float32)
        number = 0
        try:
            for pcm in read_mono(self._path, self._rate):
                rest = np.concatenate([rest, dequantise(quantise(pcm))])
                while len(rest) >= frames:
                    if not self._put(rest[:frames], number):
                        return
                    rest = rest[frames:]
                    number += 1
            if len(rest):
                self._put(np.pad(rest, (0, frames - len(rest))), number)
        except (OSError, soundfile.SoundFileError) as error:
            self.error = f"{self._path}: cannot be decoded ({error})"
        finally:
            self._tap.ended = True

    def _put(self, pcm: Audio, number: int) -> bool:
        while len(self._queue) >= self._queue.slots:
            if self._stopping.wait(0.1):
                return False
        self._queue.push(pcm[:, None], number * self._queue.frames / self._rate, 0, perf_counter())
        return not self._stopping.is_set()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()


def check_playable(path: Path) -> str:
    """Look at a file to be played; returns what will be done to it, empty for nothing.

    Raises:
        WorkbenchError: it is missing, empty, cut off, not audio, shorter than a frame or longer than a day.
    """
    if not path.exists():
        raise WorkbenchError(f"{path}: no such file; --play takes what libsndfile reads (WAV, FLAC, Ogg, MP3)")
    check_file(path)
    check_whole(path)
    try:
        info = soundfile.info(path)
    except (OSError, soundfile.SoundFileError, TypeError):  # TypeError: headerless
        raise WorkbenchError(
            f"{path}: cannot be decoded; --play takes what libsndfile reads (WAV, FLAC, Ogg, MP3)"
        ) from None
    check_info(path, info)
    steps = [f"{info.channels} channels mixed to mono"] if info.channels > 1 else []
    steps += [f"{info.samplerate / 1000:g} kHz to 24 kHz by soxr"] if info.samplerate != SAMPLE_RATE else []
    return ", ".join(steps)


def read_mono(path: Path, rate: int) -> Iterator[Audio]:
    """An audio file as mono float32 blocks at 24 kHz, brought to ``rate`` afterwards, streaming."""
    with soundfile.SoundFile(path) as file:
        to_clock = Fitter(file.samplerate, file.channels)
        to_device = None
        if rate != SAMPLE_RATE:
            import soxr

            to_device = soxr.ResampleStream(SAMPLE_RATE, rate, 1, dtype="float32", quality="HQ")
        ended = False
        while not ended:
            block = file.read(_READ_FRAMES, dtype="float32", always_2d=True)
            ended = not len(block)
            pcm = to_clock.flush() if ended else to_clock(block)
            yield pcm if to_device is None else to_device.resample_chunk(pcm, last=ended)
