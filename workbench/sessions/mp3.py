"""MP3 for pages: small sound that every browser plays, encoded by libsndfile. The same samples give the same bytes."""

import io

import numpy as np
import soundfile

from workbench.arrays import Audio
from workbench.units import SAMPLE_RATE

_COMPRESSION = 0.8
"""libsndfile's scale from 0 (most bits) to 1 (fewest). In stereo at 24 kHz it means 40 kbit/s: 5 kB a second."""


MP3_FORM = (soundfile.__libsndfile_version__, _COMPRESSION)
"""Names what the bytes depend on apart from the samples."""


def encode_mp3(left: Audio, right: Audio) -> bytes:
    """Two mono tracks as the channels of one MP3 of constant bit rate, so that a player can seek exactly.

    Args:
        left, right: float32 in [-1, 1] at 24 kHz; the shorter one is filled with silence.
    """
    pcm = np.zeros((max(len(left), len(right)), 2), dtype=np.float32)
    pcm[: len(left), 0], pcm[: len(right), 1] = left, right
    out = io.BytesIO()
    soundfile.write(
        out, pcm, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=_COMPRESSION,
        bitrate_mode="CONSTANT",
    )  # fmt: skip
    return out.getvalue()
