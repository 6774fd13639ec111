"""Moshi itself: it hears and speaks at once, a frame in and a frame out at every step."""

import numpy as np

from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.codec import Codec, Pcm
from workbench.moshi.model import Backend, Model, dialogue_condition, fingerprint, load, open_codec
from workbench.moshi.stream import TokenStream, reset_caches
from workbench.stages.protocols import DuplexStep
from workbench.units import FRAME_SAMPLES


class Duplex:
    """A dialogue checkpoint (role ``Duplex``).

    Args:
        checkpoint: a duplex model.
        temperature: of text and audio; moshi_mlx's ``run_inference`` uses 0.8.
        codec: which implementation of Mimi.
    """

    def __init__(self, checkpoint: Checkpoint, *, temperature: float = 0.8, codec: Backend = "auto") -> None:
        from moshi_mlx.utils import Sampler

        self.model: Model = load(checkpoint, "duplex")
        self.codec: Codec = open_codec(checkpoint, codec)
        self.delay_frames = max(self.model.lm.delays)
        options = {"role": "duplex", "temperature": temperature, "codec": type(self.codec).__name__}
        self.fingerprint = fingerprint(checkpoint, options)
        # 25 and 250 are run_inference's.
        self._samplers = Sampler(top_k=25, temp=temperature), Sampler(top_k=250, temp=temperature)
        self._live = 0

    def open(self, seed: int | None = None) -> "DuplexStream":
        """Start a conversation from a clean state; ends the one before.

        Args:
            seed: seeds sampling; None continues as moshi_mlx's ``run_inference`` does.
        """
        from workbench.moshi.load import PrivateKey

        self._live += 1
        self.codec.reset()
        reset_caches(self.model.lm)
        key = self.model.key.copy() if seed is None else PrivateKey(seed)
        tokens = TokenStream(
            self.model.lm,
            text_sampler=self._samplers[0],
            audio_sampler=self._samplers[1],
            key=key,
            condition=dialogue_condition(self.model.lm),
        )
        return DuplexStream(self, self._live, tokens)

    def alive(self, stream: int) -> bool:
        """Whether this is still the newest stream."""
        return stream == self._live


class DuplexStream:
    """One conversation."""

    def __init__(self, duplex: Duplex, number: int, tokens: TokenStream) -> None:
        self._duplex, self._number, self._tokens = duplex, number, tokens

    def step(self, frame: Pcm) -> DuplexStep:
        """Hear one frame, float32 of shape (1920,), and say one.

        Raises:
            ValueError: the frame has another shape.
            RuntimeError: a newer stream has taken the model.
        """
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame has shape ({FRAME_SAMPLES},), not {frame.shape}")
        if not self._duplex.alive(self._number):
            raise RuntimeError("this conversation has ended: a newer one was opened on the same model")
        codec, model = self._duplex.codec, self._duplex.model
        codes = codec.encode(frame.astype(np.float32, copy=False))[0]
        token = self._tokens.step(codes[: model.lm.cfg.other_codebooks])
        said = self._tokens.audio()
        if said is None:
            return DuplexStep(model.piece(token), None)
        # Mimi decodes as many codebooks as it was opened with; a model may hear more than it says.
        return DuplexStep(model.piece(token), codec.decode(said.astype(np.uint32)))
