"""What a step costs on this machine against the 80 ms it may cost, alone and with STT and TTS in turn on one device."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from workbench.config import Costs
from workbench.costs import Profile, make_profile
from workbench.moshi.checkpoint import Checkpoint
from workbench.moshi.doctor import Finding, probe
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


def measure_stt_tts(hears: Checkpoint, speaks: Checkpoint, steps: int, voice: str = "") -> Timings:
    """Each alone, then turn about, as they share one device."""
    from workbench.moshi.stt import DsmStt
    from workbench.moshi.tts import DsmTts, TtsOptions

    t = Timings()
    stt = t.time("stt_load", lambda: DsmStt(hears))
    tts = t.time("tts_load", lambda: DsmTts(speaks, TtsOptions(voice=voice)))
    frames = probe(steps).reshape(-1, FRAME_SAMPLES)
    stream = stt.open()
    for frame in frames:
        t.time("stt", lambda f=frame: stream.step(f))  # type: ignore[misc]
    for _ in range(3):
        stream = t.time("stt_reset", stt.open)
        stream.step(frames[0])
    speech = iter(_endless(tts, t))
    for _ in range(steps):
        t.time("tts", lambda: next(speech))
    for frame in frames:
        begun = time.perf_counter()
        t.time("stt_shared", lambda f=frame: stream.step(f))  # type: ignore[misc]
        t.time("tts_shared", lambda: next(speech))
        t.ms.setdefault("pair", []).append((time.perf_counter() - begun) * 1000)
    return t


def _endless(tts: object, t: Timings) -> Iterator[object]:
    """TTS steps without end, chunk after chunk; steps before the first frame are dearer by nothing and counted."""
    from workbench.moshi.tts import DsmTts

    assert isinstance(tts, DsmTts)
    while True:
        yield from t.time("tts_start", lambda: tts.synthesize(TEXT, 0))


def measure_duplex(checkpoint: Checkpoint, steps: int) -> Timings:
    """The dialogue model alone."""
    from workbench.moshi.duplex import Duplex

    t = Timings()
    duplex = t.time("duplex_load", lambda: Duplex(checkpoint))
    stream = duplex.open(0)
    for frame in probe(steps).reshape(-1, FRAME_SAMPLES):
        t.time("duplex", lambda f=frame: stream.step(f))  # type: ignore[misc]
    return t


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
    if "duplex" in p99:
        fits = p99["duplex"] <= FRAME_MS
        text = "duplex keeps up" if fits else f"not at all: a duplex step takes {p99['duplex']:.1f} ms of {FRAME_MS} ms"
        return Finding("verdict", "ok" if fits else "bad", text)
    late = [f"{role} {p99[role]:.1f} ms" for role in ("stt", "tts") if p99[role] > FRAME_MS]
    if late:
        return Finding("verdict", "bad", f"not at all: {' and '.join(late)} of {FRAME_MS} ms")
    if p99["pair"] > FRAME_MS:
        text = f"serial: in turn there is time, both at once need {p99['pair']:.1f} ms of every {FRAME_MS} ms"
        return Finding("verdict", "ok", text)
    return Finding("verdict", "ok", f"parallel: both at once need {p99['pair']:.1f} ms of every {FRAME_MS} ms")


def profile(t: Timings, lm: Costs) -> Profile:
    """Step costs for replays on this machine's profile. The LM's are the config's: nothing was asked of one here."""
    costs = {s: [round(ms * SAMPLE_RATE / 1000) for ms in t.ms[s]] for s in ("stt", "stt_reset", "tts_start", "tts")}
    costs["stt"], costs["tts"] = costs["stt"][_WARM:], costs["tts"][_WARM:]
    costs["lm_first"], costs["lm_token"] = [ms_to_samples(lm.lm_ttft_ms)], [ms_to_samples(lm.lm_token_ms)]
    return make_profile(costs, f"{platform.system()} {platform.machine()}, LM costs taken from the config")
