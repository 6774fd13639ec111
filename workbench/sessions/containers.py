"""Lengths that audio files declare, held against what is there.

libsndfile takes a file that was cut off for a shorter one, and one whose recorder was killed (length 0) for an empty
one; neither is said. So the length fields of WAV, RF64, W64, AIFF, AU and CAF are read here, and the last page of an
Ogg file: it is marked as the last where the file is whole.
"""

import io
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_UNKNOWN = {0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}
"""Lengths that a program writes that cannot go back to the header: a stream, not damage."""
_MOST_CHUNKS = 10_000
_PADDING = 4_096
"""Bytes after the audio that are no sign of anything: some recorders fill up a block of the disk."""
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_W64_HEADER = 40
_OGG_TAIL = 1 << 17
"""An Ogg page has at most 65,307 bytes, so that the last one begins within these."""


@dataclass(frozen=True)
class Length:
    """Bytes of audio of a file.

    Attributes:
        declared: by the header; None where it leaves that open.
        there: from where the audio begins to the end of the file, or to the next chunk.
        patches: (offset, bytes) that make the header declare what is there.
    """

    declared: int | None
    there: int
    patches: tuple[tuple[int, bytes], ...] = ()


def audio_length(path: Path) -> Length | None:
    """Declared and real length of a file; None for other containers, or where the header cannot be followed."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(16)
        reader = _reader(magic)
        try:
            return None if reader is None else reader(file, size)
        except struct.error:  # ends inside a header
            return None


def lacks_its_end(path: Path) -> bool:
    """Whether an Ogg file stops before the page that is marked as its last."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(-min(_OGG_TAIL, path.stat().st_size), os.SEEK_END)
        tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return True
    lacing = tail[at + 27 : at + 27 + tail[at + 26]]
    is_whole = len(lacing) == tail[at + 26] and at + 27 + len(lacing) + sum(lacing) <= len(tail)
    return not (is_whole and tail[at + 5] & 4)


def _reader(magic: bytes) -> Callable[[BinaryIO, int], Length | None] | None:
    kinds: dict[bytes, Callable[[BinaryIO, int], Length | None]] = {
        b"RIFF": _wav,
        b"RF64": _rf64,
        b"riff": _w64,
        b"FORM": _aiff,
        b".snd": _au,
        b"caff": _caf,
    }
    return kinds.get(magic[:4])


def _wav(file: BinaryIO, size: int) -> Length | None:
    return _find(file, size, b"data", "<I", skip=0)


def _aiff(file: BinaryIO, size: int) -> Length | None:
    return _find(file, size, b"SSND", ">I", skip=8)


def _find(file: BinaryIO, size: int, name: bytes, form: str, skip: int) -> Length | None:
    """The audio chunk of a RIFF-like file. ``skip`` bytes of it are no audio."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        chunk, (length,) = file.read(4), struct.unpack(form, file.read(4))
        begin = at + 8
        if chunk == name:
            declared = None if length in _UNKNOWN else max(0, length - skip)
            there = size - begin - skip
            if declared is not None and _goes_on(file, begin + length, size, form):
                there = declared
            return Length(declared, there, ((at + 4, struct.pack(form, min(size - begin, 0xFFFFFFFE))),))
        at = begin + length + length % 2
        if at >= size:
            return None
    return None


def _goes_on(file: BinaryIO, at: int, size: int, form: str) -> bool:
    """Whether other chunks follow the audio up to the end of the file, or the few bytes that some programs leave."""
    at += at % 2
    for _ in range(_MOST_CHUNKS):
        if at >= size - _PADDING:
            return at <= size + 1
        file.seek(at)
        chunk, (length,) = file.read(4), struct.unpack(form, file.read(4))
        if not all(32 <= byte < 127 for byte in chunk) or at + 8 + length > size + 1:
            return False
        at += 8 + length + length % 2
    return False


def _rf64(file: BinaryIO, size: int) -> Length | None:
    file.seek(12)
    if file.read(4) != b"ds64":
        return None
    file.seek(28)
    (length,) = struct.unpack("<Q", file.read(8))
    found = _find(file, size, b"data", "<I", skip=0)
    if found is None:
        return None
    declared = length if found.declared is None else found.declared
    there = declared if 0 < declared < found.there else found.there  # other chunks may follow
    data = found.patches[0][0]
    patch = struct.pack("<Q", size - data - 4)
    return Length(None if declared in _UNKNOWN else declared, there, ((28, patch), (data, b"\xff" * 4)))


def _w64(file: BinaryIO, size: int) -> Length | None:
    at = _W64_HEADER
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        chunk, (length,) = file.read(16), struct.unpack("<Q", file.read(8))
        if chunk == _W64_DATA:
            there = size - at - 24
            declared = None if length in _UNKNOWN else max(0, length - 24)
            if declared is not None and 0 < declared < there:
                there = declared
            return Length(declared, there, ((at + 16, struct.pack("<Q", size - at)),))
        if length < 24:
            return None
        at += length + -length % 8
        if at >= size:
            return None
    return None


def _au(file: BinaryIO, size: int) -> Length | None:
    file.seek(4)
    begin, length = struct.unpack(">II", file.read(8))
    patch = struct.pack(">I", min(max(0, size - begin), 0xFFFFFFFE))
    return Length(None if length in _UNKNOWN else length, size - begin, ((8, patch),))


def _caf(file: BinaryIO, size: int) -> Length | None:
    at = 8
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        chunk, (length,) = file.read(4), struct.unpack(">Q", file.read(8))
        if chunk == b"data":
            there = size - at - 16
            declared = None if length in _UNKNOWN else max(0, length - 4)
            if declared is not None and 0 < declared < there:
                there = declared
            return Length(declared, there, ((at + 4, struct.pack(">Q", size - at - 12)),))
        at += 12 + length
        if at >= size:
            return None
    return None


class Patched(io.RawIOBase):
    """A file as if some of its bytes were others; libsndfile reads it like any file."""

    def __init__(self, path: Path, patches: tuple[tuple[int, bytes], ...]) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._patches = patches

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Present byte."""
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        """Bytes from here on."""
        start = self._file.tell()
        data = bytearray(self._file.read(size))
        for offset, patch in self._patches:
            for index, byte in enumerate(patch):
                if 0 <= offset + index - start < len(data):
                    data[offset + index - start] = byte
        return bytes(data)

    def readinto(self, buffer: "memoryview[int]", /) -> int:  # type: ignore[override]
        """Fill a buffer from here on."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
