"""Action and output of ``workbench label``."""

from collections import Counter
from pathlib import Path

import click

from workbench.errors import printable
from workbench.sessions.label_files import export_labels, import_labels, notes_to_keep, store_labels
from workbench.sessions.label_formats import Choice
from workbench.sessions.labels import Label, turns
from workbench.sessions.session import open_session


def import_and_show(folder: Path, path: Path, choice: Choice, source: str, replace: bool) -> None:
    """Import labels from a file, and print how many there are of each kind."""
    found = import_labels(open_session(folder), path, source, choice=choice, replace=replace)
    for note in found.notes:
        click.echo(printable(note))
    show_labels(folder, found.labels, source)


def export_and_show(folder: Path, path: Path, replace: bool) -> None:
    """Write the labels to a file for an editor."""
    count = export_labels(open_session(folder), path, replace)
    click.echo(printable(f"{path}: {count} label{'s' * (count != 1)}"))


def draft_and_show(folder: Path, replace: bool) -> None:
    """Draft the user's turns by voice activity."""
    from workbench.sessions.draft_labels import draft

    session = open_session(folder)
    notes_to_keep(session, replace)  # refuses before the work, not after it
    show_labels(folder, store_labels(session, draft(session), "auto", replace), "auto")
    click.echo("a draft without words: check it before you trust a score (--export to Audacity and back)")


def show_labels(folder: Path, labels: tuple[Label, ...], source: str) -> None:
    """Print how many turns and labels of each kind a session has."""
    kinds = Counter(label.kind for label in labels)
    parts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    count = len(turns(labels))
    click.echo(printable(f"{folder}: {count} turn{'s' * (count != 1)} ({parts or 'no labels'}), source {source}"))
