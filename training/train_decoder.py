"""Train the codec's decoder further with the encoder and codebooks fixed, so that every token stays what it was."""

from __future__ import annotations

import time

import numpy as np
import torch
import torch.nn.functional as F

from training import checkpoint
from training.codec import Codec, SpectralLoss
from training.settings import CHECKPOINTS, SEED, SPEECH
from training.speech import load
from training.streams import codec_step, load_codec

FRAME, FRAMES, BEFORE, BATCH = 1920, 14, 4, 6  # samples; frames per clip, frames of lead-in, clips per step
SHARES = {"units": 20, "tts": 3, "many": 10}  # shards of each kind of speech
PATH = CHECKPOINTS / "decoder.pt"


def _pool(rng: np.random.Generator) -> np.ndarray:
    """The TTS voice, mostly where and as loud as the TTS learns it, and some of all others; int16, whole frames."""
    parts: list[np.ndarray] = []
    for kind, shards in SHARES.items():
        for item in load(SPEECH, kind, shards):
            wave = item.audio[max(0, item.words[0][1] - FRAME) : item.words[-1][2] + 3600].astype(np.float32)
            peak = 0.7 if rng.random() < 0.6 else rng.uniform(0.3, 0.9)
            before = 0 if kind == "units" and rng.random() < 0.7 else int(rng.integers(FRAME))
            after = int(rng.choice([0.05, 0.1, 0.3]) * 24_000)
            after += -(before + len(wave) + after) % FRAME
            parts.append(np.pad(wave / np.abs(wave).max() * peak, (before, after)))
    rng.shuffle(parts)
    pool = np.concatenate(parts)
    return (pool[: len(pool) // FRAME * FRAME] * 32767).astype(np.int16)


def _codes(model: Codec, pool: np.ndarray, chunk: int = 1500) -> torch.Tensor:
    """The tokens (codebooks, frames) of the pool, in chunks with a second of lead-in."""
    found = []
    for start in range(0, len(pool) // FRAME, chunk):
        begin = max(0, start - 12)
        wave = torch.from_numpy(pool[begin * FRAME : (start + chunk) * FRAME].astype(np.float32) / 32768)
        found.append(model.encode(wave[None, None])[0, :, start - begin :])
    return torch.cat(found, 1)


def train(steps: int, peak: float = 8e-4) -> None:
    """Train up to step `steps`, going on from the last checkpoint."""
    torch.manual_seed(SEED)
    pool = _pool(np.random.default_rng(SEED))
    model, spectral = load_codec(), SpectralLoss()
    codes = _codes(model.train(), pool)  # rounded to bfloat16 on the way: few tokens change, in half the time
    moving = [*model.decoder.parameters(), *model.upsample.parameters()]
    moving += [model.first.output_proj.weight, model.rest.output_proj.weight]
    optimizer = torch.optim.AdamW(moving, peak, betas=(0.8, 0.99), weight_decay=1e-3)
    step, state = 0, checkpoint.load(PATH)
    if state and state["codec"] == codec_step():
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    print(f"decoder: {codes.shape[1] * 0.08 / 60:.0f} min of speech, from step {step} of {steps}", flush=True)
    rng = np.random.default_rng((SEED, step))
    began, total, count = time.monotonic(), 0.0, 0
    model.train()
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = checkpoint.cosine(step, steps, peak)
        starts = rng.integers(BEFORE, codes.shape[1] - FRAMES, BATCH)
        tokens = torch.stack([codes[:, s - BEFORE : s + FRAMES] for s in starts])
        true = np.stack([pool[s * FRAME : (s + FRAMES) * FRAME] for s in starts]).astype(np.float32) / 32768
        vectors = model.first.lookup(tokens[:, :1]) + model.rest.lookup(tokens[:, 1:])
        made, wanted = model.synthesis(vectors)[:, 0, BEFORE * FRAME :], torch.from_numpy(true)
        mel = spectral(made, wanted)
        loss = mel + 0.3 * F.l1_loss(made, wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(moving, 20.0)
        optimizer.step()
        total, count, step = total + mel.item(), count + 1, step + 1
        if step % 100 == 0:
            print(f"{step} {time.monotonic() - began:.0f}s mel {total / count:.4f}", flush=True)
            total, count = 0.0, 0
        if step % 200 == 0 or step == steps:
            checkpoint.save(
                PATH, model=model.state_dict(), optimizer=optimizer.state_dict(), step=step, codec=codec_step()
            )
