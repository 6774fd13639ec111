"""Tensor names and shapes of Kyutai's PyTorch-named files, worked out from the configuration alone.

moshi_mlx converts these names while it loads (``Lm.load_pytorch_weights``, ``Mimi.load_pytorch_weights``) and
trusts the shapes it finds; here they are known beforehand, so a file can be checked, or generated, without it.
MLX-named files have the names of the moshi_mlx module tree itself (``load.lm_shapes``).
"""

from typing import Any

from workbench.moshi.tensors import Shape

Table = dict[str, Shape]

MIMI_202407: dict[str, Any] = {
    "channels": 1,
    "sample_rate": 24000,
    "frame_rate": 12.5,
    "renormalize": True,
    "seanet": {
        "dimension": 512,
        "channels": 1,
        "causal": True,
        "nfilters": 64,
        "nresidual_layers": 1,
        "ratios": [8, 6, 5, 4],
        "ksize": 7,
        "residual_ksize": 3,
        "last_ksize": 3,
        "dilation_base": 2,
        "pad_mode": "constant",
        "true_skip": True,
        "compress": 2,
    },
    "transformer": {
        "d_model": 512,
        "num_heads": 8,
        "num_layers": 8,
        "causal": True,
        "norm_first": True,
        "bias_ff": False,
        "bias_attn": False,
        "layer_scale": 0.01,
        "positional_embedding": "rope",
        "use_conv_bias": True,
        "gating": False,
        "norm": "layer_norm",
        "context": 250,
        "max_period": 10000,
        "max_seq_len": 8192,
        "kv_repeat": 1,
        "dim_feedforward": 2048,
        "conv_layout": True,
        "use_conv_block": False,
        "cross_attention": False,
        "conv_kernel_size": 3,
    },
    "quantizer_nq": 32,
    "quantizer_bins": 2048,
    "quantizer_dim": 256,
}
"""Mimi as published (moshi_mlx ``mimi_202407``; a test compares them): the only size rustymimi knows."""


def hidden(dim: int, feedforward: int) -> int:
    """Width of a gated feed-forward: 11/4 of ``dim`` at the usual 4 × ``dim``, else 2/3 of ``feedforward``.

    >>> hidden(2048, 8192), hidden(1024, 3072)
    (5632, 2048)
    """
    return 11 * dim // 4 if feedforward == 4 * dim else 2 * feedforward // 3


def lm_table(c: dict[str, Any]) -> Table:
    """Name → shape of an LM (STT, TTS or dialogue) with the configuration ``c`` (a ``config.json``)."""
    d = c["dim"]
    t: Table = {"text_emb.weight": (c["text_card"] + 1, d), "text_linear.weight": (c["text_card"], d)}
    if c.get("demux_second_stream"):
        t |= {"text_emb.out1.weight": (d, d), "text_emb.out2.weight": (d, d)}
    t |= {f"emb.{k}.weight": (c["card"] + 1, d) for k in range(c["n_q"])}
    t["out_norm.alpha"] = (1, 1, d)
    for i in range(c["num_layers"]):
        t |= _layer(f"transformer.layers.{i}", d, bool(c.get("cross_attention")))
        if c["layer_scale"] is not None:
            t |= {f"transformer.layers.{i}.layer_scale_{k}.scale": (d,) for k in (1, 2)}
    heads, width = c.get("extra_heads_num_heads", 0), c.get("extra_heads_dim", 6)
    t |= {f"extra_heads.{i}.weight": (width, d) for i in range(heads)}
    return t | _depformer(c) | _conditioners(c)


def _layer(p: str, d: int, cross: bool) -> Table:
    h = hidden(d, 4 * d)
    t: Table = {
        f"{p}.norm1.alpha": (1, 1, d),
        f"{p}.norm2.alpha": (1, 1, d),
        f"{p}.self_attn.in_proj_weight": (3 * d, d),
        f"{p}.self_attn.out_proj.weight": (d, d),
        f"{p}.gating.linear_in.weight": (2 * h, d),
        f"{p}.gating.linear_out.weight": (d, h),
    }
    if cross:
        t |= {f"{p}.norm_cross.weight": (d,), f"{p}.norm_cross.bias": (d,)}
        t |= {f"{p}.cross_attention.in_proj_weight": (3 * d, d), f"{p}.cross_attention.out_proj.weight": (d, d)}
    return t


def _depformer(c: dict[str, Any]) -> Table:
    slices = c["dep_q"]
    if not slices:
        return {}
    d, dd, low = c["dim"], c["depformer_dim"], c.get("depformer_low_rank_embeddings")
    schedule = c.get("depformer_weights_per_step_schedule")
    chunks = max(schedule) + 1 if schedule else slices
    h, e = hidden(dd, c["depformer_dim_feedforward"]), low or dd
    t: Table = {f"depformer_in.{i}.weight": (dd, d) for i in range(chunks)}
    t |= {f"linears.{i}.weight": (c["card"], dd) for i in range(slices)}
    t["depformer_text_emb.weight"] = (c["text_card"] + 1, e)
    t |= {f"depformer_emb.{i}.weight": (c["card"] + 1, e) for i in range(slices - 1)}
    if low:
        t["depformer_text_emb.low_rank.weight"] = (dd, low)
        t |= {f"depformer_emb.{i}.low_rank.weight": (dd, low) for i in range(slices - 1)}
    if c.get("demux_second_stream"):
        t |= {f"depformer_text_emb.{n}.weight": (dd, e) for n in ("out1", "out2")}
    for i in range(c["depformer_num_layers"]):
        p = f"depformer.layers.{i}"
        t |= {f"{p}.norm1.alpha": (1, 1, dd), f"{p}.norm2.alpha": (1, 1, dd)}
        t[f"{p}.self_attn.in_proj_weight"] = (chunks * 3 * dd, dd)
        t[f"{p}.self_attn.out_proj.weight"] = (chunks * dd, dd)
        for k in range(chunks):
            t[f"{p}.gating.{k}.linear_in.weight"] = (2 * h, dd)
            t[f"{p}.gating.{k}.linear_out.weight"] = (dd, h)
    return t


def _conditioners(c: dict[str, Any]) -> Table:
    t: Table = {}
    for name, cond in sorted(c.get("conditioners", {}).items()):
        p = f"condition_provider.conditioners.{name}"
        spec = cond[cond["type"]]
        t |= {f"{p}.output_proj.weight": (c["dim"], spec["dim"]), f"{p}.learnt_padding": (1, 1, c["dim"])}
        if cond["type"] == "lut":
            t[f"{p}.embed.weight"] = (spec["n_bins"] + 1, spec["dim"])
    return t


def mimi_table(c: dict[str, Any]) -> Table:
    """Name → shape of a Mimi with the configuration ``c`` (the fields of moshi_mlx's ``MimiConfig``)."""
    s, dim = c["seanet"], c["seanet"]["dimension"]
    t = _seanet(s)
    for side in ("encoder", "decoder"):
        for i in range(c["transformer"]["num_layers"]):
            t |= _mimi_layer(f"{side}_transformer.transformer.layers.{i}", c["transformer"])
    stride = 2
    t["downsample.conv.conv.conv.weight"] = (dim, dim, 2 * stride)
    t["upsample.convtr.convtr.convtr.weight"] = (dim, 1, 2 * stride)
    bins, qdim = c["quantizer_bins"], c["quantizer_dim"]
    for side, books in (("first", 1), ("rest", c["quantizer_nq"] - 1)):
        p = f"quantizer.rvq_{side}"
        t |= {f"{p}.input_proj.weight": (qdim, dim, 1), f"{p}.output_proj.weight": (dim, qdim, 1)}
        for i in range(books):
            b = f"{p}.vq.layers.{i}._codebook"
            t |= {f"{b}.embedding_sum": (bins, qdim), f"{b}.cluster_usage": (bins,), f"{b}._initialized": (1,)}
    return t


def _conv(p: str, out: int, into: int, k: int, *, transposed: bool = False) -> Table:
    shape = (into, out, k) if transposed else (out, into, k)
    return {f"{p}.weight": shape, f"{p}.bias": (out,)}


def _seanet(s: dict[str, Any]) -> Table:
    """Encoder and decoder: modules 0, then per ratio a residual block and a (de)convolution, then 14."""
    nf, k, rk, lk = s["nfilters"], s["ksize"], s["residual_ksize"], s["last_ksize"]
    t = _conv("encoder.model.0.conv.conv", nf, s["channels"], k)
    width = nf
    for i, ratio in enumerate(reversed(s["ratios"])):
        t |= _residual(f"encoder.model.{3 * i + 1}", width, s["compress"], rk)
        t |= _conv(f"encoder.model.{3 * i + 3}.conv.conv", 2 * width, width, 2 * ratio)
        width *= 2
    t |= _conv("encoder.model.14.conv.conv", s["dimension"], width, lk)
    t |= _conv("decoder.model.0.conv.conv", width, s["dimension"], k)
    for i, ratio in enumerate(s["ratios"]):
        t |= _conv(f"decoder.model.{3 * i + 2}.convtr.convtr", width // 2, width, 2 * ratio, transposed=True)
        width //= 2
        t |= _residual(f"decoder.model.{3 * i + 3}", width, s["compress"], rk)
    return t | _conv("decoder.model.14.conv.conv", s["channels"], width, lk)


def _residual(p: str, d: int, compress: int, k: int) -> Table:
    h = d // compress
    return _conv(f"{p}.block.1.conv.conv", h, d, k) | _conv(f"{p}.block.3.conv.conv", d, h, 1)


def _mimi_layer(p: str, c: dict[str, Any]) -> Table:
    d, ff = c["d_model"], c["dim_feedforward"]
    t: Table = {f"{p}.self_attn.in_proj_weight": (3 * d, d), f"{p}.self_attn.out_proj.weight": (d, d)}
    t |= {f"{p}.linear1.weight": (ff, d), f"{p}.linear2.weight": (d, ff)}
    for i in (1, 2):
        t |= {f"{p}.norm{i}.weight": (d,), f"{p}.norm{i}.bias": (d,), f"{p}.layer_scale_{i}.scale": (d,)}
    return t
