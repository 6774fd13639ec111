"""Transformers of moshi_mlx in NumPy: one step of a few positions, float32, for a CPU.

MLX spends 10 to 20 µs on each of a step's hundreds of small operations on its CPU back end, whatever their size; NumPy
takes 1 to 3 µs. Layers are made from loaded modules of moshi_mlx and keep its rules: how far back attention reaches,
and that the positions of one call see each other.
"""

from collections.abc import Callable, Iterator

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt
from moshi_mlx.modules.transformer import Attention, Id, MlpGating, Transformer, TransformerLayer

from workbench.moshi.numpy_products import Array, Product, from_mlx
from workbench.moshi.state import Slot

Map = Callable[[Array], Array]

ROOM = 64
"""Positions that a key-value cache takes before it moves the past to its front."""


def matrix(linear: nn.Module) -> Array:
    """Weights of a linear layer as (inputs, outputs), dequantised where they are quantised."""
    weight = linear.weight
    if isinstance(linear, nn.QuantizedLinear):
        weight = mx.dequantize(weight, linear.scales, linear.biases, linear.group_size, linear.bits)
    return from_mlx(weight).T


def linear_map(linear: nn.Module) -> Map:
    """A linear layer, on (batch, positions, inputs)."""
    product = Product(matrix(linear), from_mlx(linear.bias) if "bias" in linear else None)
    return lambda x: product(x.reshape(-1, product.inputs)).reshape(*x.shape[:-1], -1)


def norm_map(norm: nn.Module) -> Map:
    """``RMSNorm`` or ``LayerNorm``, over the last axis."""
    weight, eps = from_mlx(norm.weight), np.float32(norm.eps)
    bias = from_mlx(norm.bias) if "bias" in norm else None
    size = np.float32(len(weight))
    centred = isinstance(norm, nn.LayerNorm)

    def run(x: Array) -> Array:
        if centred:
            x = x - np.add.reduce(x, axis=-1, keepdims=True) / size
        power = np.add.reduce(x * x, axis=-1, keepdims=True) / size
        y: Array = x / np.sqrt(power + eps)
        y *= weight
        if bias is not None:
            y += bias
        return y

    return run


def softmax(x: Array) -> Array:
    """Over the last axis, in place."""
    x -= np.maximum.reduce(x, axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= np.add.reduce(x, axis=-1, keepdims=True)
    return x


def _feed_forward(module: nn.Module) -> Map:
    if isinstance(module, MlpGating):
        first, last = linear_map(module.linear_in), linear_map(module.linear_out)

        def gated(x: Array) -> Array:
            gate, value = np.split(first(x), 2, axis=-1)
            return last(gate / (1 + np.exp(-gate)) * value)

        return gated
    inner, outer = linear_map(module.linear1), linear_map(module.linear2)
    root, cubic, half = (np.float32(c) for c in (np.sqrt(2 / np.pi), 0.044715, 0.5))

    def plain(x: Array) -> Array:
        y = inner(x)
        return outer(half * y * (1 + np.tanh(root * (y + cubic * y * y * y))))

    return plain


class KeyValues:
    """Keys and values of the positions that attention still reaches.

    Args:
        past: positions before a call's own that it may see.

    Attributes:
        offset: positions since the last reset.
    """

    STATE = ("keys", "values", "end", "offset")

    def __init__(self, past: int) -> None:
        self._past = past
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.keys: Array | None = None
        self.values: Array | None = None
        self.end = self.offset = 0

    def extend(self, keys: Array, values: Array) -> tuple[Array, Array]:
        """Add positions, (batch, heads, positions, width) each; all keys and values in reach, the oldest first."""
        batch, heads, count, width = keys.shape
        if self.keys is None or self.values is None:
            self.keys = np.zeros((batch, heads, self._past + max(count, ROOM), width), np.float32)
            self.values = np.zeros_like(self.keys)
        if self.end + count > self.keys.shape[2]:
            kept = min(self._past, self.end)
            for held in (self.keys, self.values):
                held[:, :, :kept] = held[:, :, self.end - kept : self.end].copy()
            self.end = kept
        begin, end = self.end, self.end + count
        self.keys[:, :, begin:end], self.values[:, :, begin:end] = keys, values
        self.end, self.offset = end, self.offset + count
        reach = slice(max(0, begin - self._past), end)
        return self.keys[:, :, reach], self.values[:, :, reach]

    def slots(self) -> Iterator[Slot]:
        """What it remembers."""
        yield from (Slot(self, name) for name in self.STATE)


class _Rotation:
    """Rotary positions as MLX computes them (``traditional``: pairs of neighbours), in single precision."""

    def __init__(self, width: int, base: float) -> None:
        half = width // 2
        step = np.float32(np.log(base) / half)
        self._frequencies = np.exp(np.arange(0, -half, -1, dtype=np.float32) * step)

    def factors(self, offset: int, count: int) -> npt.NDArray[np.complex64]:
        """(count, width / 2): what the pairs of each position are multiplied by."""
        angles = np.arange(offset, offset + count, dtype=np.float32)[:, None] * self._frequencies
        turns: npt.NDArray[np.complex64] = (np.cos(angles) + 1j * np.sin(angles)).astype(np.complex64)
        return turns


class _SelfAttention:
    def __init__(self, attention: Attention, cache_size: int | None) -> None:
        c = attention.cfg
        self._heads, self._width = c.num_heads, c.head_dim
        self._enter, self._leave = linear_map(attention.in_proj), linear_map(attention.out_proj)
        self._scale = np.float32(attention.scale)
        self.rotation = _Rotation(c.head_dim, c.max_period) if attention.rope is not None else None
        # A ring of moshi_mlx's drops its oldest entry before attention looks at it.
        self.cache = KeyValues(c.context if cache_size is None else min(cache_size - 1, c.context))

    def __call__(self, x: Array, turns: npt.NDArray[np.complex64] | None) -> Array:
        batch, count, _ = x.shape
        # (3, batch, heads, positions, width)
        split = self._enter(x).reshape(batch, count, 3, self._heads, self._width).transpose(2, 0, 3, 1, 4)
        if turns is not None:
            turned = np.ascontiguousarray(split[:2]).view(np.complex64) * turns
            query, key = turned.view(np.float32)
        else:
            query, key = split[0], split[1]
        keys, values = self.cache.extend(key, split[2])
        seen = softmax(np.matmul(query * self._scale, keys.swapaxes(2, 3)))
        return self._leave(np.matmul(seen, values).swapaxes(1, 2).reshape(batch, count, -1))


class _CrossAttention:
    """Attention to a source that stays what it is for a whole run."""

    def __init__(self, attention: nn.Module) -> None:
        c = attention.cfg
        self._heads, self._width = c.num_heads, c.head_dim
        self._ask, self._keys, self._values = np.split(matrix(attention.in_proj), 3, axis=1)
        self._leave, self._scale = linear_map(attention.out_proj), np.float32(attention.scale)
        self._source: Array | None = None

    def attend_to(self, source: Array) -> None:
        """Set the source, (batch, positions, dim)."""
        self._source = source
        batch, count, _ = source.shape
        shape = batch, count, self._heads, self._width
        self._k = np.ascontiguousarray((source @ self._keys).reshape(shape).transpose(0, 2, 3, 1))
        self._v = np.ascontiguousarray((source @ self._values).reshape(shape).transpose(0, 2, 1, 3))

    def __call__(self, x: Array) -> Array:
        batch, count, _ = x.shape
        query = (x @ self._ask).reshape(batch, count, self._heads, self._width).swapaxes(1, 2)
        seen = softmax(np.matmul(query * self._scale, self._k))
        return self._leave(np.matmul(seen, self._v).swapaxes(1, 2).reshape(batch, count, -1))


class _Layer:
    def __init__(self, layer: TransformerLayer, cache_size: int | None) -> None:
        self.attention = _SelfAttention(layer.self_attn, cache_size)
        self.cross = None if layer.cross_attention is None else _CrossAttention(layer.cross_attention)
        self._norms = [norm_map(layer.norm1), norm_map(layer.norm2)]
        self._norm_cross = norm_map(layer.norm_cross) if self.cross else None
        self._feed = _feed_forward(layer.gating)
        scales = (layer.layer_scale_1, layer.layer_scale_2)
        self._scales = [None if isinstance(s, Id) else from_mlx(s.scale) for s in scales]

    def __call__(self, x: Array, turns: npt.NDArray[np.complex64] | None) -> Array:
        x = x + self._scaled(0, self.attention(self._norms[0](x), turns))
        if self.cross and self._norm_cross:
            x += self.cross(self._norm_cross(x))
        x += self._scaled(1, self._feed(self._norms[1](x)))
        return x

    def _scaled(self, which: int, x: Array) -> Array:
        scale = self._scales[which]
        return x if scale is None else x * scale


class NumpyTransformer:
    """A stack of layers with its caches.

    Args:
        transformer: of moshi_mlx, with its weights.
        cache_size: entries of the ring that moshi_mlx keeps keys in; None where its cache grows.
        caches: of another transformer that shares its past with this one, as the slices of a depformer do.
    """

    def __init__(
        self, transformer: Transformer, cache_size: int | None = None, caches: list[KeyValues] | None = None
    ) -> None:
        self._layers = [_Layer(layer, cache_size) for layer in transformer.layers]
        for layer, cache in zip(self._layers, caches or (), strict=False):
            layer.attention.cache = cache
        self.caches = [layer.attention.cache for layer in self._layers]

    def __call__(self, x: Array) -> Array:
        """(batch, positions, dim) → the same shape."""
        turns = None
        if self._layers and (rotation := self._layers[0].attention.rotation):
            turns = rotation.factors(self.caches[0].offset, x.shape[1])
        for layer in self._layers:
            x = layer(x, turns)
        return x

    def attend_to(self, source: Array) -> None:
        """Set what cross-attention looks at, (batch, positions, dim)."""
        for layer in self._layers:
            if layer.cross:
                layer.cross.attend_to(source)

    def reset(self) -> None:
        """Forget every position."""
        for cache in self.caches:
            cache.reset()
