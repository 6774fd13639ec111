"""Mimi in NumPy, frame by frame, for a CPU: every convolution is one or two matrix products.

MLX's CPU back end computes convolutions without a BLAS: of a frame of nano's Mimi, 24 of 25 ms. Arrays here are
(positions, channels), so a convolution is a product of windows and weights; where the kernel is twice the stride, as in
all of Mimi's strided convolutions, the windows are two neighbouring blocks and need no copying. What a layer remembers
between frames is what moshi_mlx's layer of the same name remembers.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from moshi_mlx.models.mimi import Mimi

from workbench.moshi.numpy_products import Array, Product, from_mlx
from workbench.moshi.numpy_transformer import NumpyTransformer
from workbench.moshi.state import Slot

Indices = npt.NDArray[np.uint32]

_BYTES = 4


def elu(x: Array) -> Array:
    """Exponential linear unit, ``x`` or ``exp(x) - 1``, in a new array."""
    y = np.minimum(x, np.float32(0))
    np.exp(y, out=y)
    y -= np.float32(1)
    np.maximum(x, y, out=y)
    return y


class _Stateful:
    """A layer that keeps the end of what it saw."""

    past: Array | None = None

    def reset(self) -> None:
        self.past = None


class _Convolution(_Stateful):
    """Causal convolution of stride 1, dilated or not."""

    def __init__(self, module: Any) -> None:
        inner = module.conv.conv
        weight = from_mlx(inner.weight)  # (outputs, kernel, inputs)
        self._kernel, self._dilation = weight.shape[1], inner._dilation
        self._reach = (self._kernel - 1) * self._dilation
        self._product = Product(weight.reshape(len(weight), -1).T, _bias(inner))
        self._edge = module._pad_mode == "edge"

    def __call__(self, x: Array) -> Array:
        return self._product(self._windows(x) if self._reach else x)

    def _windows(self, x: Array) -> Array:
        """(positions, kernel × channels)."""
        channels = x.shape[1]
        past = _before(x, self._reach, self._edge) if self.past is None else self.past
        rows = np.concatenate([past, x])
        self.past = rows[len(x) :].copy()
        shape = len(x), self._kernel, channels
        strides = channels * _BYTES, self._dilation * channels * _BYTES, _BYTES
        # A copy: rows of a matrix that lie on one another are nothing that a BLAS takes.
        windows: Array = np.ndarray(shape, np.float32, rows, 0, strides)
        return np.ascontiguousarray(windows).reshape(len(x), -1)


class _Downsampling(_Stateful):
    """Causal convolution whose kernel is twice its stride; takes whole strides."""

    def __init__(self, module: Any) -> None:
        inner = module.conv.conv
        weight = from_mlx(inner.weight)  # (outputs, kernel, inputs)
        self._stride = inner._stride
        halves = weight.reshape(len(weight), 2, -1).transpose(1, 2, 0)  # each (stride × inputs, outputs)
        self._earlier, self._later = Product(halves[0]), Product(halves[1], _bias(inner))
        self._edge = module._pad_mode == "edge"

    def __call__(self, x: Array) -> Array:
        past = _before(x, self._stride, self._edge) if self.past is None else self.past
        self.past = x[-self._stride :].copy()
        blocks = np.concatenate([past, x]).reshape(-1, self._earlier.inputs)
        y = self._later(blocks[1:])
        y += self._earlier(blocks[:-1])
        return y


class _Upsampling(_Stateful):
    """Transposed convolution whose kernel is twice its stride."""

    def __init__(self, module: Any) -> None:
        inner = module.convtr.convtr
        weight = from_mlx(inner.weight)  # (outputs, kernel, inputs), or (1, kernel, channels) with a filter a channel
        self._stride, self._outputs = inner._stride, inner._out_channels
        if inner._groups > 1:  # a filter for each channel
            filters = weight[:, :, 0].T if len(weight) > 1 else weight[0]
            self._spread: Callable[[Array], Array] = lambda x: (x[:, None] * filters).reshape(len(x), -1)
        else:
            self._spread = Product(weight.transpose(2, 1, 0).reshape(weight.shape[2], -1))
        self._bias = _bias(inner)

    def __call__(self, x: Array) -> Array:
        half = self._stride * self._outputs
        both = self._spread(x)
        y: Array = both[:, :half].copy()
        y[1:] += both[:-1, half:]
        if self.past is not None:
            y[0] += self.past
        self.past = both[-1, half:].copy()
        y = y.reshape(-1, self._outputs)
        if self._bias is not None:
            y += self._bias
        return y


def _bias(module: Any) -> Array | None:
    return None if module.bias is None else from_mlx(module.bias)


def _before(x: Array, rows: int, edge: bool) -> Array:
    """What stands before the first position."""
    return np.repeat(x[:1], rows, axis=0) if edge else np.zeros((rows, x.shape[1]), np.float32)


class _Residual:
    def __init__(self, block: Any) -> None:
        self._block = [_Convolution(module) for module in block.block]
        self._shortcut = None if block.shortcut is None else _Convolution(block.shortcut)
        self.layers: list[_Stateful] = [*self._block, *([self._shortcut] if self._shortcut else [])]

    def __call__(self, x: Array) -> Array:
        y = x
        for convolution in self._block:
            y = convolution(elu(y))
        y += self._shortcut(x) if self._shortcut else x
        return y


class _Seanet:
    """SEANet's encoder or decoder: scales of residual blocks, each before or after a change of rate."""

    def __init__(self, module: Any, decodes: bool) -> None:
        self._decodes = decodes
        self._first, self._last = _Convolution(module.init_conv1d), _Convolution(module.final_conv1d)
        self._scales: list[tuple[_Downsampling | _Upsampling, list[_Residual]]] = [
            (
                _Upsampling(layer.upsample) if decodes else _Downsampling(layer.downsample),
                [_Residual(block) for block in layer.residuals],
            )
            for layer in module.layers
        ]
        within = [part for rate, blocks in self._scales for part in (rate, *(p for b in blocks for p in b.layers))]
        self.layers: list[_Stateful] = [self._first, *within, self._last]

    def __call__(self, x: Array) -> Array:
        x = self._first(x)
        for rate, blocks in self._scales:
            if self._decodes:
                x = rate(elu(x))
            for block in blocks:
                x = block(x)
            if not self._decodes:
                x = rate(elu(x))
        return self._last(elu(x))


class _Codebooks:
    """One of the two residual quantisers, with its projections."""

    def __init__(self, quantiser: Any) -> None:
        ends = quantiser.input_proj, quantiser.output_proj  # convolutions of one position: (outputs, 1, inputs)
        self._enter, self._leave = (Product(from_mlx(end.weight)[:, 0].T) for end in ends)
        self._books = [from_mlx(layer.codebook._embedding) for layer in quantiser.vq.layers]
        self._halves = [from_mlx(layer.codebook._c2) for layer in quantiser.vq.layers]

    def encode(self, x: Array) -> list[npt.NDArray[np.intp]]:
        """Nearest entries of each codebook, (positions,) each."""
        left = self._enter(x)
        found = []
        for book, half in zip(self._books, self._halves, strict=True):
            nearest = (half - left @ book.T).argmin(axis=-1)
            left -= book[nearest]
            found.append(nearest)
        return found

    def decode(self, codes: Indices) -> Array:
        """(positions, codebooks) → (positions, dim)."""
        total = self._books[0][codes[:, 0]]
        for book, column in zip(self._books[1:], codes.T[1:], strict=True):
            total += book[column]
        return self._leave(total)


class NumpyMimi:
    """A loaded Mimi of moshi_mlx, computed in NumPy.

    Args:
        mimi: of moshi_mlx, with its weights; whole strides of it fit into a frame.
    """

    def __init__(self, mimi: Mimi) -> None:
        self._encoder, self._decoder = _Seanet(mimi.encoder, False), _Seanet(mimi.decoder, True)
        self._down, self._up = _Downsampling(mimi.downsample.conv), _Upsampling(mimi.upsample.convtr)
        sides = (mimi.encoder_transformer, mimi.decoder_transformer)
        self._listen, self._speak = (NumpyTransformer(s.transformer, s.transformer.cfg.max_seq_len) for s in sides)
        self._books = [_Codebooks(mimi.quantizer.rvq_first)]
        if mimi.quantizer._nq > 1:
            self._books.append(_Codebooks(mimi.quantizer.rvq_rest))

    def encode(self, pcm: Array) -> Indices:
        """Codes (n, codebooks) of ``pcm``, (1920 n,); the positions of all frames of a call see each other."""
        x = self._encoder(pcm[:, None])
        x = self._down(self._listen(x[None])[0])
        return np.stack([codes for books in self._books for codes in books.encode(x)], axis=1).astype(np.uint32)

    def decode(self, codes: Indices) -> Array:
        """PCM (1920 n,) of codes, (n, codebooks)."""
        x = self._books[0].decode(codes[:, :1])
        if len(self._books) > 1:
            x += self._books[1].decode(codes[:, 1:])
        return self._decoder(self._speak(self._up(x)[None])[0])[:, 0]

    def reset(self) -> None:
        """Forget everything."""
        for layer in (*self._encoder.layers, *self._decoder.layers, self._down, self._up):
            layer.reset()
        self._listen.reset()
        self._speak.reset()

    def encoder_slots(self) -> Iterator[Slot]:
        """What encoding remembers."""
        yield from (Slot(layer, "past") for layer in (*self._encoder.layers, self._down))
        for cache in self._listen.caches:
            yield from cache.slots()
