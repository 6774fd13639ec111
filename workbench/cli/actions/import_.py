"""Action and output of ``workbench import``."""

from pathlib import Path

import click

from workbench.cli.actions.label import show_labels
from workbench.errors import printable
from workbench.sessions.folders import as_argument, check_name
from workbench.sessions.import_audio import ImportOptions, import_session, name_from
from workbench.units import samples_to_seconds


def import_and_show(audio: Path, into: Path, name: str | None, options: ImportOptions) -> None:
    """Import a recording, then print what was made of it and what comes next."""
    folder = into / (name_from(audio) if name is None else check_name(name, "--name"))
    done = import_session(audio, folder, options)
    for note in done.notes:
        click.echo(printable(note))
    seconds = samples_to_seconds(done.session.samples)
    click.echo(printable(f"{folder}: {seconds:.1f} s, {' and '.join(done.session.tracks)}"))
    if done.labels is not None:
        show_labels(folder, done.labels.labels, options.labels_source)
    else:
        command = f"workbench label {as_argument(folder)} --import FILE"
        click.echo(printable(f"no labels yet: '{command}', or --auto for a first draft"))
