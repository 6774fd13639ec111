"""Speech of chunks: PCM and the steps it took, computed once and kept in the store."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio
from workbench.cache import Store, key_of
from workbench.simulation.step_costs import Timer
from workbench.stages.protocols import Tts
from workbench.units import FRAME_SAMPLES

AUDIBLE = 10 ** (-50 / 20)
"""A sample is audible from this magnitude on: -50 dBFS, 30 dB below speech played at -20 dBFS RMS."""


@dataclass(frozen=True)
class SpokenChunk:
    """One chunk as the TTS speaks it.

    Attributes:
        steps: model steps it takes.
        frame_steps: the step that brings each PCM frame.
        voiced: per frame ``1`` if it holds an audible sample, else ``0``.
        lead: samples before the first audible one; -1 if there is none.
        key: where the PCM is kept.
    """

    steps: int
    frame_steps: tuple[int, ...]
    voiced: str
    lead: int
    key: str

    @cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """``frame_steps`` as an array."""
        return np.array(self.frame_steps, dtype=np.int64)


def _encode(speech: SpokenChunk) -> bytes:
    fields = [speech.steps, speech.frame_steps, speech.voiced, speech.lead, speech.key]
    return json.dumps(fields, separators=(",", ":")).encode()


def _decode(data: bytes) -> SpokenChunk:
    steps, frame_steps, voiced, lead, key = json.loads(data)
    return SpokenChunk(steps, tuple(frame_steps), voiced, lead, key)


def speech_of(pcm: Audio, frame_steps: Sequence[int], steps: int, key: str = "") -> SpokenChunk:
    """Frames, voicing and lead of spoken PCM.

    Args:
        pcm: float32 of shape (1920 · frames,).
        frame_steps: the step that brought each frame.
        steps: taken in all.
        key: where the PCM is kept.
    """
    audible = np.flatnonzero(np.abs(pcm) >= AUDIBLE)
    sounding = set((audible // FRAME_SAMPLES).tolist())
    voiced = "".join("1" if frame in sounding else "0" for frame in range(len(frame_steps)))
    return SpokenChunk(steps, tuple(frame_steps), voiced, int(audible[0]) if len(audible) else -1, key)


class CachedTts:
    """The TTS of one replay.

    Args:
        tts: the stage.
        store: where outputs are kept.
        seed: of the speech.
        timer: if given, every step really runs and is timed; nothing is taken from the store.
    """

    def __init__(self, tts: Tts, store: Store, seed: int, timer: Timer | None = None) -> None:
        self._tts = tts
        self._store = store
        self._seed = seed
        self._timer = timer

    def speech(self, text: str, group: int) -> SpokenChunk:
        """Speak a chunk, or remember it.

        Args:
            text: the chunk.
            group: number of the chunk in the session, under which its steps are timed.
        """
        key = key_of("tts", self._tts.fingerprint, text, self._seed)
        if self._timer is None and (known := self._store.get(key, _decode)) is not None:
            return known
        speech, pcm = self._run(text, group, key)
        self._store.put(speech.key, pcm, lambda value: value.tobytes())
        self._store.put(key, speech, _encode)
        return speech

    def pcm(self, speech: SpokenChunk, text: str) -> Audio:
        """All samples of a chunk, float32 of shape (1920 · frames,)."""
        pcm = self._store.get(speech.key, lambda data: np.frombuffer(data, dtype=np.float32))
        if pcm is None:  # dropped from a full store since
            _, pcm = self._run(text, 0, "")
        return pcm

    def _run(self, text: str, group: int, key: str) -> tuple[SpokenChunk, Audio]:
        frames: list[Audio] = []
        frame_steps: list[int] = []
        steps = 0
        with nullcontext() if self._timer is None else self._timer.timed("tts_start", group, 0):
            stepper = self._tts.synthesize(text, self._seed)
        if self._timer is not None:
            stepper = self._timer.each(stepper, group, lambda index: ("tts", index))
        for frame in stepper:
            if frame is not None:
                frames.append(frame)
                frame_steps.append(steps)
            steps += 1
        pcm = np.concatenate(frames) if frames else np.zeros(0, dtype=np.float32)
        return speech_of(pcm, frame_steps, steps, key_of("pcm", key)), pcm
