"""Word errors between two sentences."""

from __future__ import annotations


def word_errors(reference: str, heard: str) -> int:
    """The edit distance between two sentences, in words."""
    left, right = reference.split(), heard.split()
    row = list(range(len(right) + 1))
    for i, word in enumerate(left, 1):
        above, row = row, [i]
        for j, other in enumerate(right, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != other)))
    return row[-1]
