"""Where replies come from."""

import re
from collections.abc import Sequence

from workbench.store import key_of

DEFAULT_REPLIES: tuple[tuple[str, str], ...] = (
    ("stop|wait|quiet", "Okay."),
    ("time", "It is ten past nine. Your next meeting starts at half past ten, so there is time for a coffee."),
    ("thank", "You are welcome."),
    (
        "",
        "That is a good question. Here is what I know about it. The short answer is yes, with one small exception; "
        "the long answer needs a little more time. First we look at what was said, then at what was meant, and in the "
        "end we see if the two agree. Shall I go on?",
    ),
)
"""(pattern, reply): the first whose pattern is found in what the user said last, case ignored."""


class CannedLm:
    """A small table, so that a replay never depends on a server being up.

    Args:
        replies: (regular expression, reply) pairs; the last should match everything.
    """

    def __init__(self, replies: Sequence[tuple[str, str]] = DEFAULT_REPLIES) -> None:
        self._replies = tuple(replies)
        self.fingerprint = key_of("canned", 1, [list(pair) for pair in self._replies])

    def reply(self, history: tuple[str, ...]) -> tuple[str, ...]:
        """See :class:`workbench.stages.TextLm`; a token is a word with the space before it."""
        said = history[-1] if history else ""
        for pattern, answer in self._replies:
            if re.search(pattern, said, re.IGNORECASE):
                return tuple(re.findall(r"\s*\S+", answer))
        return ()
