"""Words: what the assistant understood against what the labels say was said.

Conventions:
    Both sides are normalised alike: lower case, dashes become spaces, everything but letters, digits and spaces is
    removed (so "don't" is "dont"); composed and decomposed letters are the same (Unicode NFC). Numbers stay as they
    are written: "3" against "three" is an error, which :func:`digit_errors` counts apart. A turn whose label carries
    no words takes no part.

Metrics:
    Word errors by the alignment of jiwer: substitutions + deletions + insertions, per turn.
"""

import re
import unicodedata
from collections.abc import Sequence

_DASH = re.compile(r"[-\u2010-\u2015/]")
_OTHER = re.compile(r"[^\w\s]|_")


def normalise(text: str) -> str:
    """Lower case, punctuation out, one space between words.

    >>> normalise("Well, it's twenty-one O’CLOCK!")
    'well its twenty one oclock'
    >>> normalise("e\u0301tat") == normalise("\u00e9tat")
    True
    """
    composed = unicodedata.normalize("NFC", text.lower())
    return " ".join(_OTHER.sub("", _DASH.sub(" ", composed)).split())


_NUMBER_WORDS = frozenset(
    re.split(
        " ",
        "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
        "point and first second third fourth fifth sixth seventh eighth ninth tenth oclock percent "
        "zéro un une deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize vingt trente "
        "quarante cinquante soixante cent mille virgule et heures",
    )
)
"""Words that numbers are spoken with (English, French)."""


def digit_errors(reference: str, transcript: str) -> int:
    """Count the word errors that come of one side writing a number in digits, the other in words.

    >>> digit_errors("call me at three thirty please", "call me at 3:30 please")
    2
    >>> digit_errors("the three of us", "the tree of us")
    0
    """
    import difflib

    a, b = normalise(reference.replace(":", " ")).split(), normalise(transcript.replace(":", " ")).split()
    count = 0
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "replace" and any(_digits_for_words(x, y) for x, y in ((a[a0:a1], b[b0:b1]), (b[b0:b1], a[a0:a1]))):
            count += max(a1 - a0, b1 - b0)
    return count


def _digits_for_words(digits: Sequence[str], words: Sequence[str]) -> bool:
    return any(word[0].isdigit() for word in digits) and all(word in _NUMBER_WORDS for word in words)


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
