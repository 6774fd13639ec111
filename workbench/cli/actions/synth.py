"""Action and output of ``workbench synth``."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from workbench.errors import WorkbenchError, printable
from workbench.sessions.labels import read_labels, turns
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import SynthSpec, find_spec, read_spec, shipped_specs
from workbench.units import duration, samples_to_seconds


def synthesise_and_show(specs: Sequence[Path], into: Path, replace: bool, as_json: bool) -> None:
    """Make the sessions of each spec, and print a line for each.

    Raises:
        WorkbenchError: two specs make a session of one name, or what :func:`synthesise` raises.
    """
    rows = []
    for spec in _read(specs):
        for session in synthesise(spec, into, replace):
            found = turns(read_labels(session.labels_path, session.samples))
            pauses = sum(len(turn.holds) for turn in found)
            if as_json:
                seconds, tracks = samples_to_seconds(session.samples), list(session.tracks)
                row = {"session": str(session.folder), "seconds": seconds, "tracks": tracks}
                rows.append(row | {"turns": len(found), "pauses": pauses})
                continue
            what = f"{_count(len(found), 'turn')}, {_count(pauses, 'pause')}, {' and '.join(session.tracks)}"
            click.echo(printable(f"{session.folder}: {duration(samples_to_seconds(session.samples))}, {what}"))
    if as_json:
        click.echo(json.dumps(rows))


def list_specs(as_json: bool) -> None:
    """List the specs that come with workbench: name, number of sessions, and what they show."""
    found = [(name, read_spec(path).head) for name, path in shipped_specs().items()]
    if as_json:
        rows = [{"spec": name, "sessions": head.sessions, "shows": head.shows} for name, head in found]
        click.echo(json.dumps(rows))
        return
    for name, head in found:
        click.echo(f"{name:18} {_count(head.sessions, 'session'):12} {head.shows}")


def _read(paths: Sequence[Path]) -> list[SynthSpec]:
    """Read all specs before anything is made, so that a bad one stops all."""
    specs = [read_spec(find_spec(path)) for path in paths]
    owner: dict[str, Path] = {}
    for spec in specs:
        for name in spec.names:
            if owner.setdefault(name, spec.path) is not spec.path:
                raise WorkbenchError(f"{spec.path}: session {name!r} is also made by {owner[name]}; rename one")
    return specs


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
