"""Scaled-down models of published configurations: same keys, names, nulls and types, smaller numbers, random weights.

``tests/data/models`` holds the configurations (NAME.json) and how surely each is known (NAME.facts). Weights are made
and written as the repositories have them: MLX-named by MLX itself, PyTorch-named in the order of safetensors.torch.
"""

import copy
import json
import shutil
import struct
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten
from moshi_mlx import models

from workbench.moshi import sizes, spm
from workbench.moshi.generate import write_mimi
from workbench.moshi.repository import FALLBACKS

DATA = Path(__file__).parents[1] / "data/models"
PIECES = 320
GROUPS = {4: 32, 8: 64}
BYTES = {"BF16": 2, "F32": 4, "U32": 4}


def names():
    return sorted(path.stem for path in DATA.glob("*.json"))


def config(name):
    return json.loads((DATA / f"{name}.json").read_text())


def facts(name):
    return json.loads((DATA / f"{name}.facts").read_text())


def kind(c):
    return "tts" if "tts_config" in c else "duplex" if c["dep_q"] else "stt"


def mlx_named(name):
    return "mlx" in name


def bits(name):
    return int(name[-1]) if name.endswith(("-q4", "-q8")) else None


def shrink(c, dim=256):
    """Fewer and narrower layers and a small vocabulary; what else the configuration says stays."""
    c = copy.deepcopy(c)
    full, depformer = c["dim"], c["depformer_dim"]
    c |= {"dim": dim, "num_heads": 4, "num_layers": 2, "text_card": PIECES}
    c |= {"depformer_dim": dim, "depformer_num_heads": 4, "depformer_num_layers": 1}
    if c.get("depformer_dim_feedforward") is not None:
        c["depformer_dim_feedforward"] = c["depformer_dim_feedforward"] * dim // depformer
    if c.get("depformer_low_rank_embeddings"):
        c["depformer_low_rank_embeddings"] = 64
    for conditioner in (c.get("conditioners") or {}).values():
        spec = conditioner[conditioner["type"]]
        spec["dim"] = dim if spec["dim"] == full else spec["dim"]
    return c


def random_lm(c, seed=1):
    """moshi_mlx's model with weights under which tokens vary."""
    mx.random.seed(seed)
    lm = models.Lm(models.LmConfig.from_config_dict(c))
    lm.set_dtype(mx.bfloat16)
    weights = []
    for name, value in tree_flatten(lm.parameters()):
        if "norm" not in name or name.endswith("learnt_padding"):
            embeds = "emb" in name and "low" not in name and "out" not in name
            scale = 1.0 if embeds or not value.size else value.shape[-1] ** -0.5
            value = (mx.random.normal(value.shape) * scale).astype(value.dtype)
        # The published TTS has its eight tensors of conditions in float32.
        weights.append((name, value.astype(mx.float32) if name.startswith("condition_provider") else value))
    lm.load_weights(weights)
    return lm


def to_pytorch(lm, c):
    """Kyutai's PyTorch names: the inverse of ``Lm.load_pytorch_weights``."""
    own, out = dict(tree_flatten(lm.parameters())), {}
    schedule = c.get("depformer_weights_per_step_schedule") or list(range(c["dep_q"]))
    for name, value in own.items():
        if name == "out_norm.weight":
            out["out_norm.alpha"] = value[None, None]
        elif name.startswith("audio_embs."):
            out["emb." + name.removeprefix("audio_embs.")] = value
        elif name.startswith("transformer.") and name.endswith((".norm1.weight", ".norm2.weight")):
            out[name.replace(".weight", ".alpha")] = value[None, None]
        elif not name.startswith("depformer."):
            out[name.replace("in_proj.weight", "in_proj_weight")] = value
    for s in range(c["dep_q"]):
        piece = f"depformer.slices.{s}"
        out[f"linears.{s}.weight"] = own[f"{piece}.linear_out.weight"]
        embedding = "depformer_text_emb" if s == 0 else f"depformer_emb.{s - 1}"
        for part in ("", ".low_rank", ".out1", ".out2"):
            if f"{piece}.emb{part}.weight" in own:
                out[f"{embedding}{part}.weight"] = own[f"{piece}.emb{part}.weight"]
    if not schedule:
        return out
    # Every chunk of the weights from the first slice that uses it; a chunk that no slice uses is like the first.
    first = [schedule.index(i) if i in schedule else 0 for i in range(max(schedule) + 1)]
    for i, s in enumerate(first):
        piece = f"depformer.slices.{s}"
        out[f"depformer_in.{i}.weight"] = own[f"{piece}.linear_in.weight"]
        for layer in range(c["depformer_num_layers"]):
            for part in ("linear_in", "linear_out"):
                at = f"transformer.layers.{layer}.gating.{part}.weight"
                out[f"depformer.layers.{layer}.gating.{i}.{part}.weight"] = own[f"{piece}.{at}"]
    for layer in range(c["depformer_num_layers"]):
        to, at = f"depformer.layers.{layer}", f"transformer.layers.{layer}"
        for norm in ("norm1", "norm2"):
            out[f"{to}.{norm}.alpha"] = own[f"depformer.slices.0.{at}.{norm}.weight"][None, None]
        for theirs, ours in (("in_proj_weight", "in_proj.weight"), ("out_proj.weight", "out_proj.weight")):
            out[f"{to}.self_attn.{theirs}"] = mx.concatenate(
                [own[f"depformer.slices.{s}.{at}.self_attn.{ours}"] for s in first]
            )
    return out


def header(shapes, *, padded=True, null=False):
    """Start of a safetensors file with these tensors, name → (dtype, shape), and the size of the whole file."""
    entries, at = {}, 0
    for name in sorted(shapes, key=lambda n: (-BYTES[shapes[n][0]], n)):
        dtype, shape = shapes[name]
        size = int(np.prod(shape)) * BYTES[dtype]
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    if null:
        entries["__metadata__"] = None
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8 if padded else 0)
    return struct.pack("<Q", len(text)) + text, 8 + len(text) + at


def write_hole(path, shapes, **options):
    """A file of the full size of which only the header is written."""
    start, size = header(shapes, **options)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return size


def save_pytorch(path, tensors, metadata=None):
    """As safetensors.torch does: wider dtypes first, then by name, the header padded to eight bytes."""
    codes = {mx.bfloat16: "BF16", mx.float32: "F32"}
    names = sorted(tensors, key=lambda n: (-BYTES[codes[tensors[n].dtype]], n))
    entries, data, at = {"__metadata__": metadata} if metadata else {}, [], 0
    for name in names:
        value = tensors[name]
        raw = np.array(value.view(mx.uint16) if value.dtype == mx.bfloat16 else value).tobytes()
        entries[name] = {
            "dtype": codes[value.dtype], "shape": list(value.shape), "data_offsets": [at, at + len(raw)],
        }  # fmt: skip
        at += len(raw)
        data.append(raw)
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def save_lm(path, lm, c, *, mlx, bits=None):
    """Write weights under one of the two namings, quantised as Kyutai's script for MLX does."""
    if bits:
        nn.quantize(lm, bits=bits, group_size=GROUPS[bits])
    if mlx:
        lm.save_weights(str(path))
    else:
        save_pytorch(path, to_pytorch(lm, c))


def file_name(c, key):
    return c.get(key) or FALLBACKS[key][0]


def build(folder, name, mimi, c=None):
    """Write the scaled-down model of a configuration; returns the configuration.

    ``mimi`` is a codec's directory: its weights are linked, and its ``mimi_config.json`` copied where it has one.
    """
    c = c or shrink(config(name), 256 if bits(name) else 128)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(c, indent=2))
    (folder / file_name(c, "mimi_name")).symlink_to(mimi / "mimi-generated.safetensors")
    if (mimi / "mimi_config.json").exists():
        shutil.copy(mimi / "mimi_config.json", folder)
    (folder / file_name(c, "tokenizer_name")).write_bytes(spm.model(c["text_card"]))
    save_lm(folder / file_name(c, "moshi_name"), random_lm(c), c, mlx=mlx_named(name), bits=bits(name))
    if kind(c) == "tts" and "speaker_wavs" in (c.get("conditioners") or {}):
        write_voices(folder / "voices", c)
    return c


def write_voices(folder, c):
    """A voice with metadata, one without, one as MLX writes it (``"__metadata__": null``)."""
    folder.mkdir()
    random, ending = np.random.default_rng(0), "{sig}@{epoch}.safetensors".format(**c["model_id"])
    dim = c["conditioners"]["speaker_wavs"]["tensor"]["dim"]
    values = [mx.array((random.standard_normal((1, dim, 125)) * 0.7).astype(np.float32)) for _ in range(3)]
    described = {key: str(value) for key, value in c["model_id"].items()}
    save_pytorch(folder / f"described.wav.{ending}", {"speaker_wavs": values[0]}, described)
    save_pytorch(folder / f"bare.wav.{ending}", {"speaker_wavs": values[1]})
    mx.save_safetensors(str(folder / f"by_mlx.wav.{ending}"), {"speaker_wavs": values[2]})


def small_mimi(folder):
    """Write a Mimi with 1/16 of the filters and the published codebooks, for what has to be fast."""
    size = sizes.mimi_config("tiny", 32) | {"quantizer_bins": 2048}
    write_mimi(folder, "mimi-generated.safetensors", size, 0)
    return folder
