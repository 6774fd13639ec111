"""Judgement of moshi_mlx and rustymimi on the files of a model: taken, or refused for which reason.

The judge is moshi_mlx's own loader: MLX is lazy, so the model is built and filled without computing a weight, whatever
its size. What ``layout`` knows of names and shapes only puts a refusal into words. Two things are refused that the
loader takes: sizes that no file of this length can have (building them would exhaust memory) and a header that gives
wrong weights silently (``tensors``). What else it takes but is likely wrong, weights that are not finite among it, is a
note.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.moshi.layout import lm_table, mimi_table
from workbench.moshi.repository import CONFIG, short
from workbench.moshi.sizes import ModelConfig
from workbench.moshi.tensors import NOT_IN_MLX, Shape, TensorHeader, compare, find_not_finite, read_header

if TYPE_CHECKING:
    from workbench.moshi.checkpoint import Checkpoint

_SIZES = (
    "dim", "num_heads", "num_layers", "text_card", "card", "n_q", "dep_q", "extra_heads_num_heads", "extra_heads_dim",
)  # fmt: skip
_DEPFORMER_SIZES = (
    "depformer_dim", "depformer_num_heads", "depformer_num_layers", "depformer_dim_feedforward",
    "depformer_low_rank_embeddings",
)  # fmt: skip
_OPTIONAL = ("extra_heads_num_heads", "extra_heads_dim", "depformer_low_rank_embeddings")

NOT_FINITE = "holds values that are not finite: what this model says means nothing"

_MAX_SCHEDULE = 65_536
"""Bound on an entry of depformer_weights_per_step_schedule; the published ones end at 10."""


def lm(c: "Checkpoint", notes: list[str]) -> str:
    """Judge the language model's weights.

    Args:
        c: a checkpoint with weights.
        notes: gets a line for each thing that moshi_mlx takes but is likely wrong.

    Returns:
        What was found, a line.

    Raises:
        WorkbenchError: names the file and the first tensor or key that is refused.
    """
    assert c.weights is not None
    header = read_header(c.weights)
    _bounded(c, header)
    _loadable(c.weights, header)
    wanted = _filled(c, header)
    surplus = sorted(set(header.shapes) - wanted)
    _look_at_values(c.weights, wanted - set(surplus), notes)
    if surplus:
        notes.append(_note(c.weights, f"{len(surplus)} tensors are not read, the first is {surplus[0]}"))
    if header.unused:
        notes.append(_note(c.weights, f"{header.unused} bytes belong to no tensor"))
    if reason := cannot_step(c.config):
        notes.append(_note(c.root / CONFIG, f"moshi_mlx loads this and fails at its first step: {reason}"))
    if c.config["card"] != (bins := c.mimi_config["quantizer_bins"]):
        notes.append(
            _note(c.root / CONFIG, f"card is {short(c.config['card'])}, codebooks of {c.mimi.name} have {bins} entries")
        )
    naming = "MLX-named" if c.mlx_named else "PyTorch-named"
    return _line(c.kind, c.weights, header, naming + (f", {c.bits} bits" if c.bits else ""))


def codec(c: "Checkpoint", notes: list[str]) -> str:
    """Judge Mimi's weights, by what will read them: rustymimi or, for a TTS and for other sizes, moshi_mlx.

    Args:
        c: a checkpoint whose language model has been judged.
        notes: gets a line for what is not read.

    Returns:
        What was found, a line.

    Raises:
        WorkbenchError: names the file and the first tensor that is refused.
    """
    header, books = read_header(c.mimi), c.mimi_config["quantizer_nq"]
    if books < c.codebooks:
        raise WorkbenchError(f"{c.mimi}: has {books} codebooks, config.json needs {c.codebooks}")
    rusty = c.published_mimi and c.kind != "tts"
    # rustymimi reads the codebooks it is asked for, moshi_mlx all.
    table = mimi_table(c.mimi_config | {"quantizer_nq": max(c.codebooks, 1) if rusty else books})
    compare(c.mimi, header.shapes, table, exact=not rusty)
    if rusty:
        _rusty(c.mimi)
        surplus = sorted(set(header.shapes) - set(mimi_table(c.mimi_config)))
        if surplus:
            notes.append(_note(c.mimi, f"{len(surplus)} tensors are not read, the first is {surplus[0]}"))
    else:
        _loadable(c.mimi, header)
        _mlx_codec(c)
    _look_at_values(c.mimi, set(table), notes)
    return _line("codec", c.mimi, header, f"{books} codebooks")


def tokenizer(c: "Checkpoint", notes: list[str]) -> str:
    """Judge the text tokenizer.

    Args:
        c: a checkpoint with a tokenizer.
        notes: gets a line where it does not fit the language model, which moshi_mlx does not look at.

    Returns:
        What was found, a line.

    Raises:
        WorkbenchError: it is not sentencepiece's.
    """
    import sentencepiece

    assert c.tokenizer is not None
    try:
        pieces = int(sentencepiece.SentencePieceProcessor(str(c.tokenizer)).get_piece_size())
    except (RuntimeError, OSError) as e:
        raise WorkbenchError(f"{c.tokenizer}: not a sentencepiece model") from e
    if pieces != (card := c.config["text_card"]):
        notes.append(_note(c.tokenizer, f"has {pieces} pieces, config.json's text_card is {short(card)}"))
    return f"tokenizer  {c.tokenizer.name}: {pieces} pieces"


def cannot_step(c: ModelConfig) -> str | None:
    """Why moshi_mlx, which builds such a model, fails at its first step; None where nothing speaks against it."""
    delays, own, books = c["delays"], c["dep_q"], c["n_q"]
    if not isinstance(delays, list) or not all(type(d) is int and d >= 0 for d in delays[1:]):
        return "delays must list whole numbers from 0 on"
    if not max(own, 1) <= len(delays) - 1 <= books:
        return f"delays must list {books + 1} numbers, one for text and one per codebook, not {len(delays)}"
    for dim, heads in (("dim", "num_heads"), ("depformer_dim", "depformer_num_heads"))[: 2 if own else 1]:
        if c[dim] % c[heads]:
            return f"{dim} {c[dim]} is not divisible by {heads} {c[heads]}"
    return None


def _bounded(c: "Checkpoint", header: TensorHeader) -> None:
    """Refuse more parts than the file has tensors, before they are built."""
    assert c.weights is not None
    where, most = c.root / CONFIG, len(header.shapes)
    lists = ["num_layers", "n_q", "dep_q", "extra_heads_num_heads"]
    for key in [*lists, "depformer_num_layers"] if c.config["dep_q"] else lists:
        value = c.config.get(key, 0)
        if isinstance(value, int) and value > most:
            raise WorkbenchError(f"{where}: {key} is {short(value)}, but {c.weights.name} has only {most} tensors")
    schedule = c.config.get("depformer_weights_per_step_schedule")
    if isinstance(schedule, list) and any(isinstance(n, int) and abs(n) > _MAX_SCHEDULE for n in schedule):
        raise WorkbenchError(f"{where}: depformer_weights_per_step_schedule goes beyond {_MAX_SCHEDULE}")


def _loadable(path: Path, header: TensorHeader) -> None:
    for name, dtype in header.dtypes.items():
        if dtype in NOT_IN_MLX:
            raise WorkbenchError(f"{path}: tensor {name} is {dtype}, which MLX does not load")


def _filled(c: "Checkpoint", header: TensorHeader) -> set[str]:
    """Build the model and fill it, lazily; the names of the tensors it takes from the file."""
    from mlx.utils import tree_flatten

    from workbench.moshi import load

    assert c.weights is not None
    with load.PrivateKey(0).use():
        try:
            model = load.build_lm(c.config, c.bits, all_quantised=load.all_quantised(header))
        except Exception as e:  # moshi_mlx has no error type of its own
            raise WorkbenchError(_config_refused(c, e)) from e
    shapes: dict[str, Shape] = {name: tuple(value.shape) for name, value in tree_flatten(model.parameters())}
    try:
        load.fill(model, c.weights, mlx_named=c.mlx_named)
    except Exception as e:
        raise WorkbenchError(_weights_refused(c, header, shapes, e)) from e
    return set(shapes) if c.mlx_named else set(_table(c.config)) & set(header.shapes) or set(header.shapes)


def _table(config: ModelConfig) -> dict[str, Shape]:
    """Names and shapes of the PyTorch-named file; empty for what only moshi_mlx understands."""
    try:
        return lm_table(config)
    except (TypeError, ValueError, KeyError):
        return {}


def _config_refused(c: "Checkpoint", error: Exception) -> str:
    config, where = c.config, c.root / CONFIG
    for key in (*_SIZES, *_DEPFORMER_SIZES) if config["dep_q"] else _SIZES:
        value = config.get(key)
        if key in _OPTIONAL and value is None and key != "extra_heads_num_heads":
            continue
        if key in config and (type(value) is not int or value < 0):
            return f"{where}: {key} is {short(value)}, must be a whole number"
    return f"{where}: moshi_mlx cannot build it ({_first_line(error)})"


def _weights_refused(c: "Checkpoint", header: TensorHeader, shapes: dict[str, Shape], error: Exception) -> str:
    path, cut = c.weights, c.config.get("text_card_out")
    assert path is not None
    rows = header.shapes.get("text_linear.weight", (0,))[0]
    if cut is not None and rows == cut != c.config["text_card"]:
        return (
            f"{path}: text_linear.weight has {rows} rows, as text_card_out in config.json says; moshi_mlx 0.3.0 does "
            f"not know that key and builds {c.config['text_card']} (kyutai-labs/moshi#422)"
        )
    if (found := _bits(header)) != c.bits:
        what = "its tensors are not quantised" if found is None else f"its tensors are quantised{_width(found)}"
        says = f"says {c.bits} bits" if c.bits else "says nothing of it"
        return f"{path}: {what}, its name {says}; moshi_mlx goes by the name (.q4.safetensors, .q8.safetensors)"
    try:
        compare(path, header.shapes, shapes if c.mlx_named else _table(c.config))
    except WorkbenchError as why:
        return str(why)
    return f"{path}: moshi_mlx cannot load it ({_first_line(error)})"


def _bits(header: TensorHeader) -> int | None:
    """4 or 8 for a file quantised as moshi_mlx reads it (groups of 32 or 64), 0 for another way, None for none."""
    for name, shape in header.shapes.items():
        packed = header.shapes.get(name.removesuffix(".scales") + ".weight", ())
        if name.endswith(".scales") and packed and shape and shape[-1]:
            return {4: 4, 16: 8}.get(packed[-1] // shape[-1], 0)
    return None


def _width(bits: int) -> str:
    return f" to {bits} bits" if bits else " in another way than moshi_mlx's 4 bits by 32 and 8 bits by 64"


def _rusty(path: Path) -> None:
    """Refuse what the safetensors package refuses, which is what rustymimi reads with."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "numpy"):  # type: ignore[no-untyped-call]
            pass
    except SafetensorError as e:
        raise WorkbenchError(f"{path}: rustymimi cannot read it ({_first_line(e)}); download it again") from e


def _mlx_codec(c: "Checkpoint") -> None:
    """Refuse what moshi_mlx's Mimi does not load."""
    from workbench.moshi import load

    try:
        with load.PrivateKey(0).use():
            load.build_mimi(c.mimi_config, c.mimi_config["quantizer_nq"]).load_pytorch_weights(str(c.mimi), strict=True)
    except Exception as e:  # moshi_mlx has no error type of its own
        raise WorkbenchError(f"{c.mimi}: moshi_mlx cannot load it ({_first_line(e)})") from e


def _look_at_values(path: Path, names: set[str], notes: list[str]) -> None:
    name = _not_finite(path, path.stat().st_mtime_ns, tuple(sorted(names)))
    if name is not None:
        notes.append(_note(path, f"tensor {name} {NOT_FINITE}"))


@functools.cache
def _not_finite(path: Path, changed: int, names: tuple[str, ...]) -> str | None:
    return find_not_finite(path, read_header(path), names)


def _line(role: str, path: Path, header: TensorHeader, more: str) -> str:
    dtypes = "/".join(sorted(set(header.dtypes.values())))
    return f"{role:9}  {path.name}: {len(header.shapes)} tensors, {header.size / 1e6:.1f} MB {dtypes}, {more}"


def _note(path: Path, text: str) -> str:
    return f"note       {path}: {text}"


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:120]}"
