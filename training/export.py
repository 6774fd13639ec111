"""Write the trained checkpoints as Kyutai's formats into the package: same checkpoint, same bytes.

Layout of `workbench/data/nano/`: `stt/` and `tts/`, each with `config.json`, `model.q8.safetensors` (8 bits,
groups of 64, moshi_mlx's names), `mimi.safetensors` (float16, PyTorch names), `mimi_config.json` (the fields of
moshi_mlx's `MimiConfig`), `tokenizer.model`; and in `tts/` a voice.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import safetensors.numpy
from mlx.utils import tree_flatten
from moshi_mlx import models

from training.settings import CHECKPOINTS, DATA, TOKENIZER

RAW = "cross_attention.in_proj"
SIGNATURE = {"sig": "nano", "epoch": 1}
VOICE = f"af_heart.{SIGNATURE['sig']}@{SIGNATURE['epoch']}.safetensors"


def _numpy(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights and configuration of a checkpoint (torch is loaded here only)."""
    from training import checkpoint

    state = checkpoint.load(CHECKPOINTS / f"{name}.pt")
    assert state, f"{name} is not trained yet"
    return {key: value.float().numpy() for key, value in state["model"].items()}, state.get("config", {})


def mimi_tensors() -> dict[str, np.ndarray]:
    """The codec under Kyutai's names, as float16."""
    state, _ = _numpy("decoder" if (CHECKPOINTS / "decoder.pt").exists() else "codec")
    plain = ("encoder.", "decoder.", "downsample.", "upsample.")
    tensors = {key: value for key, value in state.items() if key.startswith(plain)}
    for part in ("first", "rest"):
        prefix = f"quantizer.rvq_{part}"
        for side in ("input_proj", "output_proj"):
            tensors[f"{prefix}.{side}.weight"] = state[f"{part}.{side}.weight"]
        books = sum(key.startswith(f"{part}.books.") and key.endswith(".vectors") for key in state)
        for book in range(books):
            vectors = state[f"{part}.books.{book}.vectors"]
            layer = f"{prefix}.vq.layers.{book}._codebook"
            tensors[f"{layer}.embedding_sum"] = vectors
            tensors[f"{layer}.cluster_usage"] = np.ones(len(vectors), np.float32)
            tensors[f"{layer}._initialized"] = np.ones(1, np.float32)
    return {key: np.ascontiguousarray(tensors[key], np.float16) for key in sorted(tensors)}


def mimi_config(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """The fields of moshi_mlx's `MimiConfig`: Mimi's own, with our sizes and without transformer layers."""
    import dataclasses

    config = dataclasses.asdict(models.mimi_202407(8))
    filters, dimension = tensors["encoder.model.0.conv.conv.bias"].size, tensors["encoder.model.14.conv.conv.bias"].size
    bins, size = tensors["quantizer.rvq_first.vq.layers.0._codebook.embedding_sum"].shape
    config["seanet"] |= {"nfilters": filters, "dimension": dimension}
    config["transformer"] |= {"d_model": dimension, "num_layers": 0, "dim_feedforward": 4 * dimension}
    return config | {"quantizer_bins": bins, "quantizer_dim": size}


def _lm_config(trained: dict[str, Any], kind: str) -> dict[str, Any]:
    config = {
        "dim": trained["dim"],
        "num_heads": trained["heads"],
        "num_layers": trained["layers"],
        "causal": True,
        "layer_scale": None,
        "context": trained["context"],
        "max_period": trained["max_period"],
        "positional_embedding": "rope",
        "depformer_dim": trained["depformer_dim"],
        "depformer_num_heads": trained["depformer_heads"],
        "depformer_num_layers": trained["depformer_layers"],
        "depformer_dim_feedforward": trained["depformer_hidden"] * 3 // 2,
        "depformer_pos_emb": "none",
        "dep_q": trained["generated"],
        "text_card": trained["text_card"],
        "card": trained["card"],
        "n_q": trained["codebooks"],
        "model_id": SIGNATURE,
        "mimi_name": "mimi.safetensors",
        "moshi_name": "model.q8.safetensors",
        "tokenizer_name": "tokenizer.model",
    }
    if kind == "stt":
        return config | {
            "model_type": "stt",
            "delays": [0] * (trained["codebooks"] + 1),
            "extra_heads_num_heads": trained["pause_heads"],
            "extra_heads_dim": 6,
            "stt_config": {"audio_delay_seconds": 0.5, "audio_silence_prefix_seconds": 0.0},
        }
    coefficients = [f"{1 + 0.5 * k:.1f}" for k in range(7)]
    return config | {
        "model_type": "tts",
        "delays": [0, 0] + [1] * (trained["codebooks"] - 1),
        "cross_attention": True,
        "conditioners": {
            "speaker_wavs": {"type": "tensor", "tensor": {"dim": 64}},
            "control": {"type": "lut", "lut": _lut(["ok"])},
            "cfg": {"type": "lut", "lut": _lut(coefficients)},
        },
        "tts_config": {"audio_delay": 0.64, "second_stream_ahead": 0, "inert_voice": True},
    }


def _lut(values: list[str]) -> dict[str, Any]:
    return {"n_bins": len(values), "dim": 64, "tokenizer": "noop", "possible_values": values}


def _inert(config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Conditioners and cross-attention that `TTSModel.generate` asks for, set so that they change nothing."""
    dim = config["dim"]
    made: dict[str, np.ndarray] = {}
    for layer in range(config["num_layers"]):
        prefix = f"transformer.layers.{layer}"
        made[f"{prefix}.norm_cross.weight"] = np.ones(dim)
        made[f"{prefix}.norm_cross.bias"] = np.zeros(dim)
        made[f"{prefix}.cross_attention.in_proj_weight"] = np.zeros((3 * dim, dim))
        made[f"{prefix}.cross_attention.out_proj.weight"] = np.zeros((dim, dim))
    for name, conditioner in config["conditioners"].items():
        prefix = f"condition_provider.conditioners.{name}"
        made[f"{prefix}.output_proj.weight"] = np.zeros((dim, 64))
        made[f"{prefix}.learnt_padding"] = np.zeros((1, 1, dim))
        if conditioner["type"] == "lut":
            made[f"{prefix}.embed.weight"] = np.zeros((conditioner["lut"]["n_bins"] + 1, 64))
    return made


def _quantized(tensors: dict[str, np.ndarray], config: dict[str, Any], out: Path) -> None:
    """Load as moshi_mlx loads a PyTorch checkpoint, quantize to 8 bits, and write with its names."""
    plain = out.with_suffix(".plain.safetensors")
    safetensors.numpy.save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}, plain)
    lm = models.Lm(models.LmConfig.from_config_dict(config))
    lm.load_pytorch_weights(str(plain), lm.cfg, strict=True)
    plain.unlink()
    mlx.nn.quantize(lm, bits=8, group_size=64, class_predicate=quantizable)
    # Scales stay float32: in bfloat16 a step takes four times as long on a CPU. What is inert needs no precision.
    arrays = {
        name: array.astype(mx.float16) if name.endswith(f"{RAW}.weight") else array
        for name, array in tree_flatten(lm.parameters())
    }
    mx.save_safetensors(str(out), dict(sorted(arrays.items())), {"format": "mlx"})


def quantizable(path: str, module: mlx.nn.Module) -> bool:
    """All that MLX can quantize but cross-attention's projection, whose raw weight moshi_mlx multiplies by."""
    return hasattr(module, "to_quantized") and not path.endswith(RAW)


def export(kinds: tuple[str, ...] = ("stt", "tts"), out: Path = DATA) -> None:
    """Write the directories of `kinds`; the size of everything is printed."""
    mimi = mimi_tensors()
    for kind in kinds:
        state, trained = _numpy(kind)
        folder = out / kind
        folder.mkdir(parents=True, exist_ok=True)
        config = _lm_config(trained, kind)
        tensors = state | (_inert(config) if kind == "tts" else {})
        _quantized(tensors, config, folder / "model.q8.safetensors")
        safetensors.numpy.save_file(mimi, folder / "mimi.safetensors")
        (folder / "mimi_config.json").write_text(json.dumps(mimi_config(mimi), indent=1) + "\n")
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        shutil.copyfile(TOKENIZER, folder / "tokenizer.model")
    if "tts" in kinds:
        safetensors.numpy.save_file({"speaker_wavs": np.zeros((1, 64, 1), np.float32)}, out / "tts" / VOICE)
    for path in sorted(out.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>10,} {path.relative_to(out)}")


if __name__ == "__main__":
    export()
