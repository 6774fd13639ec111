"""Chunkers: replies cut into chunks for the TTS, as the assistant ``workbench`` does it, and what all share.

Sentences split where sentences end (:mod:`workbench.stages.sentences`), words are never cut in two, and a reply that
is still being written is cut at the *first* sentence end that makes a chunk long enough. MLX-Harmony's way is in
:mod:`workbench.assistants.mlx_harmony_chunker`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from workbench.config import AssistantConfig
from workbench.knobs import ChunkKnobs
from workbench.stages.sentences import is_abbreviation, is_break, sentence_ends

STOPS = ".!?;:"
_LITERAL = re.compile(r"(?<=[.!?;:])\\s+")
"""What MLX-Harmony's chunker takes out of a text: a literal ``\\s`` behind a stop."""


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
            return merge_short(_pack(_sentences(text), knobs.max_chars), knobs)
        return merge_short(_cut_at_spaces(text, knobs.max_chars), knobs)

    def stream_cut(self, buffer: str, knobs: ChunkKnobs) -> int:
        """See :class:`Chunker`."""
        limit = knobs.max_chars if knobs.max_chars > 0 else len(buffer) + 1
        if knobs.sentences:
            # A space after it sets a full stop apart from a decimal point; at the end the rest goes out anyway.
            for at in sentence_ends(buffer):
                if knobs.min_chars <= at <= limit:
                    return at
        return _last_break(buffer, limit) if len(buffer) > limit else 0

    def unread(self, assistant: AssistantConfig) -> tuple[str, ...]:
        """See :class:`Chunker`."""
        if assistant.tts_stream:
            return () if assistant.tts_chunk_sentences else ("tts_chunk_min_chars",)
        return ("tts_chunk_sentences", "tts_chunk_min_chars") if assistant.tts_chunk_chars <= 0 else ()


def _sentences(text: str) -> list[str]:
    """Sentences of a text, each with the space before it, so that joined they are the text."""
    ends = [0, *sentence_ends(text), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if start < end]


def _pack(sentences: Iterable[str], limit: int) -> list[str]:
    """Join sentences while they fit; cut those that are too long by themselves at spaces."""
    out: list[str] = []
    line = ""
    for sentence in sentences:
        if len(sentence.strip()) > limit:
            out += [line, *_cut_at_spaces(sentence, limit)]
            line = ""
        elif line and len((line + sentence).strip()) > limit:
            out.append(line)
            line = sentence
        else:
            line += sentence
    return [*out, line]


def _cut_at_spaces(text: str, limit: int) -> list[str]:
    """Pieces of at most ``limit`` characters, each with the space before it."""
    out = []
    while len(text.strip()) > limit:
        lead = len(text) - len(text.lstrip())
        at = lead + _last_break(text.strip(), limit)
        out.append(text[:at])
        text = text[at:]
    return [*out, text]


def _last_break(text: str, limit: int) -> int:
    """Where to cut a text that is longer than the limit: at the last space, not behind an abbreviation if possible."""
    spaces = [at for at, char in enumerate(text[: limit + 1]) if char.isspace() and at]
    if spaces:
        return next((at for at in reversed(spaces) if not is_abbreviation(text, at)), spaces[-1])
    at = limit
    while at > 1 and unicodedata.combining(text[at]):  # a mark stays with its letter
        at -= 1
    return at


def merge_short(pieces: Sequence[str], knobs: ChunkKnobs) -> list[str]:
    """Hold a piece back until it has ``min_chars``, but never past ``max_chars``; the last one may stay short.

    Args:
        pieces: each with the space before it, if there is one.
        knobs: of the chunker.
    """
    out: list[str] = []
    held = ""
    for piece in pieces:
        if not piece.strip():
            continue
        if held and len((held + piece).strip()) > knobs.max_chars:
            out.append(held.strip())
            held = piece
            continue
        held += piece
        if len(held.strip()) >= knobs.min_chars:
            out.append(held.strip())
            held = ""
    return [*out, held.strip()] if held else out


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

    Between characters of scripts that are written without spaces a break is none.

    >>> midword("one two", ["one t", "wo"])
    [True, False]
    >>> midword("今天天气很好。", ["今天天", "气很好。"])
    [False, False]
    """
    words = text.split()
    letters = "".join(words)
    if "".join("".join(chunk.split()) for chunk in chunks) != letters:
        return _words_missing(Counter(_LITERAL.sub(" ", text).split()), chunks)
    breaks = set()
    seen = 0
    for word in words:
        seen += len(word)
        breaks.add(seen)
    out = []
    seen = 0
    for chunk in chunks:
        broken = False
        for word in chunk.split():
            seen += len(word)
            broken |= seen not in breaks and not is_break(letters, seen)
        out.append(broken)
    return out


def _words_missing(words: Counter[str], chunks: Sequence[str]) -> list[bool]:
    """MLX-Harmony's cut may put words in another order; then a broken one is known by not being a word of the text."""
    out = []
    for chunk in chunks:
        broken = False
        for word in chunk.split():
            words[word] -= 1
            broken |= words[word] < 0
        out.append(broken)
    return out
