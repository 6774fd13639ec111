"""Configurations for generated checkpoints: the published ones, and tiny ones that test the same code fast.

The full ones are the published ``config.json`` files, key for key (``published/``): what a step costs depends on
these numbers and not on the values of the weights. The tiny ones have the same keys and smaller numbers.
"""

import copy
from typing import Any, Literal, get_args

from workbench.moshi.layout import MIMI_202407
from workbench.moshi.repository import FALLBACKS, published

ModelConfig = dict[str, Any]

Kind = Literal["stt", "tts", "duplex", "mimi"]
Size = Literal["tiny", "full"]
KINDS: tuple[str, ...] = get_args(Kind)
SIZES: tuple[str, ...] = get_args(Size)

_TINY: ModelConfig = {
    "dim": 256,
    "num_heads": 4,
    "num_layers": 2,
    "context": 96,
    "max_period": 10_000,
    "text_card": 320,
    "card": 512,
    "depformer_dim": 64,
    "depformer_num_heads": 2,
    "depformer_num_layers": 1,
}


def lm_config(kind: Kind, size: Size) -> ModelConfig:
    """The LM's part of ``config.json``: everything but the names of files."""
    c = {key: value for key, value in published(kind).items() if key not in FALLBACKS}
    return c if size == "full" else c | _TINY | _tiny(kind, c)


def _tiny(kind: Kind, published: ModelConfig) -> ModelConfig:
    if kind == "stt":
        return {"n_q": 8, "delays": [0] * 9}
    if kind == "duplex":
        return {
            "depformer_dim_feedforward": 192,
            "depformer_context": 4,
            "dep_q": 4,
            "n_q": 8,
            "delays": [0] + [0, 1, 1, 1] * 2,
        }
    conditioners: dict[str, Any] = copy.deepcopy(published["conditioners"])
    for conditioner in conditioners.values():
        conditioner[conditioner["type"]]["dim"] = 64
    return {
        "depformer_dim_feedforward": 192,
        "dep_q": 8,
        "n_q": 8,
        "delays": [0, 0] + [2] * 7,
        "depformer_weights_per_step_schedule": [0, 1, 2, 3, 4, 4, 5, 5],
        "depformer_low_rank_embeddings": 64,
        "conditioners": conditioners,
        "model_id": {"sig": "generated", "epoch": 0},
    }


def mimi_codebooks(c: ModelConfig) -> int:
    """Codebooks an LM of this configuration needs from Mimi: the more of those it hears and those it says."""
    return max(int(c["dep_q"]), int(c["n_q"]) - int(c["dep_q"]))


def mimi_config(size: Size, codebooks: int) -> ModelConfig:
    """Mimi as published, or one with 1/16 of the filters that moshi_mlx (not rustymimi) can load."""
    c = copy.deepcopy(MIMI_202407)
    c["quantizer_nq"] = codebooks
    if size == "tiny":
        c["seanet"] |= {"nfilters": 4, "dimension": 32}
        c["transformer"] |= {
            "d_model": 32, "num_heads": 2, "num_layers": 1, "dim_feedforward": 64, "context": 50,
        }  # fmt: skip
        c |= {"quantizer_bins": 512, "quantizer_dim": 16}
    return c
