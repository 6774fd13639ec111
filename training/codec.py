"""The nano Mimi in PyTorch: a plain SEANet and a split residual quantizer under Kyutai's tensor names.

It has no transformer, so that zero-padding it to Mimi's full size changes nothing. Convolutions are written
as matrix products over channels-last arrays: on a CPU that trains two to three times faster than conv1d.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec; the ratios are Mimi's (24 kHz to 25 Hz), followed by a stride of two."""

    filters: int = 16
    dimension: int = 64
    quantizer_dimension: int = 32
    codebooks: int = 8
    bins: int = 512
    phones: int = 64  # classes of the auxiliary phoneme heads, which are not exported
    ratios: tuple[int, ...] = (8, 6, 5, 4)


class _Weights(nn.Module):
    def __init__(self, shape: tuple[int, int, int], fan_in: int, bias: int | None) -> None:
        super().__init__()
        scale = 1 / math.sqrt(fan_in)
        self.weight = nn.Parameter((torch.rand(shape) * 2 - 1) * scale * 1.3)
        self.bias = nn.Parameter(torch.zeros(bias)) if bias else None


class Conv(nn.Module):
    """A causal convolution over (batch, time, channels); kernel = stride, 2 x stride, or any at stride 1."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, bias: bool = True, edge: bool = False):
        super().__init__()
        self.conv = nn.Module()
        self.conv.conv = _Weights((cout, cin, kernel), cin * kernel, cout if bias else None)
        self.kernel, self.stride, self.edge = kernel, stride, edge

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.conv.conv.weight, self.conv.conv.bias
        if self.kernel == 1:
            return F.linear(x, weight[:, :, 0], bias)
        batch, time, channels = x.shape
        pad = self.kernel - self.stride
        left = x[:, :1].expand(-1, pad, -1) if self.edge else x.new_zeros(batch, pad, channels)
        x = torch.cat([left, x], 1)
        if self.stride == 1 and weight.shape[0] < channels:
            # One product for all taps, then their sum: less to move than windows of many channels.
            taps = F.linear(x, weight.permute(2, 0, 1).reshape(-1, channels)).split(weight.shape[0], 2)
            y = sum(tap[:, k : k + time] for k, tap in enumerate(taps))
            return y if bias is None else y + bias
        if self.stride == 1:
            windows = torch.cat([x[:, k : k + time] for k in range(self.kernel)], 2)
        else:
            x = x.reshape(batch, time // self.stride + 1, self.stride * channels)
            windows = torch.cat([x[:, :-1], x[:, 1:]], 2)
        return F.linear(windows, weight.permute(0, 2, 1).reshape(weight.shape[0], -1), bias)


class ConvTranspose(nn.Module):
    """A causal transposed convolution with kernel 2 x stride; depthwise if `groups` is the channel count."""

    def __init__(self, cin: int, cout: int, stride: int, groups: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.convtr = nn.Module()
        shape = (cin, cout // groups, 2 * stride)
        self.convtr.convtr = _Weights(shape, 2 * cin // groups, cout if bias else None)
        self.stride, self.depthwise = stride, groups > 1

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.convtr.convtr.weight, self.convtr.convtr.bias
        batch, time, channels = x.shape
        step = self.stride
        before = torch.cat([x.new_zeros(batch, 1, channels), x[:, :-1]], 1)
        if self.depthwise:
            out = torch.stack([x * weight[:, 0, j] + before * weight[:, 0, step + j] for j in range(step)], 2)
            return out.reshape(batch, time * step, channels)
        kernel = torch.cat([weight[:, :, :step], weight[:, :, step:]], 0).permute(2, 1, 0)
        out = F.linear(torch.cat([x, before], 2), kernel.reshape(step * weight.shape[1], -1))
        out = out.reshape(batch, time * step, weight.shape[1])
        return out if bias is None else out + bias


class _Residual(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.block = nn.ModuleList([nn.ELU(), Conv(size, size // 2, 3), nn.ELU(), Conv(size // 2, size, 1)])

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.block:
            y = layer(y)
        return x + y


class _Stack(nn.Module):
    """Layers under the name `model`, fed (batch, channels, time)."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.model = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        for layer in self.model:
            x = layer(x)
        return x.transpose(1, 2)


def _encoder(cfg: CodecConfig) -> _Stack:
    size = cfg.filters
    layers: list[nn.Module] = [Conv(1, size, 7)]
    for ratio in reversed(cfg.ratios):
        layers += [_Residual(size), nn.ELU(), Conv(size, 2 * size, 2 * ratio, ratio)]
        size *= 2
    return _Stack([*layers, nn.ELU(), Conv(size, cfg.dimension, 3)])


def _decoder(cfg: CodecConfig) -> _Stack:
    size = cfg.filters * 2 ** len(cfg.ratios)
    layers: list[nn.Module] = [Conv(cfg.dimension, size, 7)]
    for ratio in cfg.ratios:
        layers += [nn.ELU(), ConvTranspose(size, size // 2, ratio), _Residual(size // 2)]
        size //= 2
    return _Stack([*layers, nn.ELU(), Conv(size, 1, 3)])


class _Named(nn.Module):
    def __init__(self, name: str, layer: nn.Module) -> None:
        super().__init__()
        self.add_module(name, layer)
        self._layer = [layer]

    def forward(self, x: Tensor) -> Tensor:
        return self._layer[0](x.transpose(1, 2)).transpose(1, 2)


class Codebook(nn.Module):
    """Vectors kept as running means of what they stand for; unused ones are drawn again from the batch."""

    DECAY = 0.98
    DEAD = 0.04  # running count below which a vector is replaced

    def __init__(self, bins: int, size: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.randn(bins, size))
        self.register_buffer("sums", torch.randn(bins, size))
        self.register_buffer("counts", torch.ones(bins))

    def nearest(self, x: Tensor) -> Tensor:
        """The index of the vector nearest to each point."""
        return ((self.vectors**2).sum(1) / 2 - x @ self.vectors.T).argmin(1)

    @torch.no_grad()
    def fit(self, x: Tensor, rounds: int = 12) -> None:
        """Start from k-means over `x` (points, size)."""
        bins = len(self.vectors)
        self.vectors.copy_(x[torch.randint(len(x), (bins,))])
        for _ in range(rounds):
            near = self.nearest(x)
            count = torch.bincount(near, minlength=bins).float()[:, None]
            total = torch.zeros_like(self.vectors).index_add_(0, near, x)
            again = x[torch.randint(len(x), (bins,))]
            self.vectors.copy_(torch.where(count > 0, total / count.clamp(min=1), again))
        self.counts.fill_(len(x) / bins / 50)
        self.sums.copy_(self.vectors * self.counts[:, None])

    @torch.no_grad()
    def update(self, x: Tensor, near: Tensor) -> None:
        """Move the running means towards the points they stood for."""
        count = torch.bincount(near, minlength=len(self.vectors)).float()
        total = torch.zeros_like(self.sums).index_add_(0, near, x)
        self.counts.mul_(self.DECAY).add_(count, alpha=1 - self.DECAY)
        self.sums.mul_(self.DECAY).add_(total, alpha=1 - self.DECAY)
        self.vectors.copy_(self.sums / self.counts.clamp(min=1e-3)[:, None])
        dead = self.counts < self.DEAD
        if dead.any():
            fresh = x[torch.randint(len(x), (int(dead.sum()),))]
            self.vectors[dead], self.sums[dead], self.counts[dead] = fresh, fresh * 0.2, 0.2


class Quantizer(nn.Module):
    """A residual quantizer with a projection on each side."""

    def __init__(self, cfg: CodecConfig, codebooks: int) -> None:
        super().__init__()
        self.input_proj = nn.Conv1d(cfg.dimension, cfg.quantizer_dimension, 1, bias=False)
        self.output_proj = nn.Conv1d(cfg.quantizer_dimension, cfg.dimension, 1, bias=False)
        self.books = nn.ModuleList(Codebook(cfg.bins, cfg.quantizer_dimension) for _ in range(codebooks))

    def _flat(self, latent: Tensor) -> Tensor:
        return self.input_proj(latent).transpose(1, 2).reshape(-1, self.input_proj.out_channels)

    @torch.no_grad()
    def fit(self, latent: Tensor) -> None:
        """Start every codebook from k-means over what the ones before it left."""
        rest = self._flat(latent)
        for book in self.books:
            book.fit(rest)
            rest = rest - book.vectors[book.nearest(rest)]

    def forward(self, latent: Tensor, quantize: bool, learn: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return output (B, dimension, T), quantized vectors (B, q, T), codes (B, books, T), commitment."""
        batch, _, time = latent.shape
        flat = self._flat(latent)
        rest, total, codes, commitment = flat, torch.zeros_like(flat), [], flat.new_zeros(())
        for book in self.books if quantize else []:
            near = book.nearest(rest.detach())
            vector = book.vectors[near]
            if learn:
                book.update(rest.detach(), near)
            commitment = commitment + F.mse_loss(rest, vector.detach())
            rest, total = rest - vector, total + vector
            codes.append(near.view(batch, time))
        vectors = flat + (total - flat).detach() if quantize else flat
        vectors = vectors.view(batch, time, -1).transpose(1, 2)
        stacked = torch.stack(codes, 1) if codes else torch.zeros(batch, 0, time, dtype=torch.long)
        return self.output_proj(vectors), vectors, stacked, commitment / len(self.books)

    def lookup(self, codes: Tensor) -> Tensor:
        """The output of given codes."""
        vectors = sum(book.vectors[codes[:, k]] for k, book in enumerate(self.books))
        return self.output_proj(vectors.transpose(1, 2))


class Codec(nn.Module):
    """Encoder, quantizer and decoder, with phoneme heads that teach codebook 0 what was said."""

    def __init__(self, cfg: CodecConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.encoder, self.decoder = _encoder(cfg), _decoder(cfg)
        size = cfg.dimension
        self.downsample = _Named("conv", Conv(size, size, 4, 2, bias=False, edge=True))
        self.upsample = _Named("convtr", ConvTranspose(size, size, 2, groups=size, bias=False))
        nn.init.constant_(self.upsample._layer[0].convtr.convtr.weight, 0.5)
        self.first, self.rest = Quantizer(cfg, 1), Quantizer(cfg, cfg.codebooks - 1)
        # Two phonemes per 80 ms frame, read from codebook 0 alone and from all codebooks.
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv1d(inputs, 96, 1), nn.ELU(), nn.Conv1d(96, 2 * cfg.phones, 1))
            for inputs in (cfg.quantizer_dimension, cfg.dimension)
        )

    def config(self) -> dict[str, object]:
        """The sizes, for the checkpoint."""
        return asdict(self.cfg)

    def latent(self, audio: Tensor) -> Tensor:
        """Audio (B, 1, samples) to latents (B, dimension, frames)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            latent = self.downsample(self.encoder(audio))
        return latent.float()

    def synthesis(self, vectors: Tensor) -> Tensor:
        """Summed outputs of both quantizers (B, dimension, frames) to audio (B, 1, samples)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            audio = self.decoder(self.upsample(vectors))
        return audio.float()

    def forward(self, audio: Tensor, quantize: bool = True) -> tuple[Tensor, list[Tensor], Tensor]:
        """Return the reconstruction, the phoneme logits of each head, and the commitment loss."""
        latent = self.latent(audio)
        first, vectors, _, loss_first = self.first(latent, quantize, self.training)
        rest, _, _, loss_rest = self.rest(latent, quantize, self.training)
        logits = [self.heads[0](vectors), self.heads[1](first + rest)]
        return self.synthesis(first + rest), logits, loss_first + loss_rest

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """Audio (B, 1, 1920 n) to codes (B, codebooks, n)."""
        latent = self.latent(audio)
        return torch.cat([self.first(latent, True, False)[2], self.rest(latent, True, False)[2]], 1)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, codebooks, n) to audio (B, 1, 1920 n)."""
        return self.synthesis(self.first.lookup(codes[:, :1]) + self.rest.lookup(codes[:, 1:]))


def _mel_bank(size: int, bands: int, rate: int = 24_000) -> Tensor:
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    bins = torch.linspace(0, rate / 2, size // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp(min=0)


class SpectralLoss(nn.Module):
    """Log-mel distance at four window sizes, and spectral convergence at two of them."""

    SCALES = ((2048, 1024, 100, True), (1024, 512, 80, False), (512, 256, 48, True), (256, 128, 24, False))

    def __init__(self) -> None:
        super().__init__()
        for size, _, bands, _ in self.SCALES:
            self.register_buffer(f"window{size}", torch.hann_window(size))
            self.register_buffer(f"bank{size}", _mel_bank(size, bands))

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """Both (B, samples)."""
        loss = made.new_zeros(())
        half = made.shape[0]
        both = torch.cat([made, true])
        for size, hop, _, convergence in self.SCALES:
            window = getattr(self, f"window{size}")
            spectrum = torch.stft(both, size, hop, window=window, return_complex=True, pad_mode="constant")
            magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
            # A floor near speech level: with a low one, matching silence outweighs matching words.
            mel = torch.log(getattr(self, f"bank{size}") @ magnitude + 0.4 * size / 2048)
            loss = loss + F.l1_loss(mel[:half], mel[half:])
            if convergence:
                error = torch.norm(magnitude[:half] - magnitude[half:])
                loss = loss + 0.3 * error / (torch.norm(magnitude[half:]) + 1e-3)
        return loss / len(self.SCALES)
