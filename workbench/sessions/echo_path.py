"""Echo path from loudspeaker to microphone: its forms in ``session.json``, and the agent's sound through it.

A path is a list of taps (delay and gain), an impulse response, or a preset. A loudspeaker that distorts is a soft clip
before it. Whatever asks for a frame of echo gets the same samples, in whatever order frames are asked for: a frame is
convolved by itself, from the same window of what was played.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.arrays import Audio, Floats
from workbench.errors import WorkbenchError, quoted
from workbench.sessions.echo_presets import PRESETS, preset_response
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, ms_to_samples

LONGEST_RESPONSE = 12_000
"""Samples of an impulse response at most: 0.5 s."""
_MOST_DELAY_MS = 2000

_WINDOW = 4 * SAMPLE_RATE
_MOST_LAG = 2 * SAMPLE_RATE
_MOST_WINDOWS = 12
_CLEAR = 8.0
"""The correlation's peak must stand out this many times over its spread, or nothing is claimed."""

PlacedSounds = Sequence[tuple[int, Audio]]
"""(first sample at the loudspeaker, PCM) of each sound, in order."""


@dataclass(frozen=True)
class EchoPath:
    """How the loudspeaker is heard by the microphone; false where it is not.

    Attributes:
        taps: (delay in samples, linear gain) of each.
        delay: samples until the first value of the impulse response.
        response: impulse response, linear; empty where ``taps`` say all.
        clip: level, linear full scale, towards which the loudspeaker saturates; 0 does not distort.
    """

    taps: tuple[tuple[int, float], ...] = ()
    delay: int = 0
    response: tuple[float, ...] = ()
    clip: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.taps or self.response)

    @property
    def reach(self) -> int:
        """Samples after the end of a sound until its echo is over."""
        return max([self.delay + len(self.response), *(delay for delay, _ in self.taps)])

    @property
    def key(self) -> list[Any]:
        """What names the path in keys of caches."""
        taps: list[Any] = [list(tap) for tap in self.taps]
        return [*taps, self.delay, list(self.response), self.clip] if self.response or self.clip else taps

    def distorted(self, pcm: Audio) -> Audio:
        """What the loudspeaker makes of its samples: ``clip * tanh(pcm / clip)``, which leaves soft sounds alone."""
        if not self.clip:
            return pcm
        level = np.float32(self.clip)
        bent: Audio = level * np.tanh(pcm / level)
        return bent

    def parts(self, wave: Floats) -> Iterator[tuple[int, Floats]]:
        """A whole sound as the microphone hears it, in double precision: (samples later, wave) of each part."""
        from scipy.signal import oaconvolve

        loud = self.clip * np.tanh(wave / self.clip) if self.clip else wave
        for delay, gain in self.taps:
            yield delay, loud * gain
        if self.response:
            yield self.delay, oaconvolve(loud, np.asarray(self.response))

    def echo(self, played: PlacedSounds, start: int, stop: int) -> Audio:
        """The agent's sound at the microphone in samples [start, stop), both at a frame's border.

        Args:
            played: what the loudspeaker played.
            start: first sample.
            stop: first sample after.
        """
        out = np.zeros(stop - start, dtype=np.float32)
        for at, pcm in played:
            loud = self.distorted(pcm) if self.taps else pcm
            for delay, gain in self.taps:
                begin = at + delay
                a, b = max(begin, start), min(begin + len(loud), stop)
                if a < b:
                    out[a - start : b - start] += np.float32(gain) * loud[a - begin : b - begin]
        if self.response:
            near = [(at, pcm) for at, pcm in played if at < stop and at + len(pcm) + self.reach > start]
            for first in range(start, stop, FRAME_SAMPLES) if near else ():
                out[first - start : first - start + FRAME_SAMPLES] += self._convolved(near, first)
        return out

    def _convolved(self, played: PlacedSounds, first: int) -> Audio:
        """One frame of what was played through the impulse response."""
        before = len(self.response) - 1
        begin = first - self.delay - before
        window = np.zeros(before + FRAME_SAMPLES, dtype=np.float32)
        for at, pcm in played:
            a, b = max(at, begin), min(at + len(pcm), begin + len(window))
            if a < b:
                window[a - begin : b - begin] += pcm[a - at : b - at]
        if not window.any():
            return np.zeros(FRAME_SAMPLES, dtype=np.float32)
        size = 2 * (len(self._spectrum) - 1)
        spectrum = np.fft.rfft(self.distorted(window).astype(np.float64), size) * self._spectrum
        return np.fft.irfft(spectrum, size)[before : before + FRAME_SAMPLES].astype(np.float32)

    @cached_property
    def _spectrum(self) -> npt.NDArray[np.complex128]:
        size = 1 << (len(self.response) + FRAME_SAMPLES - 2).bit_length()
        return np.fft.rfft(np.asarray(self.response, dtype=np.float64), size)


def parse_echo(echo: Mapping[str, Any] | None) -> EchoPath:
    """The path that ``session.json`` describes; see :func:`check_echo`."""
    if echo is None:
        return EchoPath()
    clip = 10 ** (echo["clip_dbfs"] / 20) if "clip_dbfs" in echo else 0.0
    if "preset" in echo:
        return preset_path(echo["preset"], clip)
    taps = tuple((ms_to_samples(delay), 10 ** (gain / 20)) for delay, gain in echo.get("taps", ()))
    return EchoPath(taps, echo.get("delay_samples", 0), tuple(map(float, echo.get("response", ()))), clip)


def raised_echo(echo: Mapping[str, Any], gain_db: float) -> dict[str, Any]:
    """An echo path as ``session.json`` holds it, louder by so many dB; a preset becomes its impulse response."""
    rest = {key: value for key, value in echo.items() if key == "clip_dbfs"}
    if "taps" in echo:
        return {"taps": [[delay, gain + gain_db] for delay, gain in echo["taps"]], **rest}
    path = parse_echo(echo)
    values = [float(f"{value * 10 ** (gain_db / 20):.6g}") for value in path.response]
    return {"delay_samples": path.delay, "response": values, **rest} if path else {"taps": []}


def preset_path(name: str, clip: float = 0.0) -> EchoPath:
    """The path of a preset; none where the microphone does not hear the loudspeaker."""
    found = preset_response(name)
    return EchoPath(delay=found[0], response=found[1], clip=clip) if found else EchoPath()


def round_trip(mic: Path, agent: Path) -> dict[str, Any] | None:
    """Where the agent track is found in the microphone track.

    Up to twelve windows of 4 s with the agent speaking are correlated with the microphone. The tracks are aligned by
    time stamps, so the lag left is the way through the air and what the stamps do not know of.

    Returns:
        ``lag_samples`` (median), ``lag_spread_samples`` (largest minus smallest), ``gain_db`` and ``windows``; None
        where the agent is not heard.
    """
    found = []
    with soundfile.SoundFile(mic) as heard, soundfile.SoundFile(agent) as played:
        count = max(1, played.frames // _WINDOW)
        for index in np.unique(np.linspace(0, count - 1, min(count, 4 * _MOST_WINDOWS)).astype(int)):
            played.seek(int(index) * _WINDOW)
            near = played.read(_WINDOW, dtype="float32")
            heard.seek(int(index) * _WINDOW)
            far = heard.read(_WINDOW + _MOST_LAG, dtype="float32")
            if (lag := find_lag(far, near)) is not None:
                found.append(lag)
            if len(found) == _MOST_WINDOWS:
                break
    if not found:
        return None
    lags = [lag for lag, _ in found]
    return {
        "lag_samples": int(np.median(lags)),
        "lag_spread_samples": max(lags) - min(lags),
        "gain_db": round(float(np.median([gain for _, gain in found])), 1),
        "windows": len(found),
    }


def find_lag(far: npt.NDArray[np.float32], near: npt.NDArray[np.float32]) -> tuple[int, float] | None:
    """Lag in samples (negative where ``far`` is early) and gain in dB of ``near`` in ``far``, if clearly there."""
    energy = float(np.dot(near, near))
    if energy < 1e-6 * len(near) or len(far) < len(near) // 2:
        return None
    size = 1 << (len(far) + len(near)).bit_length()
    spectrum = np.fft.rfft(near, size)
    correlation = np.fft.irfft(np.fft.rfft(far, size) * np.conj(spectrum), size)
    correlation = np.concatenate([correlation[-SAMPLE_RATE // 4 :], correlation[:_MOST_LAG]])
    peak = int(np.argmax(np.abs(correlation)))
    spread = float(np.sqrt(np.mean(np.square(correlation))))
    height = abs(float(correlation[peak]))
    if spread == 0 or height < _CLEAR * spread:
        return None
    return peak - SAMPLE_RATE // 4, 20 * float(np.log10(height / energy))


def check_echo(echo: Any, where: str) -> Mapping[str, Any] | None:
    """Check an echo path: one of three forms, and perhaps a loudspeaker that distorts.

    ``{"taps": [[delay_ms, gain_db], ...]}``, ``{"delay_samples": N, "response": [...]}`` or ``{"preset": NAME}``;
    ``clip_dbfs`` and ``measured`` (what ``workbench echo`` found) may stand with any of them.

    Raises:
        WorkbenchError: names ``where`` and the part that is wrong.
    """
    if echo is None:
        return None
    forms = ({"taps"}, {"delay_samples", "response"}, {"preset"})
    if not isinstance(echo, dict) or set(echo) - {"clip_dbfs", "measured"} not in forms:
        raise WorkbenchError(
            f'{where}: echo must be {{"taps": [[delay_ms, gain_db], ...]}}, {{"delay_samples": N, "response": [...]}} '
            'or {"preset": NAME}, perhaps with clip_dbfs'
        )
    _check_taps(echo.get("taps", []), where)
    delay, response = echo.get("delay_samples", 0), echo.get("response", [0.0])
    if type(delay) is not int or not 0 <= delay <= ms_to_samples(_MOST_DELAY_MS):
        raise WorkbenchError(f"{where}: echo delay_samples {quoted(delay)} must be a whole number from 0 to 48000")
    good = isinstance(response, list) and 1 <= len(response) <= LONGEST_RESPONSE
    if not good or not all(type(value) in (int, float) and abs(value) <= 10 for value in response):
        raise WorkbenchError(f"{where}: echo response must be 1 to {LONGEST_RESPONSE} numbers from -10 to 10")
    if "preset" in echo and echo["preset"] not in PRESETS:
        raise WorkbenchError(f"{where}: echo preset {quoted(echo['preset'])} must be one of {', '.join(PRESETS)}")
    clip = echo.get("clip_dbfs", 0)
    if type(clip) not in (int, float) or not -60 <= clip <= 0:
        raise WorkbenchError(f"{where}: echo clip_dbfs {quoted(clip)} must be a level from -60 to 0 dBFS")
    if not isinstance(echo.get("measured", {}), dict):
        raise WorkbenchError(f"{where}: echo measured must be an object")
    return dict(echo)


def _check_taps(taps: Any, where: str) -> None:
    if not isinstance(taps, list):
        raise WorkbenchError(f'{where}: echo must be {{"taps": [[delay_ms, gain_db], ...]}}')
    for tap in taps:
        good = isinstance(tap, list) and len(tap) == 2 and all(type(v) in (int, float) for v in tap)
        if not good or not 0 <= tap[0] <= _MOST_DELAY_MS or not -120 <= tap[1] <= 20:
            raise WorkbenchError(f"{where}: echo tap {quoted(tap)} must be [0–2000 ms, -120–20 dB]")
