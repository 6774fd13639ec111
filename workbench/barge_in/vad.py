"""Rule ``vad``: a number of frames in a row that Silero's voice detector takes for speech.

LiveKit Agents' default, with 0.5 s of speech (``min_interruption_duration``); pipecat's, with 0.2 s. Noises stop the
agent less often than with ``energy``; its own voice in the microphone is speech, too.

>>> from workbench.barge_in.protocol import KnownFrame
>>> rule = VadRule(BargeInKnobs("vad", frames=2, window=0, vad_threshold=0.5), threshold=0.01)
>>> [rule.see(KnownFrame(voice=voice)) for voice in (0.9, 0.2, 0.9, 0.5)]
[0, 0, 0, 2]
"""

from workbench.barge_in.protocol import ShownFrame
from workbench.barge_in_knobs import BargeInKnobs


class VadRule:
    """See :class:`workbench.barge_in.protocol.BargeInRule`."""

    def __init__(self, knobs: BargeInKnobs, threshold: float) -> None:
        self._need, self._threshold = knobs.frames, knobs.vad_threshold
        self._run = 0

    def see(self, frame: ShownFrame) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        self._run = self._run + 1 if frame.voice >= self._threshold else 0
        return self._run if self._run >= self._need else 0


RULE = VadRule
