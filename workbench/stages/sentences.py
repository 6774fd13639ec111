"""Ends of sentences in a reply: which stops end one, and which belong to an abbreviation.

A stop ends a sentence where white space follows it; so decimals (3.5), times (10:30) and URLs stay whole. A full stop
behind an abbreviation, an initial or the number of a list ends none, even where a sentence may well end there: a
longer chunk costs some latency, a cut between "Dr." and a name is heard. Stops of Chinese and Japanese need no space.
"""

import re
import unicodedata
from collections.abc import Iterator

_STOP = re.compile(r"[.!?;:](?=[\"'”’»)\]]*\s)[\"'”’»)\]]*|[。！？｡][」』”’）》]*(?=[^」』”’）》])")
"""A stop with the closing quotes and brackets behind it, once the character that follows them is known."""

_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?")
"""Letters with a full stop each, but for the last stop: initials, "a.m", "e.g", "U.S"."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALWAYS = _words(
    "mr mrs ms mx dr prof rev hon messrs capt cmdr lt sgt cpl supt sen gov st ste mt ft ave blvd rd hwy apt dept univ "
    "jr sr esq inc ltd corp bros assn co vs etc cf viz approx al ibid ph.d "
    "mme mmes mlle mlles mgr env tél tel bzw usw ggf hr hrs oz lb lbs tsp tbsp"
)
"""Abbreviations that are no words themselves, lower case (English, French, some German)."""

_BEFORE_NUMBERS = _words(
    "no nos nr fig figs vol vols p pp ch eq eqs sec art ca min max ed ext "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun"
)
"""Abbreviations only where a number follows: "No. 5", but "I said no."."""

_BEFORE_NAMES = _words("gen col maj rep pres fr")
"""Abbreviations only where written with a capital and followed by one: "Gen. Lee"."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff65-\uff9f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, kana and Chinese characters: written without spaces between words."""

_HANGS_ON = "ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々、。，！？」』"
"""Characters that never begin a line in Japanese or Chinese, and so no piece either."""


def sentence_ends(text: str) -> Iterator[int]:
    """Positions behind the sentences of a text that may go on; the end of the text is none.

    >>> list(sentence_ends("I saw Dr. Li at 3.5 km. Then he left."))
    [23]
    >>> list(sentence_ends("你好。再见。"))
    [3]
    """
    for match in _STOP.finditer(text):
        if match[0][0] != "." or not is_abbreviation(text, match.start() + 1):
            yield match.end()


def is_abbreviation(text: str, at: int) -> bool:
    """Whether the word that ends before ``at`` ends with the full stop of an abbreviation, an initial or a list number.

    What follows decides on some; where it is not there yet, they count as abbreviations.

    >>> is_abbreviation("with Dr. Johnson", 8), is_abbreviation("I said no. Then", 10), is_abbreviation("No. 5", 3)
    (True, False, True)
    """
    if at < 1 or text[at - 1] != ".":
        return False
    before = text[: at - 1]
    word = before.split()[-1].lstrip("\"'“‘«([") if before and not before[-1].isspace() else ""
    ahead = before[: len(before) - len(word)].rstrip()
    first = ahead[-1:] in ("", *"!?;:") or (ahead[-1] == "." and not is_abbreviation(text, len(ahead)))
    if word.isdigit():
        return first  # "1. First": the number of a list, not a sentence
    after = text[at:].lstrip()[:1]
    small = word.lower()
    if small in _ALWAYS or _DOTTED.fullmatch(word):
        return True
    if len(word) == 1 and word.isalpha() and word.isupper():
        return word != "I" or first
    if small in _BEFORE_NUMBERS:
        return not after or after.isdigit()
    return small in _BEFORE_NAMES and word[0].isupper() and (not after or after.isupper())


def is_break(text: str, at: int) -> bool:
    """Whether a text may be broken before ``at``, by the script it is written in there.

    >>> is_break("今天", 1), is_break("today", 2)
    (True, False)
    """
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    if unicodedata.combining(after) or unicodedata.category(after) in ("Mn", "Mc") or after in _HANGS_ON:
        return False
    return bool(_UNSPACED.match(before) or _UNSPACED.match(after))
