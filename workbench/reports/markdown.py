"""``report.md``: the verdict, the figures against their limits, the incidents and all scores, as text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from workbench.errors import printable
from workbench.files import write_text
from workbench.metrics.missing import explained
from workbench.reports.incidents import incidents
from workbench.reports.material import Material, clock
from workbench.reports.overview import first_words
from workbench.reports.verdict import advice, left_out, tiles, verdict

MOST_INCIDENTS = 50
"""Most incidents in the text; the page has all."""

_ACTIVE = re.compile(r"([\\`*_\[\]<>|~$&#])")


def write_markdown(data: Material) -> Path:
    """Write ``report.md`` into the folder of a run. The same run gives the same bytes."""
    path = data.run.folder / "report.md"
    text = "\n".join(_lines(data)).rstrip()
    # Names, labels and notes may hold what a terminal obeys, and a report may be looked at there.
    write_text(path, "\n".join(map(printable, text.split("\n"))) + "\n")
    return path


def _lines(data: Material) -> Iterator[str]:
    found = incidents(data)
    yield from (f"# Run {escape(data.run.folder.name)}", "")
    for words in (*first_words(data.run), *left_out(data)):
        yield from (f"> **{escape(words)}**", "")
    yield from (verdict(data, found), "")
    rows = [(it.title, f"`{it.key}`", it.value, it.limit or "–", it.verdict) for it in tiles(data)]
    yield from table(("", "score", "value", "limit", "verdict"), rows)
    yield from (f"- {escape(text)}" for text in advice(data))
    yield from ("", "## Incidents, worst first", "")
    lines = (
        (
            it.kind,
            escape(it.session),
            "–" if it.turn is None else str(it.turn),
            clock(it.t),
            escape(f"{it.text} {it.remedy}"),
        )
        for it in found[:MOST_INCIDENTS]
    )
    yield from table(("kind", "session", "turn", "at", "what happened"), lines)
    if len(found) > MOST_INCIDENTS:
        yield from (f"{len(found) - MOST_INCIDENTS} more are in the page.", "")
    yield from ("## Scores", "")
    yield from table(
        ("score", "value"), ((f"`{key}`", explained(data.summary, key, data.run.config)) for key in data.summary.scores)
    )
    yield from (f"- {escape(note)}" for note in data.summary.notes)


def escape(text: str) -> str:
    r"""Text with all markup escaped, on one line.

    >>> escape("a|b *c*")
    'a\\|b \\*c\\*'
    """
    return _ACTIVE.sub(r"\\\1", " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table, as lines with an empty one at the end; cells with other people's text are :func:`escape`-d."""
    return [*(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)), ""]
