"""``workbench import``; the underscore is there because ``import`` is a word of Python."""

from pathlib import Path

import click

from workbench.cli.options import PATH, source_option, speaker_option
from workbench.files import RECORDINGS


@click.command("import")
@click.argument("audio", type=PATH)
@click.option("--agent", type=PATH, help="What the loudspeaker played: as long as AUDIO, from the same moment on.")
@click.option("--labels", type=PATH, help="Labels file: .csv, .txt (Audacity), .rttm or .stm.")
@speaker_option
@source_option
@click.option("--name", metavar="NAME", help="Name of the session; by default the file's.")
@click.option("--dir", "into", type=PATH, default=RECORDINGS, show_default=True, help="Folder for the new session.")
def import_(
    audio: Path,
    agent: Path | None,
    labels: Path | None,
    speaker: str | None,
    source: str,
    name: str | None,
    into: Path,
) -> None:
    """Make a session from an audio file of any format, rate and number of channels."""
    from workbench.cli.actions.import_ import import_and_show

    import_and_show(audio, into, name, agent, labels, speaker, source)
