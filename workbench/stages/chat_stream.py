"""Replies of an OpenAI chat completions server: what of the stream is said, and what must be remarked on.

A reply that is cut off, empty or thought aloud does not pass for a whole one: behind the last token a
:class:`~workbench.stages.protocols.ReplyRemark` is raised, which goes into the trace. A stream that breaks off is an
error, and nothing of it is kept.
"""

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any

from workbench.errors import WorkbenchError
from workbench.stages.protocols import ReplyRemark

_LONGEST_LINE = 1 << 20
_LONGEST_REPLY = 1 << 24
"""Bytes that are read of a server that never ends."""

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_TAGS = ("<think>", "<thinking>", "</think>", "</thinking>")

_ENDINGS = {
    "length": "the reply was cut off at max_tokens (finish_reason length)",
    "content_filter": "the reply was cut off by the server's filter (finish_reason content_filter)",
    "tool_calls": "the language model asked for a tool instead of answering (finish_reason tool_calls)",
    "function_call": "the language model asked for a tool instead of answering (finish_reason function_call)",
}


class ChatStream:
    """One answer of a server, streamed as asked for or sent in one piece.

    Args:
        response: of status 200.
        where: names the server in errors.

    Attributes:
        reasoned: whether thoughts came in fields of their own; they are not said.
    """

    def __init__(self, response: http.client.HTTPResponse, where: str) -> None:
        self._response, self._where = response, where
        self._finish = ""
        self.reasoned = False

    def pieces(self) -> Iterator[str]:
        """The text as it comes: ``data: {json}`` lines up to ``data: [DONE]``, or one JSON object.

        Raises:
            WorkbenchError: the server reports an error, or sends something else.
            ReplyRemark: the reply was cut off, or broke off.
        """
        done, some = False, False
        for line in self._lines():
            data = line.decode(errors="replace").strip()
            if data.startswith("{") and not some:  # the server ignored "stream"
                yield from self._text(self._whole(data))
                done = True
                break
            if not data.startswith("data:"):
                continue
            some = True
            data = data.removeprefix("data:").strip()
            if data == "[DONE]":
                done = True
                break
            yield from self._text(data)
        if self._finish in _ENDINGS:
            raise ReplyRemark(_ENDINGS[self._finish])
        if not (done or self._finish):
            raise ReplyRemark(
                f"{self._where}: the reply broke off: the stream ended without finish_reason and without [DONE]",
                is_final=False,
            )

    def _lines(self) -> Iterator[bytes]:
        read = 0
        while line := self._response.readline(_LONGEST_LINE):
            read += len(line)
            if read > _LONGEST_REPLY:
                raise WorkbenchError(f"{self._where}: the reply does not end: {read} bytes and no end of it")
            yield line

    def _whole(self, first: str) -> str:
        return first + b"".join(self._lines()).decode(errors="replace")

    def _text(self, data: str) -> Iterator[str]:
        """What one event says."""
        try:
            event = json.loads(data)
            if error := event.get("error"):
                raise WorkbenchError(f"{self._where}: {_message(error)}")
            choice = (event["choices"] or [{}])[0]
            delta = choice.get("delta") or choice.get("message") or {}
            content, finish = delta.get("content"), choice.get("finish_reason")
            if not isinstance(content, str | None) or not isinstance(finish, str | None):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            raise WorkbenchError(f"{self._where}: sent what is no chat completion: {data[:80]}") from None
        self._finish = finish or self._finish
        self.reasoned = self.reasoned or bool(delta.get("reasoning_content") or delta.get("reasoning"))
        if content:
            yield content.encode(errors="replace").decode()  # half of a surrogate pair is no text


def _message(error: Any) -> str:
    text = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(text or error).split())[:300]


def spoken(pieces: Iterator[str], stream: ChatStream | None = None) -> Iterator[str]:
    """What is said of a reply: thoughts between ``<think>`` and ``</think>`` are left out.

    Args:
        pieces: of the reply as it comes.
        stream: where they come from, if from a server.

    Raises:
        ReplyRemark: behind the last piece, where the reply is cut off or empty, or thoughts were spoken.
    """
    thoughts, said, remark = _Thoughts(), False, ""
    try:
        for piece in pieces:
            text = thoughts.add(piece)
            if thoughts.seen and not said:
                text = text.lstrip()
            if text:
                said = said or bool(text.strip())
                yield text
    except ReplyRemark as error:
        if not error.is_final:
            raise
        remark = str(error)
    if rest := thoughts.rest():
        said = said or bool(rest.strip())
        yield rest
    if not said:
        only = " but thoughts" if thoughts.seen or (stream is not None and stream.reasoned) else ""
        raise ReplyRemark(f"the language model said nothing{only}{'; ' if remark else ''}{remark}")
    if thoughts.stray:
        remark = f"the reply holds </think> without <think>: thoughts were spoken{'; ' if remark else ''}{remark}"
    if remark:
        raise ReplyRemark(remark)


class _Thoughts:
    """Leaves out what stands between the tags, which may come in several pieces."""

    def __init__(self) -> None:
        self._text = ""
        self._inside = False
        self.seen = False
        self.stray = False

    def add(self, piece: str) -> str:
        self._text += piece
        out = ""
        while match := _TAG.search(self._text):
            closes = bool(match[1])
            if not self._inside:
                out += self._text[: match.start()]
                self.stray = self.stray or closes
            self.seen = True
            self._inside = not closes
            self._text = self._text[match.end() :]
        if self._inside:
            self._text = self._text[-len("</thinking>") :]
            return out
        keep = self._begun()
        out += self._text[:keep]
        self._text = self._text[keep:]
        return out

    def _begun(self) -> int:
        """Where a tag may have begun at the end of the text."""
        at = self._text.rfind("<")
        last = self._text[at:].lower() if at >= 0 else ""
        return at if last and any(tag.startswith(last) for tag in _TAGS) else len(self._text)

    def rest(self) -> str:
        """What looked like the beginning of a tag and was none."""
        return "" if self._inside else self._text
