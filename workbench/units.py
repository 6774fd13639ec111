"""The clock: integer samples at 24 kHz, frames of 1920 samples.

Frame *k* holds samples ``[1920 k, 1920 (k + 1))`` of the session and can be used from ``1920 (k + 1)`` on.
Milliseconds and seconds appear only at the edges (config, labels, reports).

The constants are Mimi's: 24 kHz audio, 12.5 Hz frames (Défossez et al. 2024, section 3.3).
"""

SAMPLE_RATE = 24_000
"""Samples per second of every clock, track and time in the project."""

FRAME_RATE = 12.5
"""Mimi frames per second."""

FRAME_SAMPLES = int(SAMPLE_RATE / FRAME_RATE)
"""Samples per frame: 1920."""

FRAME_MS = FRAME_SAMPLES * 1000 // SAMPLE_RATE
"""Milliseconds per frame: 80."""

SAMPLES_PER_MS = SAMPLE_RATE // 1000
"""Samples per millisecond: 24, so whole milliseconds are whole samples."""


def ms_to_samples(ms: float) -> int:
    """Nearest whole sample.

    >>> ms_to_samples(240.0)
    5760
    """
    return round(ms * SAMPLES_PER_MS)


def samples_to_ms(samples: int) -> float:
    """Exact for every sample count below 2**53.

    >>> samples_to_ms(1920)
    80.0
    """
    return samples / SAMPLES_PER_MS


def seconds_to_samples(seconds: float) -> int:
    """Nearest whole sample.

    >>> seconds_to_samples(0.08)
    1920
    """
    return round(seconds * SAMPLE_RATE)


def samples_to_seconds(samples: int) -> float:
    """Seconds of a sample count.

    >>> samples_to_seconds(24_000)
    1.0
    """
    return samples / SAMPLE_RATE


def duration(seconds: float, digits: int = 1) -> str:
    """A duration for people: seconds below a minute, then minutes and seconds, then hours too.

    >>> duration(24.48), duration(61.2), duration(3725.4)
    ('24.5 s', '1:01', '1:02:05')
    """
    if round(seconds, digits) < 60:
        return f"{seconds:.{digits}f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def frames_for_ms(ms: float) -> int:
    """Whole frames a block-counting consumer needs to reach ``ms``: it acts in steps of 80 ms, rounding up.

    >>> frames_for_ms(700), frames_for_ms(720), frames_for_ms(0)
    (9, 9, 0)
    """
    return max(0, -(-round(ms * 1000) // (FRAME_MS * 1000)))


def frame_at(sample: int) -> int:
    """Index of the frame that holds ``sample``.

    >>> frame_at(1919), frame_at(1920)
    (0, 1)
    """
    return sample // FRAME_SAMPLES


def frame_end(frame: int) -> int:
    """First sample at which ``frame`` can be used.

    >>> frame_end(0)
    1920
    """
    return (frame + 1) * FRAME_SAMPLES
