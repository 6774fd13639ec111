"""Cutting a reply into the pieces that are handed to the TTS.

Two ways, each for a reply that is there whole and for one that is still being written:

* ``published``: MLX-Harmony's (branch ``moshi-dev``): its sentence pattern was written with a doubled backslash and
  matches only text that contains a literal ``\\s`` behind a stop, so replies are cut at the last space before the
  limit; with sentences off they are cut at the limit, inside words; streamed text is cut at the *last* stop in the
  window.
* ``corrected``: sentences split where sentences end, words never cut in two, streamed text cut at the *first* sentence
  end that makes a piece long enough.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

STOPS = ".!?;:"
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+")
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
    if options.max_chars <= 0:
        return [text]
    if options.sentences:
        pattern = _SENTENCE_PUBLISHED if options.published else _SENTENCE
        pieces = _pack(pattern.split(text), options.max_chars)
    elif options.published:
        step = options.max_chars
        pieces = [text[first : first + step].strip() for first in range(0, len(text), step)]
    else:
        pieces = _cut_at_spaces(text, options.max_chars)
    return _merge_short([piece for piece in pieces if piece], options)


def _pack(sentences: Iterable[str], limit: int) -> list[str]:
    """Join sentences while they fit; cut those that are too long by themselves at spaces.

    A cut sentence goes out before the shorter ones that were waiting: the published loop does so, and reorders text
    when a short sentence stands before a long one. The corrected pattern meets it too, so the waiting ones are put
    out first there; with the published pattern there is only ever one sentence, and the order cannot show.
    """
    out: list[str] = []
    line = ""
    for sentence in (item.strip() for item in sentences):
        if not sentence:
            continue
        if len(sentence) > limit:
            out += [line] if line else []
            line = ""
            out += _cut_at_spaces(sentence, limit)
        elif line and len(line) + 1 + len(sentence) > limit:
            out.append(line)
            line = sentence
        else:
            line = f"{line} {sentence}" if line else sentence
    return [*out, line] if line else out


def _cut_at_spaces(text: str, limit: int) -> list[str]:
    out = []
    while len(text) > limit:
        at = text.rfind(" ", 0, limit + 1)
        if at <= 0:
            at = limit
        out.append(text[:at].strip())
        text = text[at:].strip()
    return [*out, text] if text else out


def _merge_short(pieces: Sequence[str], options: ChunkOptions) -> list[str]:
    """Hold a piece back until it has ``min_chars``, but never past ``max_chars``; the last one may stay short."""
    out: list[str] = []
    held = ""
    for piece in pieces:
        if held and len(held) + 1 + len(piece) > options.max_chars:
            out.append(held)
            held = piece
            continue
        held = f"{held} {piece}" if held else piece
        if len(held) >= options.min_chars:
            out.append(held)
            held = ""
    return [*out, held] if held else out


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
        for at, char in enumerate(buffer[:limit], 1):
            # What comes next tells a full stop from a decimal point; at the end of the reply the rest goes out anyway.
            if char in STOPS and at >= options.min_chars and buffer[at : at + 1].isspace():
                return at
    if len(buffer) <= limit:
        return 0
    spaces = [at for at, char in enumerate(buffer[: limit + 1]) if char.isspace()]
    return spaces[-1] if spaces and spaces[-1] > 0 else limit


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
        torn = False
        for word in chunk.split():
            seen += len(word)
            torn |= seen not in breaks
        out.append(torn)
    return out
