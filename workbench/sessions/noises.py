"""Synthesised sounds for constructed sessions: room noise, coughs, doors, typing, "mm-hm", wind, other talkers.

Each is computed from a seed; no recording is behind it. Randomness is raw PCG64 output, which numpy promises never to
change, not its distributions, which may.
"""

from collections.abc import Callable, Sequence

import numpy as np

from workbench.arrays import Floats
from workbench.units import SAMPLE_RATE

Seed = Sequence[int]
"""Whole numbers from 0 that name one stream of random numbers."""


def random_numbers(count: int, seed: Seed) -> Floats:
    """Numbers in [0, 1), shape (count,)."""
    return (np.random.PCG64(list(seed)).random_raw(count) >> np.uint64(11)).astype(np.float64) / 2**53


def room_noise(count: int, seed: Seed, sway_db: float = 0.0) -> Floats:
    """Noise of a quiet room, falling by 9 dB per octave above 200 Hz; RMS 1 before the sway.

    Args:
        count: samples.
        seed: of the noise.
        sway_db: depth of a slow rise and fall of the level, as a fan or traffic makes it.
    """
    wave = _shaped(_white(count, seed), lambda hz: (hz > 40) / (1 + hz / 200) ** 1.5)
    time = np.arange(count) / SAMPLE_RATE
    slow = np.sin(2 * np.pi * time / 3.7) + np.sin(2 * np.pi * time / 1.3)
    swayed: Floats = wave / np.sqrt(np.mean(wave**2)) * 10 ** (sway_db * slow / 40)
    return swayed


def _white(count: int, seed: Seed) -> Floats:
    """Noise of unit variance, near normal: the sum of four uniform 16-bit numbers per sample."""
    raw = np.random.PCG64(list(seed)).random_raw(count)
    lanes = np.stack([(raw >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)])
    wave: Floats = (lanes.astype(np.float64).sum(axis=0) / 65535 - 2) * np.sqrt(3)
    return wave


def _shaped(wave: Floats, gain: Callable[[Floats], Floats]) -> Floats:
    """Filter by a gain over frequency in Hz, without phase."""
    size = 1 << (len(wave) * 2 - 1).bit_length()
    hz: Floats = np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float64)
    spectrum = np.fft.rfft(wave, size) * gain(hz)
    return np.fft.irfft(spectrum, size)[: len(wave)]


def _peaks(hz: Floats, *formants: tuple[float, float, float]) -> Floats:
    """Sum of resonances (centre Hz, width Hz, gain)."""
    total = np.zeros_like(hz)
    for centre, width, gain in formants:
        total += gain / (1 + ((hz - centre) / (width / 2)) ** 2)
    return total


def _band(hz: Floats, low: float, high: float) -> Floats:
    """1 between two frequencies, 0 elsewhere."""
    return ((hz > low) & (hz < high)).astype(np.float64)


def cough(seed: Seed) -> Floats:
    """Two bursts: a hard onset, breath with a throat's resonances, a voiced tail. About 0.8 s."""
    t = np.arange(int(0.8 * SAMPLE_RATE)) / SAMPLE_RATE
    breath = _shaped(_white(len(t), seed), lambda hz: _peaks(hz, (600, 500, 1), (1500, 900, 0.8), (3200, 2000, 0.4)))
    voice = np.sin(2 * np.pi * 160 * t - 3 * np.cos(2 * np.pi * 4 * t)) * breath.std() * 0.7
    wave = np.zeros_like(t)
    for start, gain in ((0.0, 1.0), (0.38, 0.7)):
        since = np.maximum(t - start, 0)
        rise = (t >= start) * (1 - np.exp(-since / 0.004))
        wave += gain * rise * np.exp(-since / 0.07) * (breath + voice * (since > 0.05))
    return wave


def door(seed: Seed) -> Floats:
    """A slam and the rumble after it, then the latch. About 0.9 s."""
    t = np.arange(int(0.9 * SAMPLE_RATE)) / SAMPLE_RATE
    thud = sum(
        np.sin(2 * np.pi * hz * t + hz) * np.exp(-t / decay) for hz, decay in ((58, 0.16), (91, 0.12), (143, 0.07))
    )
    crack = _shaped(_white(len(t), seed), lambda hz: _peaks(hz, (300, 400, 1), (900, 900, 0.6), (2600, 2500, 0.25)))
    wave: Floats = thud + crack / crack.std() * np.exp(-t / 0.05)
    latch = int(0.31 * SAMPLE_RATE)
    wave[latch:] += 0.35 * crack[: len(t) - latch] / crack.std() * np.exp(-t[: len(t) - latch] / 0.012)
    return wave


def keyboard(seed: Seed) -> Floats:
    """Typing for 2.4 s: a click for each key going down, a softer one for its coming up."""
    seconds = 2.4
    wave = np.zeros(int(seconds * SAMPLE_RATE))
    noise = _white(SAMPLE_RATE // 25, seed)
    click = _shaped(noise, lambda hz: _peaks(hz, (1800, 1500, 1), (4200, 3000, 0.8), (350, 200, 0.4)))
    click = click / np.abs(click).max() * np.exp(-np.arange(len(click)) / SAMPLE_RATE / 0.006)
    numbers, at = iter(random_numbers(200, [*seed, 1])), 0.0
    while at < seconds - 0.25:
        for offset, gain in ((0.0, 0.6 + 0.4 * next(numbers)), (0.07 + 0.03 * next(numbers), 0.3)):
            first = int((at + offset) * SAMPLE_RATE)
            wave[first : first + len(click)] += gain * click
        at += 0.11 + 0.16 * next(numbers) ** 2
    return wave


def mm_hm(seed: Seed) -> Floats:
    """ "mm-hm": two hums through the nose at about 118 Hz, the second higher, a breath between. About 0.55 s."""
    parts = []
    for seconds, start, end in ((0.2, 1.05, 0.92), (0.28, 1.0, 1.28)):
        t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        phase = 2 * np.pi * 118.0 * (start * t + (end - start) * t**2 / (2 * seconds))
        hum = sum(np.sin(k * phase) / k for k in range(1, 16))
        swell = np.minimum(1, np.minimum(t / 0.03, (seconds - t) / 0.06))
        parts.append(hum * np.maximum(swell, 0))
    breath = _shaped(_white(int(0.06 * SAMPLE_RATE), seed), lambda hz: _peaks(hz, (1200, 1200, 1), (2600, 1500, 0.6)))
    wave = np.concatenate([parts[0], 0.12 * breath / breath.std(), parts[1]])
    return _shaped(wave, lambda hz: _peaks(hz, (270, 160, 1), (1050, 300, 0.16), (2200, 500, 0.08)))


def wind(seed: Seed, seconds: float) -> Floats:
    """Wind on a microphone: noise below some 150 Hz that comes in gusts of 0.5 to 3 s."""
    count = int(seconds * SAMPLE_RATE)
    rumble = _shaped(_white(count, seed), lambda hz: (hz > 15) / (1 + (hz / 90) ** 2))
    gusts = _shaped(_white(count, [*seed, 1]), lambda hz: _band(hz, 0.1, 2))
    wave: Floats = rumble / rumble.std() * np.exp(0.8 * gusts / gusts.std())
    return wave


def talker(seed: Seed, seconds: float) -> Floats:
    """Somebody else who talks: voiced syllables of changing pitch and vowel, hisses between them, pauses for breath.

    It has the spectrum and the rhythm of speech and no words.
    """
    wave, numbers = np.zeros(int(seconds * SAMPLE_RATE)), iter(random_numbers(40 * (int(seconds) + 2), [*seed, 1]))
    pitch, at, left = 95 + 120 * next(numbers), 0.0, 4 + int(6 * next(numbers))
    hiss = _white(len(wave) + SAMPLE_RATE, [*seed, 2])
    while at < seconds - 0.3:
        length, glide = 0.12 + 0.14 * next(numbers), 0.85 + 0.3 * next(numbers)
        vowel = _VOWELS[int(len(_VOWELS) * next(numbers))]
        t = np.arange(int(length * SAMPLE_RATE)) / SAMPLE_RATE
        phase = 2 * np.pi * pitch * (t + (glide - 1) * t**2 / (2 * length))
        buzz = sum(np.sin(k * phase) / k for k in range(1, 24))
        swell = np.minimum(1, np.minimum(t / 0.02, (length - t) / 0.04))
        spoken = _shaped(buzz * swell, lambda hz, vowel=vowel: _peaks(hz, *vowel))  # type: ignore[misc]
        _add(wave, at, spoken / max(float(np.abs(spoken).max()), 1e-9))
        at += length
        count = int((0.03 + 0.06 * next(numbers)) * SAMPLE_RATE)
        part = hiss[int(at * SAMPLE_RATE) :][:count]
        breath = _shaped(part, lambda hz: _peaks(hz, (3500, 2500, 1), (5500, 2500, 0.6)))
        _add(wave, at, 0.15 * breath / breath.std() * np.hanning(count))
        at += count / SAMPLE_RATE
        left -= 1
        if not left:
            at, left = at + 0.2 + 0.4 * next(numbers), 4 + int(6 * next(numbers))
    return wave


def _add(wave: Floats, at: float, sound: Floats) -> None:
    part = wave[int(at * SAMPLE_RATE) :][: len(sound)]
    part += sound[: len(part)]


def television(seed: Seed, seconds: float) -> Floats:
    """A talker out of a small loudspeaker: nothing below 250 Hz or above 6 kHz, and music under the voice."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    notes = [220 * 2 ** (int(12 * number) / 12) for number in random_numbers(int(seconds / 0.4) + 1, [*seed, 3])]
    tune = np.sin(2 * np.pi * np.cumsum(np.asarray(notes)[(t / 0.4).astype(int)]) / SAMPLE_RATE)
    voice = talker(seed, seconds)
    return _shaped(voice / voice.std() + 0.2 * tune, lambda hz: _band(hz, 250, 6000))


def babble(seed: Seed, seconds: float) -> Floats:
    """Six talkers at once, as in a canteen."""
    voices = [talker([*seed, 10 + number], seconds) for number in range(6)]
    return np.asarray(sum(voice / voice.std() for voice in voices))


_VOWELS = (
    ((700, 110, 1.0), (1200, 120, 0.5), (2600, 200, 0.15)),
    ((300, 70, 1.0), (2200, 150, 0.3), (3000, 250, 0.15)),
    ((330, 80, 1.0), (800, 100, 0.4), (2300, 200, 0.08)),
    ((500, 90, 1.0), (1800, 140, 0.4), (2500, 200, 0.15)),
    ((550, 90, 1.0), (950, 110, 0.5), (2500, 200, 0.1)),
)
"""Formants of a, i, u, e and o: centre Hz, width Hz, gain."""

LASTING: dict[str, Callable[[Seed, float], Floats]] = {
    "babble": babble,
    "talker": talker,
    "television": television,
    "wind": wind,
}
"""Sounds that last as long as a spec says, in seconds, by name."""

SOUNDS: dict[str, Callable[[Seed], Floats]] = {"cough": cough, "door": door, "keyboard": keyboard, "mm-hm": mm_hm}
"""Synthesised sounds by the name that a spec gives, which is also the text of their label."""
