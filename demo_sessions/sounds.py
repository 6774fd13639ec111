"""Generated sounds: room noise, a cough, a door, a keyboard, "mm-hm". Float64 at 24 kHz.

Randomness is raw PCG64 output, which numpy promises never to change, not its distributions, which may.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

RATE = 24_000
Wave = npt.NDArray[np.float64]


def white(count: int, seed: int) -> Wave:
    """Noise of unit variance, near normal: the sum of four uniform 16-bit numbers per sample."""
    raw = np.random.PCG64(seed).random_raw(count)
    lanes = np.stack([(raw >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)])
    return (lanes.astype(np.float64).sum(axis=0) / 65535 - 2) * np.sqrt(3)


def uniform(count: int, seed: int) -> Wave:
    """Numbers in [0, 1)."""
    return (np.random.PCG64(seed).random_raw(count) >> np.uint64(11)).astype(np.float64) / 2**53


def shaped(wave: Wave, gain: Callable[[Wave], Wave]) -> Wave:
    """Filter by a gain over frequency in Hz, without phase."""
    size = 1 << (len(wave) * 2 - 1).bit_length()
    spectrum = np.fft.rfft(wave, size) * gain(np.fft.rfftfreq(size, 1 / RATE))
    return np.fft.irfft(spectrum, size)[: len(wave)]


def at_level(wave: Wave, rms: float) -> Wave:
    """Scale to an RMS over the whole length, linear full scale."""
    return wave * (rms / np.sqrt(np.mean(wave**2)))


def peaks(hz: Wave, *formants: tuple[float, float, float]) -> Wave:
    """Sum of resonances (centre Hz, width Hz, gain)."""
    total = np.zeros_like(hz)
    for centre, width, gain in formants:
        total += gain / (1 + ((hz - centre) / (width / 2)) ** 2)
    return total


def room(count: int, seed: int, rms: float, sway: float = 0.0) -> Wave:
    """A quiet room: noise that falls by 9 dB per octave above 200 Hz.

    Args:
        count: samples.
        seed: of the noise.
        rms: level.
        sway: depth of a slow rise and fall of the level in dB, as a fan or traffic makes it.
    """
    wave = shaped(white(count, seed), lambda hz: (hz > 40) / (1 + hz / 200) ** 1.5)
    slow = np.sin(2 * np.pi * np.arange(count) / RATE / 3.7) + np.sin(2 * np.pi * np.arange(count) / RATE / 1.3)
    return at_level(wave, rms) * 10 ** (sway * slow / 40)


def cough(seed: int) -> Wave:
    """Two bursts: a hard onset, breath with a throat's resonances, a voiced tail. About 0.8 s."""
    t = np.arange(int(0.8 * RATE)) / RATE
    breath = shaped(white(len(t), seed), lambda hz: peaks(hz, (600, 500, 1), (1500, 900, 0.8), (3200, 2000, 0.4)))
    voice = np.sin(2 * np.pi * 160 * t - 3 * np.cos(2 * np.pi * 4 * t)) * breath.std() * 0.7
    wave = np.zeros_like(t)
    for start, gain in ((0.0, 1.0), (0.38, 0.7)):
        since = np.maximum(t - start, 0)
        rise = (t >= start) * (1 - np.exp(-since / 0.004))
        wave += gain * rise * np.exp(-since / 0.07) * (breath + voice * (since > 0.05))
    return wave


def door(seed: int) -> Wave:
    """A slam and the rumble after it, then the latch. About 0.9 s."""
    t = np.arange(int(0.9 * RATE)) / RATE
    thud = sum(
        np.sin(2 * np.pi * hz * t + hz) * np.exp(-t / decay) for hz, decay in ((58, 0.16), (91, 0.12), (143, 0.07))
    )
    crack = shaped(white(len(t), seed), lambda hz: peaks(hz, (300, 400, 1), (900, 900, 0.6), (2600, 2500, 0.25)))
    wave = thud + crack / crack.std() * np.exp(-t / 0.05)
    latch = int(0.31 * RATE)
    wave[latch:] += 0.35 * crack[: len(t) - latch] / crack.std() * np.exp(-t[: len(t) - latch] / 0.012)
    return wave


def keyboard(seed: int, seconds: float = 2.4) -> Wave:
    """Typing: a click for each key going down, a softer one for its coming up."""
    wave = np.zeros(int(seconds * RATE))
    click = shaped(white(RATE // 25, seed), lambda hz: peaks(hz, (1800, 1500, 1), (4200, 3000, 0.8), (350, 200, 0.4)))
    click = click / np.abs(click).max() * np.exp(-np.arange(len(click)) / RATE / 0.006)
    numbers, at = iter(uniform(200, seed + 1)), 0.0
    while at < seconds - 0.25:
        for offset, gain in ((0.0, 0.6 + 0.4 * next(numbers)), (0.07 + 0.03 * next(numbers), 0.3)):
            first = int((at + offset) * RATE)
            wave[first : first + len(click)] += gain * click
        at += 0.11 + 0.16 * next(numbers) ** 2
    return wave


def mm_hm(seed: int, pitch: float = 118.0) -> Wave:
    """ "mm-hm": two hums through the nose, the second higher, a breath between. About 0.55 s."""
    parts = []
    for seconds, start, end in ((0.2, 1.05, 0.92), (0.28, 1.0, 1.28)):
        t = np.arange(int(seconds * RATE)) / RATE
        phase = 2 * np.pi * pitch * (start * t + (end - start) * t**2 / (2 * seconds))
        hum = sum(np.sin(k * phase) / k for k in range(1, 16))
        swell = np.minimum(1, np.minimum(t / 0.03, (seconds - t) / 0.06))
        parts.append(hum * np.maximum(swell, 0))
    breath = shaped(white(int(0.06 * RATE), seed), lambda hz: peaks(hz, (1200, 1200, 1), (2600, 1500, 0.6)))
    wave = np.concatenate([parts[0], 0.12 * breath / breath.std(), parts[1]])
    return shaped(wave, lambda hz: peaks(hz, (270, 160, 1), (1050, 300, 0.16), (2200, 500, 0.08)))


SOUNDS: dict[str, Callable[[int], Wave]] = {"cough": cough, "door": door, "keyboard": keyboard, "mm-hm": mm_hm}
