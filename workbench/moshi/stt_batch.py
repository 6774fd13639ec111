"""Several recordings through one batched LM, a frame of each at every step.

A step of a batch reads the LM's weights once for all streams, which is most of what a step costs. The codec has one
stream, so each recording is encoded first, and only its codes are kept. A stream that has ended leaves the batch.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio
from workbench.moshi.stream import TokenIds
from workbench.stages.protocols import SttStep

if TYPE_CHECKING:
    from workbench.moshi.stt import DsmStt


def hear_together(stt: "DsmStt", recordings: Sequence[Iterable[Audio]]) -> list[list[SttStep]]:
    """Steps of each recording, as a stream of its own from a reset on gives them.

    Args:
        stt: whose open stream ends by this; it takes the likeliest token.
        recordings: blocks of whole frames each, float32 of shape (1920 n,).
    """
    inputs = [_inputs(stt, blocks) for blocks in recordings]
    order = sorted(range(len(inputs)), key=lambda number: -len(inputs[number]))
    lm, steps = stt.model.lm, stt.model.steps
    steps.reset()
    drawing = stt.drawing()
    texts: TokenIds = np.full(len(order), lm.cfg.text_out_vocab_size, np.int32)
    said: list[list[SttStep]] = [[] for _ in inputs]
    for step in range(max(map(len, inputs), default=0)):
        live = [number for number in order if len(inputs[number]) > step]
        texts, pauses = steps.step_together(texts[: len(live)], np.stack([inputs[n][step] for n in live]), drawing)
        for number, text, pause in zip(live, texts.tolist(), pauses.tolist(), strict=True):
            heads = tuple(pause) if stt.has_pause_heads else None
            said[number].append(SttStep(stt.model.piece(text), heads))
    steps.reset()
    return said


def _inputs(stt: "DsmStt", blocks: Iterable[Audio]) -> TokenIds:
    """What the LM sees at each step of a recording, (frames, n_q): the codes of the frame before, each codebook delayed
    by its own delay more.
    """
    lm = stt.model.lm
    stt.codec.reset()
    encoded = [codes for block in blocks for codes in stt.encode_ahead(block)]
    codes: npt.NDArray[np.uint32] = np.concatenate(encoded) if encoded else np.zeros((0, lm.n_q), np.uint32)
    seen = np.full((len(codes), lm.n_q), lm.cfg.audio_padding_token, np.int32)
    for book, delay in enumerate(lm.delays):
        seen[1 + delay :, book] = codes[: max(0, len(codes) - 1 - delay), book]
    return seen
