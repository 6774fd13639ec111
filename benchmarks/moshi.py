"""The Moshi stages against the sequential reference loops, in one run, on the same frames, with the same tokens.

The reference is what moshi_mlx's and the delayed-streams scripts do: encode a frame, step ``LmGen``, read the token,
next frame. Tokens are compared before any time is printed. Runs of the two alternate, so that a machine that slows down
slows both.

    python benchmarks/moshi.py                   tiny LMs, the published codec: what the loops themselves cost
    python benchmarks/moshi.py --size full       the published sizes; needs 12 GB of memory and patience without a GPU
    python benchmarks/moshi.py --frames 10000 --only long-stt
    python benchmarks/moshi.py --frames 10000 --only long-duplex
    python benchmarks/moshi.py --only nano       the shipped models on MLX's CPU back end and in NumPy
    python benchmarks/moshi.py --only codec --frames 25      Mimi of the published size: the same two, and rustymimi
    python benchmarks/moshi.py --only equal --frames 5000    codes and samples of nano's Mimi, MLX's against NumPy's
    python benchmarks/moshi.py --only batch      nano hears eight recordings, 1, 2, 4 and 8 at once
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import rustymimi
from moshi_mlx import models, utils

from workbench.moshi import nano
from workbench.moshi.checkpoint import Checkpoint, find
from workbench.moshi.codec import Codec, MlxCodec, NumpyCodec, RustyCodec
from workbench.moshi.doctor import probe
from workbench.moshi.duplex import Duplex, DuplexOptions
from workbench.moshi.generate import Recipe, init
from workbench.moshi.stt import DsmStt
from workbench.moshi.tts import DsmTts, TtsOptions
from workbench.units import FRAME_MS, FRAME_SAMPLES

Spent = np.ndarray
"""Wall and processor seconds."""


def clock() -> Spent:
    """Now, on both clocks."""
    return np.array([time.perf_counter(), time.process_time()])


TEXT = "A quarter past nine."


def reference_stt(stt: DsmStt, frames: np.ndarray) -> tuple[list[int], Spent]:
    """Encode, step, read; one frame after the other. Tokens and seconds."""
    c, lm = stt.model.checkpoint, stt.model.lm
    tokenizer = rustymimi.Tokenizer(str(c.mimi), num_codebooks=c.codebooks)
    for cache in lm.transformer_cache:
        cache.reset()
    sampler = utils.Sampler(top_k=25, temp=0)
    gen = models.LmGen(lm, max_steps=len(frames), text_sampler=sampler, audio_sampler=sampler)
    tokens = []
    begun = clock()
    for frame in frames:
        codes = mx.array(tokenizer.encode_step(frame[None, None])).transpose(0, 2, 1)[:, :, : c.codebooks]
        token, heads = gen.step_with_extra_heads(codes[0])
        tokens.append(int(token[0].item()))
        _ = [float(h[0, 0, 0].item()) for h in heads]
    return tokens, clock() - begun


def ours_stt(stt: DsmStt, frames: np.ndarray, *, known: bool) -> tuple[list[str], Spent]:
    """The stage: all frames known, as when a recording is replayed, or one at a time. Pieces and seconds."""
    stream = stt.open()
    begun = clock()
    steps = stream.steps(frames.reshape(-1)) if known else [stream.step(f) for f in frames]
    return [s.piece for s in steps], clock() - begun


def bench_stt(c: Checkpoint, frames: np.ndarray, runs: int) -> None:
    """Two ways through the stage against the reference."""
    stt = DsmStt(c)
    pairs = {True: [], False: []}
    for _ in range(runs):
        tokens, reference = reference_stt(stt, frames)
        for known, times in pairs.items():
            pieces, ours = ours_stt(stt, frames, known=known)
            if pieces != [stt.model.piece(t) for t in tokens]:
                sys.exit("the tokens differ: no comparison")
            times.append((reference, ours))
    for known, times in pairs.items():
        show("stt, frames known" if known else "stt, frame by frame", len(frames), times)


def bench_duplex(c: Checkpoint, frames: np.ndarray, runs: int) -> None:
    """The dialogue loop: nothing can be known ahead, so only the loop itself can be faster."""
    duplex = Duplex(c, DuplexOptions(temperature=0.0))
    pairs = []
    for _ in range(runs):
        tokens, reference = reference_duplex(duplex, frames)
        stream = duplex.open()
        begun = clock()
        pieces = [stream.step(f).piece for f in frames]
        pairs.append((reference, clock() - begun))
        if pieces != [duplex.model.piece(t) for t in tokens]:
            sys.exit("the tokens differ: no comparison")
    show("duplex, frame by frame", len(frames), pairs)


def reference_duplex(duplex: Duplex, frames: np.ndarray) -> tuple[list[int], Spent]:
    """run_inference's loop."""
    c, lm = duplex.model.checkpoint, duplex.model.lm
    tokenizer = rustymimi.Tokenizer(str(c.mimi), num_codebooks=c.codebooks)
    for cache in lm.transformer_cache:
        cache.reset()
    gen = models.LmGen(
        lm,
        max_steps=len(frames),
        text_sampler=utils.Sampler(top_k=25, temp=0),
        audio_sampler=utils.Sampler(top_k=250, temp=0),
    )
    tokens = []
    begun = clock()
    for frame in frames:
        codes = mx.array(tokenizer.encode_step(frame[None, None])).transpose(0, 2, 1)[:, :, : lm.cfg.other_codebooks]
        tokens.append(int(gen.step(codes[0])[0].item()))
        said = gen.last_audio_tokens()
        if said is not None:
            tokenizer.decode_step(np.array(said[:, :, None]).astype(np.uint32))
    return tokens, clock() - begun


def bench_tts(c: Checkpoint, runs: int) -> None:
    """One chunk spoken, decoded frame by frame: moshi_mlx's generate, then the stage. Frames are steps here."""
    tts = DsmTts(c, TtsOptions(decoder="mlx", lm="mlx"))
    pairs = []
    steps = 0
    for _ in range(runs):
        seen, reference = reference_tts(tts)
        begun = clock()
        speech = tts.synthesize(TEXT, 0)
        for _ in speech:
            pass
        pairs.append((reference, clock() - begun))
        steps = speech.steps
        if not np.array_equal(np.stack(speech.tokens), np.concatenate(seen)):
            sys.exit("the tokens differ: no comparison")
    show("tts, step by step", steps, pairs)


def reference_tts(tts: DsmTts) -> tuple[list[np.ndarray], Spent]:
    """TTSModel.generate with decoding in ``on_frame``, as MLX-Harmony does it."""
    model, mimi, seen = tts._tts, tts.codec.mimi, []
    own, model.mimi = model.mimi, mimi
    attributes = model.make_condition_attributes([tts.voice.path], tts.options.cfg)
    entries = model.prepare_script([TEXT], padding_between=tts.options.padding_between)

    def on_frame(frame: mx.array) -> None:
        seen.append(np.array(frame))
        np.array(mimi.decode_step(frame[:, :, None]))

    mx.random.seed(0)
    begun = clock()
    model.generate([entries], [attributes], on_frame=on_frame)
    taken = clock() - begun
    model.mimi = own
    return seen, taken


def show(name: str, frames: int, pairs: list[tuple[Spent, Spent]], same: str = ", same tokens") -> None:
    """Median over the runs of each ratio: by the clock on the wall, and by processor time, which load leaves alone."""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    for kind, index in (("wall", 0), ("CPU", 1)):
        ratios = sorted(reference[index] / ours[index] for reference, ours in pairs)
        a, b = (float(np.median([pair[side][index] for pair in pairs])) / frames * 1000 for side in (0, 1))
        print(
            f"{name:20} {kind:4} reference {a:8.2f} ms/frame   workbench {b:8.2f} ms/frame   "
            f"{np.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(pairs)} runs){same}, {load}"
        )


def bench_nano(frames: np.ndarray, runs: int) -> None:
    """Both roles of the shipped models, every frame encoded or decoded, by MLX (the reference) and as they run here."""
    hears, speaks = (find(nano.folder() / kind) for kind in ("stt", "tts"))
    stts = [DsmStt(hears, codec="mlx", lm="mlx"), DsmStt(hears)]
    ttss = [DsmTts(speaks, TtsOptions(decoder="mlx", lm="mlx")), DsmTts(speaks)]

    def hear(stt: DsmStt) -> tuple[list[str], Spent]:
        pieces, spent = ours_stt(stt, frames, known=False)
        return pieces, spent

    def speak(tts: DsmTts) -> tuple[list[list[int]], Spent]:
        speech = tts.synthesize(f"{TEXT} hello how are you", 0)
        begun = clock()
        for _ in speech:
            pass
        steps.append(speech.steps)
        return [tokens.tolist() for tokens in speech.tokens], clock() - begun

    steps: list[int] = []
    heard, spoken = [], []
    for run in range(runs + 1):  # the first run warms up
        for models_, how, pairs in ((stts, hear, heard), (ttss, speak, spoken)):
            (wanted, reference), (found, ours) = (how(model) for model in models_)
            if wanted != found:
                sys.exit("the tokens differ: no comparison")
            if run:
                pairs.append((reference, ours))
    show("nano, encode + STT", len(frames), heard)
    show("nano, TTS + decode", steps[0], spoken)


def bench_codec(c: Checkpoint, frames: np.ndarray, runs: int) -> None:
    """Mimi alone, one frame after the other: NumPy against MLX's CPU back end, then against rustymimi."""
    ours = NumpyCodec(c.mimi, c.mimi_config, c.codebooks)
    mlx, rusty = MlxCodec(c.mimi, c.mimi_config, c.codebooks), RustyCodec(c.mimi, c.codebooks)
    codes = np.concatenate([mlx.encode(frame) for frame in frames])

    def seconds(codec: Codec, work: str) -> Spent:
        codec.reset()
        begun = clock()
        for item in frames if work == "encode" else codes:
            getattr(codec, work)(item)
        return clock() - begun

    for name, other in (("moshi_mlx", mlx), ("rustymimi", rusty)):
        for work in ("encode", "decode"):
            seconds(ours, work)
            pairs = [(seconds(other, work), seconds(ours, work)) for _ in range(runs)]
            show(f"{work}, {name}", len(frames), pairs, "")


def bench_equal(count: int, seed: int) -> None:
    """Nano's Mimi: codes of MLX and NumPy, and samples decoded from the same codes, over many frames."""
    c = find(nano.folder() / "tts")
    mlx, ours = (kind(c.mimi, c.mimi_config, c.codebooks) for kind in (MlxCodec, NumpyCodec))
    speech = np.concatenate([pcm for pcm in DsmTts(c).synthesize(TEXT, seed) if pcm is not None])
    half = probe(count // 2, seed)
    spoken = np.resize(speech, count * FRAME_SAMPLES - len(half)) + 0.003 * probe(count - count // 2, seed + 1)
    frames = np.concatenate([half, spoken.astype(np.float32)]).reshape(-1, FRAME_SAMPLES)
    different, apart = 0, 0.0
    for frame in frames:
        codes = mlx.encode(frame)[0]
        different += int((codes != ours.encode(frame)[0]).sum())
        apart = max(apart, float(np.abs(mlx.decode(codes) - ours.decode(codes)).max()))
    total = len(frames) * c.codebooks
    print(
        f"nano's Mimi, {len(frames)} frames, noise and speech: {total - different} of {total} codes equal "
        f"({1 - different / total:.4%}), samples at most {apart:.1e} apart"
    )


def bench_batch(runs: int) -> None:
    """Eight recordings of different lengths heard in batches: same tokens, frames per second of processor time."""
    lengths = [30 + 15 * number for number in range(8)]
    pcm = probe(sum(lengths))
    ends = np.cumsum(lengths) * FRAME_SAMPLES
    recordings = [pcm[end - frames * FRAME_SAMPLES : end] for end, frames in zip(ends, lengths, strict=True)]
    for how in ("mlx", "numpy"):
        stt = DsmStt(find(nano.folder() / "stt"), lm=how)
        alone = [stt.open().steps(recording) for recording in recordings]
        begun = clock()
        for recording in recordings:
            stt.codec.reset()
            stt.codec.encode(recording)
        encoding = (clock() - begun)[1]
        for together in (1, 2, 4, 8):
            taken = []
            for _ in range(runs):
                begun, heard = clock(), []
                for first in range(0, 8, together):
                    group = recordings[first : first + together]
                    heard += stt.hear_together([[recording] for recording in group])
                taken.append((clock() - begun)[1])
                if [[s.piece for s in steps] for steps in heard] != [[s.piece for s in steps] for steps in alone]:
                    sys.exit("the tokens differ: no comparison")
            spent = float(np.median(taken))
            print(
                f"nano, LM by {how:5} {together} at once: {sum(lengths) / spent:6.0f} frames/s of processor time, "
                f"{sum(lengths) / max(spent - encoding, 1e-9):6.0f} without the codec, same tokens"
            )


def bench_overhead(c: Checkpoint, steps: int) -> None:
    """What the stage adds to the model's own computing: tokens in and out, random state, pieces, heads as numbers."""
    stt = DsmStt(c, lm="mlx")
    lm, frames = stt.model.lm, probe(steps).reshape(-1, FRAME_SAMPLES)
    computing, whole, inside = [], [], [0.0]
    sample, encode = lm._sample, stt.codec.encode

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            out = work(*args, **kwargs)
            if isinstance(out, tuple):  # the model's: text, audio, hidden
                mx.eval([x for x in out if x is not None], [mx.softmax(h(out[2]), axis=-1) for h in lm.extra_heads])
            inside[0] += time.perf_counter() - begun
            return out

        return run

    lm._sample, stt.codec.encode = timed(sample), timed(encode)
    stream = stt.open()
    for frame in frames:
        inside[0] = 0.0
        begun = time.perf_counter()
        stream.step(frame)
        whole.append(time.perf_counter() - begun)
        computing.append(inside[0])
    w, b = (float(np.median(x[3:])) * 1000 for x in (whole, computing))
    extra = float(np.median(np.subtract(whole, computing)[3:])) * 1000
    print(
        f"framework: step {w:.2f} ms, of which codec and model {b:.2f} ms, the rest {extra:.3f} ms: "
        f"{extra / w:.1%} of this step, {extra / FRAME_MS:.2%} of a frame of {FRAME_MS} ms"
    )


def bench_long(c: Checkpoint, frames: int) -> None:
    """Past 4096 frames and ``max_steps``: no error, and memory that does not grow."""
    stream: Any = DsmStt(c).open() if c.kind == "stt" else Duplex(c).open(0)
    block = probe(40)
    for done in range(0, frames, 40):
        if c.kind == "stt":
            stream.steps(block)
        else:
            for frame in block.reshape(-1, FRAME_SAMPLES):
                stream.step(frame)
        if done % (frames // 10) < 40 or done + 40 >= frames:
            print(
                f"  {done + 40:6} frames, resident {resident_mb():7.1f} MB, MLX {mx.get_active_memory() / 1e6:.1f} MB",
                flush=True,
            )
    print(f"long, {c.kind}: {frames} frames without error")


def resident_mb() -> float:
    """Resident memory now; the peak where /proc is not there."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--size", choices=["tiny", "full"], default="tiny", help="of the LMs; the codec is as published"
    )
    parser.add_argument("--mimi", choices=["tiny", "full"], default="full", help="of the codec")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of what `equal` hears")
    alone = ["nano", "codec", "equal", "batch", "long-stt", "long-duplex"]
    parser.add_argument("--only", choices=["stt", "duplex", "tts", "overhead", *alone])
    a = parser.parse_args()

    def wanted(name: str) -> bool:
        return a.only in (None, name) and (name not in alone or a.only == name)

    if a.mimi == "tiny" and any(wanted(name) for name in ("stt", "duplex")):
        parser.error("--mimi tiny: the reference loops of stt and duplex use rustymimi, which loads the published size")
    with tempfile.TemporaryDirectory() as folder:

        def made(kind: str) -> Checkpoint:
            path = Path(folder) / kind
            if not path.exists():
                init(path, Recipe(kind, a.size, mimi=a.mimi, bits=8 if (kind, a.size) == ("duplex", "full") else None))
            return find(path)

        frames = probe(a.frames).reshape(-1, FRAME_SAMPLES)
        if wanted("stt"):
            bench_stt(made("stt"), frames, a.runs)
        if wanted("duplex"):
            bench_duplex(made("duplex"), frames, a.runs)
        if wanted("tts"):
            bench_tts(made("tts"), a.runs)
        if wanted("nano"):
            bench_nano(frames, a.runs)
        if wanted("codec"):
            bench_codec(made("mimi"), frames, a.runs)
        if wanted("equal"):
            bench_equal(a.frames, a.seed)
        if wanted("batch"):
            bench_batch(a.runs)
        if wanted("overhead"):
            bench_overhead(made("stt"), a.frames)
        for kind in ("stt", "duplex"):
            if wanted(f"long-{kind}"):
                bench_long(made(kind), a.frames)


if __name__ == "__main__":
    main()
