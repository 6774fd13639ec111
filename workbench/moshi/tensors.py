"""safetensors files: read and check a header without loading a tensor, write a file in fixed bytes.

The format (https://github.com/huggingface/safetensors): eight bytes of little-endian header length, a JSON
object that gives each tensor's ``dtype``, ``shape`` and ``data_offsets``, then the data. Reading the header
alone says within milliseconds whether a 4 GB file is whole and fits its model.
"""

import json
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import WorkbenchError
from workbench.files import replacing

ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U32": 4, "I16": 2, "U8": 1, "I8": 1}
"""Bytes per element of the dtypes Kyutai's files use."""

_MAX_HEADER = 100_000_000
"""The reference reader's own bound on a header, in bytes."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """What a safetensors file says about itself.

    Attributes:
        shapes: tensor name → shape.
        dtypes: tensor name → safetensors dtype, such as ``BF16``.
        metadata: the free strings under ``__metadata__``.
    """

    shapes: dict[str, Shape]
    dtypes: dict[str, str]
    metadata: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes of tensor data the header promises."""
        return sum(math.prod(s) * ITEM_BYTES[self.dtypes[n]] for n, s in self.shapes.items())


def read_header(path: Path) -> Header:
    """Read and check the header of ``path``.

    Raises:
        WorkbenchError: the file is missing, is something else (a pickle, a wav, a git-lfs pointer), or is cut
            short; the message names it.
    """
    try:
        with path.open("rb") as f:
            start = f.read(8)
            _refuse_other_formats(path, start)
            (length,) = struct.unpack("<Q", start)
            size = path.stat().st_size
            if length > _MAX_HEADER:
                raise WorkbenchError(f"{path}: not a safetensors file (no header at its start)")
            text = f.read(length)
    except OSError as e:
        raise WorkbenchError(f"{path}: cannot be read ({e.strerror or e})") from e
    if len(text) < length:
        raise WorkbenchError(f"{path}: truncated inside its header; download it again")
    header = _parse(path, text)
    if size != 8 + length + header.size:
        missing = 8 + length + header.size - size
        what = f"truncated, {missing} bytes are missing" if missing > 0 else f"{-missing} bytes too long"
        raise WorkbenchError(f"{path}: {what}; download it again")
    return header


def _refuse_other_formats(path: Path, start: bytes) -> None:
    known = {
        b"\x80": "a Python pickle, which can run code when opened",
        b"PK": "a PyTorch/zip archive, which can run code when opened",
        b"RIFF": "a wav file",
        b"fLaC": "a FLAC file",
        b"version": "a git-lfs pointer, not the file itself: run `git lfs pull`",
    }
    for magic, what in known.items():
        # A safetensors header may itself begin with byte 0x80 (its length), so ask for a pickle's opcode too.
        if start.startswith(magic) and not (magic == b"\x80" and start[2:8] == bytes(6)):
            raise WorkbenchError(f"{path}: this is {what}; a .safetensors file is needed")
    if len(start) < 8:
        raise WorkbenchError(f"{path}: too short for a safetensors file ({len(start)} bytes)")


def _parse(path: Path, text: bytes) -> Header:
    try:
        raw = json.loads(text)
        metadata = {str(k): str(v) for k, v in raw.pop("__metadata__", {}).items()}
        shapes = {n: tuple(int(d) for d in v["shape"]) for n, v in raw.items()}
        dtypes = {n: str(v["dtype"]) for n, v in raw.items()}
    except (ValueError, AttributeError, KeyError, TypeError) as e:
        raise WorkbenchError(f"{path}: not a safetensors file (its header is not readable)") from e
    for name, dtype in dtypes.items():
        if dtype not in ITEM_BYTES:
            raise WorkbenchError(f"{path}: tensor {name} has the unknown dtype {dtype}")
    return Header(shapes, dtypes, metadata)


def compare(path: Path, found: dict[str, Shape], wanted: dict[str, Shape]) -> None:
    """Refuse a file whose tensors are not exactly the wanted ones.

    Raises:
        WorkbenchError: names the first missing, surplus or wrongly shaped tensor and how many there are.
    """
    wrong = sorted(n for n in wanted if n in found and found[n] != wanted[n])
    missing = sorted(set(wanted) - set(found))
    surplus = sorted(set(found) - set(wanted))
    for names, what in ((missing, "is missing"), (surplus, "is not part of this model")):
        if names and not wrong:
            raise WorkbenchError(f"{path}: tensor {names[0]} {what}{_more(names)}; does config.json belong to it?")
    if wrong:
        name = wrong[0]
        raise WorkbenchError(
            f"{path}: tensor {name} has shape {list(found[name])}, config.json asks for {list(wanted[name])}"
            f"{_more(wrong)}"
        )


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


@dataclass(frozen=True)
class Spec:
    """One tensor to write: its name, safetensors dtype and shape."""

    name: str
    dtype: str
    shape: Shape

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


def write(path: Path, specs: Iterable[Spec], data: Iterator[npt.NDArray[Any]], metadata: dict[str, str]) -> None:
    """Write tensors one after another, so that no more than one is in memory.

    The bytes depend only on the arguments: names are written in the given order. The file is written beside
    ``path`` and renamed, so a run that is stopped leaves no half file under the good name.

    Args:
        path: file to write.
        specs: what comes, in order.
        data: one array per spec, already in the bytes of its dtype (BF16 as uint16).
        metadata: free strings.
    """
    specs = list(specs)
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for s in specs:
        header[s.name] = {"dtype": s.dtype, "shape": list(s.shape), "data_offsets": [offset, offset + s.size]}
        offset += s.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as beside, beside.open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for s, array in zip(specs, data, strict=True):
            raw = np.ascontiguousarray(array)
            assert raw.nbytes == s.size, s
            f.write(raw.data)


def save(path: Path, tensors: dict[str, npt.NDArray[Any]], metadata: dict[str, str] | None = None) -> None:
    """Write float32 ``tensors``, sorted by name."""
    names = sorted(tensors)
    specs = [Spec(n, "F32", tuple(tensors[n].shape)) for n in names]
    write(path, specs, (tensors[n].astype("<f4") for n in names), metadata or {})


def to_bf16(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """float32 → bfloat16 bits as uint16, rounded to nearest even.

    >>> to_bf16(np.array([1.0, -2.0], np.float32)).tolist()
    [16256, 49152]
    """
    bits = x.astype("<f4").view("<u4")
    rounded: npt.NDArray[Any] = ((bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16).astype("<u2")
    return rounded
