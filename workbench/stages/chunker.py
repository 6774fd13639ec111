"""Cutting a reply into the chunks that are handed to the TTS: the assistant ``workbench``'s way, and what all share.

Sentences split where sentences end, words are never cut in two, and a reply that is still being written is cut at the
*first* sentence end that makes a chunk long enough. MLX-Harmony's way is in
:mod:`workbench.assistants.mlx_harmony_chunker`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from workbench.config import AssistantConfig
from workbench.knobs import ChunkKnobs

STOPS = ".!?;:"
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+")


class Chunker(Protocol):
    """A way of cutting a reply."""

    def cut(self, text: str, knobs: ChunkKnobs) -> list[str]:
        """Cut a whole reply."""
        ...

    def stream_cut(self, buffer: str, knobs: ChunkKnobs) -> int:
        """Characters of a reply that is still being written which make its next chunk; 0 while there is none."""
        ...

    def unread(self, assistant: AssistantConfig) -> tuple[str, ...]:
        """Knobs of the chunker that nothing reads under the other settings."""
        ...


class SentenceChunker:
    """See :class:`Chunker`: cuts at sentence ends, else between words.

    >>> SentenceChunker().cut("One two. Three four.", ChunkKnobs("workbench", False, 12, 5, True))
    ['One two.', 'Three four.']
    """

    def cut(self, text: str, knobs: ChunkKnobs) -> list[str]:
        """See :class:`Chunker`; a cut falls between words, whatever white space parts them."""
        text = " ".join(text.split())
        if not text or knobs.max_chars <= 0:
            return [text] if text else []
        if knobs.sentences:
            return merge_short(pack(_SENTENCE.split(text), knobs.max_chars), knobs)
        return merge_short(cut_at_spaces(text, knobs.max_chars), knobs)

    def stream_cut(self, buffer: str, knobs: ChunkKnobs) -> int:
        """See :class:`Chunker`."""
        limit = knobs.max_chars if knobs.max_chars > 0 else len(buffer) + 1
        if knobs.sentences:
            for at, char in enumerate(buffer[:limit], 1):
                # A space after it sets a full stop apart from a decimal point; at the end the rest goes out anyway.
                if char in STOPS and at >= knobs.min_chars and buffer[at : at + 1].isspace():
                    return at
        if len(buffer) <= limit:
            return 0
        spaces = [at for at, char in enumerate(buffer[: limit + 1]) if char.isspace()]
        return spaces[-1] if spaces and spaces[-1] > 0 else limit

    def unread(self, assistant: AssistantConfig) -> tuple[str, ...]:
        """See :class:`Chunker`."""
        if assistant.tts_stream:
            return () if assistant.tts_chunk_sentences else ("tts_chunk_min_chars",)
        return ("tts_chunk_sentences", "tts_chunk_min_chars") if assistant.tts_chunk_chars <= 0 else ()


def pack(sentences: Iterable[str], limit: int) -> list[str]:
    """Join sentences while they fit; cut those that are too long by themselves at spaces.

    Shorter ones that wait go out before a sentence that is cut. (MLX-Harmony has it the other way, and would reorder
    text; its pattern only ever finds one sentence, so that the order cannot show.)
    """
    out: list[str] = []
    line = ""
    for sentence in (item.strip() for item in sentences):
        if not sentence:
            continue
        if len(sentence) > limit:
            out += [line] if line else []
            line = ""
            out += cut_at_spaces(sentence, limit)
        elif line and len(line) + 1 + len(sentence) > limit:
            out.append(line)
            line = sentence
        else:
            line = f"{line} {sentence}" if line else sentence
    return [*out, line] if line else out


def cut_at_spaces(text: str, limit: int) -> list[str]:
    """Cut at the last space before the limit, inside a word where there is none."""
    out = []
    while len(text) > limit:
        at = text.rfind(" ", 0, limit + 1)
        if at <= 0:
            at = limit
        out.append(text[:at].strip())
        text = text[at:].strip()
    return [*out, text] if text else out


def merge_short(chunks: Sequence[str], knobs: ChunkKnobs) -> list[str]:
    """Hold a chunk back until it has ``min_chars``, but never past ``max_chars``; the last one may stay short."""
    out: list[str] = []
    held = ""
    for piece in filter(None, chunks):
        if held and len(held) + 1 + len(piece) > knobs.max_chars:
            out.append(held)
            held = piece
            continue
        held = f"{held} {piece}" if held else piece
        if len(held) >= knobs.min_chars:
            out.append(held)
            held = ""
    return [*out, held] if held else out


class ChunkText(NamedTuple):
    """Where a reply is cut: the token that completes the chunk, and its text."""

    token: int
    text: str


class Cutter:
    """Cuts a reply whose tokens come one by one, whole or while it is written.

    >>> cutter = Cutter(SentenceChunker(), ChunkKnobs("workbench", True, 40, 5, True))
    >>> list(cutter.cut_all(["One", " two.", " Three", " four."]))
    [ChunkText(token=2, text='One two.'), ChunkText(token=3, text='Three four.')]
    """

    def __init__(self, chunker: Chunker, knobs: ChunkKnobs) -> None:
        self._chunker, self._knobs = chunker, knobs
        self._token = -1
        self._buffer = ""

    def add(self, token: str) -> list[ChunkText]:
        """Take the next token; the chunks that are whole now."""
        out = []
        self._token += 1
        self._buffer += token
        while self._knobs.stream and (at := self._chunker.stream_cut(self._buffer, self._knobs)) > 0:
            out.append(self._buffer[:at].strip())
            self._buffer = self._buffer[at:].lstrip()
        return [ChunkText(self._token, text) for text in out if text]

    def rest(self) -> list[ChunkText]:
        """The chunks of what is left, when the reply is over."""
        left = self._buffer.strip()
        texts = ([left] if left else []) if self._knobs.stream else self._chunker.cut(self._buffer, self._knobs)
        return [ChunkText(self._token, text) for text in texts]

    def cut_all(self, tokens: Iterable[str]) -> Iterator[ChunkText]:
        """The chunks of a reply whose tokens are known."""
        for token in tokens:
            yield from self.add(token)
        yield from self.rest()


def midword(text: str, chunks: Sequence[str]) -> list[bool]:
    """For each chunk, whether it breaks a word of ``text``: at its end, or by a space that was put inside a word.

    >>> midword("one two", ["one t", "wo"])
    [True, False]
    """
    breaks = set()
    letters = 0
    for word in text.split():
        letters += len(word)
        breaks.add(letters)
    out = []
    seen = 0
    for chunk in chunks:
        is_broken = False
        for word in chunk.split():
            seen += len(word)
            is_broken |= seen not in breaks
        out.append(is_broken)
    return out
