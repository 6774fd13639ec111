"""Chunker of the assistant ``mlx-harmony`` (branch ``moshi-dev``), faults included.

Its sentence pattern was written with a doubled backslash and matches only text that contains a literal ``\\s`` behind a
stop, so that replies are cut at the last space before the limit; without sentences they are cut at the limit, inside
words; a reply that is still being written is cut at the *last* stop in the window.
"""

import re
from collections.abc import Iterable

from workbench.config import AssistantConfig
from workbench.knobs import ChunkKnobs
from workbench.stages.chunker import STOPS, merge_short

_SENTENCE = re.compile(r"(?<=[.!?;:])\\s+")


class MlxHarmonyChunker:
    """See :class:`workbench.stages.chunker.Chunker`.

    >>> MlxHarmonyChunker().cut("One two. Three four.", ChunkKnobs("mlx-harmony", False, 15, 5, True))
    ['One two. Three', 'four.']
    """

    def cut(self, text: str, knobs: ChunkKnobs) -> list[str]:
        """See :class:`workbench.stages.chunker.Chunker`."""
        text, step = text.strip(), knobs.max_chars
        if not text or step <= 0:
            return [text] if text else []
        if knobs.sentences:
            return merge_short(_spaced(_pack(_SENTENCE.split(text), step)), knobs)
        return merge_short(_spaced(text[first : first + step] for first in range(0, len(text), step)), knobs)

    def stream_cut(self, buffer: str, knobs: ChunkKnobs) -> int:
        """See :class:`workbench.stages.chunker.Chunker`."""
        if not buffer or len(buffer) < knobs.min_chars:
            return 0
        at = max(buffer.rfind(stop, 0, knobs.max_chars + 1) for stop in STOPS)
        if at < 0 and len(buffer) < knobs.max_chars:
            return 0
        return (at if at >= 0 else knobs.max_chars) + 1

    def unread(self, assistant: AssistantConfig) -> tuple[str, ...]:
        """See :class:`workbench.stages.chunker.Chunker`."""
        if assistant.tts_stream:
            return ("tts_chunk_sentences",)
        return ("tts_chunk_sentences", "tts_chunk_min_chars") if assistant.tts_chunk_chars <= 0 else ()


def _pack(sentences: Iterable[str], limit: int) -> list[str]:
    """Join sentences while they fit; a sentence that is too long is cut and goes out before shorter ones that wait."""
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
