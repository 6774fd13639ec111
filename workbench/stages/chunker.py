"""Cutting a reply into the pieces that are handed to the TTS.

Two ways, each for a reply that is there whole and for one that is still being written:

* ``published``: MLX-Harmony's (branch ``moshi-dev``): its sentence pattern was written with a doubled backslash and
  matches only text that contains a literal ``\\s`` behind a stop, so replies are cut at the last space before the
  limit; with sentences off they are cut at the limit, inside words; streamed text is cut at the *last* stop in the
  window.
* ``corrected``: sentences split where sentences end (``sentences.py``), words never cut in two, streamed text cut at
  the *first* sentence end that makes a piece long enough.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from workbench.stages.sentences import is_abbreviation, is_break, sentence_ends

STOPS = ".!?;:"
_SENTENCE_PUBLISHED = re.compile(r"(?<=[.!?;:])\\s+")


@dataclass(frozen=True)
class ChunkOptions:
    """The knobs: ``tts_chunk_chars``, ``tts_chunk_min_chars``, ``tts_chunk_sentences`` and which way."""

    max_chars: int
    min_chars: int
    sentences: bool
    published: bool


def chunk_text(text: str, options: ChunkOptions) -> list[str]:
    """Cut a whole reply.

    >>> chunk_text("One two. Three four.", ChunkOptions(12, 5, True, published=False))
    ['One two.', 'Three four.']
    >>> chunk_text("One two. Three four.", ChunkOptions(12, 5, True, published=True))
    ['One two.', 'Three four.']
    >>> chunk_text("One two. Three four.", ChunkOptions(15, 5, True, published=True))
    ['One two. Three', 'four.']
    """
    # A corrected cut falls between words, whatever white space parts them.
    text = text.strip() if options.published else " ".join(text.split())
    if not text:
        return []
    limit = options.max_chars
    if limit <= 0:
        return [text]
    if not options.published:
        pieces = _pack(_sentences(text), limit) if options.sentences else _cut_at_spaces(text, limit)
    elif options.sentences:
        pieces = _spaced(_pack_published(_SENTENCE_PUBLISHED.split(text), limit))
    else:
        pieces = _spaced([text[first : first + limit] for first in range(0, len(text), limit)])
    return _merge_short(pieces, options)


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


def _pack_published(sentences: Iterable[str], limit: int) -> list[str]:
    """As MLX-Harmony does it: a sentence that is too long is cut and goes out before shorter ones that wait."""
    out: list[str] = []
    line = ""
    for sentence in (item.strip() for item in sentences):
        if not sentence:
            continue
        if len(sentence) > limit:
            while len(sentence) > limit:
                at = sentence.rfind(" ", 0, limit + 1)
                at = at if at > 0 else limit
                out.append(sentence[:at].strip())
                sentence = sentence[at:].strip()
            out.append(sentence)
        elif line and len(line) + 1 + len(sentence) > limit:
            out.append(line)
            line = sentence
        else:
            line = f"{line} {sentence}" if line else sentence
    return [*out, line]


def _spaced(pieces: Iterable[str]) -> list[str]:
    return [f" {piece.strip()}" for piece in pieces if piece.strip()]


def _merge_short(pieces: Sequence[str], options: ChunkOptions) -> list[str]:
    """Hold a piece back until it has ``min_chars``, but never past ``max_chars``; the last one may stay short.

    Args:
        pieces: each with the space before it, if there is one.
        options: the knobs.
    """
    out: list[str] = []
    held = ""
    for piece in pieces:
        if not piece.strip():
            continue
        if held and len((held + piece).strip()) > options.max_chars:
            out.append(held.strip())
            held = piece
            continue
        held += piece
        if len(held.strip()) >= options.min_chars:
            out.append(held.strip())
            held = ""
    return [*out, held.strip()] if held else out


def chunk_stream(tokens: Iterable[str], options: ChunkOptions) -> Iterator[tuple[int, str]]:
    """Cut a reply while it is written: (index of the token that completed it, piece), each as soon as it is whole.

    >>> options = ChunkOptions(40, 5, True, published=False)
    >>> list(chunk_stream(["One", " two.", " Three", " four."], options))
    [(2, 'One two.'), (3, 'Three four.')]
    """
    cutter = StreamCutter(options)
    index = -1
    for index, token in enumerate(tokens):
        for piece in cutter.add(token):
            yield index, piece
    for piece in cutter.rest():
        yield index, piece


class StreamCutter:
    """:func:`chunk_stream` for tokens that come one by one."""

    def __init__(self, options: ChunkOptions) -> None:
        self._options = options
        self._cut = _stream_cut_published if options.published else _stream_cut
        self._buffer = ""

    def add(self, token: str) -> list[str]:
        """The reply goes on with this; the pieces that are whole now."""
        out = []
        self._buffer += token
        while (at := self._cut(self._buffer, self._options)) > 0:
            out.append(self._buffer[:at].strip())
            self._buffer = self._buffer[at:].lstrip()
        return [piece for piece in out if piece]

    def rest(self) -> list[str]:
        """The reply is over; what is left of it, if anything."""
        piece = self._buffer.strip()
        return [piece] if piece else []


def _stream_cut_published(buffer: str, options: ChunkOptions) -> int:
    if not buffer or len(buffer) < options.min_chars:
        return 0
    at = max(buffer.rfind(stop, 0, options.max_chars + 1) for stop in STOPS)
    if at < 0 and len(buffer) < options.max_chars:
        return 0
    return (at if at >= 0 else options.max_chars) + 1


def _stream_cut(buffer: str, options: ChunkOptions) -> int:
    limit = options.max_chars if options.max_chars > 0 else len(buffer) + 1
    if options.sentences:
        # What comes next tells a full stop from a decimal point; at the end of the reply the rest goes out anyway.
        for at in sentence_ends(buffer):
            if options.min_chars <= at <= limit:
                return at
    return _last_break(buffer, limit) if len(buffer) > limit else 0


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
        return _words_missing(Counter(_SENTENCE_PUBLISHED.sub(" ", text).split()), chunks)
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
    """The published cut may put words in another order; then a broken one is known by not being a word of the text."""
    out = []
    for chunk in chunks:
        broken = False
        for word in chunk.split():
            words[word] -= 1
            broken |= words[word] < 0
        out.append(broken)
    return out
