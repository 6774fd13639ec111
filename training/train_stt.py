"""Train the STT: codec tokens in, words and pauses out, on conversations put together as it goes."""

from __future__ import annotations

import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training import checkpoint
from training.lm import ZERO, Lm, LmConfig
from training.settings import CHECKPOINTS, SEED, TOKENIZER
from training.streams import LEAD, NOISES, TAIL, Take, folder, takes
from training.tokenizer import NEW_WORD, PAD, size, word_ids
from training.words import word_errors

STEP = 0.08  # s
DELAY = 6  # steps from the start of a word to its new-word token (config: audio_delay_seconds 0.5)
AFTER = 3  # steps from the frame in which a word ends to its own token, at the earliest
PAUSES = (0.5, 1.0, 2.0, 3.0)  # s; a head's class 0 is "this silence lasts at least so long in all"
SURE = 0.4  # of a pause: how much of it has passed before a head says so, that it may not fire in shorter holds
LENGTH, BATCH = 160, 16  # steps per conversation, conversations per batch
SHARES = {"units": 4, "tts": None, "many": None}  # shards of each kind of speech
PASSES, BEGINNINGS = 5, 2  # augmented versions of every utterance, and more of them to begin streams with
PATH = CHECKPOINTS / "stt.pt"


def events(words: list[tuple[str, float, float]], ids: dict[str, int]) -> list[tuple[int, int]]:
    """The (step, token) pairs of an utterance: a new-word token per word, then the word itself."""
    found: list[tuple[int, int]] = []
    last = -1
    for word, start, end in words:
        first = max(int(start / STEP) + DELAY, last + 1)
        last = max(first + 1, int(end / STEP) + AFTER)
        found += [(first, NEW_WORD), (last, ids[word])]
    return found


def splice(pieces: list[tuple[Take, int]]) -> Take:
    """Words cut out of several takes, one after another: sentences that no grammar makes."""
    codes: list[np.ndarray] = []
    words: list[tuple[str, float, float]] = []
    at = 0
    for number, (take, index) in enumerate(pieces):
        word, start, end = take.words[index]
        begin = max(0, int(start / STEP) - (LEAD if number == 0 else 0))
        last = index == len(take.words) - 1
        stop = take.codes.shape[1] if last else int(take.words[index + 1][1] / STEP)
        if number < len(pieces) - 1:
            stop = min(stop, int(end / STEP) + 3)
        codes.append(take.codes[:, begin : max(stop, begin + 1)])
        words.append((word, start + (at - begin) * STEP, end + (at - begin) * STEP))
        at += codes[-1].shape[1]
    return Take(np.concatenate(codes, 1), words, pieces[0][0].noise)


class Conversations:
    """Draws conversations: takes of like background one after another, with silences between them.

    Half of them begin as a listen cycle does, with one of `begin` a few frames after the codec's reset: its first
    frames sound like no others.
    """

    def __init__(self, pool: list[Take], begin: list[Take], ids: dict[str, int]) -> None:
        self.begin = [[t for t in begin if t.words and t.noise == n] for n in range(len(NOISES))]
        spoken = [take for take in pool if take.words]
        self.by_noise = [[t for t in spoken if t.noise == n] for n in range(len(NOISES))]
        self.silent = [[t for t in pool if not t.words and t.noise == n] for n in range(len(NOISES))]
        self.ids = ids

    def _silence(self, frames: int, noise: int, rng: np.random.Generator) -> np.ndarray:
        source = self.silent[noise][rng.integers(len(self.silent[noise]))].codes[:, 10:]
        at = int(rng.integers(source.shape[1] - frames)) if frames < source.shape[1] else 0
        return source[:, at : at + frames]

    def _utterance(self, noise: int, rng: np.random.Generator, *, begins: bool) -> Take:
        """A take as it is, or, half the time, words from several and the end of another."""
        some = self.by_noise[noise]
        firsts = self.begin[noise] if begins else some
        first = firsts[rng.integers(len(firsts))]
        if rng.random() < 0.5:
            return first
        pieces = [(first, 0 if begins else int(rng.integers(len(first.words))))]
        for _ in range(int(rng.integers(1, 5))):
            take = some[rng.integers(len(some))]
            pieces.append((take, int(rng.integers(len(take.words)))))
        take = some[rng.integers(len(some))]
        return splice([*pieces, (take, len(take.words) - 1)])

    @staticmethod
    def _gap(rng: np.random.Generator) -> int:
        """Frames of silence after an utterance: mostly the end of a turn, at times a short hold."""
        kind = rng.random()
        if kind < 0.7:
            return int(rng.integers(28, 50))
        return int(rng.integers(11, 26) if kind < 0.8 else rng.integers(2, 10))

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Codes (books, T), text tokens (T), pause classes (T, heads), words being said DELAY steps ago (T)."""
        noise = int(rng.integers(len(NOISES)))
        lead = int(rng.choice([0, 0, 0, 4, 12, 30]))
        parts = [self.silent[noise][rng.integers(len(self.silent[noise]))].codes[:, :lead]]
        at, gap_left = parts[0].shape[1], LEAD
        spans: list[tuple[float, float]] = []
        pairs: list[tuple[int, int]] = []
        said: list[int] = []
        while at < LENGTH:
            pick = noise if rng.random() < 0.9 else int(rng.integers(len(NOISES)))
            take = self._utterance(pick, rng, begins=not spans and not lead)
            gap = self._gap(rng)
            keep = min(TAIL, max(1, gap // 2))
            end = int(take.words[-1][2] / STEP) + 1 + keep
            gap_left = gap_left if spans or not lead else 4
            skip = 0 if not spans and not lead else max(0, int(take.words[0][1] / STEP) - max(1, gap_left))
            parts.append(take.codes[:, skip:end])
            offset = at - skip
            spans += [(start / STEP + offset, stop / STEP + offset) for _, start, stop in take.words]
            pairs += [(step + offset, token) for step, token in events(take.words, self.ids)]
            said += [self.ids[word] for word, _, _ in take.words]
            at += parts[-1].shape[1]
            gap_left = gap - keep
            if gap_left > LEAD:
                switch = noise if rng.random() < 0.85 else int(rng.integers(len(NOISES)))
                parts.append(self._silence(gap_left - LEAD, switch, rng))
                at += parts[-1].shape[1]
                gap_left = LEAD
        codes = np.concatenate(parts, 1)[:, :LENGTH].astype(np.int64)
        return codes, self._text(pairs, rng), _pauses(spans), _said(spans, said)

    @staticmethod
    def _text(pairs: list[tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
        """The text stream; now and then a token comes a step or two late, so that late ones are learnt too."""
        text = np.full(LENGTH, PAD)
        last = -1
        for step, token in pairs:
            late = int(rng.choice([0, 1, 2], p=[0.84, 0.1, 0.06]))
            last = max(step + late, last + 1)
            if last < LENGTH:
                text[last] = token
        return text


def _said(spans: list[tuple[float, float]], tokens: list[int]) -> np.ndarray:
    """The word being said DELAY steps before each, padding in silence: a target for every step, not one per word."""
    words = np.full(LENGTH, PAD)
    for (start, end), token in zip(spans, tokens, strict=True):
        words[min(LENGTH, round(start) + DELAY) : min(LENGTH, round(end) + DELAY)] = token
    return words


def _pauses(spans: list[tuple[float, float]]) -> np.ndarray:
    """The class of every step and head; a step knows the audio before it."""
    classes = np.ones((LENGTH, len(PAUSES)), np.int64)
    classes[: int(spans[0][0]) + 1] = 0  # before the first word, as long a silence as any
    for (_, end), (start, _) in zip(spans, [*spans[1:], (1e9, 1e9)], strict=False):
        for head, pause in enumerate(PAUSES):
            if (start - end) * STEP >= pause:
                begin = int(np.ceil(end + SURE * pause / STEP))
                classes[min(LENGTH, begin) : min(LENGTH, int(start) + 1), head] = 0
    return classes


def _corrupt(text: Tensor, audio: Tensor, words: int) -> tuple[Tensor, Tensor]:
    """Hide or change parts of the inputs, so that the model listens instead of trusting its own history.

    A word becomes another word and is never hidden: one that does not know whether it has said a word says it twice.
    """
    batch, books, time_ = audio.shape
    audio = torch.where(torch.rand(audio.shape) < 0.05, ZERO, audio)
    kept = torch.randint(3, books + 8, (batch, 1, 1))
    audio = torch.where(torch.arange(books)[None, :, None] >= kept, ZERO, audio)
    audio = torch.where(torch.rand(batch, 1, time_) < 0.03, ZERO, audio)
    audio = torch.where(torch.rand(audio.shape) < 0.03, torch.randint(0, 512, audio.shape), audio)
    word = (text > PAD) & (text < PAD + 1 + words)
    other = torch.randint(PAD + 1, PAD + 1 + words, text.shape)
    return torch.where(word & (torch.rand(text.shape) < 0.7), other, text), audio


def transcribe(model: Lm, batch: list[Take], ids: dict[str, int]) -> list[str]:
    """Greedy, free-running transcripts, step by step as `LmGen` does it."""
    names = {token: word for word, token in ids.items()}
    length = max(take.codes.shape[1] for take in batch) + 2
    books = model.cfg.codebooks
    audio = torch.full((len(batch), books, length), model.cfg.card)
    for row, take in enumerate(batch):
        audio[row, :, 1 : 1 + take.codes.shape[1]] = torch.from_numpy(take.codes.astype(np.int64))
    text = torch.full((len(batch), length + 1), PAD)
    text[:, 0] = model.cfg.text_card
    with torch.no_grad():
        for step in range(length):
            begin = max(0, step - 60)
            hidden = model(text[:, begin : step + 1], audio[:, :, begin : step + 1])[:, -1]
            text[:, step + 1] = model.text_linear(hidden).argmax(-1)
    return [" ".join(names[t] for t in row if t in names) for row in text.tolist()]


def _report(model: Lm, tests: dict[str, list[Take]], ids: dict[str, int]) -> str:
    model.eval()
    parts = []
    for kind, batch in tests.items():
        said = [" ".join(word for word, _, _ in take.words) for take in batch]
        errors = sum(word_errors(s, h) for s, h in zip(said, transcribe(model, batch, ids), strict=True))
        parts.append(f"{kind} {errors / sum(len(s.split()) for s in said):.3f}")
    return ", ".join(parts)


def train(steps: int, peak: float = 2e-3) -> None:
    """Train up to step `steps`, going on from the last checkpoint; print free-running word error rates."""
    torch.manual_seed(SEED)
    streams = folder()
    pool = [t for p in range(PASSES) for t in takes(streams / f"stt-{p}.npz", SHARES, p, "later")]
    begin = [t for p in range(BEGINNINGS) for t in takes(streams / f"stt-begin-{p}.npz", SHARES, 10 + p, "begin")]
    ids = word_ids(TOKENIZER)
    tests = {
        kind: [t for t in takes(streams / f"stt-begin-{kind}.npz", {kind: None}, 90, "begin") if t.words][:48]
        for kind in ("units-test", "tts-test", "seen-test", "unseen-test")
    }
    source = Conversations(pool, begin, ids)
    model = Lm(LmConfig(text_card=size(TOKENIZER), pause_heads=4, dropout=0.0))
    said = torch.nn.Linear(model.cfg.dim, model.cfg.text_card)  # helps to learn; not exported
    decayed = [p for p in [*model.parameters(), said.weight] if p.ndim == 2]
    plain = [p for p in [*model.parameters(), said.bias] if p.ndim != 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, peak, betas=(0.9, 0.98))
    step, state = 0, checkpoint.load(PATH)
    if state:
        model.load_state_dict(state["model"])
        said.load_state_dict(state["said"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    print(f"stt: {len(pool) + len(begin)} takes, from step {step} of {steps}", flush=True)
    rng = np.random.default_rng((SEED, step))
    weight = torch.ones(model.cfg.text_card)
    weight[PAD] = 0.8
    began, sums, count = time.monotonic(), np.zeros(3), 0
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = checkpoint.cosine(step, steps, peak)
        model.train()
        drawn = [source.draw(rng) for _ in range(BATCH)]
        codes, text, pauses, words = (torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
        start = torch.full((BATCH, 1), model.cfg.text_card)
        silent = torch.full((BATCH, model.cfg.codebooks, 1), model.cfg.card)
        inputs = torch.cat([start, text[:, :-1]], 1), torch.cat([silent, codes[:, :, :-1]], 2)
        hidden = model(*_corrupt(*inputs, words=len(ids)))
        spoken = F.cross_entropy(model.text_linear(hidden).flatten(0, 1), text.flatten(), weight=weight)
        heads = [
            F.cross_entropy(head(hidden).flatten(0, 1), pauses[:, :, k].flatten())
            for k, head in enumerate(model.extra_heads)
        ]
        now = F.cross_entropy(said(hidden).flatten(0, 1), words.flatten())
        loss = spoken + 0.5 * now + 0.5 * sum(heads) / len(heads)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        sums += [spoken.item(), now.item(), sum(heads).item() / len(heads)]
        count, step = count + 1, step + 1
        if step % 100 == 0:
            mean = " ".join(f"{v:.3f}" for v in sums / count)
            free = f" free-running WER {_report(model, tests, ids)}" if step % 500 == 0 else ""
            print(f"{step} {time.monotonic() - began:.0f}s text/said/pause {mean}{free}", flush=True)
            sums, count = np.zeros(3), 0
        if step % 500 == 0 or step == steps:
            parts = {"model": model.state_dict(), "said": said.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoint.save(PATH, **parts, step=step, config=model.config())
