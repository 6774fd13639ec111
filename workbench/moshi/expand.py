"""A small Mimi written in the published size, so that rustymimi, which knows no other, can run it.

Every added channel has zero weights, so it carries zero through convolutions and ELUs; added transformer layers are
scaled by zero; added codebook entries lie so far away that none is ever nearest. The codes are the small model's own,
its samples differ by rounding, and rustymimi then costs what the published size costs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.cache import cache_folder
from workbench.errors import WorkbenchError
from workbench.files import sha256_file
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.layout import MIMI_202407, mimi_table
from workbench.moshi.tensors import Shape, TensorSpec, write

_FAR = 1e4
"""First coordinate of codebook entries that must never be chosen."""

_SAME = ("channels", "causal", "nresidual_layers", "ratios", "ksize", "residual_ksize", "last_ksize", "compress")


def expanded(checkpoint: Checkpoint) -> Path:
    """The checkpoint's Mimi in the published size, from the cache folder or made now (some 340 MB).

    Raises:
        WorkbenchError: it is not a part of the published one: other strides or kernels, or a transformer of its own.
    """
    _check(checkpoint)
    path = cache_folder() / "mimi" / f"{sha256_file(checkpoint.mimi)[:16]}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        table = mimi_table(MIMI_202407 | {"quantizer_nq": checkpoint.mimi_config["quantizer_nq"]})
        specs = [TensorSpec(name, "F32", shape) for name, shape in sorted(table.items())]
        write(path, specs, _padded(specs, _read(checkpoint.mimi)), {"expanded_from": checkpoint.mimi.name})
    return path


def _check(checkpoint: Checkpoint) -> None:
    config, full = checkpoint.mimi_config, MIMI_202407
    small, large = config["seanet"], full["seanet"]
    other = [key for key in _SAME if small[key] != large[key]]
    wider = [key for key in ("nfilters", "dimension") if small[key] > large[key]]
    wider += [key for key in ("quantizer_bins", "quantizer_dim") if config[key] > full[key]]
    if other or wider or config["transformer"]["num_layers"]:
        what = (other + wider or ["its transformer"])[0]
        raise WorkbenchError(
            f"{checkpoint.mimi}: cannot be written in Mimi's published size ({what}), which is all rustymimi loads; "
            "use the mlx codec"
        )


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    import mlx.core as mx

    return {name: np.array(value.astype(mx.float32)) for name, value in mx.load(str(path)).items()}


def _padded(specs: list[TensorSpec], small: dict[str, npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
    for spec in specs:
        yield _pad(spec.name, spec.shape, small.get(spec.name))


def _pad(name: str, shape: Shape, value: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    usage = name.endswith(("cluster_usage", "_initialized"))
    norm = "transformer" in name and "norm" in name and name.endswith(".weight")
    out = np.full(shape, 1.0 if usage or norm else 0.0, np.float32)
    if value is None:
        return out
    inside = tuple(slice(0, n) for n in value.shape)
    if name.endswith("embedding_sum"):
        out[value.shape[0] :, 0] = _FAR
    out[inside] = value
    return out
