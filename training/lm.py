"""The STT and TTS transformers in PyTorch, under the tensor names of Kyutai's checkpoints."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ZERO = -1  # a token whose embedding is exactly zero


@dataclass(frozen=True)
class LmConfig:
    """Sizes of a delayed-streams model; every inner size divides by 64, the group of the 8-bit weights."""

    text_card: int
    card: int = 512
    codebooks: int = 8
    dim: int = 256
    heads: int = 8
    layers: int = 4
    context: int = 128  # steps
    max_period: int = 10_000
    generated: int = 0  # codebooks made by the depformer
    depformer_dim: int = 128
    depformer_heads: int = 4
    depformer_layers: int = 2
    depformer_hidden: int = 192
    pause_heads: int = 0
    dropout: float = 0.1


class Norm(nn.Module):
    """RMS norm with its gain under Kyutai's name."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-8) * self.alpha


class Gating(nn.Module):
    """A gated feed-forward."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.linear_in = nn.Linear(dim, 2 * hidden, bias=False)
        self.linear_out = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.linear_in(x).chunk(2, -1)
        return self.linear_out(F.silu(gate) * value)


def _rotate(x: Tensor, period: int) -> Tensor:
    """Interleaved rotary positions over (batch, heads, time, size)."""
    size = x.shape[-1]
    angle = torch.arange(x.shape[2]).float()[:, None] * period ** (-torch.arange(0, size, 2).float() / size)
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention over a limited past."""

    def __init__(self, cfg: LmConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.in_proj_weight = nn.Parameter(torch.randn(3 * cfg.dim, cfg.dim) / math.sqrt(cfg.dim) * 0.7)
        self.out_proj = nn.Linear(cfg.dim, cfg.dim, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, time, dim = x.shape
        heads = self.cfg.heads
        qkv = F.linear(x, self.in_proj_weight).view(batch, time, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        query, key = _rotate(qkv[0], self.cfg.max_period), _rotate(qkv[1], self.cfg.max_period)
        # Written out: at these lengths it is several times as fast on a CPU as the fused kernel's backward pass.
        scores = query @ key.transpose(2, 3) / math.sqrt(dim // heads) + mask.to(query.dtype)
        y = scores.softmax(-1).to(query.dtype) @ qkv[2]
        return self.out_proj(y.transpose(1, 2).reshape(batch, time, dim))


class Layer(nn.Module):
    """Attention and feed-forward, each after a norm."""

    def __init__(self, cfg: LmConfig) -> None:
        super().__init__()
        self.norm1, self.norm2 = Norm(cfg.dim), Norm(cfg.dim)
        self.self_attn, self.gating = Attention(cfg), Gating(cfg.dim, 11 * cfg.dim // 4)
        self.dropout = cfg.dropout

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + F.dropout(self.self_attn(self.norm1(x), mask), self.dropout, self.training)
        return x + F.dropout(self.gating(self.norm2(x)), self.dropout, self.training)


class Embedding(nn.Module):
    """Vectors by token; the zero token gives zeros."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, dim) * 0.1)

    def forward(self, token: Tensor) -> Tensor:
        rows = torch.cat([self.weight, self.weight.new_zeros(1, self.weight.shape[1])])
        return F.embedding(torch.where(token == ZERO, len(self.weight), token), rows)


class _DepformerAttention(nn.Module):
    def __init__(self, slices: int, dim: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(slices * 3 * dim, dim) / math.sqrt(dim) * 0.7)
        self.out_proj = nn.Module()
        self.out_proj.weight = nn.Parameter(torch.randn(slices * dim, dim) / math.sqrt(dim) * 0.5)


class DepformerLayer(nn.Module):
    """One layer over the codebooks of a step, with its own weights for each codebook."""

    def __init__(self, cfg: LmConfig) -> None:
        super().__init__()
        self.slices, self.heads = cfg.generated, cfg.depformer_heads
        dim = cfg.depformer_dim
        self.norm1, self.norm2 = Norm(dim), Norm(dim)
        self.self_attn = _DepformerAttention(self.slices, dim)
        self.gating = nn.ModuleList(Gating(dim, cfg.depformer_hidden) for _ in range(self.slices))

    def forward(self, x: Tensor) -> Tensor:
        count, slices, dim = x.shape
        weight = self.self_attn.in_proj_weight.view(slices, 3 * dim, dim)
        qkv = torch.einsum("nkd,ked->nke", self.norm1(x), weight)
        qkv = qkv.view(count, slices, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
        y = y.transpose(1, 2).reshape(count, slices, dim)
        x = x + torch.einsum("nkd,ked->nke", y, self.self_attn.out_proj.weight.view(slices, dim, dim))
        normed = self.norm2(x)
        return x + torch.stack([gate(normed[:, k]) for k, gate in enumerate(self.gating)], 1)


class Lm(nn.Module):
    """Text and audio streams summed into one transformer; text, pauses and codebooks read from it."""

    def __init__(self, cfg: LmConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.text_emb = Embedding(cfg.text_card + 1, cfg.dim)
        self.emb = nn.ModuleList(Embedding(cfg.card + 1, cfg.dim) for _ in range(cfg.codebooks))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(Layer(cfg) for _ in range(cfg.layers))
        self.out_norm = Norm(cfg.dim)
        self.text_linear = nn.Linear(cfg.dim, cfg.text_card, bias=False)
        if cfg.pause_heads:
            self.extra_heads = nn.ModuleList(nn.Linear(cfg.dim, 6, bias=False) for _ in range(cfg.pause_heads))
        if cfg.generated:
            self._add_depformer(cfg)

    def _add_depformer(self, cfg: LmConfig) -> None:
        size, count = cfg.depformer_dim, cfg.generated
        self.depformer = nn.Module()
        self.depformer.layers = nn.ModuleList(DepformerLayer(cfg) for _ in range(cfg.depformer_layers))
        self.depformer_in = nn.ModuleList(nn.Linear(cfg.dim, size, bias=False) for _ in range(count))
        self.linears = nn.ModuleList(nn.Linear(size, cfg.card, bias=False) for _ in range(count))
        self.depformer_text_emb = Embedding(cfg.text_card + 1, size)
        self.depformer_emb = nn.ModuleList(Embedding(cfg.card + 1, size) for _ in range(count - 1))

    def config(self) -> dict[str, object]:
        """The sizes, for the checkpoint."""
        return asdict(self.cfg)

    def forward(self, text: Tensor, audio: Tensor) -> Tensor:
        """Inputs of each step, text (B, T) and audio (B, codebooks, T), to hidden states (B, T, dim)."""
        x = self.text_emb(text)
        for k, embedding in enumerate(self.emb):
            x = x + embedding(audio[:, k])
        x = F.dropout(x, self.cfg.dropout, self.training)
        ago = torch.arange(text.shape[1])[:, None] - torch.arange(text.shape[1])
        mask = torch.zeros(ago.shape).masked_fill((ago < 0) | (ago > self.cfg.context), -torch.inf)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            for layer in self.transformer.layers:
                x = layer(x, mask)
        return self.out_norm(x.float())

    def codes(self, hidden: Tensor, text: Tensor, target: Tensor) -> Tensor:
        """Logits (N, generated, card) of each codebook, given the ones before it in `target`."""
        inputs = [self.depformer_in[0](hidden) + self.depformer_text_emb(text)]
        inputs += [
            self.depformer_in[k](hidden) + self.depformer_emb[k - 1](target[:, k - 1])
            for k in range(1, self.cfg.generated)
        ]
        x = torch.stack(inputs, 1)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            for layer in self.depformer.layers:
                x = layer(x)
            return torch.stack([linear(x[:, k]) for k, linear in enumerate(self.linears)], 1).float()
