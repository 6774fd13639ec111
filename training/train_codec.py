"""Train the codec on all voices, then its decoder alone with the tokens fixed."""

from __future__ import annotations

import time

import numpy as np
import torch
import torch.nn.functional as F

from training import checkpoint, speech
from training.codec import Codec, CodecConfig, SpectralLoss
from training.settings import CHECKPOINTS, SEED, SPEECH
from training.vocabulary import LEXICON

FRAMES, BATCH, GRID = 16, 6, 240  # frames per clip, clips per step, samples per phoneme label
SHARES = {"units": 4, "tts": None, "many": None}  # shards of each kind of speech
LOOK_BACK = (0.10, 0.06)  # s before the end of a frame at which its two phoneme labels are read
STRESS = "ˈˌ"
PHONES = {p: i + 1 for i, p in enumerate(sorted({c for w in LEXICON.values() for c in w} - set(STRESS)))}
PATH = CHECKPOINTS / "codec.pt"


def _labels(item: speech.Utterance) -> np.ndarray:
    """The phoneme class (0 for none) of every 10 ms; a stress mark belongs to the phoneme after it."""
    track = np.zeros(len(item.audio) // GRID + 1, np.int64)
    began = None
    for phone, begin, end in item.phones:
        if phone in STRESS:
            began = begin
            continue
        track[(begin if began is None else began) // GRID : end // GRID] = PHONES[phone]
        began = None
    return track


def _stretch(audio: np.ndarray, factor: float) -> np.ndarray:
    """Play faster (and higher) by `factor`, by linear interpolation."""
    at = np.arange(0, len(audio) - 1, factor)
    return np.interp(at, np.arange(len(audio)), audio).astype(np.float32)


def pool(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All training speech in one array of int16 samples, and the phoneme class of every 10 ms of it."""
    audio, labels = [], []
    for kind, shards in SHARES.items():
        for item in speech.load(SPEECH, kind, shards):
            wave, track = item.audio.astype(np.float32) / 32768, _labels(item)
            begin = max(0, item.words[0][1] - 1440) // GRID * GRID
            wave, track = wave[begin : item.words[-1][2] + 3600], track[begin // GRID :]
            if kind == "many" and rng.random() < 0.5:
                factor = rng.uniform(0.85, 1.18)
                wave = _stretch(wave, factor)
                track = track[np.minimum((np.arange(len(wave) // GRID) * factor).astype(int), len(track) - 1)]
            wave = wave * rng.uniform(0.25, 0.95) / max(1e-3, np.abs(wave).max())
            pause = int(rng.choice([0.0, 0.08, 0.15, 0.5]) * 24_000)
            wave = np.concatenate([wave, np.zeros(pause, np.float32)])
            wave = wave[: len(wave) // GRID * GRID]
            audio.append((wave * 32767).astype(np.int16))
            labels.append(np.resize(np.concatenate([track, np.zeros(len(wave) // GRID)]), len(wave) // GRID))
    return np.concatenate(audio), np.concatenate(labels).astype(np.int64)


def _batch(audio: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    length = FRAMES * 1920
    starts = rng.integers(20, len(labels) - length // GRID - 1, BATCH)
    clips = np.stack([audio[s * GRID : s * GRID + length] for s in starts]).astype(np.float32) / 32768
    ends = (np.arange(1, FRAMES + 1) * 8)[:, None] - (np.array(LOOK_BACK) * 100).astype(int)
    return torch.from_numpy(clips)[:, None], torch.from_numpy(labels[starts[:, None, None] + ends])


def train(steps: int, warm: int = 500, peak: float = 1e-3) -> None:
    """Train all parts for `steps` steps in all, the first `warm` without quantization."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    audio, labels = pool(rng)
    model, spectral = Codec(CodecConfig(phones=len(PHONES) + 1)), SpectralLoss()
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.8, 0.99), weight_decay=1e-3)
    step, state = 0, checkpoint.load(PATH)
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    print(f"codec: {len(audio) / 24_000 / 60:.0f} min of speech, from step {step} of {steps}", flush=True)
    rng = np.random.default_rng(SEED + 1 + step)
    began, sums, count = time.monotonic(), np.zeros(5), 0
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = checkpoint.cosine(step, steps, peak, warm=200)
        model.train()
        clip, target = _batch(audio, labels, rng)
        if step == warm:
            with torch.no_grad():
                latent = torch.cat([model.latent(_batch(audio, labels, rng)[0]) for _ in range(40)])
            model.first.fit(latent)
            model.rest.fit(latent)
        noisy = clip + torch.randn_like(clip) * (rng.random() < 0.5) * 10 ** rng.uniform(-4.3, -2.5)
        made, logits, commitment = model(noisy, step >= warm)
        mel = spectral(made[:, 0], clip[:, 0])
        phone = [F.cross_entropy(one.unflatten(1, (-1, 2)).permute(0, 1, 3, 2), target) for one in logits]
        loss = mel + 0.25 * commitment + phone[0] + phone[1] + 0.5 * F.l1_loss(made, clip)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimizer.step()
        guess = logits[0].detach().unflatten(1, (-1, 2)).argmax(1).transpose(1, 2)
        right = (guess == target)[target > 0].float().mean()
        sums += [v.item() for v in (mel, phone[0], phone[1], commitment, right)]
        count, step = count + 1, step + 1
        if step % 50 == 0:
            mean = " ".join(f"{v:.3f}" for v in sums / count)
            print(f"{step} {time.monotonic() - began:.0f}s mel/phone0/phone/commit/right {mean}", flush=True)
            sums, count = np.zeros(5), 0
        if step % 200 == 0 or step == steps:
            checkpoint.save(PATH, model=model.state_dict(), optimizer=optimizer.state_dict(), step=step)
