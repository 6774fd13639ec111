"""A model ready to step: LM, tokenizer and codec of one checkpoint, and the name its outputs are kept under."""

import functools
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import WorkbenchError
from workbench.files import canonical_json, sha256_text, source_digest
from workbench.moshi.checkpoint import Checkpoint, check
from workbench.moshi.codec import Codec, MlxCodec, NumpyCodec, RustyCodec, fits_frames
from workbench.moshi.judge import NOT_FINITE, cannot_step
from workbench.moshi.sizes import Kind

if TYPE_CHECKING:
    from workbench.moshi.stream import LmSteps

Backend = Literal["auto", "exact", "rustymimi", "mlx", "numpy"]
"""``exact``: what moshi_mlx computes, by itself on a GPU, in NumPy on a CPU; ``auto``: rustymimi for the published
size, ``exact`` for others. The others name an implementation."""

LmBackend = Literal["auto", "mlx", "numpy"]
"""``auto``: NumPy for a small model on a CPU, moshi_mlx otherwise."""


@dataclass(frozen=True)
class Model:
    """One checkpoint with its weights loaded.

    Attributes:
        checkpoint: where it came from.
        steps: what steps the LM.
        text: sentencepiece processor.
        key: random state as moshi_mlx's own scripts have it once the model is built and warmed up.
    """

    checkpoint: Checkpoint
    steps: "LmSteps"
    text: Any
    key: Any

    @property
    def lm(self) -> Any:
        """moshi_mlx ``Lm``."""
        return self.steps.lm

    def piece(self, token: int) -> str:
        """Text of a token: a leading space where a word begins, empty for padding and word borders.

        Raises:
            WorkbenchError: the model says a token the tokenizer does not have.
        """
        if token in (0, 3):
            return ""
        try:
            piece: str = self.text.id_to_piece(token)
        except IndexError as e:
            raise WorkbenchError(f"{self.checkpoint.tokenizer}: has no piece {token}, which the model says") from e
        return piece.replace("▁", " ")


def load(checkpoint: Checkpoint, kind: Kind, *, quantize: int | None = None, lm_backend: LmBackend = "auto") -> Model:
    """Check a checkpoint, load it, and warm it up as the reference scripts do.

    Args:
        checkpoint: what to load.
        kind: the role it must have.
        quantize: bits to quantise a TTS to while loading.
        lm_backend: what steps the LM.

    Raises:
        WorkbenchError: the role is another, or a file does not fit.
    """
    if checkpoint.kind != kind:
        raise WorkbenchError(f"{checkpoint.root}: is of kind {checkpoint.kind}, a model of kind {kind} is needed here")
    for note in check(checkpoint):
        if NOT_FINITE in note:
            print(f"note: {note.removeprefix('note').lstrip()}", file=sys.stderr)
    if reason := cannot_step(checkpoint.config):
        raise WorkbenchError(f"{checkpoint.root / 'config.json'}: moshi_mlx cannot step this model: {reason}")
    import mlx.core as mx
    import sentencepiece

    from workbench.moshi import load as loading

    assert checkpoint.weights is not None
    key = loading.PrivateKey(loading.REFERENCE_SEED)
    with key.use():
        lm = loading.load_lm(
            checkpoint.config, checkpoint.weights, mlx_named=checkpoint.mlx_named, bits=checkpoint.bits
        )
        if quantize:
            loading.quantize_tts(lm, quantize)
        if kind == "tts":
            # run_tts builds its codec between the LM and the first draw, and building draws too.
            loading.build_mimi(checkpoint.mimi_config, checkpoint.codebooks)
        else:
            _warm_up(lm, checkpoint)
    mx.eval(lm.parameters())
    return Model(
        checkpoint, _steps(lm, lm_backend), sentencepiece.SentencePieceProcessor(str(checkpoint.tokenizer)), key
    )


def _steps(lm: Any, backend: LmBackend) -> "LmSteps":
    import mlx.core as mx

    from workbench.moshi.numpy_lm import NumpyLm, suits
    from workbench.moshi.stream import MlxLmSteps

    if backend == "numpy" or (backend == "auto" and mx.default_device() == mx.cpu and suits(lm)):
        return NumpyLm(lm)
    return MlxLmSteps(lm)


def _warm_up(lm: Any, checkpoint: Checkpoint) -> None:
    """One step, as ``run_inference`` does it: what moshi_mlx builds but cannot run shows here."""
    try:
        lm.warmup(dialogue_condition(lm))
    except (TypeError, ValueError, RuntimeError, AttributeError, AssertionError) as e:
        why = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise WorkbenchError(f"{checkpoint.root}: moshi_mlx loads this model but cannot step it ({why})") from e


def dialogue_condition(lm: Any) -> Any:
    """The condition ``run_inference`` sets on a dialogue model that has conditioners; else None."""
    provider = lm.condition_provider
    return None if provider is None else provider.condition_tensor("description", "very_good")


def open_codec(checkpoint: Checkpoint, backend: Backend = "auto", codebooks: int | None = None) -> Codec:
    """Mimi of a checkpoint.

    Args:
        checkpoint: whose.
        backend: ``auto`` takes rustymimi for the published size, as Kyutai's scripts do; ``rustymimi`` for another
            size runs it written in the published one (``expand``).
        codebooks: how many; by default what the LM needs.

    Raises:
        WorkbenchError: rustymimi was asked for, and this codec is no part of the published one.
    """
    books = codebooks or checkpoint.codebooks
    if backend == "auto":
        backend = "rustymimi" if checkpoint.published_mimi else "exact"
    if backend == "exact":
        import mlx.core as mx

        backend = "numpy" if mx.default_device() == mx.cpu and fits_frames(checkpoint.mimi_config) else "mlx"
    if backend != "rustymimi":
        codec = NumpyCodec if backend == "numpy" else MlxCodec
        return codec(checkpoint.mimi, checkpoint.mimi_config, books)
    if checkpoint.published_mimi:
        return RustyCodec(checkpoint.mimi, books)
    from workbench.moshi.expand import expanded

    return RustyCodec(expanded(checkpoint), books)


def fingerprint(checkpoint: Checkpoint, options: dict[str, Any], parts: tuple[object, ...]) -> str:
    """Names outputs: code, package versions, device, configuration, weights, options, and what computes the parts."""
    import mlx.core as mx

    packages = {p: version(p) for p in ("mlx", "moshi_mlx", "numpy", "rustymimi", "sentencepiece")}
    return sha256_text(
        canonical_json(
            {
                "code": _code(),
                "packages": packages,
                "device": str(mx.default_device().type),
                "config": json.dumps(checkpoint.config, sort_keys=True),  # it may hold numbers that are none
                "mimi": checkpoint.mimi_config,
                "weights": checkpoint.digests,
                "options": options,
                "parts": [type(part).__name__ for part in parts],
            }
        )
    )


@functools.cache
def _code() -> list[str]:
    """Digests of the modules that decide what a stage says."""
    here = Path(__file__).parent
    numpy = ("numpy_lm", "numpy_mimi", "numpy_products", "numpy_transformer")
    names = ("codec", "duplex", "load", "model", *numpy, "state", "stream", "stt", "text", "tts")
    return [source_digest(str(here / f"{name}.py")) for name in names]
