"""Replies from a server, and replies kept from one.

Any server that speaks OpenAI's chat completions with streaming will do: MLX-Harmony's, ``mlx_lm.server``, LM Studio,
Ollama. A server need not say the same twice, a replay must: its store keeps what was said under the conversation it
answers. Every reply is also written to a file with its token times: all another machine needs (``recorded:FILE``).
"""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.cache import key_of
from workbench.errors import WorkbenchError
from workbench.files import canonical_json

SYSTEM = "You are a voice assistant. Answer in one to three short spoken sentences, without lists or markup."
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class RecordedReply:
    """An answer as it came.

    Attributes:
        history: user and agent texts in turn, the user's newest last.
        tokens: pieces of text; joined, they are the answer.
        times_ms: arrival of each piece after the request was sent.
    """

    history: tuple[str, ...]
    tokens: tuple[str, ...]
    times_ms: tuple[float, ...]


def read_replies(path: Path) -> list[RecordedReply]:
    """Read a file of replies, one JSON object a line.

    Raises:
        WorkbenchError: names the file and the line that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read ({error.strerror}); [stack] lm names it") from None
    out = []
    # Not splitlines(): JSON may hold line separators of other alphabets as they are.
    for number, line in enumerate(text.split("\n") if text else [], 1):
        try:
            raw = json.loads(line)
            reply = RecordedReply(tuple(raw["history"]), tuple(raw["tokens"]), tuple(float(t) for t in raw["times_ms"]))
            good = all(isinstance(x, str) for x in (*reply.history, *reply.tokens))
        except (ValueError, KeyError, TypeError):
            good = False
        if not good or len(reply.tokens) != len(reply.times_ms) or not reply.history:
            raise WorkbenchError(f"{path}, line {number}: must be a reply with history, tokens and times_ms")
        out.append(reply)
    return out


def add_reply(path: Path, reply: RecordedReply) -> None:
    """Add a reply to a file of them; :func:`read_replies` gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"history": reply.history, "tokens": reply.tokens, "times_ms": reply.times_ms}
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(canonical_json(row) + "\n")


def kept(pieces: Iterator[str], history: tuple[str, ...], record: Path | None) -> Iterator[str]:
    """Pass the pieces of an answer on, and add the whole reply with its times to a file.

    Args:
        pieces: of the answer to ``history``; asking for the first one sends the request.
        history: user and agent texts in turn, the user's newest last.
        record: the file; None keeps nothing.
    """
    tokens, times = [], []
    begun = time.perf_counter()
    for piece in pieces:
        tokens.append(piece)
        times.append(round((time.perf_counter() - begun) * 1000, 3))
        yield piece
    if record is not None:
        add_reply(record, RecordedReply(history, tuple(tokens), tuple(times)))


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
        self.fingerprint = key_of("recorded", 1, [[list(r.history), list(r.tokens)] for r in replies])

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """See :class:`workbench.stages.protocols.TextLm`."""
        return iter((self._exact.get(history) or self._by_turn.get(len(history)) or self._last).tokens)


class EndpointLm:
    """A chat completions endpoint. It is asked each time; the replay's store asks it once per conversation.

    Args:
        url: ``http://host:port/v1``; a fragment names the model, ``…/v1#qwen2.5-3b``.
        record: file that every whole reply is added to, for :class:`RecordedLm`.
        system: system prompt.
        max_tokens: bound on an answer.

    Raises:
        WorkbenchError: the URL is none.
    """

    def __init__(self, url: str, record: Path | None = None, *, system: str = SYSTEM, max_tokens: int = 200) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WorkbenchError(f"[stack] lm {url!r}: must be like http://127.0.0.1:8080/v1#model")
        self._parts, self._record, self._system, self._max = parts, record, system, max_tokens
        self.fingerprint = key_of("endpoint", 1, url, system, max_tokens)

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """See :class:`workbench.stages.protocols.TextLm`.

        Raises:
            WorkbenchError: the server is not there, refuses, or sends what is no chat stream.
        """
        return kept(self._request(history), history, self._record)

    def _request(self, history: tuple[str, ...]) -> Iterator[str]:
        secure = self._parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = make(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_SECONDS)
        where = f"{self._parts.scheme}://{self._parts.netloc}"
        path = self._parts.path.rstrip("/") + "/chat/completions"
        try:
            connection.request("POST", path, json.dumps(self._body(history)), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                text = response.read(300).decode(errors="replace").replace("\n", " ").strip()
                raise WorkbenchError(f"{where}{path}: answered {response.status} {response.reason}: {text}")
            yield from _pieces(response, where)
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            hint = "start it, or use lm=canned"
            raise WorkbenchError(f"{where}: no language model answers there ({why}); {hint}") from None
        finally:
            connection.close()

    def _body(self, history: tuple[str, ...]) -> dict[str, Any]:
        roles = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(history)]
        body: dict[str, Any] = {
            "messages": [{"role": "system", "content": self._system}, *roles],
            "stream": True,
            "temperature": 0,
            "max_tokens": self._max,
        }
        if self._parts.fragment:
            body["model"] = self._parts.fragment
        return body


def _pieces(response: http.client.HTTPResponse, where: str) -> Iterator[str]:
    """Text of a stream of server-sent events: ``data: {json}`` lines up to ``data: [DONE]``."""
    for line in response:
        data = line.decode(errors="replace").strip()
        if not data.startswith("data:"):
            continue
        data = data.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
            if "error" in event:
                raise WorkbenchError(f"{where}: {event['error']}")
            delta = event["choices"][0].get("delta", {}) if event["choices"] else {}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise WorkbenchError(f"{where}: sent what is no chat completion: {data[:80]}") from None
        piece = delta.get("content")
        if piece:
            yield piece


def costs_ms(replies: list[RecordedReply]) -> dict[str, list[float]]:
    """Times to the first token and between tokens, for a cost profile; empty replies have none."""
    first = [r.times_ms[0] for r in replies if r.times_ms]
    later = [b - a for r in replies for a, b in zip(r.times_ms, r.times_ms[1:], strict=False)]
    return {"lm_first": first, "lm_token": later}
