"""Echo path from loudspeaker to microphone: delay and gain, estimated from both tracks; and its check."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.errors import WorkbenchError, quoted
from workbench.units import SAMPLE_RATE

_WINDOW = 4 * SAMPLE_RATE
_MOST_LAG = 2 * SAMPLE_RATE
_MOST_WINDOWS = 12
_CLEAR = 8.0
"""The correlation's peak must stand out this many times over its spread, or nothing is claimed."""


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
    """Check an echo path: ``{"taps": [[delay_ms, gain_db], ...]}``, delays from 0 to 2000 ms.

    Raises:
        WorkbenchError: names ``where`` and the tap that is wrong.
    """
    if echo is None:
        return None
    taps = echo.get("taps") if isinstance(echo, dict) else None
    if not isinstance(taps, list) or set(echo) != {"taps"}:
        raise WorkbenchError(f'{where}: echo must be {{"taps": [[delay_ms, gain_db], ...]}}')
    for tap in taps:
        good = isinstance(tap, list) and len(tap) == 2 and all(type(v) in (int, float) for v in tap)
        if not good or not 0 <= tap[0] <= 2000 or not -120 <= tap[1] <= 20:
            raise WorkbenchError(f"{where}: echo tap {quoted(tap)} must be [0–2000 ms, -120–20 dB]")
    return {"taps": taps}
