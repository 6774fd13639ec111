"""Echo paths of common loudspeakers and of rooms, as impulse responses at 24 kHz.

The presets are ours: plausible distances, bands and decays, not measurements of products. ``workbench echo`` measures
your own. Rooms are computed by pyroomacoustics (image sources), which the extra ``rooms`` installs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from workbench.arrays import Floats
from workbench.errors import WorkbenchError
from workbench.sessions.noises import random_numbers
from workbench.units import SAMPLE_RATE, ms_to_samples

_SPEED_OF_SOUND = 343.0
"""Metres per second at 20 °C."""


@dataclass(frozen=True)
class LoudspeakerPreset:
    """A loudspeaker and the room around it.

    Attributes:
        metres: from the loudspeaker to the microphone.
        gain_db: energy of the whole impulse response.
        band: lowest and highest frequency in Hz (-3 dB, 12 dB per octave beyond).
        decay_s: time in which the room's sound falls by 60 dB.
        room_db: energy of the room's sound against the direct one.
    """

    metres: float
    gain_db: float
    band: tuple[float, float]
    decay_s: float
    room_db: float


PRESETS: dict[str, LoudspeakerPreset | None] = {
    "laptop": LoudspeakerPreset(0.35, -18.0, (250.0, 9_000.0), 0.35, -6.0),
    "soundbar": LoudspeakerPreset(2.8, -26.0, (90.0, 11_000.0), 0.5, 3.0),
    "phone-on-table": LoudspeakerPreset(0.12, -12.0, (450.0, 7_000.0), 0.3, -12.0),
    "headset": None,
}
"""Presets by name; None: the microphone does not hear the loudspeaker."""

PRESET_MS = 200.0
"""Length of a preset's impulse response."""


@lru_cache(maxsize=8)
def preset_response(name: str) -> tuple[int, tuple[float, ...]] | None:
    """Delay in samples and impulse response of a preset; None where there is no echo."""
    preset = PRESETS[name]
    if preset is None:
        return None
    samples = ms_to_samples(PRESET_MS)
    time = np.arange(samples) / SAMPLE_RATE
    seed = [list(PRESETS).index(name), 24]
    tail = (random_numbers(samples, seed) - 0.5) * np.exp(-np.log(1000) * time / preset.decay_s)
    tail[: ms_to_samples(1.5)] = 0  # the first reflection takes a way of its own
    tail *= 10 ** (preset.room_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    wave = _band(tail, *preset.band)
    wave *= 10 ** (preset.gain_db / 20) / np.sqrt(np.sum(wave**2))
    return round(preset.metres / _SPEED_OF_SOUND * SAMPLE_RATE), _rounded(wave)


def _band(wave: Floats, low: float, high: float) -> Floats:
    """A causal second-order band: what a small loudspeaker leaves."""
    from scipy.signal import butter, sosfilt

    filtered: Floats = sosfilt(butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos"), wave)
    return filtered


def room_response(
    size_m: Sequence[float], loudspeaker_m: Sequence[float], microphone_m: Sequence[float], decay_s: float
) -> tuple[int, tuple[float, ...]]:
    """Delay in samples and impulse response of a box-shaped room, direct sound of energy 1 at 1 m.

    Args:
        size_m: length, width and height.
        loudspeaker_m: its place from one corner.
        microphone_m: its place.
        decay_s: time in which sound falls by 60 dB.

    Raises:
        WorkbenchError: pyroomacoustics is missing, or the room cannot be: a place outside of it, or a decay that its
            size does not allow.
    """
    try:
        import pyroomacoustics
    except ImportError:
        raise WorkbenchError(
            "pyroomacoustics is not installed; 'pip install moshi-workbench[rooms]' brings it"
        ) from None
    try:
        absorption, order = pyroomacoustics.inverse_sabine(decay_s, list(size_m))
        room = pyroomacoustics.ShoeBox(
            list(size_m), fs=SAMPLE_RATE, materials=pyroomacoustics.Material(absorption), max_order=min(order, 30)
        )
        room.add_source(list(loudspeaker_m))
        room.add_microphone(list(microphone_m))
        room.compute_rir()
    except ValueError as error:
        raise WorkbenchError(f"room of {list(size_m)} m with a decay of {decay_s:g} s: {error}") from None
    wave = np.asarray(room.rir[0][0], dtype=np.float64)
    # Its sinc filters begin this many samples before the direct sound.
    lead = pyroomacoustics.constants.get("frac_delay_length") // 2
    distance = float(np.linalg.norm(np.subtract(loudspeaker_m, microphone_m)))
    begin = max(lead, int(distance / pyroomacoustics.constants.get("c") * SAMPLE_RATE))
    return begin - lead, _rounded(wave[begin : begin + ms_to_samples(500)])


def _rounded(wave: Floats) -> tuple[float, ...]:
    """To six digits: no file or key needs more, and libraries may differ in the last ones."""
    return tuple(float(f"{value:.6g}") for value in wave)
