"""Configurations for generated checkpoints: the published sizes, and tiny ones that test the same code fast.

The full ones are those of kyutai/stt-1b-en_fr, kyutai/tts-1.6b-en_fr and kyutai/moshiko-mlx (7B): what a step
costs depends on these numbers and not on the values of the weights.
"""

import copy
from typing import Any, Literal, get_args

from workbench.moshi.layout import MIMI_202407

Kind = Literal["stt", "tts", "duplex", "mimi"]
Size = Literal["tiny", "full"]
KINDS: tuple[str, ...] = get_args(Kind)
SIZES: tuple[str, ...] = get_args(Size)

Config = dict[str, Any]

_COMMON: Config = {
    "causal": True,
    "layer_scale": None,
    "positional_embedding": "rope",
    "depformer_pos_emb": "none",
}


def _lm(dim: int, heads: int, layers: int, context: int, period: int, text: int, card: int) -> Config:
    return _COMMON | {
        "dim": dim,
        "num_heads": heads,
        "num_layers": layers,
        "context": context,
        "max_period": period,
        "text_card": text,
        "card": card,
    }


def _depformer(dim: int, heads: int, layers: int, feedforward: int, slices: int) -> Config:
    return {
        "depformer_dim": dim,
        "depformer_num_heads": heads,
        "depformer_num_layers": layers,
        "depformer_dim_feedforward": feedforward,
        "dep_q": slices,
    }


def _conditioners(speaker_dim: int, lut_dim: int) -> Config:
    strengths = ["1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0"]

    def lut(values: list[str]) -> Config:
        spec = {"n_bins": len(values), "dim": lut_dim, "tokenizer": "noop", "possible_values": values}
        return {"type": "lut", "lut": spec}

    return {
        "control": lut(["ok"]),
        "cfg": lut(strengths),
        "speaker_wavs": {"type": "tensor", "tensor": {"dim": speaker_dim}},
    }


def lm_config(kind: Kind, size: Size) -> Config:
    """The LM's part of ``config.json``."""
    full = size == "full"
    books = 32 if full else 8
    card = 2048 if full else 512
    if kind == "stt":
        c = _lm(2048, 16, 16, 750, 100_000, 8000, 2048) if full else _lm(256, 4, 2, 96, 10_000, 320, card)
        c |= _depformer(1024 if full else 64, 16 if full else 2, 6 if full else 1, 4096 if full else 192, 0)
        c |= {"n_q": books, "delays": [0] * (books + 1), "extra_heads_num_heads": 4, "extra_heads_dim": 6}
        # Half a second is 6.25 frames; Kyutai's own server configuration writes 6.
        c["stt_config"] = {"audio_delay_seconds": 0.5, "audio_silence_prefix_seconds": 0.0}
    elif kind == "tts":
        c = _lm(2048, 16, 16, 500, 10_000, 8000, 2048) if full else _lm(256, 4, 2, 96, 10_000, 320, card)
        c |= _depformer(1024 if full else 64, 16 if full else 2, 4 if full else 1, 3072 if full else 192, books)
        schedule = [*range(8), *[8] * 8, *[9] * 8, *[10] * 8] if full else [0, 1, 2, 3, 4, 4, 5, 5]
        c |= {
            "n_q": books,
            "delays": [0, 0] + [2] * (books - 1),
            "depformer_weights_per_step_schedule": schedule,
            "depformer_low_rank_embeddings": 128 if full else 64,
            "demux_second_stream": True,
            "cross_attention": True,
            "conditioners": _conditioners(512 if full else 64, 16 if full else 64),
            "tts_config": {"audio_delay": 1.28, "second_stream_ahead": 2},
            "model_id": {"sig": "generated", "epoch": 0},
        }
    else:
        c = _lm(4096, 32, 32, 3000, 10_000, 32_000, 2048) if full else _lm(256, 4, 2, 96, 10_000, 320, card)
        generated = 8 if full else 4
        c |= _depformer(1024 if full else 64, 16 if full else 2, 6 if full else 1, 4096 if full else 192, generated)
        c |= {"n_q": 2 * generated, "delays": [0] + ([0] + [1] * (generated - 1)) * 2}
        # moshi_mlx's config_v0_1 gives the published model a rotary period for its depformer that is never used.
        c |= {"depformer_context": generated, "depformer_max_period": 10_000}
    return c


def mimi_codebooks(c: Config) -> int:
    """Codebooks an LM of this configuration needs from Mimi: the more of those it hears and those it says."""
    return max(int(c["dep_q"]), int(c["n_q"]) - int(c["dep_q"]))


def mimi_config(size: Size, codebooks: int) -> Config:
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
