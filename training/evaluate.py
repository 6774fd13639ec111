"""Measure nano through the real path, moshi_mlx's, on held-out sentences; print what it must show."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
from moshi_mlx import models, utils
from moshi_mlx.models.mimi import Mimi, MimiConfig
from moshi_mlx.models.tts import TTSModel
from moshi_mlx.modules import SeanetConfig, TransformerConfig
from sentencepiece import SentencePieceProcessor

from training import speech
from training.export import VOICE, quantizable
from training.judge import Judge
from training.settings import CACHE, DATA, SEED, SPEECH, TESTED
from training.words import word_errors

FRAME, RATE = 1920, 24_000
TESTS = {
    "units-test": "TTS voice",
    "tts-test": "TTS speaker, fluent",
    "seen-test": "seen voices",
    "unseen-test": "unseen voices",
}
LEAD, TAIL = 30_720, 2 * RATE  # silence around each utterance of the STT's test
CYCLE_LEAD = 3 * FRAME  # as a listen cycle begins: the codec reset, then the frames heard before the gate opened
Row = tuple[str, str, str]  # what, aim, measured
FIGURES = CACHE / "figures"
PAUSE_HEAD, THRESHOLD = 2, 0.6
NOISE = 1e-3


def mimi(folder: Path) -> Mimi:
    """The codec of a checkpoint directory, sized by its `mimi_config.json`."""
    fields: dict[str, Any] = json.loads((folder / "mimi_config.json").read_text())
    fields["seanet"] = SeanetConfig(**fields["seanet"])
    fields["transformer"] = TransformerConfig(**fields["transformer"])
    codec = Mimi(MimiConfig(**fields))
    codec.load_pytorch_weights(str(folder / "mimi.safetensors"), strict=True)
    codec.set_dtype(mx.float32)
    for module in codec.modules():
        if hasattr(module, "update_in_place"):
            module.update_in_place()
    return codec


def lm(folder: Path) -> tuple[models.Lm, dict[str, Any], SentencePieceProcessor]:
    """The quantized language model of a checkpoint directory, its configuration and its tokenizer."""
    config = json.loads((folder / "config.json").read_text())
    sizes = models.LmConfig.from_config_dict(config)
    sizes.transformer.max_seq_len = sizes.transformer.context
    model = models.Lm(sizes)
    model.set_dtype(mx.bfloat16)
    mlx.nn.quantize(model, bits=8, group_size=64, class_predicate=quantizable)
    model.load_weights(str(folder / config["moshi_name"]), strict=True)
    return model, config, SentencePieceProcessor(model_file=str(folder / config["tokenizer_name"]))


def bootstrap(rows: np.ndarray, value: Callable[[np.ndarray], float]) -> str:
    """`value` of the rows, with the 95 % interval of 2,000 resamples of them."""
    rng = np.random.default_rng(SEED)
    drawn = [value(rows[rng.integers(len(rows), size=len(rows))]) for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{value(rows):.3f} [{low:.3f}, {high:.3f}] (n {len(rows)})"


def share(hits: int, count: int) -> str:
    """A proportion with its Wilson 95 % interval."""
    z, p = 1.96, hits / count
    middle, half = p + z * z / 2 / count, z * np.sqrt(p * (1 - p) / count + z * z / 4 / count**2)
    scale = 1 + z * z / count
    return f"{p:.3f} [{(middle - half) / scale:.3f}, {(middle + half) / scale:.3f}] (n {count})"


def _wer(rows: np.ndarray) -> float:
    """Rows of (errors, words)."""
    return float(rows[:, 0].sum() / rows[:, 1].sum())


def _trimmed(item: speech.Utterance) -> tuple[np.ndarray, int, int]:
    """Speech at peak 0.5 with its surroundings cut off, and where its words begin and end in it."""
    begin = max(0, item.words[0][1] - 1440)
    wave = item.audio[begin : item.words[-1][2] + 2880].astype(np.float32)
    return wave / np.abs(wave).max() * 0.5, item.words[0][1] - begin, item.words[-1][2] - begin


@dataclass
class Heard:
    """What the STT made of one recording: words, head values (steps, heads), ms per step."""

    text: str
    pauses: np.ndarray
    costs: list[float] = field(default_factory=list)


class Stt:
    """Codec and STT as a session runs them: one frame at a time, everything reset before."""

    def __init__(self, folder: Path) -> None:
        self.codec = mimi(folder)
        self.model, _, self.tokenizer = lm(folder)

    def hear(self, audio: np.ndarray) -> Heard:
        self.codec.reset_all()
        for cache in self.model.transformer_cache:
            cache.reset()
        greedy = utils.Sampler(temp=0.0)
        steps = len(audio) // FRAME
        gen = models.LmGen(self.model, max_steps=steps + 1, text_sampler=greedy, audio_sampler=greedy)
        text, pauses, costs = "", [], []
        for frame in audio[: steps * FRAME].reshape(steps, 1, 1, FRAME):
            began = time.process_time()
            codes = self.codec.encode_step(mx.array(frame)).transpose(0, 2, 1)
            token, heads = gen.step_with_extra_heads(codes[:, :, : self.model.cfg.other_codebooks][0].astype(mx.int32))
            token_id = int(token[0].item())
            pauses.append([float(head[0, 0, 0]) for head in heads])
            costs.append((time.process_time() - began) * 1e3)
            if token_id not in (0, 3):
                text += self.tokenizer.id_to_piece(token_id).replace("▁", " ")
        return Heard(text.strip(), np.array(pauses), costs)


def codec_rows(folder: Path, kind: str, limit: int) -> str:
    """WER of the reconstruction minus that of the original, over the same sentences."""
    codec, judge, rows = mimi(folder), Judge(), []
    for item in list(speech.load(SPEECH, kind))[:limit]:
        wave, _, _ = _trimmed(item)
        wave = np.pad(wave, (FRAME, 2 * FRAME - len(wave) % FRAME))
        codec.reset_all()
        made = []
        for frame in wave.reshape(-1, 1, 1, FRAME):
            made.append(np.array(codec.decode_step(codec.encode_step(mx.array(frame))))[0, 0])
        words = len(item.text.split())
        rows.append((judge.errors(item.text, np.concatenate(made)), judge.errors(item.text, wave), words))
    table = np.array(rows)
    print(f"  {TESTS[kind]}: original {_wer(table[:, 1:]):.3f}, reconstructed {_wer(table[:, ::2]):.3f}", flush=True)
    return bootstrap(table, lambda r: float((r[:, 0] - r[:, 1]).sum() / r[:, 2].sum()))


def stt_rows(stt: Stt, kind: str, limit: int, costs: list[float], lead: int = LEAD) -> dict[str, str]:
    """Word errors, pause latency and the head's values in the `lead` samples of silence before."""
    rng = np.random.default_rng(SEED)
    words, latency, before, shown = [], [], [], 0
    for item in list(speech.load(SPEECH, kind))[:limit]:
        wave, start, end = _trimmed(item)
        audio = np.pad(wave, (lead, TAIL + FRAME - len(wave) % FRAME))
        audio += rng.standard_normal(len(audio)).astype(np.float32) * NOISE
        heard = stt.hear(audio)
        costs += heard.costs
        errors = word_errors(item.text, heard.text)
        words.append((errors, len(item.text.split())))
        if errors and shown < 5:
            print(f"  {kind}: said '{item.text}', heard '{heard.text}'", flush=True)
            shown += 1
        head, now = heard.pauses[:, PAUSE_HEAD] > THRESHOLD, (np.arange(len(heard.pauses)) + 1) * FRAME
        after = np.flatnonzero(head & (now >= lead + end))
        latency.append((now[after[0]] - lead - end) / RATE if len(after) else TAIL / RATE)
        before.append(head[: (lead + start) // FRAME].mean())
    return {
        "wer": bootstrap(np.array(words), _wer),
        "latency": bootstrap(np.array(latency), lambda r: float(np.median(r))),
        "before": bootstrap(np.array(before), lambda r: float(r.mean())),
    }


def holds_row(stt: Stt, limit: int) -> str:
    """How often head 2 fires inside a hold of 0.2 to 0.8 s between two words, over all test sets."""
    rng = np.random.default_rng(SEED)
    fired = count = 0
    for kind in TESTS:
        for item in list(speech.load(SPEECH, kind))[: limit // 2]:
            if len(item.words) < 3:
                continue
            at = int(rng.integers(1, len(item.words)))
            cut = (item.words[at - 1][2] + item.words[at][1]) // 2
            hold = int(rng.uniform(0.2, 0.78) * RATE)
            gap = item.words[at][1] - item.words[at - 1][2]
            hold = max(0, min(hold, int(0.78 * RATE) - gap))
            wave = item.audio.astype(np.float32) / np.abs(item.audio).max() * 0.5
            wave = np.concatenate([np.zeros(RATE), wave[:cut], np.zeros(hold), wave[cut:], np.zeros(RATE // 2)])
            wave = wave.astype(np.float32) + rng.standard_normal(len(wave)).astype(np.float32) * NOISE
            heard = stt.hear(wave)
            now = (np.arange(len(heard.pauses)) + 1) * FRAME - RATE
            inside = (now >= item.words[at - 1][2]) & (now < item.words[at][1] + hold)
            fired += bool((heard.pauses[inside, PAUSE_HEAD] > THRESHOLD).any())
            count += 1
    return share(fired, count)


def speak(tts: TTSModel, codec: Mimi, text: str, condition: Any, costs: list[float]) -> np.ndarray:
    """Generate `text` and decode it frame by frame; the ms of each step with its decoding go to `costs`."""
    frames: list[np.ndarray] = []
    ends = [time.process_time()]

    def decode(codes: mx.array) -> None:
        frames.append(np.array(codec.decode_step(codes[:, :, None].astype(mx.uint32)))[0, 0])
        ends.append(time.process_time())

    tts.generate([tts.prepare_script([text])], [condition], on_frame=decode)
    costs += [(after - before) * 1e3 for before, after in itertools.pairwise(ends)]
    return np.concatenate(frames)


def tts_row(judge: Judge, limit: int, costs: list[float], temperature: float = 0.0) -> str:
    """WER of `TTSModel.generate` over held-out sentences, decoded frame by frame."""
    folder = DATA / "tts"
    model, config, tokenizer = lm(folder)
    codec = mimi(folder)
    tts = TTSModel(model, codec, tokenizer, temp=temperature, final_padding=2, max_padding=12, raw_config=config)
    tts.max_gen_length = 400
    condition = tts.make_condition_attributes([folder / VOICE], 1.0)
    rows = []
    for item in list(speech.load(SPEECH, "units-test"))[:limit]:
        mx.random.seed(SEED)
        audio = speak(tts, codec, item.text, condition, costs)
        rows.append((judge.errors(item.text, audio), len(item.text.split())))
    return bootstrap(np.array(rows), _wer)


def part_stt(kind: str, aim: str, limit: int) -> list[Row]:
    """Word errors, pause latency and initial silence of one test set, and the cost of its steps."""
    costs: list[float] = []
    stt, name = Stt(DATA / "stt"), TESTS[kind]
    found = stt_rows(stt, kind, limit, costs)
    cycle = stt_rows(stt, kind, limit, [], CYCLE_LEAD)["wer"]
    return [
        (f"STT WER, {name}", aim, found["wer"]),
        (f"STT WER, {name}, 0.24 s after the codec's reset", "", cycle),
        (f"pause head 2 after the end, median s, {name}", "<= 1.0", found["latency"]),
        (f"pause head 2 in initial silence, {name}", ">= 0.9", found["before"]),
        (f"encode + STT step, ms, median, {name}", "<= 20", f"{np.median(costs):.1f}"),
    ]


def part_tts(limit: int) -> list[Row]:
    """Word errors of generated speech, and the cost of its steps."""
    costs: list[float] = []
    wer = tts_row(Judge(), limit, costs)
    return [("TTS WER", "<= 0.15", wer), ("TTS step + decode, ms, median", "<= 40", f"{np.median(costs):.1f}")]


def part_codec(kind: str, aim: str, limit: int) -> list[Row]:
    """What the codec adds to the judge's errors."""
    return [(f"codec WER, reconstructed - original, {TESTS[kind]}", aim, codec_rows(DATA / "stt", kind, limit))]


PARTS: dict[str, Callable[[int], list[Row]]] = {
    "codec-tts": lambda n: part_codec("units-test", "<= 0.05", n),
    "codec-fluent": lambda n: part_codec("tts-test", "", n),
    "codec-seen": lambda n: part_codec("seen-test", "", n),
    "codec-unseen": lambda n: part_codec("unseen-test", "<= 0.15", n),
    "stt-tts": lambda n: part_stt("units-test", "<= 0.05", n),
    "stt-fluent": lambda n: part_stt("tts-test", "", n),
    "stt-seen": lambda n: part_stt("seen-test", "<= 0.08", n),
    "stt-unseen": lambda n: part_stt("unseen-test", "<= 0.20", n),
    "holds": lambda n: [("pause head 2 fired in a hold under 0.8 s", "<= 0.01", holds_row(Stt(DATA / "stt"), n))],
    "tts": part_tts,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure the parts named (all without), keep their figures, and print the table of all that are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all without; `table` measures nothing")
    parser.add_argument("--limit", type=int, default=TESTED, help="utterances per test set")
    options = parser.parse_args(arguments)
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name in options.parts or PARTS:
        if name == "table":
            continue
        if name not in PARTS:
            parser.error(f"no part {name}; there are {', '.join(PARTS)}")
        (FIGURES / f"{name}.json").write_text(json.dumps(PARTS[name](options.limit)) + "\n")
    print("| | aim | measured, 95 % interval |\n|---|---|---|")
    for name in PARTS:
        if (FIGURES / f"{name}.json").exists():
            for row in json.loads((FIGURES / f"{name}.json").read_text()):
                print(f"| {' | '.join(row)} |")
    size = sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file())
    print(f"| size, MB | <= 25 | {size / 1e6:.1f} |")


if __name__ == "__main__":
    main()
