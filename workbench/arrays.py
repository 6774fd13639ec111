"""Array types: one name for each kind of array in the project."""

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]
"""Mono PCM at 24 kHz, full scale ±1, shape (samples,) unless said otherwise."""

Times = npt.NDArray[np.int64]
"""Moments or durations in samples at 24 kHz."""

Floats = npt.NDArray[np.float64]
"""Figures in double precision: levels, statistics."""

Bytes = npt.NDArray[np.uint8]
"""One byte a step: waveforms and levels as a page draws them."""
