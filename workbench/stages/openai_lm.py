"""Replies from a server.

Any server that speaks OpenAI's chat completions with streaming will do: MLX-Harmony's, ``mlx_lm.server``, LM Studio,
Ollama. A server need not say the same twice, a replay must: its store keeps what was said under the conversation it
answers, with the times at which its tokens came. Every reply is also written to a file (``recorded_lm.py``): all that
another machine needs.
"""

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.cache import key_of
from workbench.config import API_KEY, refuse_secrets
from workbench.errors import WorkbenchError
from workbench.stages.chat_stream import ChatStream, spoken
from workbench.stages.protocols import ReplyRemark
from workbench.stages.recorded_lm import kept_timed

SYSTEM = "You are a voice assistant. Answer in one to three short spoken sentences, without lists or markup."
TIMEOUT_SECONDS = 120.0
MAX_TOKENS = 200
"""Bound on an answer, unless the spec has another: one to three short sentences take 20 to 80."""


def messages(history: tuple[str, ...]) -> list[dict[str, str]]:
    """A conversation as servers and chat templates want it: roles in turn, and no message without text.

    >>> messages(("Hello?", "", "Hello!"))
    [{'role': 'user', 'content': 'Hello?\\nHello!'}]
    """
    out: list[dict[str, str]] = []
    for index, text in enumerate(history):
        role = ("user", "assistant")[index % 2]
        if not text.strip() and index < len(history) - 1:
            continue
        if out and out[-1]["role"] == role:
            out[-1]["content"] += f"\n{text}"
        else:
            out.append({"role": role, "content": text})
    return out


class EndpointLm:
    """A chat completions endpoint. It is asked each time; the replay's store asks it once per conversation.

    Args:
        url: ``http://host:port/v1``; a fragment names the model, ``…/v1#qwen2.5-3b``, and may bound the answer,
            ``…/v1#qwen2.5-3b&max_tokens=400``.
        record: file that every whole reply is added to, for :class:`RecordedLm`.
        system: system prompt.
        max_tokens: bound on an answer, where the URL has none.

    Raises:
        WorkbenchError: the URL is none.
    """

    def __init__(
        self, url: str, record: Path | None = None, *, system: str = SYSTEM, max_tokens: int = MAX_TOKENS
    ) -> None:
        check_endpoint(url)
        parts = urlsplit(url)
        self._model, mark, bound = parts.fragment.partition("&max_tokens=")
        self._max = int(bound) if mark else max_tokens
        self._parts, self._record, self._system = parts, record, system
        self._where = f"{parts.scheme}://{parts.netloc}"
        self.fingerprint = key_of("endpoint", 2, url, system, self._max)

    def reply(self, history: tuple[str, ...]) -> Iterator[str]:
        """See :class:`workbench.stages.protocols.TextLm`.

        Raises:
            WorkbenchError: the server is not there, refuses, or sends what is no chat stream.
            ReplyRemark: the reply is cut off, empty, or broke off.
        """
        return (piece for piece, _ in self.timed_reply(history))

    def timed_reply(self, history: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        """See :class:`workbench.stages.protocols.TimedLm`: when each token came here, the network included."""
        return kept_timed(self._request(history), history, self._record)

    def _request(self, history: tuple[str, ...]) -> Iterator[str]:
        secure = self._parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        path = self._parts.path.rstrip("/") + "/chat/completions"
        key, said = api_key(), False
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        connection = None
        try:
            connection = make(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_SECONDS)
            connection.request("POST", path, json.dumps(self._body(history)), headers)
            response = connection.getresponse()
            if response.status != 200:
                text = " ".join(response.read(300).decode(errors="replace").split())
                hint = f"; its key goes into the environment variable {API_KEY}" if response.status == 401 else ""
                raise WorkbenchError(f"{self._where}{path}: answered {response.status} {response.reason}: {text}{hint}")
            stream = ChatStream(response, self._where)
            for piece in spoken(stream.pieces(), stream):
                said = True
                yield piece
        except ReplyRemark:
            raise
        except WorkbenchError as error:  # a server may say the key that it refuses
            raise WorkbenchError(str(error).replace(key, "***") if key else str(error)) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            why = str(error) or type(error).__name__
            if said:
                raise ReplyRemark(f"{self._where}: the reply broke off ({why})", is_final=False) from None
            hint = "start it, or use lm=canned"
            raise WorkbenchError(f"{self._where}: no language model answers there ({why}); {hint}") from None
        finally:
            if connection is not None:
                connection.close()

    def _body(self, history: tuple[str, ...]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": [{"role": "system", "content": self._system}, *messages(history)],
            "stream": True,
            "temperature": 0,
            "max_tokens": self._max,
        }
        if self._model:
            body["model"] = self._model
        return body


def check_endpoint(url: str) -> None:
    """Check a URL before it is written anywhere.

    Raises:
        WorkbenchError: it is none, or holds a name and password; those are not repeated.
    """
    refuse_secrets(url)
    like = "must be like http://127.0.0.1:8080/v1#model or http://127.0.0.1:8080/v1#model&max_tokens=400"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        _, mark, bound = parts.fragment.partition("&max_tokens=")
        good = good and (not mark or (bound.isascii() and bound.isdigit() and 0 < int(bound[:7]) < 1_000_000))
    except ValueError:
        raise WorkbenchError(f"[stack] lm: not a URL; {like}") from None
    if not good:
        raise WorkbenchError(f"[stack] lm {url!r}: {like}")


def api_key() -> str:
    """The key of the endpoint, from the environment; empty where there is none.

    Raises:
        WorkbenchError: it cannot be sent; it is not repeated.
    """
    key = os.environ.get(API_KEY, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise WorkbenchError(f"{API_KEY}: the key must be one word of ASCII characters")
    return key
