"""Action and output of ``workbench label``."""

import json
from collections import Counter
from pathlib import Path

import click

from workbench.errors import printable
from workbench.sessions.label_files import export_labels, import_labels, notes_to_keep, store_labels
from workbench.sessions.label_formats import Choice
from workbench.sessions.labels import Label, turns
from workbench.sessions.session import open_session


def import_and_show(folder: Path, path: Path, choice: Choice, how: tuple[str, bool], as_json: bool) -> None:
    """Import labels from a file, and print how many there are of each kind.

    Args:
        folder: of the session.
        path: of the labels.
        choice: what to take from a file with several recordings.
        how: origin of the labels, and whether they replace others.
        as_json: whether to print JSON.
    """
    source, replace = how
    found = import_labels(open_session(folder), path, source, choice=choice, replace=replace)
    if as_json:
        _print_json(folder, found.labels, source, list(found.notes))
        return
    for note in found.notes:
        click.echo(printable(note))
    show_labels(folder, found.labels, source)


def export_and_show(folder: Path, path: Path, replace: bool, as_json: bool) -> None:
    """Write the labels to a file for an editor."""
    count = export_labels(open_session(folder), path, replace)
    if as_json:
        click.echo(json.dumps({"session": str(folder), "file": str(path), "labels": count}))
    else:
        click.echo(printable(f"{path}: {count} label{'s' * (count != 1)}"))


def draft_and_show(folder: Path, replace: bool, as_json: bool) -> None:
    """Draft the user's turns by voice activity."""
    from workbench.sessions.draft_labels import draft

    session = open_session(folder)
    notes_to_keep(session, replace)  # refuses before the work, not after it
    labels = store_labels(session, draft(session), "auto", replace)
    if as_json:
        _print_json(folder, labels, "auto", [])
        return
    show_labels(folder, labels, "auto")
    click.echo("a draft without words: check it before you trust a score (--export to Audacity and back)")


def described(labels: tuple[Label, ...], source: str) -> dict[str, object]:
    """Labels in numbers, for ``--json``."""
    kinds = Counter(label.kind for label in labels)
    return {"turns": len(turns(labels)), "kinds": dict(sorted(kinds.items())), "source": source}


def _print_json(folder: Path, labels: tuple[Label, ...], source: str, notes: list[str]) -> None:
    click.echo(json.dumps({"session": str(folder), "labels": described(labels, source), "notes": notes}))


def show_labels(folder: Path, labels: tuple[Label, ...], source: str) -> None:
    """Print how many turns and labels of each kind a session has."""
    kinds = Counter(label.kind for label in labels)
    parts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    count = len(turns(labels))
    click.echo(printable(f"{folder}: {count} turn{'s' * (count != 1)} ({parts or 'no labels'}), source {source}"))
