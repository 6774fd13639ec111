"""Findings on whether this machine, with these models, is fit: each a line.

*Contract*: shapes and dtypes at every border between the packages, as moshi_mlx's and rustymimi's own calls give them.
*Bleed*: does a listen cycle after a reset equal a fresh one, bit for bit, and what does the consumer's own reset
leave behind. *Headroom* is in ``headroom``.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workbench.arrays import Audio
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.moshi.checkpoint import Checkpoint, check, find
from workbench.moshi.judge import cannot_step
from workbench.moshi.repository import is_model
from workbench.moshi.sizes import Kind
from workbench.moshi.stack import locate
from workbench.moshi.stt import DsmStt
from workbench.units import FRAME_SAMPLES

Verdict = Literal["ok", "note", "bad"]

PINNED = {"moshi_mlx": "0.3.0", "rustymimi": "0.4.1"}
"""The versions whose behaviour this package has been written and tested against."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        area: what was looked at.
        state: ``bad`` makes the machine unfit.
        text: what was found.
    """

    area: str
    state: Verdict
    text: str

    def __str__(self) -> str:
        return f"{self.state:4}  {self.area:9}  {self.text}"


def packages() -> Iterator[Finding]:
    """Versions and the back end MLX computes on."""
    for package in ("mlx", "moshi_mlx", "rustymimi", "sentencepiece", "numpy", "huggingface-hub"):
        try:
            found = version(package)
        except PackageNotFoundError:
            yield Finding("packages", "bad", f"{package} is not installed")
            continue
        wanted = PINNED.get(package)
        state: Verdict = "ok" if wanted in (None, found) else "note"
        yield Finding("packages", state, f"{package} {found}" + ("" if state == "ok" else f", tested with {wanted}"))
    try:
        import mlx.core as mx
    except ImportError as e:
        hint = 'pip install "mlx[cpu]"' if platform.system() == "Linux" else "pip install mlx"
        yield Finding("back end", "bad", f"mlx cannot be imported ({e}); {hint}")
        return
    device = str(mx.default_device().type).rpartition(".")[2]
    where = f"{platform.system()} {platform.machine()}"
    slow = "" if device == "gpu" else "; MLX runs on the CPU here, the published models need Apple's GPU for real time"
    yield Finding("back end", "ok" if device == "gpu" else "note", f"{device} on {where}{slow}")


def audio() -> Iterator[Finding]:
    """PortAudio, and what its default devices can do; only recording needs them."""
    from workbench.recording.devices import find_device, stream_settings

    for kind in ("input", "output"):
        try:
            how = stream_settings(find_device(None, kind), kind)
        except WorkbenchError as e:
            yield Finding("audio", "note", f"{e}; only `workbench record` needs it")
            if "PortAudio" in str(e):
                return
            continue
        yield Finding("audio", "ok" if how.is_exact else "note", f"{kind}: {how.device.name}: {how.words}")


def models(config: Config) -> tuple[dict[Kind, Checkpoint], list[Finding]]:
    """The models the config names, by role, and what keeps others from being used; neither if it names none.

    Raises:
        WorkbenchError: what it names is no place for models.
    """
    a, root = config.assistant, Path(config.stack.models)
    given = {"stt": a.stt_model_path, "tts": a.tts_model_path}
    kinds: list[Kind] = ["stt", "tts", "duplex"]
    alone = bool(config.stack.models) and is_model(root)
    there: list[Kind | None] = [k for k in kinds if given.get(k) or (config.stack.models and (root / k).is_dir())]
    if config.stack.models and not there and not alone:
        why = (
            "holds no stt/, tts/ or duplex/ with a model, and is none itself" if root.is_dir() else "no such directory"
        )
        raise WorkbenchError(f"{root}: {why}")
    found: dict[Kind, Checkpoint] = {}
    bad = []
    for kind in there or [None] * alone:
        try:
            checkpoint = find(root) if kind is None else locate(config, kind)
            found[checkpoint.kind] = checkpoint
        except WorkbenchError as e:
            bad.append(Finding("models", "bad", str(e)))
    return found, bad


def model(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Files against configuration."""
    try:
        for line in check(checkpoint):
            yield Finding("models", "note" if line.startswith("note") else "ok", line.removeprefix("note").lstrip())
    except WorkbenchError as e:
        yield Finding("models", "bad", str(e))
        return
    if checkpoint.weights and (reason := cannot_step(checkpoint.config)):
        yield Finding("models", "bad", f"{checkpoint.root}: moshi_mlx cannot step this model: {reason}")
    if checkpoint.generated:
        yield Finding("models", "note", f"{checkpoint.root}: generated weights, right in shape and without meaning")


def contract(checkpoint: Checkpoint) -> Iterator[Finding]:
    """One frame through the packages' own calls: every border between them, checked."""
    import mlx.core as mx
    from moshi_mlx.models import LmGen
    from moshi_mlx.utils import Sampler

    from workbench.moshi.load import PrivateKey
    from workbench.moshi.model import load, open_codec

    lm = load(checkpoint, checkpoint.kind).lm
    books, hears = checkpoint.codebooks, lm.cfg.other_codebooks
    codec = open_codec(checkpoint)
    raw = codec.encode_raw(np.zeros(FRAME_SAMPLES, np.float32))
    yield _expect(checkpoint, "encode_step(1920 samples)", raw, (1, books, 1), "uint32")
    if checkpoint.kind == "tts":
        pcm = codec.decode(raw[0, :, 0])  # a TTS needs its conditions to step; the headroom test speaks with it
    else:
        gen = LmGen(lm, max_steps=8, text_sampler=Sampler(temp=0), audio_sampler=Sampler(temp=0))
        with PrivateKey(0).use():
            stepped = [
                gen.step_with_extra_heads(mx.array(raw).transpose(0, 2, 1)[:, :, :hears][0])
                for _ in range(max(lm.delays, default=0) + 2)
            ]
        text, heads = stepped[-1]
        yield _expect(
            checkpoint, "codes as the LM keeps them", gen.gen_sequence[:, 1 + lm.dep_q :, 0], (1, hears), "int32"
        )
        yield _expect(checkpoint, "text token", text, (1, 1), "int32")
        if heads:
            yield _expect(
                checkpoint, "semantic-VAD head", heads[0].astype(mx.float32), (1, 1, lm.cfg.extra_heads_dim), "float32"
            )
        elif checkpoint.kind == "stt":
            yield Finding("contract", "note", "stt: no semantic-VAD heads: stt_vad is refused for this checkpoint")
        if not lm.dep_q:
            return
        said = gen.last_audio_tokens()
        yield _expect(checkpoint, "last_audio_tokens", said, (1, lm.dep_q), "int32")
        pcm = codec.decode(np.array(said)[0].astype(np.uint32))
    yield _expect(checkpoint, "decode_step(codes)", pcm, (FRAME_SAMPLES,), "float32")


def _expect(checkpoint: Checkpoint, what: str, value: Any, shape: tuple[int, ...], dtype: str) -> Finding:
    found = str(value.dtype).rpartition(".")[2]
    good = tuple(value.shape) == shape and found == dtype
    text = f"{checkpoint.kind}: {what} is {tuple(value.shape)} {found}"
    return Finding("contract", "ok" if good else "bad", text if good else f"{text}, must be {shape} {dtype}")


def probe(frames: int, seed: int = 0) -> Audio:
    """Bursts of noise at speech level, float32 of shape (1920 frames,): something for a model to hear."""
    rng = np.random.Generator(np.random.Philox(seed))
    envelope = np.repeat(rng.random(frames * 4), FRAME_SAMPLES // 4)
    return (rng.standard_normal(frames * FRAME_SAMPLES) * 0.1 * envelope).astype(np.float32)


def bleed(stt: DsmStt, frames: int = 12) -> Iterator[Finding]:
    """Two cycles through one stack, the second against the same cycle from a clean state."""
    first, second = probe(frames, 1), probe(frames, 2)
    clean = stt.open().steps(second)
    stt.open().steps(first)
    again = stt.open().steps(second)
    same = sum(a == b for a, b in zip(again, clean, strict=True))
    text = f"after a reset {same} of {frames} steps equal a fresh start"
    yield Finding("bleed", "ok" if same == frames else "bad", text)
    stt.open().steps(first)
    left = stt.open(fresh=False).steps(second)
    other = sum(a != b for a, b in zip(left, clean, strict=True))
    text = (
        f"MLX-Harmony's own reset changes {other} of {frames} steps of the next cycle (listener = mlx-harmony shows it)"
    )
    yield Finding("bleed", "note" if other else "ok", text)


def bleed_of(checkpoint: Checkpoint) -> Iterator[Finding]:
    """:func:`bleed` of a model that is not loaded yet."""
    yield from bleed(DsmStt(checkpoint))
