"""Rule ``words``: any text that the STT brings while the agent speaks.

One half of what kyutai-labs/unmute does (``_stt_loop`` of ``unmute_handler.py``), and what MLX-Harmony means to do; its
own rule, with a listen cycle for each chunk, is ``mlx_harmony.py``.

>>> from workbench.barge_in.protocol import KnownFrame
>>> from workbench.stages.protocols import SttStep
>>> rule = WordsRule(BargeInKnobs("words", frames=1, window=0), threshold=0.01)
>>> [rule.see(KnownFrame(step=SttStep(piece), place=20, delay=6)) for piece in ("", " no")]
[0, 10]
"""

from workbench.barge_in.protocol import ShownFrame
from workbench.barge_in_knobs import BargeInKnobs

WORD_FRAMES = 4
"""Frames that a word is taken to sound: 0.32 s, at 180 words a minute."""


class WordsRule:
    """See :class:`workbench.barge_in.protocol.BargeInRule`."""

    def __init__(self, knobs: BargeInKnobs, threshold: float) -> None:
        pass

    def see(self, frame: ShownFrame) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        return sounding(frame) if frame.step.piece.strip() else 0


def sounding(frame: ShownFrame) -> int:
    """Frames since the word began to sound whose text has just come, no more than there are."""
    return min(frame.place + 1, frame.delay + WORD_FRAMES)


RULE = WordsRule
