"""State of streaming models: taken out of them and put back.

An MLX array that two hold is never written to: the one that writes gets its own. So a copy of the references is a copy
of the state, and a stream that goes on from it says bit for bit what it would have said. NumPy arrays are copied.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

_CONVOLUTION = ("_prev_xs", "_prev_ys", "_left_pad_applied", "_lhs", "_rhs")
"""Where moshi_mlx's streaming convolutions and additions keep the end of what they saw."""

_CACHE = ("keys", "values", "offset", "_idx")
"""Where its key-value caches, growing or rotating, keep theirs."""


class Slot(NamedTuple):
    """An attribute that is part of the state."""

    owner: Any
    name: str


State = list[tuple[Slot, Any]]


def of_modules(*modules: Any) -> Iterator[Slot]:
    """Of modules and all that is in them."""
    for module in modules:
        for part in module.modules():
            yield from (Slot(part, name) for name in _CONVOLUTION if hasattr(part, name))


def of_caches(caches: Iterable[Any]) -> Iterator[Slot]:
    """Of the layers of a transformer."""
    for layer in caches:
        yield Slot(layer, "cross_attn")
        yield from (Slot(layer.self_attn, name) for name in _CACHE if hasattr(layer.self_attn, name))


def take(slots: Iterable[Slot]) -> State:
    """The state as it is now."""
    state = [(slot, getattr(slot.owner, slot.name)) for slot in slots]
    # A slice would keep alive all that it was cut from.
    state = [(slot, _own(value, mx.contiguous)) for slot, value in state]
    mx.eval([value for _, value in state if isinstance(value, mx.array)])
    return state


def put_back(state: State) -> None:
    """Make it the state again."""
    for (owner, name), value in state:
        # An array of its own: caches write into theirs in place.
        setattr(owner, name, _own(value, mx.array))


def size(state: State) -> int:
    """Bytes it holds."""
    return sum(value.nbytes for _, value in state if isinstance(value, mx.array | np.ndarray))


def _own(value: Any, of_mlx: Callable[[mx.array], mx.array]) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    return of_mlx(value) if isinstance(value, mx.array) else value
