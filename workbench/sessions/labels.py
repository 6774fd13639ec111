"""Reference labels: what was really said, by whom, and when. The ground truth of every score.

Canonical form is ``labels.csv`` with the columns ``start,end,kind,turn,text``: seconds on the session clock, a kind,
the number of the turn that a ``speech`` interval belongs to, and the words.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import UNPRINTABLE, WorkbenchError, quoted
from workbench.files import read_text, write_text
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, samples_to_seconds, seconds_to_samples

KINDS = ("speech", "backchannel", "noise", "background", "note")
"""``note`` marks a moment for the reader and takes part in no score."""

COLUMNS = ("start", "end", "kind", "turn", "text")
_DECIMALS = 6
"""Microseconds: finer than a sample (41.7 µs), so that samples survive the round trip."""
_TURN_DIGITS = 9


@dataclass(frozen=True, order=True)
class Label:
    """One reference interval.

    Attributes:
        start, end: samples on the session clock, end exclusive.
        kind: one of :data:`KINDS`.
        turn: the turn a ``speech`` interval belongs to; None for the other kinds.
        text: words, as said.
    """

    start: int
    end: int
    kind: str
    turn: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Turn:
    """A maximal run of ``speech`` intervals with no agent speech wanted between them."""

    number: int
    parts: tuple[Label, ...]

    @property
    def start(self) -> int:
        """First sample of the user's speech."""
        return self.parts[0].start

    @property
    def end(self) -> int:
        """Reference end of the turn: the first sample after the user's speech."""
        return self.parts[-1].end

    @property
    def text(self) -> str:
        """All words of the turn."""
        return " ".join(part.text for part in self.parts if part.text)

    @property
    def holds(self) -> tuple[tuple[int, int], ...]:
        """The pauses inside the turn, as (start, end) in samples."""
        return tuple((a.end, b.start) for a, b in zip(self.parts, self.parts[1:], strict=False) if b.start > a.end)


def turns(labels: Iterable[Label]) -> tuple[Turn, ...]:
    """Group the ``speech`` intervals into turns, in order of time.

    >>> [turn.end for turn in turns([Label(0, 9, "speech", 1), Label(12, 20, "speech", 1), Label(50, 60, "speech", 2)])]
    [20, 60]
    """
    groups: dict[int, list[Label]] = {}
    for label in sorted(labels):
        if label.kind == "speech" and label.turn is not None:
            groups.setdefault(label.turn, []).append(label)
    return tuple(sorted((Turn(n, tuple(parts)) for n, parts in groups.items()), key=lambda turn: turn.start))


def is_labelled(labels: Iterable[Label]) -> bool:
    """Whether labels say what was there; a moment marked while recording says nothing of the rest of the session.

    >>> is_labelled([Label(48_000, 48_000, "note")]), is_labelled([Label(0, 48_000, "note", None, "nobody speaks")])
    (False, True)
    """
    return any(label.kind != "note" or label.end > label.start for label in labels)


def words_of(text: str) -> list[str]:
    """The words of a text: composed letters (Unicode NFC), lower case, punctuation out, apostrophes kept.

    >>> words_of("It's ten, Anna!")
    ["it's", 'ten', 'anna']
    """
    return re.findall(r"[\w']+", unicodedata.normalize("NFC", text).lower())


def only_known(labels: Sequence[Label], vocabulary: frozenset[str] | None) -> tuple[tuple[Label, ...], int]:
    """Take the words out of turns that say what a model with a closed vocabulary cannot know.

    A turn without words is in every score but those of words, so such a model is not charged for them.

    Args:
        labels: the reference.
        vocabulary: all words the model knows, lower case; None where it is open.

    Returns:
        The labels, and how many turns lost their words.
    """
    if vocabulary is None:
        return tuple(labels), 0
    strange = {turn.number for turn in turns(labels) if not vocabulary.issuperset(words_of(turn.text))}
    cleared = tuple(replace(label, text="") if label.turn in strange else label for label in labels)
    return cleared, len(strange)


LabelRow = tuple[int, Label]
"""Line of a file, from 1, and the label it holds."""


def validate(labels: Sequence[Label], samples: int | None, where: str) -> tuple[Label, ...]:
    """Check labels that are in no file, in any order; see :func:`validate_rows`. Labels count as lines from 1."""
    return validate_rows(list(enumerate(labels, 1)), samples, where)


def validate_rows(rows: Sequence[LabelRow], samples: int | None, where: str) -> tuple[Label, ...]:
    """Check labels and give every ungrouped ``speech`` interval a turn of its own.

    Args:
        rows: labels with their lines, in any order.
        samples: length of the session; None where it is not known.
        where: name of the source in an error; the line is added.

    Returns:
        The labels, sorted by time.

    Raises:
        WorkbenchError: an unknown kind, an end not after its start, a label outside the session, ``speech``
            intervals that overlap or turns that interleave; names the line.
    """
    next_turn = 1 + max((label.turn for _, label in rows if label.turn is not None), default=0)
    last: Label | None = None
    seen: set[int] = set()
    out: list[Label] = []
    for line, label in sorted(rows, key=lambda item: (item[1].start, item[1].end, item[0])):
        problem = _problem(label, samples)
        if label.kind == "speech" and not problem:
            if label.turn is None:
                label = replace(label, turn=next_turn)
                next_turn += 1
            if last is not None and label.start < last.end:
                times = f"{_shown(label.start)} s is before {_shown(last.end)} s"
                problem = f"overlaps the speech interval before it ({times})"
            elif label.turn in seen and last is not None and last.turn != label.turn:
                problem = f"turn {label.turn} goes on after another turn began"
            last = label
            seen.add(label.turn or 0)
        if problem:
            raise WorkbenchError(f"{where}: line {line}: {problem}")
        out.append(label)
    return tuple(sorted(out))


def cut_to_session(rows: Sequence[LabelRow], samples: int) -> tuple[list[LabelRow], list[int]]:
    """Cut ends that lie up to one frame after the session: programs that label in steps of their own round the last up.

    Returns:
        The labels, and the lines whose end was cut.
    """
    late = [line for line, label in rows if label.start < samples < label.end <= samples + FRAME_SAMPLES]
    return [(line, replace(label, end=samples) if line in late else label) for line, label in rows], late


def _problem(label: Label, samples: int | None) -> str:
    if label.kind not in KINDS:
        return f"kind {quoted(label.kind)} is not one of {', '.join(KINDS)}"
    if label.start < 0:
        return f"starts at {_shown(label.start)} s, before the session"
    if label.end < label.start or (label.end == label.start and label.kind != "note"):
        return f"ends at {_shown(label.end)} s, not after its start"
    if samples is not None and label.end > samples:
        return f"ends at {_shown(label.end)} s, after the session ({_shown(samples)} s)"
    if label.turn is not None and label.kind != "speech":
        return f"only speech has a turn, not {label.kind}"
    if label.turn is not None and label.turn < 1:
        return f"turn is {label.turn}, must be 1 or more"
    return ""


def read_labels(path: Path, samples: int | None = None) -> tuple[Label, ...]:
    """Read ``labels.csv``.

    Raises:
        WorkbenchError: names the file and the line.
    """
    return validate_rows(parse_csv(path), samples, str(path))


def parse_csv(path: Path) -> list[LabelRow]:
    """Read the rows of a ``labels.csv``, each with its line; they are not yet held against one another.

    Raises:
        WorkbenchError: names the file and the line.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    found: list[LabelRow] = []
    line = 1
    try:
        if tuple(next(reader, [])) != COLUMNS:
            raise WorkbenchError(f"{path}: first line must be {','.join(COLUMNS)}")
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                found.append((line, _parse_row(cells, f"{path}: line {line}")))
            line = reader.line_num + 1
    except csv.Error as error:
        raise WorkbenchError(f"{path}: line {line}: not a CSV row ({error})") from None
    return found


def _parse_row(cells: Sequence[str], where: str) -> Label:
    if len(cells) != len(COLUMNS):
        raise WorkbenchError(f"{where}: {len(cells)} columns, must be {len(COLUMNS)}")
    start, end, kind, turn, words = cells
    number = parse_turn(turn, where) if turn else None
    return Label(parse_seconds(start, where), parse_seconds(end, where), kind, number, one_line(words))


def format_labels(labels: Iterable[Label]) -> str:
    """``labels.csv`` as text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in sorted(labels):
        turn = "" if label.turn is None else label.turn
        writer.writerow([stamp(label.start), stamp(label.end), label.kind, turn, one_line(label.text)])
    return out.getvalue()


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write ``labels.csv``, whole or not at all."""
    write_text(path, format_labels(labels))


def parse_seconds(cell: str, where: str) -> int:
    """Samples of a time in seconds."""
    with suppress(ValueError):
        seconds = float(cell)
        if abs(seconds) < 2**53 / SAMPLE_RATE:  # also refuses NaN
            return seconds_to_samples(seconds)
    raise WorkbenchError(f"{where}: {quoted(cell)} is not a time in seconds")


def parse_turn(cell: str, where: str) -> int:
    """Number of a turn."""
    if not cell.isdecimal() or len(cell) > _TURN_DIGITS:
        raise WorkbenchError(f"{where}: turn {quoted(cell)} is not a whole number of up to {_TURN_DIGITS} digits")
    return int(cell)


def one_line(text: str) -> str:
    """Words with single spaces between, without control characters.

    No format has room for a line break or a tab inside a text, and what a label says is printed.
    """
    return " ".join(UNPRINTABLE.sub(" ", text).split())


def stamp(sample: int) -> str:
    """A moment in seconds, as label files hold it."""
    return f"{samples_to_seconds(sample):.{_DECIMALS}f}"


def _shown(sample: int) -> str:
    """Seconds as an error shows them: two moments that differ look different.

    >>> _shown(240_138), _shown(48_000)
    ('10.00575', '2')
    """
    return stamp(sample).rstrip("0").rstrip(".")
