"""Moshi itself: it hears and speaks at once, a frame in and a frame out at every step."""

from dataclasses import asdict, dataclass

import numpy as np

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.codec import Codec
from workbench.moshi.model import Backend, Model, dialogue_condition, fingerprint, load, open_codec
from workbench.moshi.stream import Drawing, TokenStream
from workbench.stages.protocols import DuplexStep
from workbench.units import FRAME_SAMPLES


@dataclass(frozen=True)
class DuplexOptions:
    """How tokens are drawn; the defaults are those of moshi_mlx's ``run_inference``.

    Attributes:
        temperature: of text and audio; 0 takes the likeliest.
        top_k_text: text tokens to draw from.
        top_k_audio: audio tokens to draw from.
    """

    temperature: float = 0.8
    top_k_text: int = 25
    top_k_audio: int = 250


class Duplex:
    """A dialogue checkpoint (role ``Duplex``).

    Args:
        checkpoint: a duplex model.
        options: see :class:`DuplexOptions`.
        codec: which implementation of Mimi.

    Raises:
        WorkbenchError: the model has fewer tokens than are to be drawn from.
    """

    def __init__(
        self, checkpoint: Checkpoint, options: DuplexOptions | None = None, *, codec: Backend = "auto"
    ) -> None:
        from moshi_mlx.utils import Sampler

        drawn = options or DuplexOptions()
        self.model: Model = load(checkpoint, "duplex")
        _check(drawn, self.model)
        self.codec: Codec = open_codec(checkpoint, codec)
        self.delay_frames = max(self.model.lm.delays)
        described = {"role": "duplex", **asdict(drawn)}
        self.fingerprint = fingerprint(checkpoint, described, (self.codec, self.model.steps))
        self._samplers = (
            Sampler(top_k=drawn.top_k_text, temp=drawn.temperature),
            Sampler(top_k=drawn.top_k_audio, temp=drawn.temperature),
        )
        self._live = 0

    def open(self, seed: int | None = None) -> "DuplexStream":
        """Start a conversation from a clean state; ends the one before.

        Args:
            seed: seeds sampling; None continues as moshi_mlx's ``run_inference`` does.
        """
        from workbench.moshi.load import PrivateKey

        self._live += 1
        self.codec.reset()
        self.model.steps.reset()
        key = self.model.key.copy() if seed is None else PrivateKey(seed)
        drawing = Drawing(self._samplers, dialogue_condition(self.model.lm))
        return DuplexStream(self, self._live, TokenStream(self.model.steps, key, drawing))

    def alive(self, stream: int) -> bool:
        """Whether this is still the newest stream."""
        return stream == self._live


def _check(options: DuplexOptions, model: Model) -> None:
    there = {"text": model.lm.cfg.text_out_vocab_size, "audio": model.lm.cfg.audio_vocab_size - 1}
    for kind, wanted in (("text", options.top_k_text), ("audio", options.top_k_audio)):
        if wanted >= there[kind]:
            raise WorkbenchError(
                f"duplex_top_k_{kind} is {wanted}, must be below {there[kind]}: this model has no more {kind} tokens"
            )


class DuplexStream:
    """One conversation."""

    def __init__(self, duplex: Duplex, number: int, tokens: TokenStream) -> None:
        self._duplex, self._number, self._tokens = duplex, number, tokens

    def step(self, frame: Audio) -> DuplexStep:
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
