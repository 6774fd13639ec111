"""Files that are whole or not there: write beside, then rename. Digests of what is on disk."""

import hashlib
import json
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError

RECORDINGS = Path("recordings")
"""Where session names are looked up."""

MOST_TEXT_BYTES = 1 << 26
"""Largest text file that is read where nothing else is said: 67 MB. Own files of that kind have some kilobytes."""

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


def check_file(path: Path, most: int | None = None) -> int:
    """Size in bytes of a file that may be opened: a FIFO or device would keep its reader waiting, or never end.

    Args:
        path: file, or a link to one.
        most: largest size.

    Raises:
        WorkbenchError: there is nothing, or something else than a regular file, or it is larger than ``most``.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        missing = "is a link to nothing" if path.is_symlink() else "no such file"
        raise WorkbenchError(f"{path}: {missing}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise WorkbenchError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise WorkbenchError(f"{path}: is {what}, must be a file")
    if most is not None and found.st_size > most:
        raise WorkbenchError(f"{path}: {found.st_size / 1e6:.0f} MB are too much, at most {most / 1e6:.0f} MB are read")
    return found.st_size


def read_text(path: Path, most: int = MOST_TEXT_BYTES) -> str:
    """Text of a UTF-8 file, with or without a byte-order mark.

    Raises:
        WorkbenchError: see :func:`check_file`; or the file is unreadable or not UTF-8.
    """
    check_file(path, most)
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise WorkbenchError(f"{path}: cannot be read as UTF-8 text") from None


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        WorkbenchError: see :func:`read_text`; or the file is not JSON.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str, any_text: bool = False) -> Any:
    """Parse JSON.

    Args:
        text: of the file.
        where: what an error names.
        any_text: whether half a character (a lone surrogate), which no file can hold, is let through.

    Raises:
        WorkbenchError: it is not JSON, nested too deep, or holds half of a character.
    """
    try:
        value = json.loads(text)
        if "\\u" in text and not any_text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise WorkbenchError(f"{where}: holds half of a character (a lone surrogate)") from None
    except ValueError as error:
        raise WorkbenchError(f"{where}: not valid JSON ({error})") from None
    except RecursionError:
        raise WorkbenchError(f"{where}: nested too deep") from None
    return value


def read_toml(path: Path, hint: str = "") -> dict[str, Any]:
    """Parse a TOML file.

    Args:
        path: of the file.
        hint: what to do where it is missing.

    Raises:
        WorkbenchError: the file is missing, unreadable or not TOML.
    """
    if hint and not path.exists():
        raise WorkbenchError(f"{path}: no such file; {hint}")
    try:
        return tomllib.loads(read_text(path))
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise WorkbenchError(f"{path}: not valid TOML ({error})") from None
    except RecursionError:
        raise WorkbenchError(f"{path}: nested too deep") from None


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
