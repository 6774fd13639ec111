"""Text on its way into the TTS.

moshi_mlx itself (``script_to_entries``) only turns U+2019 into ``'`` and ``:`` into a space, drops round brackets, and
reads ``<break time="0.5s"/>`` with double quotes. What it leaves is spoken as it stands: curly double quotes, U+2018,
a break tag with single quotes, Markdown stars. ``gaps`` closes those gaps, and says which it closed.
"""

import re
from collections.abc import Callable

_RULES: tuple[tuple[str, str, str | Callable[[re.Match[str]], str]], ...] = (
    ("single-quoted break", r"<break\s+time='([0-9]+(?:\.[0-9]*)?)s'\s*/?>", r'<break time="\1s"/>'),
    (
        "break in ms",
        r"<break\s+time=[\"']([0-9]+)ms[\"']\s*/?>",
        lambda m: f'<break time="{int(m.group(1)) / 1000:g}s"/>',
    ),
    ("curly double quotes", "[“”„]", '"'),
    ("curly single quotes", "[‘‚]", "'"),
    ("Markdown", r"[*_`]", ""),
)


def gaps(text: str) -> tuple[str, tuple[str, ...]]:
    """Close the gaps of moshi_mlx's normalisation.

    Returns:
        The text and the names of the rules that changed it.

    >>> gaps("“Well”, <break time='1s'/> *fine*")
    ('"Well", <break time="1s"/> fine', ('single-quoted break', 'curly double quotes', 'Markdown'))
    """
    used = []
    for name, pattern, to in _RULES:
        text, count = re.subn(pattern, to, text)
        if count:
            used.append(name)
    return text, tuple(used)
