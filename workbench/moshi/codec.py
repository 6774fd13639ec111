"""Mimi frame by frame, on rustymimi, moshi_mlx or NumPy, with a reset after which every frame equals a fresh object's.

rustymimi 0.4.1 has three defects that matter over a day of listening:

- ``reset()`` leaves the down-sampler's last latents in place and never rewinds the rotary position, so the first
  codes after it belong to the past and samples differ in their last bits. Here a used object is replaced by a new
  one: 0.1–0.5 s, and the only way to get the same bits.
- The rotary table ends: after ``max_seq_len`` positions (two per frame, resets included) every call fails.
- Every key and value since the reset is kept, though attention reaches back ten seconds: 62 KB a frame, 2.8 GB an hour.

Here the table is twice the default, and a stream that outlives it moves on to a new object that first hears the frames
still within reach of its attention: no end, and at most half a gigabyte a side.
"""

import math
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio
from workbench.units import FRAME_SAMPLES

if TYPE_CHECKING:
    from workbench.moshi.state import Slot

Codes = npt.NDArray[np.uint32]

POSITIONS_PER_FRAME = 2
"""Mimi's transformers run at 25 Hz."""

ROTARY_POSITIONS = 16_384
"""Rotary table asked of rustymimi: 10 min 55 s. It bounds memory too: rustymimi keeps every key, 62 KB a frame."""

REACH_FRAMES = 1024
"""Frames of the past that can still matter: 8 layers that each look back 250 positions, and the convolutions."""


class Codec(Protocol):
    """Sound ↔ codes. Encoding and decoding keep separate state.

    Attributes:
        codebooks: codes per frame.
        chunk_frames: frames that :meth:`encode` may take at once and still give the codes it gives one by one.
        concurrent: encoding may run in a thread beside the LM.
    """

    codebooks: int
    chunk_frames: int
    concurrent: bool

    def encode(self, pcm: Audio) -> Codes:
        """Codes (n, codebooks) of ``pcm``, float32 of shape (1920 n,)."""
        ...

    def encode_raw(self, pcm: Audio) -> npt.NDArray[Any]:
        """What the package's own ``encode_step`` returns for one frame, for the contract audit; no bookkeeping."""
        ...

    def decode(self, codes: Codes) -> Audio:
        """PCM (1920,) of one frame's codes, (codebooks,)."""
        ...

    def reset(self) -> None:
        """Forget everything: what follows equals what a new object gives."""
        ...

    def encoder(self) -> "list[Slot] | None":
        """What encoding has in mind; None where that cannot be had."""
        ...


class RustyCodec:
    """Mimi on rustymimi (CPU, Rust). Only the published size.

    Args:
        weights: PyTorch-named file.
        codebooks: how many of its codebooks to use.
        positions: rotary table; :data:`ROTARY_POSITIONS` unless a test wants a short one.
        reach: frames heard again when a stream outlives the table.
    """

    chunk_frames = 24
    concurrent = True

    def __init__(
        self, weights: Path, codebooks: int, *, positions: int = ROTARY_POSITIONS, reach: int = REACH_FRAMES
    ) -> None:
        self.codebooks = codebooks
        self.rollovers = 0
        self._weights, self._frames = str(weights), positions // POSITIONS_PER_FRAME
        self._heard: deque[Audio] = deque(maxlen=reach)
        self._said: deque[Codes] = deque(maxlen=reach)
        self._new()

    def _new(self) -> None:
        import rustymimi

        self._tokenizer: Any = None  # frees the old weights before the new ones are read
        self._tokenizer = rustymimi.Tokenizer(
            self._weights, num_codebooks=self.codebooks, max_seq_len=self._frames * POSITIONS_PER_FRAME
        )
        self._encoded = self._decoded = 0

    def encode(self, pcm: Audio) -> Codes:
        """Codes (n, codebooks) of ``pcm``, float32 of shape (1920 n,)."""
        frames = len(pcm) // FRAME_SAMPLES
        if self._encoded + frames > self._frames:
            self._roll_over()
        for i in range(frames):
            self._heard.append(pcm[i * FRAME_SAMPLES : (i + 1) * FRAME_SAMPLES])
        self._encoded += frames
        return self._encode(pcm)

    def encode_raw(self, pcm: Audio) -> npt.NDArray[Any]:
        """What ``rustymimi.Tokenizer.encode_step`` returns, (1, codebooks, frames)."""
        raw: npt.NDArray[Any] = self._tokenizer.encode_step(np.ascontiguousarray(pcm)[None, None])
        return raw

    def _encode(self, pcm: Audio) -> Codes:
        return np.ascontiguousarray(self.encode_raw(pcm)[0].T)

    def decode(self, codes: Codes) -> Audio:
        """PCM (1920,) of one frame's codes, (codebooks,)."""
        if self._decoded + 1 > self._frames:
            self._roll_over()
        self._said.append(codes)
        self._decoded += 1
        return self._decode(codes)

    def _decode(self, codes: Codes) -> Audio:
        pcm: Audio = self._tokenizer.decode_step(np.ascontiguousarray(codes, np.uint32)[None, :, None])
        frame: Audio = pcm[0, 0]
        return frame

    def reset(self) -> None:
        """Forget everything, by a new object if this one was used."""
        if self._encoded or self._decoded:
            self._new()
        self._heard.clear()
        self._said.clear()

    def encoder(self) -> None:
        """Inside the package."""

    def _roll_over(self) -> None:
        """Go on in a new object that has heard and said what the old one can still remember."""
        self._new()
        self.rollovers += 1
        heard = list(self._heard)
        for i in range(0, len(heard), self.chunk_frames):
            self._encode(np.concatenate(heard[i : i + self.chunk_frames]))
        for codes in self._said:
            self._decode(codes)
        self._encoded, self._decoded = len(self._heard), len(self._said)


class MlxCodec:
    """Mimi on moshi_mlx: any size, and the decoder that ``run_tts`` uses.

    Args:
        weights: PyTorch-named file.
        config: fields of ``MimiConfig``, with the file's number of codebooks.
        codebooks: how many of them to use.
    """

    # moshi_mlx lets the positions of one call see each other, so more frames at once give other codes.
    chunk_frames = 1
    # All MLX work of a model belongs in one thread from mlx 0.31 on.
    concurrent = False

    def __init__(self, weights: Path, config: dict[str, Any], codebooks: int) -> None:
        from workbench.moshi.load import load_mimi

        self.codebooks = codebooks
        self.mimi = load_mimi(config, weights, codebooks)
        self._encoder: list[Slot] = []

    def encode(self, pcm: Audio) -> Codes:
        """Codes (n, codebooks) of ``pcm``, float32 of shape (1920 n,)."""
        frames = pcm.reshape(-1, FRAME_SAMPLES)
        return np.stack([self.encode_raw(f)[0, :, 0] for f in frames])

    def encode_raw(self, pcm: Audio) -> npt.NDArray[Any]:
        """What ``Mimi.encode_step`` returns, (1, codebooks, 1)."""
        import mlx.core as mx

        return np.array(self.mimi.encode_step(mx.array(pcm)[None, None]))

    def decode(self, codes: Codes) -> Audio:
        """PCM (1920,) of one frame's codes, (codebooks,)."""
        import mlx.core as mx

        pcm = np.array(self.mimi.decode_step(mx.array(codes.astype(np.uint32))[None, :, None]))
        frame: Audio = pcm[0, 0].astype(np.float32, copy=False)
        return frame

    def reset(self) -> None:
        """Forget everything (``reset_all``, not ``reset_state``, which leaves the samplers' past in)."""
        self.mimi.reset_all()

    def encoder(self) -> "list[Slot]":
        """What encoding has in mind."""
        from workbench.moshi.state import of_caches, of_modules

        if not self._encoder:
            mimi = self.mimi
            self._encoder += [*of_modules(mimi.encoder, mimi.downsample), *of_caches(mimi.encoder_cache)]
        return self._encoder


def fits_frames(config: dict[str, Any]) -> bool:
    """Whether a frame is one code of this Mimi and whole strides of all its layers, as :class:`NumpyCodec` needs it."""
    positions = math.prod(config["seanet"]["ratios"])
    stride = int(config["sample_rate"] / positions / config["frame_rate"])
    return bool(config["seanet"]["causal"]) and positions * stride == FRAME_SAMPLES


class NumpyCodec:
    """Mimi in NumPy: what moshi_mlx computes, of any size, without MLX's slow convolutions on a CPU.

    Args:
        weights: PyTorch-named file.
        config: fields of ``MimiConfig``, with the file's number of codebooks; :func:`fits_frames` must hold.
        codebooks: how many of them to use.
    """

    chunk_frames = 1  # see MlxCodec
    concurrent = False

    def __init__(self, weights: Path, config: dict[str, Any], codebooks: int) -> None:
        from workbench.moshi.load import load_mimi
        from workbench.moshi.numpy_mimi import NumpyMimi
        from workbench.moshi.numpy_products import use_one_thread

        use_one_thread()
        self.codebooks = codebooks
        self._mimi = NumpyMimi(load_mimi(config, weights, codebooks))
        self._encoder = list(self._mimi.encoder_slots())

    def encode(self, pcm: Audio) -> Codes:
        """Codes (n, codebooks) of ``pcm``, float32 of shape (1920 n,)."""
        return np.concatenate([self._mimi.encode(frame) for frame in pcm.reshape(-1, FRAME_SAMPLES)])

    def encode_raw(self, pcm: Audio) -> npt.NDArray[Any]:
        """Codes of one frame as ``Mimi.encode_step`` returns them, (1, codebooks, 1)."""
        return self._mimi.encode(pcm).T[None]

    def decode(self, codes: Codes) -> Audio:
        """PCM (1920,) of one frame's codes, (codebooks,)."""
        return self._mimi.decode(codes[None])

    def reset(self) -> None:
        """Forget everything."""
        self._mimi.reset()

    def encoder(self) -> "list[Slot]":
        """What encoding has in mind."""
        return self._encoder
