"""Distance and room of a constructed sound: what comes straight, and a tail of decaying noise.

The tail stands for a room of which only size and reverberation time are known. Sound of constant power fills a room
with a level that does not depend on the distance, while what comes straight falls by 6 dB per doubling: at the critical
distance, 0.057 √(V / T), both are equal (Kuttruff, *Room Acoustics*, ch. 5).
"""

import numpy as np

from workbench.arrays import Floats
from workbench.sessions.noises import Seed, random_numbers
from workbench.units import SAMPLE_RATE

_BEFORE = 0.005
"""Seconds after the direct sound at which the tail begins: the first reflection of a desk or wall 0.9 m away."""


def heard_from(wave: Floats, metres: float, reverb_s: float, volume_m3: float, seed: Seed) -> Floats:
    """A sound as it is heard at a distance; its level at 1 m without a room is that of ``wave``.

    Args:
        wave: shape (samples,).
        metres: from the microphone.
        reverb_s: reverberation time, to -60 dB; 0: no room.
        volume_m3: of the room.
        seed: of the tail.

    Returns:
        Shape (samples + tail,); the direct sound begins with the first sample.
    """
    if reverb_s == 0:
        return wave / metres
    count = int(reverb_s * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    tail = (random_numbers(count, seed) - 0.5) * 10 ** (-3 * time / reverb_s)
    tail[: int(_BEFORE * SAMPLE_RATE)] = 0
    critical = 0.057 * np.sqrt(volume_m3 / reverb_s)
    response = tail / np.sqrt(np.sum(tail**2)) / critical
    response[0] = 1 / metres
    size = 1 << (len(wave) + count).bit_length()
    return np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size), size)[: len(wave) + count - 1]
