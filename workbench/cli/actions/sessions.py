"""What ``import``, ``sessions`` and ``label`` do and print."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from workbench.cli.options import is_session, named_folder
from workbench.errors import WorkbenchError, printable
from workbench.files import RECORDINGS
from workbench.sessions.folders import MANIFEST, check_name, find_sessions, is_recording
from workbench.sessions.import_audio import ImportOptions, import_session, name_from
from workbench.sessions.label_files import export_labels, import_labels, notes_to_keep, store_labels
from workbench.sessions.label_formats import Choice
from workbench.sessions.labels import Label, is_labelled, read_labels, turns
from workbench.sessions.session import open_session
from workbench.units import samples_to_seconds


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    name: str
    seconds: float
    tracks: tuple[str, ...]
    labels: str | None
    turns: int
    echo: bool


def import_and_print(audio: Path, into: Path, name: str | None, options: ImportOptions) -> None:
    """Import, then print what was done and what comes next."""
    folder = into / (name_from(audio) if name is None else check_name(name, "--name"))
    done = import_session(audio, folder, options)
    for note in done.notes:
        click.echo(printable(note))
    click.echo(
        printable(f"{folder}: {samples_to_seconds(done.session.samples):.1f} s, {' and '.join(done.session.tracks)}")
    )
    if done.labels is not None:
        _print_labels(folder, done.labels.labels, options.labels_source)
    else:
        click.echo(printable(f"no labels yet: 'workbench label {folder} --import FILE', or --auto for a first draft"))


def list_sessions(where: Sequence[str], verify: bool, as_json: bool) -> int:
    """Print the list; what is no session, or does not open, is named, and the rest are still listed.

    Args:
        where: sessions and folders of sessions; :data:`workbench.files.RECORDINGS` if there are none.
        verify: check the tracks too.
        as_json: for scripts.
    """
    rows, changed = [], []
    folders, broken = _named(where) if where else (find_sessions(RECORDINGS), [])
    for path in folders:
        if is_recording(path):
            click.echo(printable(f"note: {path}: is being recorded right now"), err=True)
            continue
        try:
            session = open_session(path)
            rows.append(_row(path))
            changed += session.verify() if verify else []
        except WorkbenchError as error:
            broken.append(str(error))
    if as_json:
        fields = {"sessions": [asdict(row) for row in rows], "broken": broken}
        click.echo(json.dumps(fields | ({"changed": changed} if verify else {})))
    elif rows:
        _print_rows(rows, verify and not changed and not broken)
    elif not broken:
        click.echo(f"{RECORDINGS}: no sessions yet ('workbench import' and 'workbench record' make them)")
    for problem in broken + changed:
        click.echo(f"error: {problem}", err=True)
    return 2 if broken else int(bool(changed))


def _named(names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Sessions by their own names or those of their folders, each once; and what is wrong with the other names."""
    found: dict[Path, Path] = {}
    problems = []
    for name in names:
        path = named_folder(name)
        inside = find_sessions(path) if path.is_dir() else []
        if not (path / MANIFEST).exists() and inside:
            found |= {each.resolve(): each for each in inside}
        elif is_session(path):
            found[path.resolve()] = path
        else:
            what = "neither a session nor a" if path.exists() else "no such session or"
            problems.append(f"{path}: {what} folder of sessions")
    return list(found.values()), problems


def _row(folder: Path) -> Row:
    session = open_session(folder)
    labels = read_labels(session.labels_path, session.samples) if session.has_labels else ()
    source = (session.labels_source or "unmarked") if is_labelled(labels) else None
    seconds = samples_to_seconds(session.samples)
    return Row(folder.name, seconds, tuple(session.tracks), source, len(turns(labels)), session.echo is not None)


def _print_rows(rows: Iterable[Row], verified: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("session", "tracks", "labels", box=None, pad_edge=False)
    table.add_column("turns", justify="right")
    table.add_column("duration", justify="right")
    total = 0.0
    for row in rows:
        tracks = "+".join(row.tracks) + (" (echo path)" if row.echo else "")
        table.add_row(Text(printable(row.name)), tracks, row.labels or "-", str(row.turns), _clock(row.seconds))
        total += row.seconds
    table.add_section()
    table.add_row("together", "checksums match" if verified else "", "", "", _clock(total))
    Console(width=None if sys.stdout.isatty() else 100, highlight=False).print(table)


def _clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> _clock(61.25), _clock(3725), _clock(24.48)
    ('1:01.2', '1:02:05.0', '0:24.5')
    """
    tenths = round(round(seconds, 1) * 10)  # as reports round
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"


def take_labels(folder: Path, path: Path, choice: Choice, source: str, replace: bool) -> None:
    """``label --import``."""
    found = import_labels(open_session(folder), path, source, choice=choice, replace=replace)
    for note in found.notes:
        click.echo(printable(note))
    _print_labels(folder, found.labels, source)


def give_labels(folder: Path, path: Path, replace: bool) -> None:
    """``label --export``."""
    count = export_labels(open_session(folder), path, replace)
    click.echo(printable(f"{path}: {count} label{'s' * (count != 1)}"))


def draft_labels(folder: Path, replace: bool) -> None:
    """``label --auto``."""
    from workbench.sessions.draft_labels import draft

    session = open_session(folder)
    notes_to_keep(session, replace)  # refuses before the work, not after it
    _print_labels(folder, store_labels(session, draft(session), "auto", replace), "auto")
    click.echo("a draft without words: check it before you trust a score (--export to Audacity and back)")


def _print_labels(folder: Path, labels: tuple[Label, ...], source: str) -> None:
    kinds = Counter(label.kind for label in labels)
    parts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    count = len(turns(labels))
    click.echo(printable(f"{folder}: {count} turn{'s' * (count != 1)} ({parts or 'no labels'}), source {source}"))
