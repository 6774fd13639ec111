"""Words: Unicode does not count, digits against words are errors that are counted apart."""

import unicodedata

import pytest

from workbench.metrics.word_errors import digit_errors, word_errors

WORDS = ("état", "naïve", "garçon", "Ångström", "zürich", "ñandú", "ệ", "한국어", "が")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_the_same(word: str, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    pair = (unicodedata.normalize(form, word), unicodedata.normalize(other, word))
    assert word_errors([pair]) == [(1, 0)]


def test_another_letter_is_an_error() -> None:
    assert word_errors([("été", "ete"), ("resume", "résumé")]) == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("reference", "transcript", "errors"),
    [
        ("at three", "at 3", 1),
        ("at 3", "at three", 1),
        ("twenty one people", "21 people", 2),
        ("call 5 5 5 now", "call five five five now", 3),
        ("three thirty", "3:30", 2),
        ("the three of us", "the tree of us", 0),
        ("it is nine", "it is nine", 0),
        ("room 12", "room 13", 0),
        ("gate four", "gate", 0),
        ("à trois heures", "à 3 heures", 1),
        ("a dog", "a 3", 0),
    ],
)
def test_digits_against_words_are_counted_apart(reference: str, transcript: str, errors: int) -> None:
    assert digit_errors(reference, transcript) == errors
    [(_, all_errors)] = word_errors([(reference, transcript)])
    assert all_errors >= errors
