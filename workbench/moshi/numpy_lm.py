"""A small multi-stream LM in NumPy, for a CPU: a step of moshi_mlx's ``Lm`` without its hundreds of MLX operations.

Weights are single precision, dequantised where the file is quantised, so this is for models that compute in single
precision anyway: the tokens are moshi_mlx's, but for the last bit of a logit. Tokens are drawn by moshi_mlx's samplers
with MLX's random numbers; the likeliest token needs neither.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt
from mlx.utils import tree_flatten
from moshi_mlx.models import Lm
from moshi_mlx.models.lm import ScaledEmbedding
from moshi_mlx.utils import Sampler

from workbench.moshi.numpy_products import Array, Product, from_mlx, use_one_thread
from workbench.moshi.numpy_transformer import NumpyTransformer, linear_map, matrix, norm_map, softmax
from workbench.moshi.state import Slot
from workbench.moshi.stream import Drawing, LmOutput, TokenIds, narrow

MOST_PARAMETERS = 1 << 26
"""Larger models stay with MLX: in single precision this one takes 256 MB."""


def suits(lm: Lm) -> bool:
    """Whether a model is small, computes in single precision, and has embeddings of one token each."""
    # The raw weight that cross-attention multiplies by may be a half: its products with single precision are single.
    flat = [array for name, array in tree_flatten(lm.parameters()) if "cross_attention.in_proj" not in name]
    precise = all(array.dtype in (mx.float32, mx.uint32) for array in flat)
    return precise and not lm.cfg.demux_second_stream and _parameters(lm) <= MOST_PARAMETERS


def _parameters(lm: Lm) -> int:
    """Number of weights, about: scales and biases of quantised ones are counted too."""
    total = 0
    for module in lm.modules():
        own = [array.size for array in module.values() if isinstance(array, mx.array)]
        packed = isinstance(module, nn.QuantizedLinear | nn.QuantizedEmbedding)
        total += sum(own) + (module.weight.size * (32 // module.bits - 1) if packed else 0)
    return total


class _Embedding:
    """Rows of a table, for one token or several; a token below zero is no input."""

    def __init__(self, module: nn.Module) -> None:
        table = module.weight
        if isinstance(module, nn.QuantizedEmbedding):
            # moshi_mlx's quantised tables do not know the token for no input: -1 is their last row.
            table = mx.dequantize(table, module.scales, module.biases, module.group_size, module.bits)
        rows = from_mlx(table)
        if isinstance(module, ScaledEmbedding):
            if module.low_rank is not None:
                rows = rows @ matrix(module.low_rank)
            rows = np.concatenate([rows, np.zeros((1, rows.shape[1]), np.float32)])
        self._rows = rows

    def __call__(self, token: int | TokenIds) -> Array:
        rows: Array = self._rows[token]
        return rows


class _Depformer:
    """The small transformer that says the audio tokens of a step one after the other."""

    def __init__(self, lm: Lm) -> None:
        slices = lm.depformer.slices
        self._dim = lm.cfg.depformer.transformer.d_model
        # What every slice takes from the main transformer is one product.
        self._enter = Product(np.concatenate([matrix(s.linear_in) for s in slices], axis=1))
        self._embeddings = [_Embedding(s.emb) for s in slices]
        self._leave = [linear_map(s.linear_out) for s in slices]
        self._transformers: list[NumpyTransformer] = []
        for s in slices:
            first = self._transformers[0].caches if self._transformers else None
            self._transformers.append(NumpyTransformer(s.transformer, caches=first))

    def __call__(self, hidden: Array, text: int, sampler: Sampler) -> npt.NDArray[np.int32]:
        """Audio tokens (dep_q,) after the main transformer's (1, 1, dim) and the text token."""
        self._transformers[0].reset()
        inputs = self._enter(hidden[0]).reshape(-1, 1, 1, self._dim)
        tokens, last = [], text
        for x, embed, transformer, leave in zip(inputs, self._embeddings, self._transformers, self._leave, strict=True):
            last = _draw(sampler, leave(transformer(x + embed(last))))
            tokens.append(last)
        return np.array(tokens, np.int32)


def _draw(sampler: Sampler, logits: Array) -> int:
    """A token of logits (1, 1, tokens)."""
    if sampler.temp == 0 and not sampler.logit_bias:
        return int(logits.argmax())
    token, _ = sampler(mx.array(logits))
    return int(token.item())


class NumpyLm:
    """One step of an LM (role ``LmSteps``).

    Args:
        lm: of moshi_mlx, with its weights; :func:`suits` must hold.
    """

    def __init__(self, lm: Lm) -> None:
        use_one_thread()
        self.lm = lm
        self._text, self._audio = _Embedding(lm.text_emb), [_Embedding(e) for e in lm.audio_embs]
        self._transformer = NumpyTransformer(lm.transformer, lm.cfg.transformer.max_seq_len)
        self._norm, self._say = norm_map(lm.out_norm), linear_map(lm.text_linear)
        self._heads = [linear_map(head) for head in lm.extra_heads]
        self._depformer = _Depformer(lm) if lm.depformer.slices else None
        self._drawing: Drawing | None = None
        self._condition: Array | None = None

    def _begin(self, drawing: Drawing) -> None:
        """Take over what a run is conditioned on."""
        self._drawing = drawing
        self._condition = None if drawing.condition is None else from_mlx(drawing.condition.tensor)
        if drawing.cross is not None:
            self._transformer.attend_to(from_mlx(drawing.cross))

    def _hidden(self, texts: TokenIds, audio: TokenIds, drawing: Drawing) -> Array:
        """Last hidden states, (streams, 1, dim), after tokens of shape (streams,) and (streams, n_q)."""
        if drawing is not self._drawing:
            self._begin(drawing)
        x = self._text(texts)
        for embed, tokens in zip(self._audio, audio.T, strict=True):
            x = x + embed(tokens)
        x = x if self._condition is None else x + self._condition
        return self._norm(self._transformer(x[:, None]))

    def step(self, text: int, audio: Sequence[int], drawing: Drawing) -> LmOutput:
        """See :class:`workbench.moshi.stream.LmSteps`."""
        hidden = self._hidden(np.array([text], np.int32), np.array([audio], np.int32), drawing)
        said = _draw(drawing.samplers[0], self._say(hidden))
        if drawing.on_text:
            said = drawing.on_text(said)
        own = self._depformer(hidden, said, drawing.samplers[1]) if self._depformer else None
        heads = tuple(float(softmax(head(hidden))[0, 0, 0]) for head in self._heads)
        return LmOutput(said, own, hidden, heads)

    def step_together(self, texts: TokenIds, audio: TokenIds, drawing: Drawing) -> tuple[TokenIds, npt.NDArray[Any]]:
        """See :class:`workbench.moshi.stream.LmSteps`."""
        for cache in self._transformer.caches:
            narrow(cache, len(texts))
        hidden = self._hidden(texts, audio, drawing)
        heads = [softmax(head(hidden))[:, 0, 0] for head in self._heads]
        said = self._say(hidden)[:, 0].argmax(axis=-1).astype(np.int32)
        return said, np.stack(heads, axis=1) if heads else np.zeros((len(texts), 0))

    def reset(self) -> None:
        """Forget every step."""
        self._transformer.reset()

    def slots(self) -> Iterator[Slot]:
        """What it remembers of the steps before."""
        for cache in self._transformer.caches:
            yield from cache.slots()
