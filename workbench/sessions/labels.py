"""Reference labels: what was really said, by whom, and when. The ground truth of every score.

Canonical form is ``labels.csv`` with the columns ``start,end,kind,turn,text``: seconds on the session clock, a kind,
the number of the turn that a ``speech`` interval belongs to, and the words. Audacity label tracks are read and
written; RTTM and STM are read.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import write_text
from workbench.units import SAMPLE_RATE, samples_to_seconds, seconds_to_samples

KINDS = ("speech", "backchannel", "noise", "background", "note")
"""``note`` marks a moment for the reader and takes part in no score."""

COLUMNS = ("start", "end", "kind", "turn", "text")
_DECIMALS = 6
"""Microseconds: finer than a sample (41.7 µs), so that samples survive the round trip."""


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
    """The words of a text: lower case, punctuation out, apostrophes kept.

    >>> words_of("It's ten, Anna!")
    ["it's", 'ten', 'anna']
    """
    return re.findall(r"[\w']+", text.lower())


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


def validate(labels: Sequence[Label], samples: int | None, where: str) -> tuple[Label, ...]:
    """Check labels and give every ungrouped ``speech`` interval a turn of its own.

    Args:
        labels: in any order.
        samples: length of the session, or None where it is not known.
        where: what to call the source in an error; a row number is added.

    Returns:
        The labels, sorted by time.

    Raises:
        WorkbenchError: an unknown kind, an end not after its start, a label outside the session, ``speech``
            intervals that overlap or turns that interleave; names the row.
    """
    next_turn = 1 + max((label.turn for label in labels if label.turn is not None), default=0)
    last: Label | None = None
    seen: set[int] = set()
    out: list[Label] = []
    for row, label in sorted(enumerate(labels, 1), key=lambda item: (item[1].start, item[1].end, item[0])):
        problem = _problem(label, samples)
        if label.kind == "speech" and not problem:
            if label.turn is None:
                label = replace(label, turn=next_turn)
                next_turn += 1
            if last is not None and label.start < last.end:
                problem = "overlaps the speech interval before it"
            elif label.turn in seen and last is not None and last.turn != label.turn:
                problem = f"turn {label.turn} goes on after another turn began"
            last = label
            seen.add(label.turn or 0)
        if problem:
            raise WorkbenchError(f"{where}: row {row}: {problem}")
        out.append(label)
    return tuple(sorted(out))


def _problem(label: Label, samples: int | None) -> str:
    if label.kind not in KINDS:
        return f"kind {label.kind!r} is not one of {', '.join(KINDS)}"
    if label.start < 0:
        return f"starts at {samples_to_seconds(label.start):g} s, before the session"
    if label.end < label.start or (label.end == label.start and label.kind != "note"):
        return f"ends at {samples_to_seconds(label.end):g} s, not after its start"
    if samples is not None and label.end > samples:
        return f"ends at {samples_to_seconds(label.end):g} s, after the session ({samples_to_seconds(samples):g} s)"
    if label.turn is not None and label.kind != "speech":
        return f"only speech has a turn, not {label.kind}"
    if label.turn is not None and label.turn < 1:
        return f"turn is {label.turn}, must be 1 or more"
    return ""


def read_labels(path: Path, samples: int | None = None) -> tuple[Label, ...]:
    """Read ``labels.csv``.

    Raises:
        WorkbenchError: names the file and the row (1 is the first after the header).
    """
    text = _read_text(path)
    rows = csv.reader(io.StringIO(text))
    header = next(rows, [])
    if tuple(header) != COLUMNS:
        raise WorkbenchError(f"{path}: first line must be {','.join(COLUMNS)}")
    found = []
    for number, row in enumerate(rows, 1):
        if not row:
            continue
        if len(row) != len(COLUMNS):
            raise WorkbenchError(f"{path}: row {number}: {len(row)} columns, must be {len(COLUMNS)}")
        start, end, kind, turn, words = row
        where = f"{path}: row {number}"
        if turn and not turn.isdecimal():
            raise WorkbenchError(f"{where}: turn {turn!r} is not a whole number")
        found.append(
            Label(_seconds(start, where), _seconds(end, where), kind, int(turn) if turn else None, one_line(words))
        )
    return validate(found, samples, str(path))


def format_labels(labels: Iterable[Label]) -> str:
    """``labels.csv`` as text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in sorted(labels):
        turn = "" if label.turn is None else label.turn
        writer.writerow([_stamp(label.start), _stamp(label.end), label.kind, turn, one_line(label.text)])
    return out.getvalue()


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write ``labels.csv``, whole or not at all."""
    write_text(path, format_labels(labels))


_AUDACITY = re.compile(r"(?P<kind>[a-z]+)(?:#(?P<turn>\d+))?(?:: (?P<text>.*))?", re.DOTALL)


def read_audacity(path: Path, samples: int | None = None) -> tuple[Label, ...]:
    r"""Read an Audacity label track: ``start<TAB>end<TAB>kind[#turn][: text]``.

    A text that does not begin with a kind is taken as the words of a ``speech`` interval. Lines that begin with a
    backslash (Audacity's frequency ranges) are passed over.
    """
    found = []
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        where = f"{path}: row {number}"
        cells = line.split("\t", 2)
        if len(cells) < 2:
            raise WorkbenchError(f"{where}: must be start, end and text with tabs between")
        words = one_line(cells[2]) if len(cells) == 3 else ""
        match = _AUDACITY.fullmatch(words)
        if match and match["kind"] in KINDS:
            turn = int(match["turn"]) if match["turn"] else None
            found.append(
                Label(_seconds(cells[0], where), _seconds(cells[1], where), match["kind"], turn, match["text"] or "")
            )
        else:
            found.append(Label(_seconds(cells[0], where), _seconds(cells[1], where), "speech", None, words))
    return validate(found, samples, str(path))


def format_audacity(labels: Iterable[Label]) -> str:
    """Labels as an Audacity label track; :func:`read_audacity` gives the same labels back."""
    lines = []
    for label in sorted(labels):
        name = label.kind if label.turn is None else f"{label.kind}#{label.turn}"
        words = one_line(label.text)
        text = f"{name}: {words}" if words else name
        lines.append(f"{_stamp(label.start)}\t{_stamp(label.end)}\t{text}\n")
    return "".join(lines)


def read_rttm(path: Path, samples: int | None = None, speaker: str | None = None) -> tuple[Label, ...]:
    """Read the SPEAKER lines of an RTTM file: the user's as ``speech``, everybody else's as ``background``.

    Args:
        path: ``SPEAKER file channel start duration <NA> <NA> name …``.
        samples: length of the session.
        speaker: the user's name; the first speaker in the file by default.
    """
    spans = []
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        cells = line.split()
        if not cells or cells[0].startswith(";") or cells[0] != "SPEAKER":
            continue
        where = f"{path}: row {number}"
        if len(cells) < 8:
            raise WorkbenchError(f"{where}: a SPEAKER line has at least 8 fields, this one {len(cells)}")
        start = _seconds(cells[3], where)
        spans.append((start, start + _seconds(cells[4], where), cells[7], ""))
    return _from_speakers(spans, speaker, samples, path)


def read_stm(path: Path, samples: int | None = None, speaker: str | None = None) -> tuple[Label, ...]:
    """Read an STM file: the user's segments as ``speech``, everybody else's as ``background``.

    Args:
        path: ``file channel speaker start end [<labels>] words …``.
        samples: length of the session.
        speaker: the user's name; the first speaker in the file by default.
    """
    spans = []
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        cells = line.split()
        if not cells or cells[0].startswith(";;"):
            continue
        where = f"{path}: row {number}"
        if len(cells) < 5:
            raise WorkbenchError(f"{where}: an STM line has at least 5 fields, this one {len(cells)}")
        words = cells[5:]
        if words and words[0].startswith("<"):
            words = words[1:]
        text = " ".join(words)
        if text == "IGNORE_TIME_SEGMENT_IN_SCORING":
            continue
        spans.append((_seconds(cells[3], where), _seconds(cells[4], where), cells[2], text))
    return _from_speakers(spans, speaker, samples, path)


def _from_speakers(
    spans: Sequence[tuple[int, int, str, str]], speaker: str | None, samples: int | None, path: Path
) -> tuple[Label, ...]:
    if not spans:
        raise WorkbenchError(f"{path}: holds no speaker intervals")
    names = [name for _, _, name, _ in spans]
    user = names[0] if speaker is None else speaker
    if user not in names:
        raise WorkbenchError(f"{path}: no speaker {user!r}; there are {', '.join(sorted(set(names)))}")
    labels = [Label(a, b, "speech" if name == user else "background", None, text) for a, b, name, text in spans]
    return validate(labels, samples, str(path))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise WorkbenchError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError):
        raise WorkbenchError(f"{path}: cannot be read as UTF-8 text") from None


def _seconds(cell: str, where: str) -> int:
    try:
        seconds = float(cell)
    except ValueError:
        raise WorkbenchError(f"{where}: {cell!r} is not a time in seconds") from None
    if not abs(seconds) < 2**53 / SAMPLE_RATE:  # also refuses NaN
        raise WorkbenchError(f"{where}: {cell!r} is not a time in seconds")
    return seconds_to_samples(seconds)


def one_line(text: str) -> str:
    """Words with single spaces between: no format has room for a line break or a tab inside a text."""
    return " ".join(text.split())


def _stamp(sample: int) -> str:
    return f"{samples_to_seconds(sample):.{_DECIMALS}f}"
