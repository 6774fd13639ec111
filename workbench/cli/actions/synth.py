"""Action and output of ``workbench synth``."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from workbench.errors import WorkbenchError, printable
from workbench.sessions.labels import read_labels, turns
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import read_spec
from workbench.units import duration, samples_to_seconds


def synthesise_and_show(specs: Sequence[Path], into: Path, replace: bool, as_json: bool) -> None:
    """Make the sessions of each spec, and print a line for each."""
    rows = []
    for spec in [read_spec(path) for path in specs]:
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


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
