"""Files that are whole or not there: write beside, then rename. Digests of what is on disk."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError

RECORDINGS = Path("recordings")
"""Where session names are looked up."""

_PACKAGE = Path(__file__).parent

SHIPPED = _PACKAGE / "data" if (_PACKAGE / "data" / "configs").is_dir() else _PACKAGE.parent
"""Folder of the demo sessions and configs that came with workbench: package data, or the root of a checkout."""

_BLOCK = 1 << 20


def shipped(path: Path) -> Path:
    """The path as it is, or the file under that path that came with workbench where there is none here.

    >>> shipped(Path("pyproject.toml/absent"))
    PosixPath('pyproject.toml/absent')
    """
    return SHIPPED / path if not path.exists() and (SHIPPED / path).exists() else path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; rename it over ``path`` on success, remove it on failure.

    The temporary name keeps the suffix, because libsndfile and others choose the format by it.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        if error.errno is None or error.filename:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # a full disk does not say which file
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk itself: a power cut does not undo it then."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def canonical_json(value: Any) -> str:
    """One spelling per value: sorted keys, no spaces, no NaN. What fingerprints are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def pretty_json(value: Any) -> str:
    """JSON for people: two spaces, keys in the order given, one final newline."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        WorkbenchError: the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorkbenchError(f"{path}: no such file") from None
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise WorkbenchError(f"{path}: not valid JSON ({error})") from None


def sha256_text(text: str) -> str:
    """Hex SHA-256 of UTF-8 text."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def source_digest(file: str) -> str:
    """Digest of a module's own source: the code version under which its outputs are kept."""
    return sha256_file(Path(file))
