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


def word_errors(pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Count words and errors of many turns in one alignment.

    Args:
        pairs: (reference, transcript) as written.

    Returns:
        (reference words, errors) of each pair, (0, 0) where the reference has no words.
    """
    clean = [(normalise(reference), normalise(transcript)) for reference, transcript in pairs]
    scored = [i for i, (reference, _) in enumerate(clean) if reference]
    counts = [(0, 0)] * len(pairs)
    if not scored:
        return counts
    import jiwer

    split = jiwer.ReduceToListOfListOfWords()
    result = jiwer.process_words([clean[i][0] for i in scored], [clean[i][1] for i in scored], split, split)
    for i, chunks in zip(scored, result.alignments, strict=True):
        errors = sum(
            max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for chunk in chunks
            if chunk.type != "equal"
        )
        counts[i] = len(clean[i][0].split()), errors
    return counts
