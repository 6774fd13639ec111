"""A model directory: what is in it, and whether its files fit its configuration.

A directory is laid out as Kyutai's repositories are: ``config.json`` names the other files (``moshi_name``,
``mimi_name``, ``tokenizer_name``) and holds the LM's sizes and ``stt_config`` or ``tts_config``. A Mimi of another
size than the published one is described by ``mimi_config.json`` beside it. ``find`` gathers, ``check`` compares
every tensor's shape with the configuration before anything is loaded.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from workbench.errors import WorkbenchError
from workbench.files import read_json, sha256_file
from workbench.moshi.layout import MIMI_202407, lm_table, mimi_table
from workbench.moshi.sizes import Config, Kind, mimi_codebooks
from workbench.moshi.tensors import Header, Shape, compare, read_header

_NUMBERS = (
    "dim", "num_heads", "num_layers", "context", "max_period", "depformer_dim", "depformer_num_heads",
    "depformer_num_layers", "depformer_dim_feedforward", "dep_q", "text_card", "card", "n_q",
)  # fmt: skip
_OTHERS = ("causal", "layer_scale", "positional_embedding", "depformer_pos_emb", "delays")
_KYUTAI_MIMI = ("tokenizer-e351c8d8-checkpoint125.safetensors", "mimi-pytorch-e351c8d8@125.safetensors")


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
    config: Config
    mimi: Path
    mimi_config: Config
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
        try:
            m = self.config["model_id"]
            return f".{m['sig']}@{m['epoch']}.safetensors"
        except (KeyError, TypeError) as e:
            raise WorkbenchError(f"{self.root / 'config.json'}: model_id with sig and epoch is missing") from e

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
    path = config_path or root / "config.json"
    if not path.exists():
        raise WorkbenchError(f"{root}: has no config.json; is it a model directory?")
    config = read_json(path)
    if not isinstance(config, dict):
        raise WorkbenchError(f"{path}: must hold a JSON object")
    mimi = _named(root, path, config, "mimi_name", _KYUTAI_MIMI)
    mimi_config, published = _mimi_config(root, mimi)
    if "dim" not in config:
        return Checkpoint(root, "mimi", config, mimi, mimi_config, published, None, None, False, None)
    _check_config(path, config)
    weights = _named(
        root, path, config, "moshi_name", ("model.safetensors", "model.q8.safetensors", "model.q4.safetensors")
    )
    tokenizer = _named(root, path, config, "tokenizer_name", ())
    bits = {".q4": 4, ".q8": 8}.get(Path(weights.stem).suffix)
    mlx_named = "out_norm.weight" in read_header(weights).shapes
    return Checkpoint(root, _kind(config), config, mimi, mimi_config, published, weights, tokenizer, mlx_named, bits)


def _named(root: Path, config_path: Path, config: Config, key: str, fallbacks: tuple[str, ...]) -> Path:
    """The file that ``config[key]`` names, or the first of the fallbacks that is there."""
    name = config.get(key)
    if name is not None and (not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts):
        raise WorkbenchError(f"{config_path}: {key} must name a file inside the model directory, not {name!r}")
    for candidate in [name] if name else fallbacks:
        if (root / candidate).is_file():
            return root / candidate
    wanted = name or " or ".join(fallbacks) or f"the file for {key}"
    hint = "is missing" if name else f"is missing, and config.json has no {key}"
    raise WorkbenchError(f"{root}: {wanted} {hint}")


def _kind(config: Config) -> Kind:
    if "tts_config" in config:
        return "tts"
    return "duplex" if config["dep_q"] else "stt"


def _check_config(path: Path, c: Config) -> None:
    for key in (*_NUMBERS, *_OTHERS):
        if key not in c:
            raise WorkbenchError(f"{path}: {key} is missing")
    for key in _NUMBERS:
        if isinstance(c[key], bool) or not isinstance(c[key], int | float) or c[key] < 0:
            raise WorkbenchError(f"{path}: {key} is {c[key]!r}, must be a number from 0 on")
    if not isinstance(c["delays"], list) or len(c["delays"]) != c["n_q"] + 1:
        raise WorkbenchError(f"{path}: delays must list {c['n_q'] + 1} numbers, one for text and one per codebook")
    if c["dim"] % c["num_heads"]:
        raise WorkbenchError(f"{path}: dim {c['dim']} is not divisible by num_heads {c['num_heads']}")
    if "tts_config" in c and not isinstance(c["tts_config"].get("audio_delay"), int | float):
        raise WorkbenchError(f"{path}: tts_config.audio_delay is missing")


def _mimi_config(root: Path, weights: Path) -> tuple[Config, bool]:
    """Mimi's configuration and whether it is the published one. The number of codebooks is the file's own."""
    header = read_header(weights)
    books = sum(n.startswith("quantizer.") and n.endswith("embedding_sum") for n in header.shapes)
    described = root / "mimi_config.json"
    config = _merge(MIMI_202407, read_json(described), described, "") if described.exists() else dict(MIMI_202407)
    config = cast(Config, config) | {"quantizer_nq": books}
    return config, config == MIMI_202407 | {"quantizer_nq": books}


def _merge(base: Any, given: Any, path: Path, where: str) -> Any:
    """``given`` over ``base``, with every key known and of the same sort."""
    if not isinstance(base, dict):
        same = isinstance(given, list) if isinstance(base, list) else isinstance(given, type(base) | int | float)
        if not same:
            raise WorkbenchError(f"{path}: {where[1:]} is {given!r}, must be like {base!r}")
        return given
    if not isinstance(given, dict):
        raise WorkbenchError(f"{path}: {where[1:] or 'the file'} must be an object")
    for key in given:
        if key not in base:
            raise WorkbenchError(f"{path}: unknown key {where[1:]}{'.' if where else ''}{key}")
    return {k: _merge(v, given[k], path, f"{where}.{k}") if k in given else v for k, v in base.items()}


def check(c: Checkpoint) -> list[str]:
    """Compare every file with the configuration; nothing is loaded.

    Returns:
        What was found, a line per file.

    Raises:
        WorkbenchError: names the first tensor, token count or number that does not fit.
    """
    mimi = read_header(c.mimi)
    compare(c.mimi, mimi.shapes, mimi_table(c.mimi_config))
    lines = [_line("codec", c.mimi, mimi, f"{c.mimi_config['quantizer_nq']} codebooks")]
    if c.weights is None or c.tokenizer is None:
        return lines
    header = read_header(c.weights)
    compare(c.weights, header.shapes, _wanted(c))
    naming = "MLX-named" if c.mlx_named else "PyTorch-named"
    lines.append(_line(c.kind, c.weights, header, naming + (f", {c.bits} bits" if c.bits else "")))
    if c.mimi_config["quantizer_nq"] < c.codebooks:
        raise WorkbenchError(
            f"{c.mimi}: has {c.mimi_config['quantizer_nq']} codebooks, config.json needs {c.codebooks}"
        )
    if c.config["card"] != c.mimi_config["quantizer_bins"]:
        raise WorkbenchError(
            f"{c.root / 'config.json'}: card is {c.config['card']}, but {c.mimi.name} has codebooks of "
            f"{c.mimi_config['quantizer_bins']} entries"
        )
    pieces = _pieces(c.tokenizer)
    if pieces != c.config["text_card"]:
        raise WorkbenchError(f"{c.tokenizer}: has {pieces} pieces, config.json's text_card is {c.config['text_card']}")
    return [*lines, f"tokenizer  {c.tokenizer.name}: {pieces} pieces"]


def _wanted(c: Checkpoint) -> dict[str, Shape]:
    if not c.mlx_named:
        return lm_table(c.config)
    from workbench.moshi.load import lm_shapes

    return {n: shape for n, (_, shape) in lm_shapes(c.config, c.bits).items()}


def _pieces(path: Path) -> int:
    import sentencepiece

    try:
        return int(sentencepiece.SentencePieceProcessor(str(path)).get_piece_size())
    except (RuntimeError, OSError) as e:
        raise WorkbenchError(f"{path}: not a sentencepiece model") from e


def _line(role: str, path: Path, header: Header, more: str) -> str:
    dtypes = "/".join(sorted(set(header.dtypes.values())))
    return f"{role:9}  {path.name}: {len(header.shapes)} tensors, {header.size / 1e6:.1f} MB {dtypes}, {more}"
