"""Matrix products of NumPy models: weights in the layout that is read fastest, on one thread."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import mlx.core as mx

Array = npt.NDArray[np.float32]

_LARGE = 1 << 18
"""Elements of a weight from which OpenBLAS's packing of it costs more than the product with a few rows: measured with
OpenBLAS 0.3.29 on AVX-512. 2 rows by (3584, 1024) take 4.3 ms as one product, 1.1 ms as two of a vector each."""

_VECTORS, _FEW = 3, 32
"""Rows up to which a large weight is multiplied row by row; rows up to which it comes first in the product."""


@functools.cache
def use_one_thread() -> None:
    """Keep BLAS to one thread in this process.

    Products here are small: with two threads one of 0.03 ms took 8 ms when the other core was busy. And one thread adds
    up in one order, so a machine with more cores gives the same bits.
    """
    import threadpoolctl

    threadpoolctl.threadpool_limits(1, "blas")


def from_mlx(array: "mx.array") -> Array:
    """A copy in single precision."""
    import mlx.core as mx

    return np.array(array.astype(mx.float32))


class Product:
    """A weight, and a bias that is added.

    Args:
        weight: (inputs, outputs).
        bias: (outputs,) or None.
    """

    def __init__(self, weight: npt.NDArray[Any], bias: Array | None = None) -> None:
        self.inputs, self.outputs = weight.shape
        self._large = weight.size > _LARGE
        self._weight = np.ascontiguousarray(weight.T if self._large else weight)
        self._bias = bias

    def __call__(self, x: Array) -> Array:
        """(rows, inputs) → (rows, outputs), a new array."""
        y = self._few(x) if self._large else x @ self._weight
        if self._bias is not None:
            y += self._bias
        return y

    def _few(self, x: Array) -> Array:
        weight = self._weight
        if len(x) <= _VECTORS:
            return np.stack([weight @ row for row in x])
        return np.ascontiguousarray((weight @ x.T).T) if len(x) <= _FEW else x @ weight.T
