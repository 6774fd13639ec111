"""Words: what the assistant understood against what the labels say was said.

Conventions:
    Both sides are normalised alike: lower case, dashes become spaces, everything but letters, digits and spaces is
    removed (so "don't" is "dont"). A turn whose label carries no words takes no part.

Metrics:
    Word errors by the alignment of jiwer: substitutions + deletions + insertions, per turn.
"""

import re
from collections.abc import Sequence

_DASH = re.compile(r"[-\u2010-\u2015/]")
_OTHER = re.compile(r"[^\w\s]|_")


def normalise(text: str) -> str:
    """Lower case, punctuation out, one space between words.

    >>> normalise("Well, it's twenty-one O’CLOCK!")
    'well its twenty one oclock'
    """
    return " ".join(_OTHER.sub("", _DASH.sub(" ", text.lower())).split())


_KNOWN: dict[tuple[str, str], tuple[int, int]] = {}
"""Memo of a pure function: a study scores the same labels, and mostly the same transcripts, thousands of times."""

_ROOM = 1 << 16


def word_errors(pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Count words and errors of many turns, with one alignment for all that have not been seen before.

    Args:
        pairs: (reference, transcript) as written.

    Returns:
        (reference words, errors) of each pair, (0, 0) where the reference has no words.
    """
    if len(_KNOWN) + len(pairs) > _ROOM:
        _KNOWN.clear()
    fresh = [pair for pair in dict.fromkeys(pairs) if pair not in _KNOWN]
    if fresh:
        _KNOWN.update(zip(fresh, _align([(normalise(a), normalise(b)) for a, b in fresh]), strict=True))
    return [_KNOWN[pair] for pair in pairs]


def _align(pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    counts = [(0, 0)] * len(pairs)
    scored = [i for i, (reference, _) in enumerate(pairs) if reference]
    if not scored:
        return counts
    import jiwer

    split = jiwer.ReduceToListOfListOfWords()
    result = jiwer.process_words([pairs[i][0] for i in scored], [pairs[i][1] for i in scored], split, split)
    for i, chunks in zip(scored, result.alignments, strict=True):
        errors = sum(
            max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for chunk in chunks
            if chunk.type != "equal"
        )
        counts[i] = len(pairs[i][0].split()), errors
    return counts
