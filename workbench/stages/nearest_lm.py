"""Stand-in for a slow language model in searches: replies that it has given, chosen by the user's words.

A language model that takes seconds would be asked anew for every transcript of every trial. The stand-in asks nothing:
words that were answered get their reply, others that of the nearest words that were. So a search may rest on it, and
no claim may.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from workbench.cache import key_of
from workbench.stages.protocols import TextLm
from workbench.trace import Tokens, Trace, Transcript
from workbench.units import samples_to_ms

_PIECE = re.compile(r"\s*\S+(?:\s+$)?")


@dataclass(frozen=True)
class GivenReply:
    """A reply with the words that it answers; ``times_ms`` is when each piece came after the request."""

    words: str
    pieces: tuple[str, ...]
    times_ms: tuple[float, ...]


def given_replies(trace: Trace) -> list[GivenReply]:
    """Replies of a replay, by its trace; pieces are words, since a trace does not keep where tokens ended."""
    asked = {event.reply: event for event in trace.events if isinstance(event, Transcript)}
    found = []
    for event in trace.events:
        if isinstance(event, Tokens) and (turn := asked.get(event.reply)):
            pieces = tuple(_PIECE.findall(event.text))
            when = [event.times[number * len(event.times) // len(pieces)] for number in range(len(pieces))]
            when[-1:] = event.times[-1:]
            found.append(GivenReply(turn.text, pieces, tuple(samples_to_ms(time - turn.t) for time in when)))
    return found


class NearestLm:
    """A language model that repeats replies (roles ``TextLm`` and ``TimedLm``).

    Args:
        lm: that it stands in for.
        replies: at least one.
    """

    def __init__(self, lm: TextLm, replies: Sequence[GivenReply]) -> None:
        self._replies = list(replies)
        rows = [[reply.words, reply.pieces, reply.times_ms] for reply in replies]
        self.fingerprint = key_of("nearest", lm.fingerprint, rows)

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """See :class:`workbench.stages.protocols.TextLm`."""
        return (piece for piece, _ in self.timed_reply(history))

    def timed_reply(self, history: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        """See :class:`workbench.stages.protocols.TimedLm`: the times of the reply that is repeated."""
        words = history[-1].split()
        nearest = max(self._replies, key=lambda given: SequenceMatcher(None, given.words.split(), words).ratio())
        yield from zip(nearest.pieces, nearest.times_ms, strict=True)
