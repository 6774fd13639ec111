"""Echo path estimated from a duplex recording: delay, clock drift, impulse response, and what is left without it.

The delay comes from windows of 2 s in which the agent speaks, each deconvolved by the agent's spectrum, so that the
echo is one sharp peak. Lags that grow with time are a drift of the clocks; the agent track is resampled by it. Then the
impulse response is the least-squares fit of the microphone by the agent where only the agent speaks, with a prior on
the size of its taps that the noise decides (Tikhonov; Lawson & Hanson 1974, chapter 25). The echo return loss
enhancement (ERLE, ITU-T G.168) is that of stretches that were not fitted: each half of the recording is cleaned with
the fit of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio, Floats
from workbench.sessions.echo_fit import BLOCK, LEAST_SAMPLES, AgentOnly, Convolver, fit_response, without_others
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.units import SAMPLE_RATE, samples_to_ms, samples_to_seconds

_LONGEST = 20 * 60 * SAMPLE_RATE
"""Samples of a session that are looked at: 20 minutes, 230 MB for both tracks."""

_SILENT_DB = -40.0
"""Below the agent's loudest blocks (99th percentile) by this much, or below -75 dBFS, the agent is silent."""
_LEAST_DBFS = -75.0
_GUARD = SAMPLE_RATE // 5
"""Samples kept away from labels of others: 0.2 s, since people begin before their label does."""

_WINDOW = 2 * SAMPLE_RATE
_MOST_WINDOWS = 60
_EARLY, _LATE = SAMPLE_RATE // 4, 2 * SAMPLE_RATE
"""Lags that are looked at: from 0.25 s early to 2 s late."""
_CLEAR = 8.0
"""A window's peak must stand out this many times over its spread: in 54 000 lags, noise alone reaches 4.5."""
_ALIKE = 12
"""Samples by which lags of one path may differ after a drift is taken out: half a millisecond."""
_LEAST_DRIFT_PPM = 3.0
"""A smaller drift is not claimed: over a minute it is less than five samples."""

_LEAST_SHIFT = 1.0
"""Samples by which the lag must shift over the recording."""

_RESPONSE = SAMPLE_RATE // 5
_BEFORE = SAMPLE_RATE // 500
"""Length of the fitted response, 0.2 s, and how much of it lies before the peak of the lags, 2 ms."""
_MOST_SAMPLES = 40 * SAMPLE_RATE
"""Agent-only samples that are fitted at most."""


@dataclass(frozen=True)
class EchoEstimate:
    """An echo path as it was measured.

    Attributes:
        delay: samples from the loudspeaker's sound to the strongest echo.
        gain_db: level of the echo against the agent track where only the agent speaks.
        erle_db: by how much the microphone's level falls there when the echo is removed, on stretches not fitted.
        heard_dbfs: level of the microphone there.
        left_dbfs: its level when the echo is removed.
        drift_ppm: by how much the microphone's clock is faster than the agent track's; 0 where no drift is seen.
        start: delay of the first value of ``response``.
        response: impulse response, shape (taps,).
        seconds: agent-only audio that was used.
    """

    delay: int
    gain_db: float
    erle_db: float
    heard_dbfs: float
    left_dbfs: float
    drift_ppm: float
    start: int
    response: Floats
    seconds: float

    @property
    def measured(self) -> dict[str, float]:
        """Figures for people and for ``session.json``."""
        return {
            "delay_ms": round(samples_to_ms(self.delay), 3),
            "gain_db": round(self.gain_db, 1),
            "erle_db": round(self.erle_db, 1),
            "heard_dbfs": round(self.heard_dbfs, 1),
            "left_dbfs": round(self.left_dbfs, 1),
            "drift_ppm": round(self.drift_ppm, 1),
            "seconds": round(self.seconds, 1),
        }

    def to_json(self) -> dict[str, Any]:
        """As the key ``echo`` of ``session.json``: the response without its weakest ends, to six digits."""
        power = np.square(self.response)
        kept = np.flatnonzero(power > power.max() * 1e-6)
        first, last = max(int(kept[0]), -self.start), int(kept[-1]) + 1
        values = [float(f"{value:.6g}") for value in self.response[first:last]]
        return {"delay_samples": self.start + first, "response": values, "measured": self.measured}


def estimate_echo(session: Session, labels: Sequence[Label] | None) -> EchoEstimate | None:
    """Measure the echo path of a session; None where the microphone does not hear the agent.

    Args:
        session: with an agent track.
        labels: who else is heard when; None where nobody has said so, and what does not fit is left out.

    Raises:
        WorkbenchError: a track cannot be decoded.
    """
    length = min(session.samples, _LONGEST)
    mic, agent = session.read(0, length), session.read(0, length, "agent")
    active = _active(agent)
    if (line := _lags(mic, agent, active)) is None:
        return None
    drift, lag = 0.0, line.median
    if line.drifts:
        drift, lag = line.drift_ppm, line.offset
        for _ in range(2):  # what is left of the drift is seen better when most of it is gone
            warped = _resampled(agent, drift, length)
            if (line := _lags(mic, warped, _active(warped))) is None:
                break
            drift, lag = drift + line.drift_ppm, line.median
        agent = _resampled(agent, drift, length)
        active = _active(agent)
    start = lag - _BEFORE
    alone = _agent_only(active, labels, length)
    found = _gathered(mic, agent, alone, start)
    if found is None:
        return None
    convolver = Convolver(found.agent, min(_RESPONSE, int(found.counts.sum()) // 30))
    if labels is None:
        found = without_others(found, convolver)
    return _measured(found, convolver, start, drift)


def _blocks(wave: Audio) -> Floats:
    """RMS of each whole block of 20 ms."""
    whole = len(wave) // BLOCK * BLOCK
    levels: Floats = np.sqrt(np.mean(np.square(wave[:whole].reshape(-1, BLOCK), dtype=np.float64), axis=1))
    return levels


def _active(agent: Audio) -> npt.NDArray[np.bool_]:
    """Blocks in which the agent is heard from the loudspeaker."""
    levels = _blocks(agent)
    if not len(levels):
        return np.zeros(0, dtype=bool)
    loud = np.percentile(levels[levels > 0], 99) if (levels > 0).any() else 0.0
    return levels > max(loud * 10 ** (_SILENT_DB / 20), 10 ** (_LEAST_DBFS / 20))


@dataclass(frozen=True)
class _LagLine:
    """Lags of the windows over time: a straight line.

    Attributes:
        drift_ppm: its slope.
        offset: lag at the session's start, in samples.
        median: of the lags.
        drifts: whether the slope is more than what lags differ by anyway.
    """

    drift_ppm: float
    offset: int
    median: int
    drifts: bool


def _lags(mic: Audio, agent: Audio, active: npt.NDArray[np.bool_]) -> _LagLine | None:
    """Where the agent is found in the microphone track; None where it is not, in half of the windows at least."""
    from scipy.stats import theilslopes

    per_window = _WINDOW // BLOCK
    sums = np.add.reduceat(active, np.arange(0, len(active), per_window)) if len(active) else np.zeros(0)
    speaking = np.flatnonzero(sums >= per_window // 4)
    picked = speaking[np.unique(np.linspace(0, len(speaking) - 1, min(len(speaking), _MOST_WINDOWS)).astype(int))]
    found = [(window * _WINDOW, _peak(mic, agent, window * _WINDOW)) for window in picked.tolist()]
    times = np.asarray([at for at, lag in found if lag is not None], dtype=np.float64)
    lags = np.asarray([lag for _, lag in found if lag is not None], dtype=np.float64)
    if len(lags) < min(2, len(picked)) or not len(lags):
        return None
    slope, offset = theilslopes(lags, times)[:2] if len(lags) > 1 else (0.0, lags[0])
    near = np.abs(lags - (slope * times + offset)) <= _ALIKE
    if near.sum() < max(1, len(picked) / 2):
        return None
    ppm = float(slope) * 1e6
    drifts = abs(ppm) >= _LEAST_DRIFT_PPM and abs(slope) * np.ptp(times) >= _LEAST_SHIFT and len(lags) > 2
    return _LagLine(ppm, round(float(offset)), round(float(np.median(lags[near]))), bool(drifts))


def _peak(mic: Audio, agent: Audio, at: int) -> float | None:
    """Lag of the strongest echo of a window of the agent, between samples too, where it stands out."""
    near = agent[at : at + _WINDOW].astype(np.float64)
    begin = max(0, at - _EARLY)
    far = mic[begin : at + _WINDOW + _LATE].astype(np.float64)
    size = 1 << (len(near) + len(far)).bit_length()
    spectrum = np.fft.rfft(near, size)
    power = np.abs(spectrum) ** 2
    response = np.fft.irfft(np.fft.rfft(far, size) * np.conj(spectrum) / (power + power.mean()), size)
    # Lag 0 of the correlation is the window at `begin`; the window of the agent itself lies at `at`.
    lags = np.concatenate([response[size - (_EARLY - (at - begin)) :] if at - begin < _EARLY else [], response])
    lags = lags[: _EARLY + _LATE]
    spread = float(np.sqrt(np.mean(np.square(lags))))
    found = int(np.argmax(np.abs(lags)))
    if spread == 0 or abs(lags[found]) < _CLEAR * spread or not 0 < found < len(lags) - 1:
        return None
    before, peak, after = np.abs(lags[found - 1 : found + 2])
    return found - _EARLY + 0.5 * float(before - after) / float(before - 2 * peak + after)


def _resampled(agent: Audio, drift_ppm: float, length: int) -> Audio:
    """The agent track on the microphone's clock."""
    import soxr

    faster = soxr.resample(agent, SAMPLE_RATE, SAMPLE_RATE * (1 + drift_ppm * 1e-6), quality="VHQ")
    return np.pad(faster, (0, max(0, length - len(faster))))[:length].astype(np.float32)


def _agent_only(active: npt.NDArray[np.bool_], labels: Sequence[Label] | None, length: int) -> list[tuple[int, int]]:
    """Stretches [start, end) in which the agent speaks, its echo rings on, and nobody else is labelled."""
    alone = np.zeros(length, dtype=bool)
    for block in np.flatnonzero(active).tolist():
        alone[block * BLOCK : (block + 1) * BLOCK + _RESPONSE] = True
    for label in labels or ():
        if label.kind != "note":
            alone[max(0, label.start - _GUARD) : label.end + _GUARD] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], alone, [False]]).astype(np.int8)))
    return [(start, end) for start, end in edges.reshape(-1, 2).tolist() if end - start > _RESPONSE]


def _gathered(mic: Audio, agent: Audio, alone: list[tuple[int, int]], start: int) -> AgentOnly | None:
    """The stretches one behind the other, the longest first until there is enough; None where there is too little."""
    longest = sorted(alone, key=lambda pair: (pair[0] - pair[1], pair))
    kept, total = [], 0
    for first, last in longest:
        if total >= _MOST_SAMPLES:
            break
        last = min(last, first + _MOST_SAMPLES - total)
        # A stretch is cut in two, so that each half of the recording has some of each voice.
        middle = (first + last) // 2
        kept += [(first, middle, 0), (middle, last, 1)]
        total += last - first
    if total < LEAST_SAMPLES:
        return None
    parts: dict[str, list[npt.NDArray[Any]]] = {"agent": [], "mic": [], "counts": [], "half": []}
    padded = np.pad(agent, (_RESPONSE + _LATE, _RESPONSE + _EARLY)).astype(np.float64)
    for first, last, half in sorted(kept):
        begin = first - start + _LATE  # of what the first echo comes from, in `padded`
        size = last - first + _RESPONSE
        parts["agent"].append(padded[begin : begin + size])
        parts["mic"].append(np.concatenate([np.zeros(_RESPONSE), mic[first:last].astype(np.float64)]))
        parts["counts"].append(np.arange(size) >= _RESPONSE)
        parts["half"].append(np.full(size, half, dtype=np.int8))
    return AgentOnly(**{key: np.concatenate(value) for key, value in parts.items()})


def _measured(found: AgentOnly, agent: Convolver, start: int, drift: float) -> EchoEstimate:
    cleaned = found.mic.copy()
    for half in (0, 1):
        rows = found.counts & (found.half == half)
        cleaned -= np.where(rows, agent.echo(fit_response(found, found.counts & (found.half != half), agent)), 0.0)
    response = fit_response(found, found.counts, agent)
    heard, left = (float(np.mean(np.square(wave)[found.counts])) for wave in (found.mic, cleaned))
    peak = int(np.argmax(np.abs(response)))
    late = np.concatenate([np.zeros(peak), found.agent])[: len(found.agent)]
    sent = float(np.mean(np.square(late)[found.counts]))
    echo = float(np.mean(np.square(agent.echo(response))[found.counts]))
    return EchoEstimate(
        delay=start + peak,
        gain_db=_db(echo / sent),
        erle_db=_db(heard / left),
        heard_dbfs=_db(heard),
        left_dbfs=_db(left),
        drift_ppm=drift,
        start=start,
        response=response,
        seconds=samples_to_seconds(int(found.counts.sum())),
    )


def _db(ratio: float) -> float:
    return 10 * float(np.log10(max(ratio, 1e-20)))
