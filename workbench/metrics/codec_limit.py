"""Where MLX-Harmony's codec would have failed in a session: after 4,096 frames that it heard in one process.

A rustymimi codec has a table of 8,192 positions, two a frame, which its reset does not rewind; MLX-Harmony makes one
codec and keeps it. A replay goes on beyond that point, as the assistant does not.
"""

from workbench.trace import Heard, Trace
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

CODEC_FRAMES = 4096
"""327.68 s of heard audio."""


def codec_fails_at(trace: Trace) -> int | None:
    """Sample at which the last frame that the codec can take was heard and another followed; None where none did."""
    left = CODEC_FRAMES * FRAME_SAMPLES
    for event in sorted((item for item in trace.events if isinstance(item, Heard)), key=lambda item: item.start):
        if event.end - event.start > left:
            return event.start + left
        left -= event.end - event.start
    return None


def codec_note(trace: Trace) -> str:
    """One line for people; empty where the codec lasts."""
    at = codec_fails_at(trace)
    if at is None:
        return ""
    seconds = at // SAMPLE_RATE
    return (
        f"{trace.header.session}: MLX-Harmony itself fails at {seconds // 60}:{seconds % 60:02}, after 4,096 heard "
        "frames; this replay goes on (docs/mlx-harmony.md)"
    )
