"""Label files of every format, by suffix: into a session, and out of it for an editor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import write_text
from workbench.sessions.label_formats import (
    WHOLE_FILE,
    Choice,
    Segment,
    choose,
    format_audacity,
    parse_audacity,
    parse_rttm,
    parse_stm,
)
from workbench.sessions.labels import (
    Label,
    LabelRow,
    cut_to_session,
    format_labels,
    parse_csv,
    read_labels,
    validate_rows,
    write_labels,
)
from workbench.sessions.session import LABEL_SOURCES, Session, update_manifest

PARSERS: dict[str, Callable[[Path], list[LabelRow]]] = {".csv": parse_csv, ".txt": parse_audacity}
"""Label formats by suffix: ours and Audacity's."""

SPEAKER_PARSERS: dict[str, Callable[[Path], list[Segment]]] = {".rttm": parse_rttm, ".stm": parse_stm}
"""Formats that name speakers, of whom one is the user."""

WRITERS: dict[str, Callable[[Sequence[Label]], str]] = {".csv": format_labels, ".txt": format_audacity}


@dataclass(frozen=True)
class FoundLabels:
    """Labels of a file.

    Attributes:
        labels: sorted by time.
        notes: who is the user and what was changed, a line each.
    """

    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()


def read_label_file(path: Path, samples: int | None, choice: Choice = WHOLE_FILE) -> FoundLabels:
    """Read labels in the format that the suffix names.

    Args:
        path: label file.
        samples: length of the session; None where it is not known.
        choice: part of an RTTM or STM file to take.

    Raises:
        WorkbenchError: an unknown suffix, a choice where the format has none, or what the format's parser raises.
    """
    suffix = path.suffix.lower()
    notes = []
    if suffix in SPEAKER_PARSERS:
        rows, note = choose(SPEAKER_PARSERS[suffix](path), choice, path)
        notes.append(note)
    elif suffix not in PARSERS:
        raise WorkbenchError(f"{path}: labels must be a file ending in {', '.join([*PARSERS, *SPEAKER_PARSERS])}")
    elif not choice.is_open:
        raise WorkbenchError(f"{path}: {suffix} labels name no speakers; leave --speaker, --file-id and --channel out")
    else:
        rows = PARSERS[suffix](path)
    if samples is not None:
        rows, late = cut_to_session(rows, samples)
        notes += [f"{path}: line {line}: ends up to one frame after the session and is cut to it" for line in late]
    return FoundLabels(validate_rows(rows, samples, str(path)), tuple(notes))


def import_labels(
    session: Session, path: Path, source: str = "human", *, choice: Choice = WHOLE_FILE, replace: bool = False
) -> FoundLabels:
    """Make the labels of a file the session's own.

    Returns:
        What the session holds then, notes set while recording included.

    Raises:
        WorkbenchError: see :func:`read_label_file` and :func:`store_labels`.
    """
    found = read_label_file(path, session.samples, choice)
    return FoundLabels(store_labels(session, found.labels, source, replace), found.notes)


def notes_to_keep(session: Session, replace: bool) -> tuple[Label, ...]:
    """The notes among a session's labels; refuses to lose labels that cannot be made again.

    Drafts can be made again, and notes (marks set while recording) are carried over, so that neither is in the way.

    Raises:
        WorkbenchError: the session has other labels, and ``replace`` is false.
    """
    if replace or not session.has_labels:
        return ()
    labels = read_labels(session.labels_path, session.samples)
    notes = tuple(label for label in labels if label.kind == "note")
    if session.labels_source != "auto" and len(notes) < len(labels):
        kind = session.labels_source or "unmarked"
        raise WorkbenchError(f"{session.labels_path}: holds {kind} labels already; --replace overwrites them")
    return notes


def store_labels(session: Session, labels: tuple[Label, ...], source: str, replace: bool = False) -> tuple[Label, ...]:
    """Write a session's labels and where they come from; returns them with the notes that were kept.

    Raises:
        WorkbenchError: an unknown source, or what :func:`notes_to_keep` raises.
    """
    check_source(source)
    labels = tuple(sorted({*labels, *notes_to_keep(session, replace)}, key=_order))
    write_labels(session.labels_path, labels)
    update_manifest(session, labels=source)
    return labels


def _order(label: Label) -> tuple[int, int, str, int, str]:
    return label.start, label.end, label.kind, label.turn or 0, label.text


def export_labels(session: Session, path: Path, replace: bool = False) -> int:
    """Write a session's labels to a ``.csv`` or Audacity ``.txt`` file; returns how many.

    Raises:
        WorkbenchError: the session has no labels, an unknown suffix, or a file that is there already.
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise WorkbenchError(f"{path}: labels can be written to files ending in {', '.join(WRITERS)}")
    if not session.has_labels:
        raise WorkbenchError(f"{session.folder}: has no labels yet ('workbench label' imports or drafts them)")
    if path.exists() and not replace:
        raise WorkbenchError(f"{path}: exists already; --replace overwrites it")
    labels = read_labels(session.labels_path, session.samples)
    try:
        write_text(path, writer(labels))
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be written ({error.strerror})") from None
    return len(labels)


def check_source(source: str) -> None:
    """Refuse a label source that no report knows.

    Raises:
        WorkbenchError: names the sources there are.
    """
    if source not in LABEL_SOURCES:
        raise WorkbenchError(f"label source {source!r} is not one of {', '.join(LABEL_SOURCES)}")
