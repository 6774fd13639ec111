"""Language models that do not run in this process, and the cached form of all."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from workbench.cache import Store, cache_folder, key_of
from workbench.errors import WorkbenchError
from workbench.simulation.step_costs import Timer
from workbench.stages.protocols import TextLm

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
        replies: (regular expression, reply) pairs; the last should match everything. ``{name}`` in a reply stands for
            what the pattern's group of that name found.
    """

    def __init__(self, replies: Sequence[tuple[str, str]] = DEFAULT_REPLIES) -> None:
        self._replies = tuple(replies)
        self.fingerprint = key_of("canned", 1, [list(pair) for pair in self._replies])

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """See :class:`workbench.stages.protocols.TextLm`; a token is a word with the space before it."""
        said = history[-1] if history else ""
        for pattern, answer in self._replies:
            if match := re.search(pattern, said, re.IGNORECASE):
                yield from re.findall(r"\s*\S+", answer.format_map(match.groupdict()))
                return


@lru_cache
def _root(fingerprint: str) -> str:
    return key_of("lm", fingerprint)


class CachedLm:
    """The LM of one replay: a reply is asked for once per conversation so far, and kept in the store.

    Attributes:
        so_far: names the conversation so far, turns and answers.

    Args:
        lm: the stage.
        store: where replies are kept.
        timer: if given, the LM really answers and is timed; nothing is taken from the store.
    """

    def __init__(self, lm: TextLm, store: Store, timer: Timer | None = None) -> None:
        self._lm = lm
        self._store = store
        self._timer = timer
        self.so_far = _root(lm.fingerprint)

    def reply(self, history: tuple[str, ...], group: int) -> tuple[str, ...]:
        """The tokens of the answer; called once for each turn, in order.

        Args:
            history: user and agent texts in turn, the newest last.
            group: number of the reply in the session, under which its tokens are timed.
        """
        # What was said before is in the key of the turn before: no turn's key is made of the whole history again.
        key = key_of(self.so_far, history[-1])
        tokens = self._ask(key, history, group)
        self.so_far = key_of(key, tokens)
        return tokens

    def _ask(self, key: str, history: tuple[str, ...], group: int) -> tuple[str, ...]:
        if self._timer is None and (known := self._store.get(key, _decode)) is not None:
            return known
        stream = self._lm.reply(history)
        if self._timer is not None:
            stream = self._timer.each(
                stream, group, lambda index: ("lm_token", index - 1) if index else ("lm_first", 0)
            )
        tokens = tuple(stream)
        # A reply that is kept stays: an endpoint may say something else when it is asked again to be timed.
        if self._timer is None or self._store.get(key, _decode) is None:
            self._store.put(key, tokens, lambda value: json.dumps(value).encode())
        return tokens


def _decode(data: bytes) -> tuple[str, ...]:
    return tuple(json.loads(data))


def open_lm(spec: str) -> TextLm:
    """The language model that ``[stack] lm`` names, where it does not run in this process (``workbench.moshi.lm``).

    Args:
        spec: ``canned``, ``recorded:FILE`` or ``http://host:port/v1#model``. What an endpoint says is also written to
            ``replies/`` in the cache folder, a file per endpoint, for ``recorded``.

    Raises:
        WorkbenchError: it names none of these, or the file cannot be read.
    """
    if spec == "canned":
        return CannedLm()
    kind, _, rest = spec.partition(":")
    if kind == "recorded" and rest:
        from workbench.stages.openai_lm import RecordedLm, read_replies

        return RecordedLm(read_replies(Path(rest)))
    if kind in ("http", "https"):
        from workbench.stages.openai_lm import EndpointLm

        return EndpointLm(spec, cache_folder() / "replies" / f"{key_of(spec)[:16]}.jsonl")
    raise WorkbenchError(
        f"[stack] lm is {spec!r}, must be canned, recorded:FILE, mlx-lm:DIRECTORY or http://host:port/v1#model"
    )
