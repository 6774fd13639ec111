"""Rule ``words_n``: a number of words, of which backchannels ("mm-hm", "right") do not count.

LiveKit Agents' ``min_interruption_words`` and pipecat's ``MinWordsUserTurnStartStrategy``, which count every word. As
in LiveKit, words add up as long as the answer goes on. A word counts from its first piece on from which it can be no
backchannel any more.

>>> from workbench.barge_in.protocol import KnownFrame
>>> from workbench.stages.protocols import SttStep
>>> rule = WordsNRule(BargeInKnobs("words_n", 1, 0, min_words=2, backchannels=("yeah",)), threshold=0.01)
>>> pieces = (" yeah", " y", "es", "", " stop")
>>> [rule.see(KnownFrame(step=SttStep(piece), place=20 + i, delay=6)) for i, piece in enumerate(pieces)]
[0, 0, 0, 0, 12]
"""

from workbench.barge_in.protocol import ShownFrame
from workbench.barge_in.words import sounding
from workbench.barge_in_knobs import BargeInKnobs, plain_word

_APART = 12
"""Frames between two words of one utterance at most: 1 s. The first word of the last utterance is where it began."""


class WordsNRule:
    """See :class:`workbench.barge_in.protocol.BargeInRule`."""

    def __init__(self, knobs: BargeInKnobs, threshold: float) -> None:
        self._need, self._backchannels = knobs.min_words, knobs.backchannels
        self._word = ""
        self._is_counted = False
        self._count = 0
        self._begun = self._latest = -_APART - 1

    def see(self, frame: ShownFrame) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        counts = [self._counts(word, number > 0) for number, word in enumerate(_cut(frame.step.piece))]
        for _ in filter(None, counts):
            self._count += 1
            if frame.place - self._latest > _APART:
                self._begun = frame.place + 1 - sounding(frame)
            self._latest = frame.place
        return frame.place + 1 - self._begun if any(counts) and self._count >= self._need else 0

    def _counts(self, piece: str, is_new: bool) -> bool:
        """Whether with this piece another word counts."""
        if is_new:
            self._word, self._is_counted = "", False
        self._word += plain_word(piece)
        if self._is_counted or not self._word or any(item.startswith(self._word) for item in self._backchannels):
            return False
        self._is_counted = True
        return True


def _cut(piece: str) -> list[str]:
    """What goes on with the word before, then the words that begin in a piece.

    >>> _cut(" no"), _cut("t"), _cut("")
    (['', 'no'], ['t'], [''])
    """
    return piece.split(" ")


RULE = WordsNRule
