"""DSM speech to text: Mimi encodes a frame, the LM takes its codes, a text token comes out.

A word's text comes ``delay_frames`` after its sound. One stream at a time per model, because its past lives in the
model's caches and the codec.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.codec import Codec, Codes
from workbench.moshi.model import Backend, LmBackend, Model, dialogue_condition, fingerprint, load, open_codec
from workbench.moshi.state import State, put_back, size, take
from workbench.moshi.stream import Drawing, TokenStream
from workbench.stages.protocols import SttStep
from workbench.units import FRAME_RATE, FRAME_SAMPLES

Part = Literal["codec", "caches", "history"]
"""What a stream remembers: Mimi's encoder, the LM's key-value caches, the tokens of the last steps."""

EVERYTHING: frozenset[Part] = frozenset({"codec", "caches", "history"})
KEPT = 256 << 20
"""Bytes of kept states: of nano, some 400."""

TOGETHER = 8
"""Recordings that a GPU hears at once: the weights are read once for all of them."""

CONSUMER: frozenset[Part] = frozenset({"history"})
"""MLX-Harmony refills ``step_idx`` and ``gen_sequence`` and looks for reset methods that rustymimi does not have."""


@dataclass(frozen=True)
class HeardWord:
    """A transcribed word.

    Attributes:
        text: without spaces.
        frame: the frame its sound is in: step of its first piece less the model's delay, never below 0.
    """

    text: str
    frame: int


class DsmStt:
    """A DSM STT checkpoint (role ``Stt``).

    Attributes:
        overlap: known frames are encoded in a thread while the LM steps.
        together: see :class:`workbench.stages.protocols.BatchStt`.

    Args:
        checkpoint: an STT model.
        codec: which implementation of Mimi.
        lm: which implementation of the LM.
        temperature: of the text; Kyutai's scripts use 0.
        seed: seeds sampling at a temperature above 0; None continues as moshi_mlx's ``run_inference`` does.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        codec: Backend = "auto",
        lm: LmBackend = "auto",
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> None:
        import mlx.core as mx
        from moshi_mlx.utils import Sampler

        stt = checkpoint.config.get("stt_config") or {}
        delay, prefix = stt.get("audio_delay_seconds") or 0.0, stt.get("audio_silence_prefix_seconds") or 0.0
        self.model: Model = load(checkpoint, "stt", lm_backend=lm)
        self.codec: Codec = open_codec(checkpoint, codec)
        # Beside an LM on the GPU the codec's cores are free. On the CPU both fight for them: slower than in turn.
        self.overlap = self.codec.concurrent and mx.default_device() == mx.gpu
        # On the CPU other processes help, and a batch of 8 of nano is only 1.3 times as fast.
        self.together = TOGETHER if mx.default_device() == mx.gpu else 1
        self.delay_seconds = float(delay)
        # Whole frames of 0.5 s are 6 and of 2.5 s are 31: what Kyutai's stt-rs makes of the same config.json, and the
        # nearest. Kyutai's server configurations say 6 and 32.
        self.delay_frames = int(self.delay_seconds * FRAME_RATE)
        # 1 s is 13 frames, as in Kyutai's PyTorch script; run_inference pads 12.5, which shifts speech by half a frame.
        self.prefix_frames = math.ceil(float(prefix) * FRAME_RATE)
        self.has_pause_heads = len(self.model.lm.extra_heads) > 0
        options = {"role": "stt", "temperature": temperature, "seed": seed}
        self.fingerprint = fingerprint(checkpoint, options, (self.codec, self.model.steps))
        self._seed, self._live = seed, 0
        self._kept: OrderedDict[str, tuple[State, TokenStream]] = OrderedDict()
        self._held = 0
        # run_inference keeps the 25 likeliest tokens; at temperature 0 that is the first of them.
        self._sampler = Sampler(temp=temperature, top_k=25)
        self._tokens = self._stream()

    @property
    def flush_frames(self) -> int:
        """Silent frames that bring out what is still inside: the delay, rounded up, and one more (Unmute)."""
        return math.ceil(self.delay_seconds * FRAME_RATE) + 1

    def _stream(self) -> TokenStream:
        from workbench.moshi.load import PrivateKey

        key = self.model.key.copy() if self._seed is None else PrivateKey(self._seed)
        return TokenStream(self.model.steps, key, self.drawing())

    def drawing(self) -> Drawing:
        """How text is drawn, and on what condition."""
        return Drawing((self._sampler, self._sampler), dialogue_condition(self.model.lm))

    def hear_together(self, recordings: Sequence[Iterable[Audio]]) -> list[list[SttStep]]:
        """Hear recordings whole, see :class:`workbench.stages.protocols.BatchStt`.

        With a temperature each has random numbers of its own, so they are heard one after the other.
        """
        if self._sampler.temp > 0:
            streams = ((self.open(), blocks) for blocks in recordings)
            return [[step for block in blocks for step in stream.steps(block)] for stream, blocks in streams]
        from workbench.moshi.stt_batch import hear_together

        self._live += 1
        return hear_together(self, recordings)

    def open(self, fresh: bool = True) -> "DsmSttStream":
        """Start a listen cycle; ends the one before.

        Args:
            fresh: everything reset; if false, only what MLX-Harmony resets.
        """
        return self.open_with(EVERYTHING if fresh else CONSUMER)

    def open_with(self, resets: frozenset[Part]) -> "DsmSttStream":
        """Start a listen cycle with only some of the past forgotten, to see what the rest leaves behind."""
        self._live += 1
        if "codec" in resets:
            self.codec.reset()
        if "caches" in resets:
            self.model.steps.reset()
        if "history" in resets:
            self._tokens = self._stream()
        return DsmSttStream(self, self._live)

    def keep(self, name: str) -> None:
        """Keep the state of the open stream; see :class:`workbench.stages.protocols.ResumableStt`."""
        slots = self.codec.encoder()
        if slots is None or name in self._kept:
            return
        state = take([*slots, *self.model.steps.slots()])
        self._kept[name] = state, self._tokens.copy()
        self._held += size(state)
        while self._held > KEPT:
            _, (dropped, _) = self._kept.popitem(last=False)
            self._held -= size(dropped)

    def resume(self, name: str) -> "DsmSttStream | None":
        """Start a listen cycle from a kept state; ends the one before."""
        kept = self._kept.get(name)
        if kept is None:
            return None
        self._kept.move_to_end(name)
        self._live += 1
        put_back(kept[0])
        self._tokens = kept[1].copy()
        return DsmSttStream(self, self._live)

    def encode_ahead(self, pcm: Audio) -> Iterator[Codes]:
        """Codes of ``pcm`` by chunks, (n, codebooks) each; one chunk ahead in a thread if :attr:`overlap`."""
        size = self.codec.chunk_frames * FRAME_SAMPLES
        chunks = [pcm[i : i + size] for i in range(0, len(pcm), size)]
        if len(chunks) == 1 or not self.overlap:
            yield from map(self.codec.encode, chunks)
            return
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self.codec.encode, chunks[0])
            for chunk in chunks[1:]:
                codes = ahead.result()
                ahead = pool.submit(self.codec.encode, chunk)
                yield codes
            yield ahead.result()

    def alive(self, stream: int) -> bool:
        """Whether this is still the newest stream."""
        return stream == self._live

    def require_pause_heads(self) -> None:
        """Refuse ``stt_vad`` for a checkpoint without heads.

        Raises:
            WorkbenchError: the checkpoint has none.
        """
        if not self.has_pause_heads:
            raise WorkbenchError(
                f"stt_vad: {self.model.checkpoint.root} has no semantic-VAD heads, so it would never fire; "
                "use the candle repository's weights (kyutai/stt-1b-en_fr-candle) or set stt_vad=false"
            )


class DsmSttStream:
    """One transcription (role ``SttStream``)."""

    def __init__(self, stt: DsmStt, number: int) -> None:
        self._stt, self._number = stt, number
        self._tokens = stt._tokens

    def step(self, frame: Audio, at: int = 0) -> SttStep:
        """Hear one frame.

        Args:
            frame: float32 of shape (1920,).
            at: not used; the model knows only what it hears.

        Raises:
            ValueError: the frame has another shape.
            RuntimeError: a newer stream has taken the model.
        """
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame has shape ({FRAME_SAMPLES},), not {frame.shape}")
        return self.steps(frame)[0]

    def steps(self, pcm: Audio) -> list[SttStep]:
        """Hear frames that are all known already: the same steps, sooner.

        rustymimi encodes a chunk of frames in half the time of single ones, and without Python's lock.

        Args:
            pcm: float32 of shape (1920 n,).

        Raises:
            ValueError: the shape is not whole frames.
            RuntimeError: a newer stream has taken the model.
        """
        if pcm.ndim != 1 or len(pcm) % FRAME_SAMPLES or not len(pcm):
            raise ValueError(f"whole frames of {FRAME_SAMPLES} samples are needed, not shape {pcm.shape}")
        if not self._stt.alive(self._number):
            raise RuntimeError("this STT stream has ended: a newer one was opened on the same model")
        pcm = pcm.astype(np.float32, copy=False)
        return [self.hear(codes) for chunk in self._stt.encode_ahead(pcm) for codes in chunk]

    def hear(self, codes: Sequence[int]) -> SttStep:
        """One LM step on a frame's codes, (codebooks,)."""
        model = self._stt.model
        token = self._tokens.step(codes[: model.lm.cfg.other_codebooks])
        pause = self._tokens.heads() if self._stt.has_pause_heads else None
        return SttStep(model.piece(token), pause)

    def flush(self) -> list[SttStep]:
        """Push silence through until everything heard so far has come out."""
        return self.steps(np.zeros(self._stt.flush_frames * FRAME_SAMPLES, np.float32))


def words(steps: Sequence[SttStep], delay_frames: int) -> list[HeardWord]:
    """Join pieces to words; a piece with a leading space begins one.

    >>> words([SttStep(" he"), SttStep(""), SttStep("llo"), SttStep(" you")], 1)
    [HeardWord(text='hello', frame=0), HeardWord(text='you', frame=2)]
    """
    found: list[HeardWord] = []
    for i, step in enumerate(steps):
        if step.piece.startswith(" ") or (step.piece and not found):
            found.append(HeardWord(step.piece.strip(), max(0, i - delay_frames)))
        elif step.piece:
            found[-1] = HeardWord(found[-1].text + step.piece, found[-1].frame)
    return [w for w in found if w.text]
