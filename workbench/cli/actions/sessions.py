"""Action and output of ``workbench sessions``."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from workbench.cli.options import is_session, named_folder, sessions_inside
from workbench.errors import WorkbenchError, in_one_line, printable
from workbench.files import RECORDINGS
from workbench.sessions.folders import find_sessions, is_recording
from workbench.sessions.labels import is_labelled, read_labels, turns
from workbench.sessions.session import Session, open_session
from workbench.units import samples_to_seconds


@dataclass(frozen=True)
class SessionRow:
    """SessionRow of the list."""

    name: str
    seconds: float
    tracks: tuple[str, ...]
    labels: str | None
    turns: int
    echo: bool


def list_sessions(where: Sequence[str], verify: bool, as_json: bool) -> int:
    """Print the list; a name without a session, and a session that does not open, is an error after the list.

    Args:
        where: sessions and folders of sessions; :data:`workbench.files.RECORDINGS` if empty.
        verify: whether to check the tracks.
        as_json: whether to print JSON.
    """
    rows, changed = [], []
    folders, broken = _named(where) if where else (find_sessions(RECORDINGS), [])
    for path in folders:
        if is_recording(path):
            click.echo(printable(f"note: {path}: is being recorded right now"), err=True)
            continue
        try:
            session = open_session(path)
            rows.append(_row(session))
            changed += session.verify() if verify else []
        except WorkbenchError as error:
            broken.append(str(error))
        except OSError as error:  # the disk or the rights, found while reading
            broken.append(in_one_line(error))
    if as_json:
        fields = {"sessions": [asdict(row) for row in rows], "broken": broken}
        click.echo(json.dumps(fields | ({"changed": changed} if verify else {})))
    elif rows:
        _print_rows(rows, verify and not changed and not broken)
    elif not broken:
        click.echo(f"{RECORDINGS}: no sessions yet ('workbench import' and 'workbench record' make them)")
    for problem in broken + changed:
        click.echo(f"error: {printable(problem)}", err=True)
    return 2 if broken else int(bool(changed))


def _named(names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Sessions by their own names or those of their folders, each once, and an error for each other name."""
    found: dict[Path, Path] = {}
    problems = []
    for name in names:
        path = named_folder(name)
        try:
            inside = sessions_inside(path)
        except WorkbenchError as error:
            problems.append(str(error))
            continue
        if inside:
            found |= {each.resolve(): each for each in inside}
        elif is_session(path):
            found[path.resolve()] = path
        else:
            what = "neither a session nor a" if path.exists() else "no such session or"
            problems.append(f"{path}: {what} folder of sessions")
    return list(found.values()), problems


def _row(session: Session) -> SessionRow:
    labels = read_labels(session.labels_path, session.samples) if session.has_labels else ()
    source = (session.labels_source or "unmarked") if is_labelled(labels) else None
    seconds = samples_to_seconds(session.samples)
    return SessionRow(
        session.folder.name, seconds, tuple(session.tracks), source, len(turns(labels)), session.echo is not None
    )


def _print_rows(rows: Iterable[SessionRow], verified: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from workbench.cli.progress import Output

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
    Output(100).print(table)


def _clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> _clock(61.25), _clock(3725), _clock(24.48)
    ('1:01.2', '1:02:05.0', '0:24.5')
    """
    tenths = round(round(seconds, 1) * 10)  # as reports round
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"
