"""Headroom: cost of a step against the 80 ms it may take, alone and with STT and TTS in turn on one device."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from workbench.arrays import Audio
from workbench.config import StepCostsConfig
from workbench.errors import WorkbenchError
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.doctor import Finding, probe
from workbench.moshi.sizes import Kind
from workbench.simulation.step_costs import Profile, make_profile
from workbench.units import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, ms_to_samples

TEXT = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep for a while."
_WARM = 3
"""Steps left out of the statistics: the first ones compile kernels."""

T = TypeVar("T")


@dataclass
class Timings:
    """Milliseconds per step, by what was done."""

    ms: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], T]) -> T:
        """Do it and note what it took."""
        begun = time.perf_counter()
        out = work()
        self.ms.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
        return out

    def quantile(self, name: str, q: float) -> float:
        """A quantile of one kind of step, the first steps left out."""
        values = self.ms[name]
        return float(np.quantile(values[_WARM:] if len(values) > 2 * _WARM else values, q))


def measure(models: Mapping[Kind, Checkpoint], steps: int, voice: str = "") -> Timings:
    """Each role alone, then STT and TTS turn about, as they share one device.

    Args:
        models: by role; those that are there are timed.
        steps: of each kind.
        voice: of the TTS.
    """
    t = Timings()
    frames = probe(steps).reshape(-1, FRAME_SAMPLES)
    if "duplex" in models:
        _duplex(models["duplex"], frames, t)
    hear = _stt(models["stt"], frames, t) if "stt" in models else None
    speak = _tts(models["tts"], steps, voice, t) if "tts" in models else None
    if hear and speak:
        for frame in frames:
            begun = time.perf_counter()
            t.time("stt_shared", partial(hear, frame))
            t.time("tts_shared", speak)
            t.ms.setdefault("pair", []).append((time.perf_counter() - begun) * 1000)
    return t


def _stt(checkpoint: Checkpoint, frames: Audio, t: Timings) -> Callable[[Audio], object]:
    from workbench.moshi.stt import DsmStt

    stt = t.time("stt_load", lambda: DsmStt(checkpoint))
    stream = stt.open()
    for frame in frames:
        t.time("stt", partial(stream.step, frame))
    for _ in range(5):
        stream = t.time("stt_reset", stt.open)
        stream.step(frames[0])
    return stream.step


def _tts(checkpoint: Checkpoint, steps: int, voice: str, t: Timings) -> Callable[[], object]:
    from workbench.moshi.tts import DsmTts, TtsOptions

    tts = t.time("tts_load", lambda: DsmTts(checkpoint, TtsOptions(voice=voice)))

    def endless() -> Iterator[object]:
        while True:
            yield from t.time("tts_start", partial(tts.synthesize, TEXT, 0))

    speech = endless()
    for _ in range(steps):
        t.time("tts", partial(next, speech))
    return partial(next, speech)


def _duplex(checkpoint: Checkpoint, frames: Audio, t: Timings) -> None:
    from workbench.moshi.duplex import Duplex

    duplex = t.time("duplex_load", lambda: Duplex(checkpoint))
    stream = duplex.open(0)
    for frame in frames:
        t.time("duplex", partial(stream.step, frame))


def report(t: Timings) -> Iterator[Finding]:
    """A line per kind of step, then the verdict."""
    for name, values in t.ms.items():
        if name.endswith(("_load", "_start", "_reset")):
            yield Finding("headroom", "ok", f"{name:12} {np.median(values):8.1f} ms, {len(values)} timed")
            continue
        p50, p99 = t.quantile(name, 0.5), t.quantile(name, 0.99)
        room = 1 - p99 / FRAME_MS
        text = f"{name:12} {p50:8.1f} ms p50 {p99:8.1f} ms p99 of {FRAME_MS} ms, headroom {room:.0%}"
        yield Finding("headroom", "ok" if room > 0 else "note", text)
    yield verdict({name: t.quantile(name, 0.99) for name in t.ms})


def verdict(p99: Mapping[str, float]) -> Finding:
    """How STT and TTS may run here.

    Args:
        p99: step costs in ms, by kind.

    >>> str(verdict({"stt": 30.0, "tts": 60.0, "pair": 95.0}))
    'ok    verdict    serial: in turn there is time, both at once need 95.0 ms of every 80 ms'
    """
    late = [f"{role} {p99[role]:.1f} ms" for role in ("stt", "tts", "duplex") if p99.get(role, 0.0) > FRAME_MS]
    if late:
        return Finding("verdict", "bad", f"not at all: {' and '.join(late)} of {FRAME_MS} ms")
    if "pair" not in p99:
        alone = " and ".join(role for role in ("stt", "tts", "duplex") if role in p99)
        return Finding("verdict", "ok", f"{alone} keeps up")
    if p99["pair"] > FRAME_MS:
        text = f"serial: in turn there is time, both at once need {p99['pair']:.1f} ms of every {FRAME_MS} ms"
        return Finding("verdict", "ok", text)
    return Finding("verdict", "ok", f"shared: both at once need {p99['pair']:.1f} ms of every {FRAME_MS} ms")


def profile(t: Timings, lm: StepCostsConfig) -> Profile:
    """Step costs for replays on this machine's profile. The LM's are the config's: nothing was asked of one here."""
    missing = [s for s in ("stt", "tts") if s not in t.ms]
    if missing:
        raise WorkbenchError(f"a profile needs stt and tts measured, there is no {' and no '.join(missing)} model")
    costs = {s: [round(ms * SAMPLE_RATE / 1000) for ms in t.ms[s]] for s in ("stt", "stt_reset", "tts_start", "tts")}
    costs["stt"], costs["tts"] = costs["stt"][_WARM:], costs["tts"][_WARM:]
    costs["lm_first"], costs["lm_token"] = [ms_to_samples(lm.lm_ttft_ms)], [ms_to_samples(lm.lm_token_ms)]
    return make_profile(costs, f"{platform.system()} {platform.machine()}, LM costs taken from the config")
