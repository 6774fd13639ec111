"""A model directory: what is in it, and whether its files fit its configuration.

A directory is laid out as Kyutai's repositories are: ``config.json`` names the other files (``moshi_name``,
``mimi_name``, ``tokenizer_name``) and holds the LM's sizes and ``stt_config`` or ``tts_config``. A Mimi of another
size than the published one is described by ``mimi_config.json`` in the same directory. ``find`` gathers, ``check``
asks moshi_mlx's own loader whether it takes the files (``judge``).
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from workbench.errors import WorkbenchError
from workbench.files import sha256_file
from workbench.moshi import judge
from workbench.moshi.layout import MIMI_202407
from workbench.moshi.repository import CONFIG, file_names, read_config, short
from workbench.moshi.sizes import Kind, ModelConfig, mimi_codebooks
from workbench.moshi.tensors import read_header

_REQUIRED = (
    "dim", "num_heads", "num_layers", "causal", "layer_scale", "context", "max_period", "positional_embedding",
    "depformer_dim", "depformer_num_heads", "depformer_num_layers", "depformer_dim_feedforward", "depformer_pos_emb",
    "dep_q", "text_card", "card", "delays", "n_q",
)  # fmt: skip
"""Keys without a default in moshi_mlx's ``LmConfig.from_config_dict``."""

_LUT = ("n_bins", "dim", "tokenizer", "possible_values")


@dataclass(frozen=True)
class Checkpoint:
    """The files of one model and what its configuration says.

    Attributes:
        root: the directory.
        kind: its role.
        config: ``config.json``.
        mimi: the codec's weights.
        mimi_config: fields of moshi_mlx's ``MimiConfig``.
        published_mimi: whether the codec has the published size, the only one rustymimi loads.
        weights: the LM's weights; None for a codec alone.
        tokenizer: sentencepiece model; None for a codec alone.
        mlx_named: tensors carry moshi_mlx's own names, not PyTorch's.
        bits: 4 or 8 for ``.q4`` and ``.q8`` files.
    """

    root: Path
    kind: Kind
    config: ModelConfig
    mimi: Path
    mimi_config: ModelConfig
    published_mimi: bool
    weights: Path | None
    tokenizer: Path | None
    mlx_named: bool
    bits: int | None

    @property
    def generated(self) -> bool:
        """Written by ``models init``: the right shapes, no meaning."""
        return "generated" in self.config

    @property
    def codebooks(self) -> int:
        """Codebooks the LM needs from Mimi; all of the file's for a codec alone."""
        return mimi_codebooks(self.config) if self.weights else int(self.mimi_config["quantizer_nq"])

    @property
    def voice_suffix(self) -> str:
        """How the voices of this TTS end: ``.<sig>@<epoch>.safetensors``."""
        m = self.config["model_id"]
        return f".{m['sig']}@{m['epoch']}.safetensors"

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """File role → SHA-256 of its bytes (seconds per gigabyte the first time)."""
        files = {"lm": self.weights, "mimi": self.mimi, "tokenizer": self.tokenizer}
        return {role: _digest(path, path.stat().st_mtime_ns) for role, path in files.items() if path}


@functools.cache
def _digest(path: Path, changed: int) -> str:
    return sha256_file(path)


def find(root: Path, config_path: Path | None = None) -> Checkpoint:
    """Gather the model in directory ``root``.

    Args:
        root: a directory.
        config_path: another configuration than ``root/config.json``.

    Raises:
        WorkbenchError: names the directory, file or key that is missing or wrong.
    """
    if not root.is_dir():
        raise WorkbenchError(f"{root}: no such model directory; `workbench models` shows how to get one")
    path = config_path or root / CONFIG
    config = read_config(root, config_path)
    mimi = _named(root, path, config, "mimi_name")
    mimi_config, published = _mimi_config(root, mimi)
    if "dim" not in config:
        return Checkpoint(root, "mimi", config, mimi, mimi_config, published, None, None, False, None)
    _check_config(path, config)
    weights = _named(root, path, config, "moshi_name")
    tokenizer = _named(root, path, config, "tokenizer_name")
    bits = {".q4": 4, ".q8": 8}.get(Path(weights.stem).suffix)
    mlx_named = "out_norm.weight" in read_header(weights).shapes
    return Checkpoint(root, _kind(config), config, mimi, mimi_config, published, weights, tokenizer, mlx_named, bits)


def _named(root: Path, config_path: Path, config: ModelConfig, key: str) -> Path:
    """The file that ``config[key]`` names, or the first of moshi_mlx's own names that is there."""
    names = file_names(config, key, config_path)
    for name in names:
        if (root / name).is_file():
            return root / name
    hint = "is missing" if config.get(key) is not None else f"is missing, and config.json has no {key}"
    raise WorkbenchError(f"{root}: {' or '.join(names)} {hint}")


def _kind(config: ModelConfig) -> Kind:
    if config.get("tts_config") is not None:
        return "tts"
    return "duplex" if config["dep_q"] else "stt"


def _check_config(path: Path, c: ModelConfig) -> None:
    """What moshi_mlx's reading of ``config.json`` asks of it; what its values amount to is :mod:`judge`'s."""
    for key in _REQUIRED:
        if key not in c:
            raise WorkbenchError(f"{path}: {key} is missing")
    conditioners = c.get("conditioners", {})
    if not isinstance(conditioners, dict):
        hint = "; leave the key out where there are none" if conditioners is None else ""
        raise WorkbenchError(f"{path}: conditioners is {short(conditioners)}, moshi_mlx needs an object{hint}")
    for name, conditioner in conditioners.items():
        _check_conditioner(f"{path}: conditioners.{name}", conditioner)
    if c.get("tts_config") is not None:
        _numbers(path, c, "tts_config", ("audio_delay",), required=True)
        model_id = c.get("model_id")
        if not isinstance(model_id, dict) or not {"sig", "epoch"} <= set(model_id):
            raise WorkbenchError(f"{path}: model_id with sig and epoch is missing, which a TTS needs")
    if c.get("stt_config") is not None:
        _numbers(path, c, "stt_config", ("audio_delay_seconds", "audio_silence_prefix_seconds"), required=False)


def _check_conditioner(where: str, conditioner: object) -> None:
    kind = conditioner.get("type") if isinstance(conditioner, dict) else None
    keys = {"lut": _LUT, "tensor": ("dim",)}.get(kind) if isinstance(kind, str) else None
    if not isinstance(conditioner, dict) or keys is None:
        raise WorkbenchError(f"{where} must be an object of type lut or tensor, not {short(conditioner)}")
    spec = conditioner.get(kind)
    for key in keys:
        if not isinstance(spec, dict) or key not in spec:
            raise WorkbenchError(f"{where}: {kind}.{key} is missing")


def _numbers(path: Path, c: ModelConfig, section: str, keys: tuple[str, ...], *, required: bool) -> None:
    if not isinstance(c[section], dict):
        raise WorkbenchError(f"{path}: {section} is {short(c[section])}, must be an object")
    for key in keys:
        value = c[section].get(key)
        if value is None and not required:
            continue
        if value is None:
            raise WorkbenchError(f"{path}: {section}.{key} is missing")
        if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 3600:
            raise WorkbenchError(f"{path}: {section}.{key} is {short(value)}, must be seconds")


def _mimi_config(root: Path, weights: Path) -> tuple[ModelConfig, bool]:
    """Mimi's configuration and whether it is the published one. The number of codebooks is the file's own."""
    header = read_header(weights)
    books = sum(n.startswith("quantizer.") and n.endswith("embedding_sum") for n in header.shapes)
    described = root / "mimi_config.json"
    config = dict(MIMI_202407)
    if described.exists():
        config = cast(ModelConfig, _merge(MIMI_202407, read_config(root, described), described, ""))
        layers = config["transformer"]["num_layers"]
        if layers > len(header.shapes):
            raise WorkbenchError(
                f"{described}: transformer.num_layers is {short(layers)}, more than {weights.name} has tensors"
            )
    config = config | {"quantizer_nq": books}
    return config, config == MIMI_202407 | {"quantizer_nq": books}


def _merge(base: Any, given: Any, path: Path, where: str) -> Any:
    """``given`` over ``base``, with every key known and of the same sort."""
    if not isinstance(base, dict):
        none = where.endswith("num_layers") and type(given) is int and given == 0
        if not none and not _alike(base, given):
            raise WorkbenchError(f"{path}: {where[1:]} is {short(given)}, must be like {short(base)}")
        return given
    if not isinstance(given, dict):
        raise WorkbenchError(f"{path}: {where[1:] or 'the file'} must be an object")
    for key in given:
        if key not in base:
            raise WorkbenchError(f"{path}: unknown key {where[1:]}{'.' if where else ''}{key}")
    return {k: _merge(v, given[k], path, f"{where}.{k}") if k in given else v for k, v in base.items()}


def _alike(base: object, given: object) -> bool:
    """Whether a value is of the same sort as the published one; whole numbers are sizes, from 1 on."""
    if isinstance(base, list) and isinstance(given, list):
        return len(given) == len(base) and all(map(_alike, base, given))
    if type(base) is int:
        return type(given) is int and given >= 1
    return type(given) is type(base) or (isinstance(base, float) and type(given) is int)


def check(c: Checkpoint) -> list[str]:
    """Whether moshi_mlx and rustymimi take the files; nothing stays loaded.

    Returns:
        What was found, a line per file; lines that begin with ``note`` say what they take but is likely wrong, such as
        weights that are not finite.

    Raises:
        WorkbenchError: names the file and the first tensor, key or number that they refuse.
    """
    notes: list[str] = []
    lines = []
    if c.weights is not None and c.tokenizer is not None:
        lines = [judge.lm(c, notes), judge.tokenizer(c, notes)]
    return [judge.codec(c, notes), *lines, *notes]
