"""Label formats of other programs: Audacity's label track (in and out), and RTTM and STM (in), which name speakers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import read_text
from workbench.sessions.labels import KINDS, Label, LabelRow, one_line, parse_seconds, parse_turn, stamp

_AUDACITY = re.compile(r"(?P<kind>[A-Za-z]+)\s*(?:#(?P<turn>\w+))?\s*(?::\s*(?P<text>.*))?", re.DOTALL)
_LIKE_A_KIND = re.compile(r"(?P<kind>[A-Za-z][A-Za-z _-]*?)\s*(?:$|[:#;=/(\[]|\s[-–—])")
"""A word or two that stand alone or before a mark: meant as a kind, if they look like one."""
_ALIKE = 0.8
"""Share of equal letters (difflib's ratio) from which on a word looks like a kind."""

_GAP_SPEAKER, _GAP_TEXT = "inter_segment_gap", "ignore_time_segment_in_scoring"
"""STM lines of these are no speech (NIST's sclite, TED-LIUM), in any case of letters."""


@dataclass(frozen=True)
class Choice:
    """Part of an RTTM or STM file to take.

    Attributes:
        speaker: name of the user; the first speaker by default.
        file_id: recording, as the file names it; needed where the file holds several.
        channel: channel of that recording; needed where it has several.
    """

    speaker: str | None = None
    file_id: str | None = None
    channel: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing was chosen."""
        return self.speaker is None and self.file_id is None and self.channel is None


WHOLE_FILE = Choice()


@dataclass(frozen=True)
class Segment:
    """A line of an RTTM or STM file. ``start`` and ``end`` are samples at 24 kHz."""

    line: int
    file_id: str
    channel: str
    speaker: str
    start: int
    end: int
    text: str = ""


def parse_audacity(path: Path) -> list[LabelRow]:
    r"""Read an Audacity label track: ``start<TAB>end<TAB>kind[#turn][: text]``.

    Kinds are recognised in any case of letters. A text that does not begin with a kind is the words of a ``speech``
    interval. Lines that begin with a backslash (Audacity's frequency ranges) are passed over.

    Raises:
        WorkbenchError: names the file and the line; also for a text that begins with something like a kind.
    """
    found: list[LabelRow] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        where = f"{path}: line {number}"
        cells = line.split("\t", 2)
        if len(cells) < 2:
            raise WorkbenchError(f"{where}: must be start, end and text with tabs between")
        start, end = (parse_seconds(cell, where) for cell in cells[:2])
        kind, turn, words = _kind_of(one_line(cells[2]) if len(cells) == 3 else "", where)
        found.append((number, Label(start, end, kind, turn, words)))
    return found


def _kind_of(text: str, where: str) -> tuple[str, int | None, str]:
    """Kind, turn and words of an Audacity label's text."""
    match = _AUDACITY.fullmatch(text)
    if match and (kind := match["kind"].lower()) in KINDS:
        return kind, parse_turn(match["turn"], where) if match["turn"] else None, match["text"] or ""
    if like := _LIKE_A_KIND.match(text):
        written = re.sub(r"[ _-]", "", like["kind"].lower())
        if near := get_close_matches(written, KINDS, 1, _ALIKE):
            raise WorkbenchError(
                f"{where}: {text!r} looks like the kind {near[0]!r}; write '{near[0]}: words', or 'speech: words' if "
                "the user says this"
            )
    return "speech", None, text


def format_audacity(labels: Iterable[Label]) -> str:
    """Labels as an Audacity label track; :func:`parse_audacity` gives the same labels back."""
    lines = []
    for label in sorted(labels):
        name = label.kind if label.turn is None else f"{label.kind}#{label.turn}"
        words = one_line(label.text)
        text = f"{name}: {words}" if words else name
        lines.append(f"{stamp(label.start)}\t{stamp(label.end)}\t{text}\n")
    return "".join(lines)


def parse_rttm(path: Path) -> list[Segment]:
    """Read the SPEAKER lines of an RTTM file: ``SPEAKER file channel start duration <NA> <NA> name …``.

    Raises:
        WorkbenchError: names the file and the line.
    """
    found = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        cells = line.split()
        if not cells or cells[0] != "SPEAKER":
            continue
        where = f"{path}: line {number}"
        if len(cells) < 8:
            raise WorkbenchError(f"{where}: a SPEAKER line has at least 8 fields, this one {len(cells)}")
        start = parse_seconds(cells[3], where)
        end = start + parse_seconds(cells[4], where)
        found.append(Segment(number, cells[1], cells[2], one_line(cells[7]), start, end))
    return found


def parse_stm(path: Path) -> list[Segment]:
    """Read an STM file: ``file channel speaker start end [<labels>] words …``. Gap lines are passed over.

    Raises:
        WorkbenchError: names the file and the line.
    """
    found = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        cells = line.split()
        if not cells or cells[0].startswith(";;"):
            continue
        where = f"{path}: line {number}"
        if len(cells) < 5:
            raise WorkbenchError(f"{where}: an STM line has at least 5 fields, this one {len(cells)}")
        words = cells[6:] if len(cells) > 5 and cells[5].startswith("<") else cells[5:]
        text = one_line(" ".join(words))
        if text.lower() == _GAP_TEXT or cells[2].lower() == _GAP_SPEAKER:
            continue
        start, end = (parse_seconds(cell, where) for cell in cells[3:5])
        found.append(Segment(number, cells[0], cells[1], one_line(cells[2]), start, end, text))
    return found


def choose(segments: Sequence[Segment], choice: Choice, path: Path) -> tuple[list[LabelRow], str]:
    """The user's segments as ``speech``, those of others as ``background``, of one channel of one recording.

    Returns:
        The labels with their lines, and a note that names the user, the recording and the channel.

    Raises:
        WorkbenchError: there are no segments; several recordings or channels and none chosen; one chosen that is not
            there.
    """
    if not segments:
        raise WorkbenchError(f"{path}: holds no speaker intervals")
    file_id = _only([s.file_id for s in segments], choice.file_id, path, ("recording", "--file-id"))
    segments = [segment for segment in segments if segment.file_id == file_id]
    channel = _only([s.channel for s in segments], choice.channel, path, ("channel", "--channel"))
    segments = [segment for segment in segments if segment.channel == channel]
    names = [segment.speaker for segment in segments]
    user = names[0] if choice.speaker is None else choice.speaker
    if user not in names:
        raise WorkbenchError(f"{path}: no speaker {user!r}; there are {', '.join(sorted(set(names)))}")
    others = sorted(set(names) - {user})
    note = f"{path}: {user!r} is the user" + (" (the first speaker)" if choice.speaker is None and others else "")
    note += f", {', '.join(map(repr, others))} background" if others else ""
    rows = [
        (s.line, Label(s.start, s.end, "speech" if s.speaker == user else "background", None, s.text)) for s in segments
    ]
    return rows, f"{note}; recording {file_id!r}, channel {channel!r}"


def _only(values: Sequence[str], chosen: str | None, path: Path, words: tuple[str, str]) -> str:
    """The one value there is, or the one that was chosen."""
    name, option = words
    there = sorted(set(values))
    listed = ", ".join(map(repr, there[:8])) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
    if chosen is None:
        if len(there) > 1:
            raise WorkbenchError(f"{path}: holds {len(there)} {name}s ({listed}); choose one with {option}")
        return there[0]
    if chosen not in there:
        raise WorkbenchError(f"{path}: no {name} {chosen!r}; there are {listed}")
    return chosen
