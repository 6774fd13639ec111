"""safetensors files: check a header and look for broken values without loading a tensor, write a file in fixed bytes.

The format (https://github.com/huggingface/safetensors): eight bytes of little-endian header length, a JSON
object that gives each tensor's ``dtype``, ``shape`` and ``data_offsets``, then the data. MLX trusts the header: it
fills what a truncated file lacks with other memory, reads two tensors from the same bytes, and can crash on a shape
that is none. So the header is read here first, by ``mx.load``'s rules (``"__metadata__": null`` is how MLX itself
writes no metadata; unused bytes are allowed), and what would give wrong weights silently is refused.
"""

import errno
import json
import math
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import WorkbenchError
from workbench.files import replacing

ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "C64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes per element, by safetensors dtype."""

NOT_IN_MLX = frozenset({"F64"})
"""Dtypes that mlx 0.26 does not load."""

_INFINITY = {"F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80), "F32": ("<u4", 0x7F80_0000), "F64": ("<u8", 0x7FF0 << 48)}
"""Integer type of a float dtype, and its infinity in it: without the sign, NaN is above and every number below."""

_MAX_HEADER = 100_000_000
"""The reference reader's own bound on a header, in bytes."""

_BLOCK = 16 << 20
"""Bytes read at a time when values are looked at."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TensorHeader:
    """What a safetensors file says about itself.

    Attributes:
        shapes: tensor name → shape.
        dtypes: tensor name → safetensors dtype, such as ``BF16``.
        metadata: the free strings under ``__metadata__``.
        starts: tensor name → position of its data in the file, in bytes.
        unused: bytes of data that belong to no tensor.
    """

    shapes: dict[str, Shape]
    dtypes: dict[str, str]
    metadata: dict[str, str]
    starts: dict[str, int]
    unused: int

    def bytes_of(self, name: str) -> int:
        """Bytes of one tensor's data."""
        return math.prod(self.shapes[name]) * ITEM_BYTES[self.dtypes[name]]

    @property
    def size(self) -> int:
        """Bytes of all tensors' data."""
        return sum(map(self.bytes_of, self.shapes))


def read_header(path: Path) -> TensorHeader:
    """Read and check the header of ``path``.

    Raises:
        WorkbenchError: the file is missing, is something else (a pickle, a wav, a git-lfs pointer), is cut short,
            or says something about its tensors that cannot be; the message names it.
    """
    try:
        with path.open("rb") as f:
            start = f.read(8)
            _refuse_other_formats(path, start)
            (length,) = struct.unpack("<Q", start)
            size = os.fstat(f.fileno()).st_size
            if length > _MAX_HEADER:
                raise WorkbenchError(f"{path}: not a safetensors file (no header at its start)")
            text = f.read(length)
    except OSError as e:
        raise WorkbenchError(f"{path}: cannot be read ({e.strerror or e})") from e
    if len(text) < length:
        raise WorkbenchError(f"{path}: truncated inside its header; download it again")
    return _parse(path, text, size - 8 - length)


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


def _parse(path: Path, text: bytes, available: int) -> TensorHeader:
    try:
        raw = json.loads(text.decode())
        metadata = raw.pop("__metadata__", None)
        entries = {str(n): (v["dtype"], v["shape"], v["data_offsets"]) for n, v in raw.items()}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as e:
        raise WorkbenchError(f"{path}: not a safetensors file (its header is not readable)") from e
    metadata = metadata if isinstance(metadata, dict) else {}
    if not all(isinstance(v, str) for v in metadata.values()):
        raise WorkbenchError(f"{path}: __metadata__ holds a value that is no string")
    spans: dict[str, tuple[int, int]] = {}
    for name, (dtype, shape, offsets) in entries.items():
        if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
            raise WorkbenchError(f"{path}: tensor {name} has the unknown dtype {str(dtype)[:20]}")
        if not _counts(shape):
            raise WorkbenchError(f"{path}: tensor {name} has a shape that is no list of sizes")
        if not _counts(offsets) or len(offsets) != 2:
            raise WorkbenchError(f"{path}: tensor {name} has data_offsets that are not two positions")
        wanted = math.prod(shape) * ITEM_BYTES[dtype]
        if offsets[1] - offsets[0] != wanted:
            raise WorkbenchError(
                f"{path}: tensor {name} has {offsets[1] - offsets[0]} bytes by its data_offsets, "
                f"{wanted} by its shape and dtype"
            )
        spans[name] = (offsets[0], offsets[1])
    unused = available - _used(path, spans, available)
    first = 8 + len(text)
    return TensorHeader(
        {n: tuple(shape) for n, (_, shape, _) in entries.items()},
        {n: dtype for n, (dtype, _, _) in entries.items()},
        metadata,
        {n: first + start for n, (start, _) in spans.items()},
        unused,
    )


def _counts(value: object) -> bool:
    """Whether a value is a list of whole numbers from 0 on."""
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)


def _used(path: Path, spans: dict[str, tuple[int, int]], available: int) -> int:
    """Bytes that the tensors take, each inside the file and none in another's place."""
    total, reach, before = sum(b - a for a, b in spans.values()), 0, ""
    if total > available:
        raise WorkbenchError(f"{path}: truncated, {total - available} bytes are missing; download it again")
    for name, (start, end) in sorted(spans.items(), key=lambda item: item[1]):
        if end > available:
            raise WorkbenchError(
                f"{path}: tensor {name} ends {end - available} bytes past the end of the file (data_offsets); "
                "download it again"
            )
        if start < reach and start < end:
            raise WorkbenchError(f"{path}: tensors {before} and {name} lie on the same bytes (data_offsets)")
        if end > reach:
            reach, before = end, name
    return total


def find_not_finite(path: Path, header: TensorHeader, names: Iterable[str]) -> str | None:
    """The first tensor, by name, with a value that is NaN or infinite; None if there is none.

    Reads all data: half a second per gigabyte once it is in memory. Parts of the file that were never written read as
    zeros and are passed over.
    """
    with path.open("rb") as f:
        for name in sorted(names):
            if header.dtypes[name] not in _INFINITY:
                continue
            kind, infinity = _INFINITY[header.dtypes[name]]
            for block in _blocks(f.fileno(), header.starts[name], header.bytes_of(name)):
                values = np.frombuffer(block, kind)
                if (values & np.array(infinity | (infinity - 1), kind)).max(initial=0) >= infinity:
                    return name
    return None


def _blocks(file: int, start: int, size: int) -> Iterator[bytes]:
    """The written parts of a stretch of a file, in blocks of whole elements."""
    at, end = start, start + size
    while at < end:
        try:
            data = os.lseek(file, at, os.SEEK_DATA) if hasattr(os, "SEEK_DATA") else at
        except OSError as e:
            if e.errno == errno.ENXIO:
                return  # nothing was written from here on
            data = at  # a file system that does not know
        at += max(0, data - at) // 8 * 8
        if at >= end:
            return
        block = os.pread(file, min(_BLOCK, end - at), at)
        if not block:
            return
        at += len(block)
        yield block


def compare(path: Path, found: dict[str, Shape], wanted: dict[str, Shape], *, exact: bool = True) -> None:
    """Refuse a file that lacks a wanted tensor or has it in another shape.

    Args:
        path: the file, for errors.
        found: its tensors.
        wanted: those of the model.
        exact: whether tensors that are not wanted are refused too.

    Raises:
        WorkbenchError: names the first missing, surplus or wrongly shaped tensor and how many there are.
    """
    wrong = sorted(n for n in wanted if n in found and found[n] != wanted[n])
    missing = sorted(set(wanted) - set(found))
    surplus = sorted(set(found) - set(wanted)) if exact else []
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
class TensorSpec:
    """One tensor to write: its name, safetensors dtype and shape."""

    name: str
    dtype: str
    shape: Shape

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


def write(path: Path, specs: Iterable[TensorSpec], data: Iterator[npt.NDArray[Any]], metadata: dict[str, str]) -> None:
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
    specs = [TensorSpec(n, "F32", tuple(tensors[n].shape)) for n in names]
    write(path, specs, (tensors[n].astype("<f4") for n in names), metadata or {})


def to_bf16(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """float32 → bfloat16 bits as uint16, rounded to nearest even.

    >>> to_bf16(np.array([1.0, -2.0], np.float32)).tolist()
    [16256, 49152]
    """
    bits = x.astype("<f4").view("<u4")
    rounded: npt.NDArray[Any] = ((bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16).astype("<u2")
    return rounded
