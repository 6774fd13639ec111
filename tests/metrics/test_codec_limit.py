"""A replay says where MLX-Harmony's codec would have failed: after 4,096 frames heard in one process."""

import pytest

from workbench.metrics.codec_limit import codec_fails_at, codec_note
from workbench.trace import Header, Heard, Trace
from workbench.units import FRAME_SAMPLES


def trace(*spans: tuple[int, int]) -> Trace:
    """Heard frames [first, last)."""
    heard = tuple(Heard(b * FRAME_SAMPLES, a * FRAME_SAMPLES, b * FRAME_SAMPLES) for a, b in spans)
    return Trace(Header("long", 10_000 * FRAME_SAMPLES), heard)


@pytest.mark.parametrize(
    ("spans", "frame"),
    [
        ([(0, 4096)], None),
        ([(0, 4097)], 4096),
        ([(0, 2000), (3000, 5096)], None),
        ([(0, 2000), (3000, 5097)], 5096),
        ([], None),
    ],
)
def test_only_heard_frames_count(spans: list[tuple[int, int]], frame: int | None) -> None:
    found = codec_fails_at(trace(*spans))
    assert found == (None if frame is None else frame * FRAME_SAMPLES)


def test_the_note_names_session_and_moment() -> None:
    assert codec_note(trace((0, 4096))) == ""
    assert codec_note(trace((0, 4097))).startswith("long: MLX-Harmony itself fails at 5:27, after 4,096 heard frames")
