"""Action and output of ``workbench import``."""

import json
from pathlib import Path

import click

from workbench.cli.actions.label import described, show_labels
from workbench.errors import printable
from workbench.sessions.folders import as_argument, check_name
from workbench.sessions.import_audio import ImportOptions, import_session, name_from
from workbench.units import duration, samples_to_seconds


def import_and_show(audio: Path, into: Path, name: str | None, options: ImportOptions, as_json: bool) -> None:
    """Import a recording, then print what was made of it and what comes next."""
    folder = into / (name_from(audio) if name is None else check_name(name, "--name"))
    done = import_session(audio, folder, options)
    seconds = samples_to_seconds(done.session.samples)
    if as_json:
        labels = described(done.labels.labels, options.labels_source) if done.labels is not None else None
        fields = {"session": str(folder), "seconds": seconds, "tracks": list(done.session.tracks), "labels": labels}
        click.echo(json.dumps(fields | {"notes": list(done.notes)}))
        return
    for note in done.notes:
        click.echo(printable(note))
    click.echo(printable(f"{folder}: {duration(seconds)}, {' and '.join(done.session.tracks)}"))
    if done.labels is not None:
        show_labels(folder, done.labels.labels, options.labels_source)
    else:
        command = f"workbench label {as_argument(folder)} --import FILE"
        click.echo(printable(f"no labels yet: '{command}', or --auto for a first draft"))
