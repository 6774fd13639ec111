"""Generated weights in Kyutai's exact file layout: for tests, and to learn what a machine costs per step.

Speed does not depend on the values, so a person can time their machine before a download of several gigabytes.
What such a model says means nothing. Every value is drawn from a Philox generator keyed by seed and tensor
name: the same seed gives the same bytes on every machine, whatever the order of writing.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import WorkbenchError
from workbench.files import replacing
from workbench.moshi import sizes, spm
from workbench.moshi.layout import MIMI_202407, Table, lm_table, mimi_table
from workbench.moshi.sizes import Kind, ModelConfig, Size
from workbench.moshi.tensors import ITEM_BYTES, TensorSpec, save, to_bf16, write
from workbench.new_folder import new_folder

VOICE_FRAMES = 125
"""Length of a published voice: 10 s at 12.5 Hz."""


@dataclass(frozen=True)
class Recipe:
    """What to generate.

    Attributes:
        kind: role of the model; ``mimi`` writes a codec alone.
        size: ``full`` for the published sizes, ``tiny`` for tests.
        seed: draws every value.
        mimi: size of Mimi, ``size`` unless given (rustymimi can only load ``full``).
        bits: 4 or 8 writes MLX-named quantised weights, as Kyutai's ``-q4`` and ``-q8`` repositories have.
        naming: ``pytorch`` or ``mlx``; by default as published: MLX for duplex, PyTorch for STT and TTS.
        heads: whether an STT has semantic-VAD heads (the published ``-mlx`` one has none).
        silence_prefix: seconds of silence an STT wants before speech.
    """

    kind: Kind
    size: Size = "tiny"
    seed: int = 0
    mimi: Size | None = None
    bits: int | None = None
    naming: str | None = None
    heads: bool = True
    silence_prefix: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in sizes.KINDS or self.size not in sizes.SIZES:
            raise WorkbenchError(
                f"models init: kind is one of {', '.join(sizes.KINDS)} and size one of {', '.join(sizes.SIZES)}, "
                f"not {self.kind} {self.size}"
            )
        if self.bits not in (None, 4, 8):
            raise WorkbenchError(f"models init: quantised weights have 4 or 8 bits, not {self.bits}")

    @property
    def mlx_named(self) -> bool:
        """Whether the LM's tensors carry moshi_mlx's own names."""
        return bool(self.bits) or (self.naming or ("mlx" if self.kind == "duplex" else "pytorch")) == "mlx"


def init(directory: Path, recipe: Recipe) -> list[Path]:
    """Write a model directory and return its files.

    Raises:
        WorkbenchError: the directory exists and is not empty, or cannot be written.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise WorkbenchError(f"{directory}: exists and is not empty; name a new directory")
    with new_folder(directory) as hidden:
        _write(hidden, recipe)
    return sorted(p for p in directory.rglob("*") if p.is_file())


def _write(directory: Path, r: Recipe) -> None:
    config: ModelConfig = {"generated": {"seed": r.seed, "size": r.size}, "mimi_name": "mimi-generated.safetensors"}
    codebooks = 32 if r.size == "full" else 8
    if r.kind != "mimi":
        lm = _lm(r)
        suffix = f".q{r.bits}" if r.bits else ""
        config |= {
            "model_type": {"duplex": "moshi"}.get(r.kind, r.kind),
            "moshi_name": f"model{suffix}.safetensors",
            "tokenizer_name": f"tokenizer_generated_{lm['text_card']}.model",
        } | lm
        codebooks = sizes.mimi_codebooks(lm)
        _put(directory / config["tokenizer_name"], spm.model(lm["text_card"]))
        write_lm(directory / config["moshi_name"], lm, r)
    write_mimi(directory, config["mimi_name"], sizes.mimi_config(r.mimi or r.size, codebooks), r.seed)
    if r.kind == "tts":
        write_voice(directory, "generated", config, r.seed)
    _put(directory / "config.json", (json.dumps(config, indent=1) + "\n").encode())


def _lm(r: Recipe) -> ModelConfig:
    lm = sizes.lm_config(r.kind, r.size)
    lm["card"] = sizes.mimi_config(r.mimi or r.size, 1)["quantizer_bins"]
    if r.kind == "stt":
        lm["stt_config"]["audio_silence_prefix_seconds"] = r.silence_prefix
        if not r.heads:
            lm["extra_heads_num_heads"] = 0
    return lm


def _put(path: Path, data: bytes) -> None:
    with replacing(path) as beside:
        beside.write_bytes(data)


def write_lm(path: Path, config: ModelConfig, r: Recipe) -> None:
    """Write an LM's weights: bfloat16, PyTorch- or MLX-named, or quantised."""
    specs = lm_specs(config, r)
    write(path, specs, _values(specs, r.seed), {})


def lm_specs(config: ModelConfig, r: Recipe) -> list[TensorSpec]:
    """The tensors of an LM's file, in order; a TTS has those of its conditions in float32, as the published one."""
    if r.mlx_named:
        from workbench.moshi.load import lm_shapes

        return [TensorSpec(n, d, s) for n, (d, s) in sorted(lm_shapes(config, r.bits).items())]
    wide = "F32" if r.kind == "tts" else "BF16"
    specs = [
        TensorSpec(n, wide if n.startswith("condition_provider.") else "BF16", s) for n, s in lm_table(config).items()
    ]
    return sorted(specs, key=lambda spec: (-ITEM_BYTES[spec.dtype], spec.name))


def write_mimi(directory: Path, name: str, config: ModelConfig, seed: int) -> None:
    """Write Mimi's float32 weights, and its ``mimi_config.json`` where it is not the published size."""
    specs = [TensorSpec(n, "F32", s) for n, s in sorted(mimi_table(config).items())]
    write(directory / name, specs, _values(specs, seed), {})
    if config != MIMI_202407 | {"quantizer_nq": config["quantizer_nq"]}:
        _put(directory / "mimi_config.json", (json.dumps(config, indent=1) + "\n").encode())


def write_voice(directory: Path, name: str, config: ModelConfig, seed: int) -> Path:
    """Write ``voices/<name>.<sig>@<epoch>.safetensors``: ``speaker_wavs`` (1, dim, 125) float32, std 0.7."""
    dim = config["conditioners"]["speaker_wavs"]["tensor"]["dim"]
    sig, epoch = config["model_id"]["sig"], config["model_id"]["epoch"]
    path = directory / "voices" / f"{name}.{sig}@{epoch}.safetensors"
    path.parent.mkdir(exist_ok=True)
    values = _uniform(seed, f"voice/{name}", (1, dim, VOICE_FRAMES), 0.7 * math.sqrt(3))
    save(path, {"speaker_wavs": values}, {"sig": str(sig), "epoch": str(epoch)})
    return path


def _uniform(seed: int, name: str, shape: tuple[int, ...], bound: float) -> npt.NDArray[Any]:
    values = _generator(seed, name).random(shape, dtype=np.float32)
    values *= 2 * bound
    values -= bound
    return values


def _generator(seed: int, name: str) -> np.random.Generator:
    key = int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def _values(specs: list[TensorSpec], seed: int) -> Iterator[npt.NDArray[Any]]:
    shapes: Table = {s.name: s.shape for s in specs}
    for s in specs:
        if s.dtype == "U32":
            yield _generator(seed, s.name).integers(0, 1 << 32, s.shape, dtype=np.uint32)
            continue
        values = _quantiser(s, shapes) if _is_quantiser(s.name, shapes) else _value(s.name, s.shape, seed)
        yield to_bf16(values) if s.dtype == "BF16" else values.astype("<f4")


def _is_quantiser(name: str, shapes: Table) -> bool:
    return name.endswith(".scales") or (name.endswith(".biases") and name[:-7] + ".scales" in shapes)


def _quantiser(s: TensorSpec, shapes: Table) -> npt.NDArray[Any]:
    """Scales and offsets that spread uniform codes over ± sqrt(3 / inputs), like an unquantised weight."""
    stem, part = s.name.rsplit(".", 1)
    packed = shapes[stem + ".weight"][-1]
    # Groups are 32 wide at 4 bits and 64 at 8, so the number of packed words per group tells the bits.
    bits = 4 if packed == 4 * s.shape[-1] else 8
    bound = math.sqrt(3 * bits / (32 * packed))
    value = 2 * bound / (2**bits - 1) if part == "scales" else -bound
    return np.full(s.shape, value, np.float32)


def _value(name: str, shape: tuple[int, ...], seed: int) -> npt.NDArray[Any]:
    """Values with which activations keep their size through the layers and tokens vary with the input."""
    if name.endswith((".alpha", "_initialized", "cluster_usage")) or ("norm" in name and name.endswith(".weight")):
        return np.ones(shape, np.float32)
    if name.endswith(".scale"):
        return np.full(shape, 0.01, np.float32)  # Mimi's layer scale
    if "norm" in name:
        return np.zeros(shape, np.float32)
    return _uniform(seed, name, shape, _bound(name, shape))


def _bound(name: str, shape: tuple[int, ...]) -> float:
    if name.endswith(".bias") and not name.startswith("decoder.model.14."):
        return 0.05
    if name.endswith("learnt_padding"):
        return 0.1
    if name.endswith("embedding_sum"):
        return 0.3
    if name.startswith("decoder.model.14."):
        return 0.003  # the last convolution: keeps PCM well inside full scale
    if "emb." in name or "audio_embs." in name:
        return 1.0 if ".low_rank." not in name and ".out" not in name else math.sqrt(3 / shape[-1])
    if ".convtr." in name:
        return math.sqrt(6 / (2 * (shape[0] if shape[1] > 1 else 1)))
    gain = 6.0 if len(shape) == 3 else 3.0  # convolutions stand behind ELUs, which halve the variance
    return math.sqrt(gain / math.prod(shape[1:]))
