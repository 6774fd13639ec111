"""Label files of every format, by suffix: into a session, and out of it for an editor."""

from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.files import write_text
from workbench.sessions.labels import (
    Label,
    format_audacity,
    format_labels,
    read_audacity,
    read_labels,
    read_rttm,
    read_stm,
    write_labels,
)
from workbench.sessions.session import LABEL_SOURCES, Session, update_manifest

READERS: dict[str, Callable[[Path, int | None], tuple[Label, ...]]] = {".csv": read_labels, ".txt": read_audacity}
"""Label formats by suffix: ours and Audacity's."""

SPEAKER_READERS: dict[str, Callable[[Path, int | None, str | None], tuple[Label, ...]]] = {
    ".rttm": read_rttm,
    ".stm": read_stm,
}
"""Formats that name speakers, of whom one is the user."""

WRITERS: dict[str, Callable[[Sequence[Label]], str]] = {".csv": format_labels, ".txt": format_audacity}


def read_label_file(path: Path, samples: int | None, speaker: str | None = None) -> tuple[Label, ...]:
    """Read labels in the format that the suffix says.

    Args:
        path: the file.
        samples: length of the session.
        speaker: who is the user in an RTTM or STM file; the first one by default.

    Raises:
        WorkbenchError: an unknown suffix, a speaker where the format has none, or what the format's reader raises.
    """
    suffix = path.suffix.lower()
    if suffix in SPEAKER_READERS:
        return SPEAKER_READERS[suffix](path, samples, speaker)
    if suffix not in READERS:
        raise WorkbenchError(f"{path}: labels must be a file ending in {', '.join([*READERS, *SPEAKER_READERS])}")
    if speaker is not None:
        raise WorkbenchError(f"{path}: {suffix} labels name no speakers; leave --speaker out")
    return READERS[suffix](path, samples)


def import_labels(
    session: Session, path: Path, source: str = "human", *, speaker: str | None = None, replace: bool = False
) -> tuple[Label, ...]:
    """Make the labels of a file the session's own.

    Raises:
        WorkbenchError: see :func:`read_label_file` and :func:`store_labels`.
    """
    return store_labels(session, read_label_file(path, session.samples, speaker), source, replace)


def notes_to_keep(session: Session, replace: bool) -> tuple[Label, ...]:
    """The notes among a session's labels; refuses to lose labels that cannot be made again.

    Drafts can be made again, and notes (marks set while recording) are carried over, so that neither is in the way.

    Raises:
        WorkbenchError: the session has other labels, and ``replace`` is false.
    """
    if replace or not session.labels_path.exists():
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
    if not session.labels_path.exists():
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
