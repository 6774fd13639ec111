"""Train the TTS: words in, the codec tokens of one voice out, both 0.64 s apart in one stream."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from training import checkpoint
from training.lm import ZERO, Lm, LmConfig
from training.settings import CHECKPOINTS, SEED, TOKENIZER
from training.streams import Take, folder, takes
from training.tokenizer import NEW_WORD, PAD, size, word_ids

DELAY = 8  # steps from text to audio (config: audio_delay 0.64 s)
CODE_DELAYS = (0, 1, 1, 1, 1, 1, 1, 1)  # steps by which each codebook lags the first
STEP = 0.08  # s
IGNORED = -100
PASSES, BATCH = 1, 24
WEIGHTS = torch.tensor([3.0, 2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0])  # of the codebooks' losses
PATH = CHECKPOINTS / "tts.pt"


@dataclass(frozen=True)
class Example:
    """Text fed (L), the model's wish for a new word where it is free to have one (L), codes (books, L)."""

    text: np.ndarray
    wish: np.ndarray
    codes: np.ndarray


def example(take: Take, ids: dict[str, int]) -> Example:
    """Lay one utterance out as `moshi_mlx`'s state machine feeds it: new-word token, word, then padding."""
    books, frames = take.codes.shape
    length = frames + DELAY + 1
    text, free = np.full(length, PAD), np.ones(length, bool)
    free[:2] = False  # initial padding
    last = -1
    for word, start, _ in take.words:
        first = max(int(start / STEP), last + 1)
        last = first + 1
        text[first], text[last], free[last] = NEW_WORD, ids[word], False
    end = max(int(take.words[-1][2] / STEP) + 1, last + 1)  # where it asks for a word and there is none
    wish = np.where(text == NEW_WORD, NEW_WORD, PAD)
    wish[end] = NEW_WORD
    wish[~free] = IGNORED
    wish[end + 1 :] = IGNORED
    codes = np.full((books, length), ZERO)
    for book, late in enumerate(CODE_DELAYS):
        begin = DELAY + late
        count = min(frames, length - begin)
        codes[book, begin : begin + count] = take.codes[book, :count]
    return Example(text, wish, codes)


def join(parts: list[Take], rng: np.random.Generator) -> Take:
    """Several utterances said one after another, as a long reply is."""
    codes: list[np.ndarray] = []
    words: list[tuple[str, float, float]] = []
    at = 0
    for number, take in enumerate(parts):
        skip = 0 if number == 0 else max(0, int(take.words[0][1] / STEP) - 1)
        end = int(take.words[-1][2] / STEP) + 1 + int(rng.integers(1, 4))
        if number == len(parts) - 1:
            end = take.codes.shape[1]
        codes.append(take.codes[:, skip:end])
        shift = (at - skip) * STEP
        words += [(word, start + shift, stop + shift) for word, start, stop in take.words]
        at += codes[-1].shape[1]
    return Take(np.concatenate(codes, 1), words, 0)


def draw(pool: list[Take], ids: dict[str, int], rng: np.random.Generator) -> list[Example]:
    """A batch of about BATCH x 50 frames, its replies of like length: one utterance, or up to ten seconds."""
    frames = int(rng.choice([20, 45, 75, 115]))
    made = []
    for _ in range(max(6, BATCH * 50 // max(50, frames))):
        parts = [pool[rng.integers(len(pool))]]
        while sum(take.codes.shape[1] for take in parts) < frames - 20:
            parts.append(pool[rng.integers(len(pool))])
        made.append(example(join(parts, rng), ids))
    return made


def _collate(items: list[Example]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(item.text) for item in items)

    def pad(array: np.ndarray, value: int) -> np.ndarray:
        room = [(0, 0)] * (array.ndim - 1) + [(0, longest - array.shape[-1])]
        return np.pad(array, room, constant_values=value)

    text = torch.from_numpy(np.stack([pad(item.text, PAD) for item in items]))
    wish = torch.from_numpy(np.stack([pad(item.wish, IGNORED) for item in items]))
    codes = torch.from_numpy(np.stack([pad(item.codes, ZERO) for item in items]).astype(np.int64))
    return text, wish, codes


def losses(model: Lm, items: list[Example], train: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of the new-word wish, and of each codebook (books)."""
    text, wish, codes = _collate(items)
    batch, books, _length = codes.shape
    card = model.cfg.card
    text_in = torch.cat([torch.full((batch, 1), model.cfg.text_card), text[:, :-1]], 1)
    audio_in = torch.cat([torch.full((batch, books, 1), ZERO), codes[:, :, :-1]], 2)
    # Before its first frame a codebook is fed its padding token, later zero; 8-bit embeddings of moshi_mlx look
    # up the last row, which is padding, for zero: both are learnt.
    waiting = torch.where(torch.rand(batch, 1) < 0.75, card, ZERO)
    for book, late in enumerate(CODE_DELAYS):
        audio_in[:, book, 1 + late : 1 + late + DELAY] = waiting
        audio_in[:, book, : 1 + late] = card
    known = codes[:, 0] >= 0
    target = codes.permute(0, 2, 1)[known]
    before = target
    if train:
        changed = (torch.rand(audio_in.shape) < 0.12) & (audio_in >= 0) & (audio_in < card)
        audio_in = torch.where(changed, torch.randint(0, card, audio_in.shape), audio_in)
        kept = torch.randint(1, books + 6, (batch, 1, 1))
        # Now and then nothing of the past audio is known: what is said must come from the text.
        forgotten = (torch.rand(batch, 1, audio_in.shape[2]) < 0.35 * torch.rand(batch, 1, 1)) & (audio_in < card)
        audio_in = torch.where(forgotten, ZERO, audio_in)
        hidden_books = (torch.arange(books)[None, :, None] >= kept) & (audio_in < card)
        audio_in = torch.where(hidden_books, ZERO, audio_in)
        changed = (torch.rand(target.shape) < 0.1) & (target >= 0)
        before = torch.where(changed, torch.randint(0, card, target.shape), target)
    hidden = model(text_in, audio_in)
    asked = F.cross_entropy(model.text_linear(hidden).flatten(0, 1), wish.flatten(), ignore_index=IGNORED)
    logits = model.codes(hidden[known], text[known], before)
    smooth = 0.05 if train else 0.0
    each = [
        F.cross_entropy(logits[:, k], target[:, k], ignore_index=ZERO, label_smoothing=smooth) for k in range(books)
    ]
    return asked, torch.stack(each)


def train(steps: int, peak: float = 1.2e-3) -> None:
    """Train up to step `steps`, going on from the last checkpoint; print the losses on held-out sentences."""
    torch.manual_seed(SEED)
    streams = folder()
    ids = word_ids(TOKENIZER)
    pool = [t for p in range(PASSES) for t in takes(streams / f"tts-{p}.npz", {"units": None}, p, "clean") if t.words]
    held = takes(streams / "tts-test.npz", {"units-test": None}, 90, "clean")
    tests = [example(take, ids) for take in held if take.words][:48]
    model = Lm(LmConfig(text_card=size(TOKENIZER), context=250, generated=8, dropout=0.15))
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.9, 0.98), weight_decay=0.1)
    step, state = 0, checkpoint.load(PATH)
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    print(f"tts: {len(pool)} takes, from step {step} of {steps}", flush=True)
    rng = np.random.default_rng((SEED, step))
    began, sums, count = time.monotonic(), np.zeros(9), 0
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = checkpoint.cosine(step, steps, peak)
        model.train()
        asked, each = losses(model, draw(pool, ids, rng), True)
        loss = 0.5 * asked + (each * WEIGHTS).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        sums += [asked.item(), *each.tolist()]
        count, step = count + 1, step + 1
        if step % 100 == 0:
            model.eval()
            with torch.no_grad():
                asked, each = losses(model, tests, False)
            mean = " ".join(f"{v:.2f}" for v in sums / count)
            held_out = " ".join(f"{v:.2f}" for v in [asked.item(), *each.tolist()])
            print(f"{step} {time.monotonic() - began:.0f}s train {mean} | held out {held_out}", flush=True)
            sums, count = np.zeros(9), 0
        if step % 300 == 0 or step == steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoint.save(PATH, **state, step=step, config=model.config())
