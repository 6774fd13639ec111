"""Files of a model repository: what ``config.json`` names, and moshi_mlx's own names where it names nothing.

Some of Kyutai's repositories (Moshi itself on MLX) have no ``config.json``. moshi_mlx's ``local`` and ``local_web``
then take ``config_v0_1`` and fixed file names; so does this package.
"""

import json
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.files import parse_json, read_text

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.q8.safetensors", "model.q4.safetensors")
"""Language model, as moshi_mlx's ``local_web`` names it."""

_LONGEST = 255
"""Bytes of a file's name on the usual file systems."""

FALLBACKS = {
    "moshi_name": WEIGHTS,
    "mimi_name": ("tokenizer-e351c8d8-checkpoint125.safetensors", "mimi-pytorch-e351c8d8@125.safetensors"),
    "tokenizer_name": ("tokenizer_spm_32k_3.model",),
}
"""Key of ``config.json`` → the names tried where it is left out."""


def published(kind: str) -> dict[str, Any]:
    """``config.json`` of a published model, key for key.

    Args:
        kind: ``stt`` (kyutai/stt-1b-en_fr-candle), ``tts`` (kyutai/tts-1.6b-en_fr), or ``duplex``
            (kyutai/moshiko-mlx: moshi_mlx's ``config_v0_1``).
    """
    path = Path(__file__).parent / "published" / f"{kind}.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def default_config() -> dict[str, Any]:
    """Configuration of a repository without ``config.json``: moshi_mlx's ``config_v0_1``, without names of files."""
    return {key: value for key, value in published("duplex").items() if key not in FALLBACKS}


def is_model(folder: Path) -> bool:
    """Whether a folder looks like a model: it has a ``config.json``, or weights of the name moshi_mlx falls back to."""
    return any((folder / name).is_file() for name in (CONFIG, *WEIGHTS))


def read_config(folder: Path, path: Path | None = None) -> dict[str, Any]:
    """Configuration of the model in a folder.

    Args:
        folder: model directory.
        path: another configuration than the folder's own.

    Raises:
        WorkbenchError: the file is missing or holds no JSON object, or the folder holds no model.
    """
    if path is None and not (folder / CONFIG).exists():
        if is_model(folder):
            return default_config()
        raise WorkbenchError(f"{folder}: has no config.json; is it a model directory?")
    path = path or folder / CONFIG
    try:
        config = parse_json(read_text(path), str(path), any_text=True)  # as moshi_mlx reads it
    except RecursionError:
        raise WorkbenchError(f"{path}: not a model's configuration (nested too deeply)") from None
    if not isinstance(config, dict):
        raise WorkbenchError(f"{path}: must hold a JSON object")
    return config


def file_names(config: dict[str, Any], key: str, source: object) -> tuple[str, ...]:
    """Names that the file of a role may have, the first that exists counts.

    Args:
        config: the repository's configuration.
        key: ``moshi_name``, ``mimi_name`` or ``tokenizer_name``.
        source: where the configuration came from, for errors.

    Raises:
        WorkbenchError: the name leaves the model's folder.
    """
    name = config.get(key)
    return FALLBACKS[key] if name is None else (inside(name, f"{source}: {key}"),)


def inside(name: object, source: str) -> str:
    """A file name that stays inside the folder it is put in.

    Raises:
        WorkbenchError: it does not, or it is no name a terminal can show.
    """
    if not isinstance(name, str) or not name.isprintable() or "\\" in name:
        raise WorkbenchError(f"{source} must be a file name, not {short(name)}")
    parts = Path(name).parts
    too_long = any(len(part.encode()) > _LONGEST for part in parts)
    if not parts or Path(name).is_absolute() or ".." in parts or name.endswith("/") or too_long:
        raise WorkbenchError(f"{source} must name a file inside the model directory, not {short(name)}")
    return name


def short(value: object) -> str:
    """``value`` as in JSON, cut to a length that fits a line."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."
