"""Language models that do not run in this process, and the cached form of all."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from workbench.cache import Store, cache_folder, key_of
from workbench.cache_files import private_folder
from workbench.errors import WorkbenchError
from workbench.simulation.step_costs import Timer
from workbench.stages.protocols import ReplyRemark, TextLm, TimedLm
from workbench.units import ms_to_samples

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
    return key_of("lm", 2, fingerprint)


@dataclass(frozen=True)
class LmReply:
    """One answer as it is kept.

    Attributes:
        tokens: pieces of text; joined, they are the answer.
        remark: what must be said of it: cut off, empty; mostly nothing.
        times_ms: when each token came after the request, where the LM knows; else None.
    """

    tokens: tuple[str, ...]
    remark: str = ""
    times_ms: tuple[float, ...] | None = None

    @property
    def costs(self) -> tuple[int, ...] | None:
        """Samples that each token took, where the LM knows; shape (tokens,)."""
        if self.times_ms is None:
            return None
        ends = [0, *(ms_to_samples(ms) for ms in self.times_ms)]
        return tuple(b - a for a, b in pairwise(ends))


class CachedLm:
    """The LM of one replay: a reply is asked for once per conversation so far, and kept in the store.

    Attributes:
        so_far: names the conversation so far, turns and answers.
        last: the answer given last, with its remark and its times.

    Args:
        lm: the stage.
        store: where replies are kept.
        timer: if given, the LM really answers and is timed, unless it knows its own times; nothing is taken from the
            store.
    """

    def __init__(self, lm: TextLm, store: Store, timer: Timer | None = None) -> None:
        self._lm = lm
        self._store = store
        self._timer = timer
        self.so_far = _root(lm.fingerprint)
        self.last = LmReply(())

    def reply(self, history: tuple[str, ...], group: int) -> tuple[str, ...]:
        """The tokens of the answer; called once for each turn, in order.

        Args:
            history: user and agent texts in turn, the newest last.
            group: number of the reply in the session, under which its tokens are timed.

        Raises:
            WorkbenchError: the LM cannot answer, or its answer broke off.
        """
        # What was said before is in the key of the turn before: no turn's key is made of the whole history again.
        # What it said last is in there as well; where only a part of that was heard, the part counts.
        heard = history[-2:-1] if len(history) > 1 and history[-2] != "".join(self.last.tokens) else ()
        key = key_of(self.so_far, *heard, history[-1])
        self.last = self._ask(key, history, group)
        self.so_far = key_of(key, vars(self.last))
        return self.last.tokens

    def _ask(self, key: str, history: tuple[str, ...], group: int) -> LmReply:
        if self._timer is None and (known := self._store.get(key, _decode)) is not None:
            return known
        reply = self._fresh(history, group)
        # A reply that is kept stays: an endpoint may say something else when it is asked again to be timed.
        if self._timer is None or self._store.get(key, _decode) is None:
            self._store.put(key, reply, lambda value: json.dumps(vars(value)).encode())
        return reply

    def _fresh(self, history: tuple[str, ...], group: int) -> LmReply:
        tokens: list[str] = []
        times: list[float] | None = None
        remark = ""
        try:
            if isinstance(self._lm, TimedLm):
                times = []
                for token, ms in self._lm.timed_reply(history):
                    tokens.append(token)
                    times.append(ms)
            else:
                stream = self._lm.reply(history)
                if self._timer is not None:
                    stream = self._timer.each(
                        stream, group, lambda index: ("lm_token", index - 1) if index else ("lm_first", 0)
                    )
                for token in stream:
                    tokens.append(token)
        except ReplyRemark as error:
            if not error.is_final:
                raise
            remark = str(error)
        return LmReply(tuple(tokens), remark, None if times is None else tuple(times))


def _decode(data: bytes) -> LmReply:
    fields = json.loads(data)
    times = fields["times_ms"]
    return LmReply(tuple(fields["tokens"]), fields["remark"], None if times is None else tuple(times))


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
        from workbench.stages.recorded_lm import RecordedLm, read_replies

        return RecordedLm(read_replies(Path(rest)))
    if kind in ("http", "https"):
        from workbench.stages.openai_lm import EndpointLm

        return EndpointLm(spec, private_folder(cache_folder() / "replies") / f"{key_of(spec)[:16]}.jsonl")
    raise WorkbenchError(
        f"[stack] lm is {spec!r}, must be canned, recorded:FILE, mlx-lm:DIRECTORY or http://host:port/v1#model"
    )
