"""A stack without models, for tests: words from the labels after a fixed delay, canned replies, tones.

Where there are no labels, as in a live run, any sound is words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Audio
from workbench.cache import key_of
from workbench.files import source_digest
from workbench.sessions.labels import Label
from workbench.simulation.step_costs import Profile
from workbench.stages.lm import CannedLm
from workbench.stages.protocols import Stages, SttStep, SttStream
from workbench.units import FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE, frame_at, ms_to_samples

_VERSION = source_digest(__file__)

DELAY_FRAMES = 6
"""As in stt-1b-en_fr: 0.5 s, rounded down to whole frames."""

STARTUP_STEPS = 18
"""Steps of tts-1.6b-en_fr that bring no audio: text leads by 16 steps, the codebooks by 2."""

_SECONDS_PER_CHARACTER = 0.065
"""English read aloud: about 15 characters a second."""

_TONE_HZ = 220.0
_TONE_RMS = 0.1
"""-20 dBFS, what the echo paths of the demo recordings are made for."""

_PAUSES = (0.25, 0.5, 1.0, 1.5)
"""Seconds of silence after which pause heads 0 … 3 go up: half of what each head stands for."""

COSTS_MS = {"stt": 20.0, "stt_reset": 2.0, "lm_first": 150.0, "lm_token": 15.0, "tts_start": 10.0, "tts": 40.0}
"""Plausible for a small machine; nothing was measured."""


@dataclass(frozen=True)
class _ScriptedWord:
    text: str
    first: int
    last: int


def _words(labels: tuple[Label, ...]) -> list[_ScriptedWord]:
    """Words of all that a microphone would pick up as speech, spread evenly over their intervals."""
    out = []
    for label in labels:
        words = label.text.split() if label.kind in ("speech", "backchannel") else []
        for index, word in enumerate(words):
            begin = label.start + (label.end - label.start) * index // len(words)
            end = label.start + (label.end - label.start) * (index + 1) // len(words)
            out.append(_ScriptedWord(word, frame_at(begin), frame_at(end - 1)))
    return out


SOUND = 0.01
"""A frame of this RMS (-40 dBFS) is sound, where no labels say where words are."""

_SOUND_FRAMES = 5
"""Frames of sound to a word: 0.4 s."""


class ScriptedStt:
    """Says a labelled word ``delay_frames`` steps after its last frame, if it heard at least half of it."""

    delay_frames = DELAY_FRAMES
    flush_frames = DELAY_FRAMES + 1
    prefix_frames = 0
    has_pause_heads = True

    def __init__(self, labels: tuple[Label, ...]) -> None:
        self._words = _words(labels)
        self._speech = [(frame_at(a.start), frame_at(a.end - 1)) for a in labels if a.kind == "speech"]
        self.fingerprint = key_of(_VERSION, [(word.text, word.first, word.last) for word in self._words], self._speech)

    def open(self, fresh: bool = True) -> SttStream:
        """See :class:`workbench.stages.protocols.Stt`; there is no state that could leak."""
        return _ScriptedStream(self._words, self._speech) if self._words or self._speech else _SoundStream()


class _SoundStream:
    """Says a word for each 0.4 s of sound, as late as :class:`ScriptedStt` says its own."""

    def __init__(self) -> None:
        self._due: set[int] = set()
        self._step = 0
        self._sound = 0
        self._silent = 0

    def step(self, frame: Audio, at: int) -> SttStep:
        """See :class:`workbench.stages.protocols.SttStream`."""
        loud = bool(np.sqrt(np.mean(np.square(frame, dtype=np.float64))) >= SOUND)
        self._sound += loud
        self._silent = 0 if loud else self._silent + 1
        if loud and self._sound % _SOUND_FRAMES == 0:
            self._due.add(self._step + DELAY_FRAMES)
        piece = " sound" if self._step in self._due else ""
        self._step += 1
        return SttStep(piece, _pauses(self._silent))


def _pauses(silent: int) -> tuple[float, ...]:
    return tuple(0.9 if silent >= pause * FRAME_RATE else 0.1 for pause in _PAUSES)


class _ScriptedStream:
    def __init__(self, words: list[_ScriptedWord], speech: list[tuple[int, int]]) -> None:
        self._ending: dict[int, list[_ScriptedWord]] = {}
        for word in words:
            self._ending.setdefault(word.last, []).append(word)
        self._speaking = {frame for first, last in speech for frame in range(first, last + 1)}
        self._heard: set[int] = set()
        self._due: dict[int, str] = {}
        self._step = 0
        self._silent = 0

    def step(self, frame: Audio, at: int) -> SttStep:
        """See :class:`workbench.stages.protocols.SttStream`."""
        self._heard.add(at)
        for word in self._ending.get(at, ()):
            span = range(word.first, word.last + 1)
            if 2 * sum(number in self._heard for number in span) >= len(span):
                due = self._step + DELAY_FRAMES
                self._due[due] = f"{self._due.get(due, '')} {word.text}"
        self._silent = 0 if at in self._speaking else self._silent + 1
        piece = self._due.pop(self._step, "")
        self._step += 1
        return SttStep(piece, _pauses(self._silent))


class ScriptedTts:
    """A tone as long as the text would take, one silent frame before and after it."""

    fingerprint = key_of(_VERSION, "tts")

    def synthesize(self, text: str, seed: int) -> Iterator[Audio | None]:
        """See :class:`workbench.stages.protocols.Tts`."""
        for _ in range(STARTUP_STEPS):
            yield None
        silence = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        yield silence
        time = np.arange(FRAME_SAMPLES)
        for frame in range(max(1, round(len(text) * _SECONDS_PER_CHARACTER * FRAME_RATE))):
            phase = 2 * np.pi * _TONE_HZ * (time + frame * FRAME_SAMPLES) / SAMPLE_RATE
            yield (_TONE_RMS * np.sqrt(2) * np.sin(phase)).astype(np.float32)
        yield silence


class ScriptedStack:
    """See :class:`workbench.stages.protocols.Stack`."""

    name = "scripted"
    vocabulary: frozenset[str] | None = None
    several = True

    def __init__(self) -> None:
        self.weights: dict[str, str] = {}
        costs = {stage: (ms_to_samples(ms),) for stage, ms in COSTS_MS.items()}
        self._lm = CannedLm()
        self.profile: Profile | None = Profile(costs, "made up, for tests", self._lm.fingerprint)
        self._tts = ScriptedTts()

    def stages(self, labels: tuple[Label, ...]) -> Stages:
        """See :class:`workbench.stages.protocols.Stack`."""
        return Stages(ScriptedStt(labels), self._lm, self._tts)
