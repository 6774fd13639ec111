"""Replies kept from an endpoint or a model, with the times at which their tokens came.

A file has one JSON object a line: ``history``, ``tokens``, ``times_ms``, and ``remark`` where a reply was cut off or
empty. ``lm = recorded:FILE`` gives the replies and their times back, stalls included.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.cache import key_of
from workbench.errors import WorkbenchError
from workbench.files import canonical_json
from workbench.stages.protocols import ReplyRemark

_LONGEST_MS = 3_600_000.0


@dataclass(frozen=True)
class RecordedReply:
    """An answer as it came.

    Attributes:
        history: user and agent texts in turn, the user's newest last.
        tokens: pieces of text; joined, they are the answer.
        times_ms: arrival of each piece after the request was sent.
        remark: what must be said of it: cut off, empty; mostly nothing.
    """

    history: tuple[str, ...]
    tokens: tuple[str, ...]
    times_ms: tuple[float, ...]
    remark: str = ""


def read_replies(path: Path) -> list[RecordedReply]:
    """Read a file of replies, one JSON object a line.

    Raises:
        WorkbenchError: names the file and the line that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read ({error.strerror}); [stack] lm names it") from None
    except UnicodeDecodeError:
        raise WorkbenchError(f"{path}: is not UTF-8 text; [stack] lm names it") from None
    # Not splitlines(): JSON may hold line separators of other alphabets as they are.
    return [_parse_reply(line, f"{path}, line {number}") for number, line in enumerate(text.split("\n"), 1) if line]


def _parse_reply(line: str, where: str) -> RecordedReply:
    try:
        raw = json.loads(line)
        times = tuple(float(t) for t in raw["times_ms"])
        reply = RecordedReply(tuple(raw["history"]), tuple(raw["tokens"]), times, raw.get("remark", ""))
        "".join((*reply.history, *reply.tokens, reply.remark)).encode()  # text, and no half of a surrogate pair
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise WorkbenchError(f"{where}: must be a reply with history, tokens and times_ms") from None
    if len(reply.tokens) != len(reply.times_ms) or not reply.history:
        raise WorkbenchError(f"{where}: must be a reply with history, tokens and times_ms, a time for each token")
    last = 0.0
    for ms in reply.times_ms:
        if not (math.isfinite(ms) and last <= ms <= _LONGEST_MS):
            raise WorkbenchError(f"{where}: times_ms must rise from 0, to {_LONGEST_MS:g} at most; {ms:g} does not")
        last = ms
    return reply


def add_reply(path: Path, reply: RecordedReply) -> None:
    """Add a reply to a file of them; :func:`read_replies` gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row: dict[str, Any] = {"history": reply.history, "tokens": reply.tokens, "times_ms": reply.times_ms}
    if reply.remark:
        row["remark"] = reply.remark
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(canonical_json(row) + "\n")


def kept_timed(pieces: Iterator[str], history: tuple[str, ...], record: Path | None) -> Iterator[tuple[str, float]]:
    """Pass the pieces of an answer on with their times, and add the reply to a file; one that broke off is not kept.

    Args:
        pieces: of the answer to ``history``; asking for the first one sends the request.
        history: user and agent texts in turn, the user's newest last.
        record: the file; None keeps nothing.

    Raises:
        ReplyRemark: as ``pieces`` do.
    """
    tokens, times = [], []
    remark: ReplyRemark | None = None
    begun = time.perf_counter()
    try:
        for piece in pieces:
            tokens.append(piece)
            times.append(round((time.perf_counter() - begun) * 1000, 3))
            yield piece, times[-1]
    except ReplyRemark as error:
        if not error.is_final:
            raise
        remark = error
    if record is not None:
        add_reply(record, RecordedReply(history, tuple(tokens), tuple(times), str(remark or "")))
    if remark is not None:
        raise remark


def kept(pieces: Iterator[str], history: tuple[str, ...], record: Path | None) -> Iterator[str]:
    """As :func:`kept_timed`, without the times."""
    return (piece for piece, _ in kept_timed(pieces, history, record))


class RecordedLm:
    """Replies kept from an earlier run.

    A conversation that is in the file is answered as it was. Another one, because a setting changed what was heard,
    gets the reply that was given at the same turn, or the last one: what is tuned is when it speaks, not what it says.

    Args:
        replies: at least one.

    Raises:
        WorkbenchError: there is none.
    """

    def __init__(self, replies: list[RecordedReply]) -> None:
        if not replies:
            raise WorkbenchError("the file of recorded replies is empty; record some from an endpoint first")
        self._exact: dict[tuple[str, ...], RecordedReply] = {}
        self._by_turn: dict[int, RecordedReply] = {}
        for reply in replies:
            self._exact.setdefault(reply.history, reply)
            self._by_turn.setdefault(len(reply.history), reply)
        self._last = replies[-1]
        rows = [[list(r.history), list(r.tokens), list(r.times_ms), r.remark] for r in replies]
        self.fingerprint = key_of("recorded", 2, rows)

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """See :class:`workbench.stages.protocols.TextLm`."""
        return (token for token, _ in self.timed_reply(history))

    def timed_reply(self, history: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        """See :class:`workbench.stages.protocols.TimedLm`: the times of the recording."""
        reply = self._exact.get(history) or self._by_turn.get(len(history)) or self._last
        yield from zip(reply.tokens, reply.times_ms, strict=True)
        if reply.remark:
            raise ReplyRemark(reply.remark)
