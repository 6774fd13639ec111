"""Modules of moshi_mlx with weights in them, and random state that stays private.

moshi_mlx draws from MLX's one global key, both when a module is built and when a token is sampled. Here every
draw happens inside :class:`PrivateKey`, which puts the global key back, so nothing outside notices.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from moshi_mlx import models
from moshi_mlx.models.mimi import Mimi, MimiConfig
from moshi_mlx.modules import SeanetConfig, TransformerConfig

from workbench.moshi.tensors import Shape, TensorHeader, read_header

REFERENCE_SEED = 299792458
"""Seed of moshi_mlx's own ``run_inference`` and ``run_tts``."""

GROUP_SIZE = {4: 32, 8: 64}
"""moshi_mlx's group sizes for its ``.q4`` and ``.q8`` files."""

_CROSS = "cross_attention.in_proj"
_DTYPES = {mx.bfloat16: "BF16", mx.float16: "F16", mx.float32: "F32", mx.uint32: "U32"}


class PrivateKey:
    """A random state of one's own: MLX's global key is swapped in and out around each use.

    Args:
        seed: seeds it as ``mx.random.seed(seed)`` would.
    """

    def __init__(self, seed: int) -> None:
        self._key: mx.array = mx.random.key(seed)

    def copy(self) -> "PrivateKey":
        """An independent state that continues from here."""
        twin = PrivateKey(0)
        twin._key = mx.array(self._key)
        return twin

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Make this the global state for the duration of the block."""
        outside = mx.random.state[0]
        mx.random.state[0] = self._key
        try:
            yield
        finally:
            self._key = mx.random.state[0]
            mx.random.state[0] = outside


def lm_config(raw: dict[str, Any]) -> models.LmConfig:
    """``config.json`` → moshi_mlx's configuration, with the key-value ring no longer than the context.

    moshi_mlx builds a ring of 4096 steps and clips attention to the context by slicing the ring's tail, which is
    wrong once the ring wraps (after 5 min 27 s); Kyutai's own scripts shorten the ring in the same way.
    """
    config = models.LmConfig.from_config_dict(raw)
    if isinstance(config.transformer.context, int) and config.transformer.context > 0:
        config.transformer.max_seq_len = config.transformer.context
    return config


def build_lm(raw: dict[str, Any], bits: int | None, *, all_quantised: bool = False) -> models.Lm:
    """An LM whose arrays are not yet computed (MLX is lazy), quantised where the file is.

    Args:
        raw: ``config.json``.
        bits: 4 or 8 for a quantised file.
        all_quantised: whether the projections of cross-attention are quantised too, as moshi_mlx's scripts do; its
            cross-attention cannot compute with those, so files made here leave them out.
    """
    model = models.Lm(lm_config(raw))
    model.set_dtype(mx.bfloat16)
    if bits is not None:
        predicate = None if all_quantised else _computable
        nn.quantize(model, bits=bits, group_size=GROUP_SIZE[bits], class_predicate=predicate)
    return model


def _computable(path: str, module: nn.Module) -> bool:
    """Everything that MLX can quantise but cross-attention's projection, whose raw weight moshi_mlx multiplies by."""
    return hasattr(module, "to_quantized") and not path.endswith(_CROSS)


def lm_shapes(raw: dict[str, Any], bits: int | None) -> dict[str, tuple[str, Shape]]:
    """Name → (dtype, shape) of the MLX-named file of a configuration; computes no array."""
    with PrivateKey(0).use():
        flat = tree_flatten(build_lm(raw, bits).parameters())
    return {name: (_DTYPES[a.dtype], tuple(a.shape)) for name, a in flat}


def load_lm(raw: dict[str, Any], weights: Path, *, mlx_named: bool, bits: int | None) -> models.Lm:
    """Build and fill an LM. The files are expected to have been checked (``checkpoint.check``)."""
    every = all_quantised(read_header(weights))
    model = fill(build_lm(raw, bits, all_quantised=every), weights, mlx_named=mlx_named)
    if every:
        for layer in model.transformer.layers:
            layer.cross_attention.in_proj = _dequantised(layer.cross_attention.in_proj)
    return model


def all_quantised(header: TensorHeader) -> bool:
    """Whether a file has quantised projections of cross-attention."""
    return any(name.endswith(f"{_CROSS}.scales") for name in header.shapes)


def _dequantised(linear: nn.QuantizedLinear) -> nn.Linear:
    weight = mx.dequantize(linear.weight, linear.scales, linear.biases, linear.group_size, linear.bits)
    plain = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    plain.weight = weight
    return plain


def fill(model: models.Lm, weights: Path, *, mlx_named: bool) -> models.Lm:
    """Give an LM its weights by moshi_mlx's own loader; MLX reads none of them before they are computed with."""
    if mlx_named:
        model.load_weights(str(weights), strict=True)
    else:
        model.load_pytorch_weights(str(weights), model.cfg, strict=True)
    return model


def quantize_tts(model: models.Lm, bits: int) -> None:
    """Quantise as ``run_tts --quantize`` does: the depformer, and attention and gating of every layer."""
    nn.quantize(model.depformer, bits=bits)
    for layer in model.transformer.layers:
        nn.quantize(layer.self_attn, bits=bits)
        nn.quantize(layer.gating, bits=bits)


def mimi_config(raw: dict[str, Any], codebooks: int) -> MimiConfig:
    """The fields of a ``mimi_config.json`` → moshi_mlx's configuration for the first ``codebooks`` codebooks."""
    fields = dict(raw)
    fields["seanet"] = SeanetConfig(**raw["seanet"])
    fields["transformer"] = TransformerConfig(**raw["transformer"])
    fields["quantizer_nq"] = codebooks
    return MimiConfig(**fields)


def mimi_fields() -> dict[str, Any]:
    """The published Mimi's configuration as plain data."""
    return dataclasses.asdict(models.mimi_202407(32))


def build_mimi(raw: dict[str, Any], codebooks: int) -> Mimi:
    """A Mimi whose arrays are not yet computed, with key-value caches that do not grow.

    moshi_mlx's Mimi keeps every key until its next reset and attends to the last ``context`` of them. A ring one
    longer than the context returns exactly those (a frame's two positions enter together), so results are equal
    and memory stays flat.
    """
    mimi = Mimi(mimi_config(raw, codebooks))
    for side in (mimi.encoder_transformer, mimi.decoder_transformer):
        side.transformer.cfg.max_seq_len = side.transformer.cfg.context + 1
    mimi.encoder_cache = mimi.encoder_transformer.make_rot_cache()
    mimi.decoder_cache = mimi.decoder_transformer.make_rot_cache()
    return mimi


def load_mimi(raw: dict[str, Any], weights: Path, codebooks: int) -> Mimi:
    """Build and fill a Mimi, then drop the codebooks beyond the first ``codebooks``.

    moshi_mlx cannot load a file that has more codebooks than the model, so all of them are loaded first.
    """
    with PrivateKey(0).use():
        mimi = build_mimi(raw, raw["quantizer_nq"])
    mimi.load_pytorch_weights(str(weights), strict=True)
    # A file in half precision is computed in single: the values are the same, and on a CPU it is twice as fast.
    mimi.set_dtype(mx.float32)
    for module in mimi.modules():
        if hasattr(module, "update_in_place"):  # what a codebook or transposed convolution derives from its weights
            module.update_in_place()
    mimi.quantizer._nq = codebooks
    mimi.quantizer.rvq_rest.vq.layers = mimi.quantizer.rvq_rest.vq.layers[: codebooks - 1]
    mx.eval(mimi.parameters())
    return mimi
