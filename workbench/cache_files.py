"""Files of the cache: checksums of values, raw bytes on disk, and a folder that only its owner can read."""

import hashlib
import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

_SEAL_BYTES = 32

_VALUE_FOLDER = re.compile(r"[0-9a-f]{2}")
"""First level of the folders in which ``diskcache`` keeps large values."""


def seal(key: str, data: bytes) -> bytes:
    """Value as it is written: a checksum over key and bytes, then the bytes."""
    return _checksum(key, data) + data


def unseal(key: str, sealed: Any) -> bytes | None:
    """The bytes of a value; None where it is damaged, or not a value of this store."""
    if not isinstance(sealed, bytes) or _checksum(key, sealed[_SEAL_BYTES:]) != sealed[:_SEAL_BYTES]:
        return None
    return sealed[_SEAL_BYTES:]


def _checksum(key: str, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SEAL_BYTES, key=hashlib.sha256(key.encode()).digest()).digest()


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can read and write, with the folders above it.

    A folder that is there and holds files of somebody else's choice keeps its mode.
    """
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid() and _only_ours(path):
        path.chmod(0o700)
    return path


def _only_ours(folder: Path) -> bool:
    return all(_is_ours(item) or item.suffix == ".jsonl" for item in folder.iterdir())


def _is_ours(item: Path) -> bool:
    return item.name.startswith("cache.db") or bool(_VALUE_FOLDER.fullmatch(item.name) and item.is_dir())


def remove_files(folder: Path) -> None:
    """Remove the database and the values beside it, and nothing else: the folder may be one that the user named."""
    for item in sorted(folder.iterdir()) if folder.is_dir() else []:
        if item.is_symlink() or not _is_ours(item):
            continue
        if item.is_dir():
            shutil.rmtree(item, ignore_errors=True)
        else:
            item.unlink(missing_ok=True)


@cache
def raw_disk() -> Any:
    """Class of the values on disk; made here because importing ``diskcache`` takes longer than a short replay."""
    import diskcache

    class RawDisk(diskcache.Disk):  # type: ignore[misc]
        """Bytes only: what a row calls a pickle is never loaded, and no path leaves the folder."""

        def get(self, key: Any, raw: bool) -> Any:
            return key if raw else None

        def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes | None:
            if isinstance(filename, str):
                path = Path(self._directory, filename)
                return path.read_bytes() if self._is_inside(filename) and path.is_file() else None
            return bytes(value) if isinstance(value, bytes | memoryview) else None

        def remove(self, filename: Any) -> None:
            if isinstance(filename, str) and self._is_inside(filename):
                super().remove(filename)

        def _is_inside(self, filename: str) -> bool:
            # Not a link either: the folder is ours alone, but it may have been open to others once.
            root = os.path.realpath(self._directory)
            return os.path.realpath(os.path.join(root, filename)) == os.path.join(root, filename)

    return RawDisk
