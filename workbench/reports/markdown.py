"""Markdown text, tables and links for reports."""

import re
from collections.abc import Iterable, Sequence

_ACTIVE = re.compile(r"([\\`*_\[\]<>|~$&#])")


def escape(text: str) -> str:
    r"""Text with all markup escaped, on one line.

    >>> escape("a|b *c*")
    'a\\|b \\*c\\*'
    """
    return _ACTIVE.sub(r"\\\1", " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """A table, as lines with an empty one at the end.

    Args:
        header: names of the columns.
        rows: cells, already :func:`escape`-d where they hold other people's text.
        right: columns that are set flush right.
    """
    rule = ["---:" if name in right else "---" for name in header]
    return [*(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)), ""]


def link(text: str, target: str) -> str:
    """A link relative to the report."""
    return f"[{text}]({target})"
