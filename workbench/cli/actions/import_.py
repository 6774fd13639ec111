"""What ``workbench import`` does and prints."""

from pathlib import Path

import click

from workbench.sessions.import_audio import import_session, name_from
from workbench.sessions.session import check_name
from workbench.units import samples_to_seconds


def import_and_show(
    audio: Path, into: Path, name: str | None, agent: Path | None, labels: Path | None, speaker: str | None, source: str
) -> None:
    """Import a recording, then print what was made of it and what comes next."""
    folder = into / (name_from(audio) if name is None else check_name(name, "--name"))
    done = import_session(audio, folder, agent=agent, labels=labels, speaker=speaker, labels_source=source)
    for note in done.notes:
        click.echo(note)
    click.echo(f"{folder}: {samples_to_seconds(done.session.samples):.1f} s, {' and '.join(done.session.tracks)}")
    if labels is None:
        click.echo(f"no labels yet: 'workbench label {folder} --import FILE', or --auto for a first draft")
