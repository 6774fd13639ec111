"""``workbench import``; the underscore is there because ``import`` is a word of Python."""

from pathlib import Path
from typing import Any

import click

from workbench.cli.options import PATH, choice_options, json_option, source_option
from workbench.files import RECORDINGS


@click.command("import")
@click.argument("audio", type=PATH)
@click.option("--agent", type=PATH, help="What the loudspeaker played: as long as AUDIO, from the same moment on.")
@click.option("--mic-channel", type=click.IntRange(1), help="Channel of AUDIO to take, from 1 [the mean of all].")
@click.option("--agent-channel", type=click.IntRange(1), help="Channel of AUDIO that is the agent's, from 1.")
@click.option("--labels", type=PATH, help="Labels file: .csv, .txt (Audacity), .rttm or .stm.")
@choice_options
@source_option
@click.option("--truncated", is_flag=True, help="Take a file that was cut off as far as it goes.")
@click.option("--name", metavar="NAME", help="Name of the session; by default the file's.")
@click.option("--dir", "into", type=PATH, default=RECORDINGS, show_default=True, help="Folder for the new session.")
@json_option
def import_(audio: Path, into: Path, name: str | None, source: str, as_json: bool, **options: Any) -> None:
    """Make a session from an audio file of any rate and number of channels.

    Formats: WAV, FLAC, Ogg, MP3, AIFF, CAF and more; m4a, aac, webm and others if ffmpeg is installed.
    """
    from workbench.cli.actions.import_ import import_and_show
    from workbench.sessions.import_audio import ImportOptions

    import_and_show(audio, into, name, ImportOptions(labels_source=source, **options), as_json)
