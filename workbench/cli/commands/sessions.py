"""``import``, ``sessions`` and ``label``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import json_option, session_folder
from workbench.files import RECORDINGS

_PATH = click.Path(path_type=Path)

_source_option = click.option(
    "--source",
    type=click.Choice(["human", "constructed", "auto"]),
    default="human",
    show_default=True,
    help="Where the labels come from; every report says it.",
)
_choice_options = (
    click.option("--speaker", metavar="NAME", help="User in an RTTM or STM file [the first speaker]."),
    click.option("--file-id", metavar="ID", help="Recording to take from an RTTM or STM file that holds several."),
    click.option("--channel", metavar="NAME", help="Channel to take from an RTTM or STM file that holds several."),
)


def _choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a part of an RTTM or STM file."""
    for option in reversed(_choice_options):
        command = option(command)
    return command


@click.command("import")
@click.argument("audio", type=_PATH)
@click.option("--agent", type=_PATH, help="What the loudspeaker played: as long as AUDIO, from the same moment on.")
@click.option("--mic-channel", type=click.IntRange(1), help="Channel of AUDIO to take, from 1 [the mean of all].")
@click.option("--agent-channel", type=click.IntRange(1), help="Channel of AUDIO that is the agent's, from 1.")
@click.option("--labels", type=_PATH, help="Labels: .csv, .txt (Audacity), .rttm or .stm.")
@_choice
@_source_option
@click.option("--truncated", is_flag=True, help="Take a file that was cut off as far as it goes.")
@click.option("--name", help="Name of the session; by default the file's.")
@click.option("--dir", "into", type=_PATH, default=RECORDINGS, show_default=True, help="Where to.")
def import_(
    audio: Path,
    into: Path,
    name: str | None,
    speaker: str | None,
    file_id: str | None,
    channel: str | None,
    source: str,
    **options: Any,
) -> None:
    """Make a session of a recording, at any rate and with any number of channels.

    Formats: WAV, FLAC, Ogg, MP3, AIFF, CAF and what else libsndfile reads; where ffmpeg is installed also m4a, webm
    and others.
    """
    from workbench.cli.actions.sessions import import_and_print
    from workbench.sessions.import_audio import ImportOptions
    from workbench.sessions.label_formats import Choice

    choice = Choice(speaker, file_id, channel)
    import_and_print(audio, into, name, ImportOptions(choice=choice, labels_source=source, **options))


@click.command()
@click.argument("where", nargs=-1, metavar="[FOLDER_OR_SESSION]...")
@click.option("--verify", is_flag=True, help="Check every track against its checksum; exit 1 if one differs.")
@json_option
def sessions(where: tuple[str, ...], verify: bool, as_json: bool) -> int:
    """List sessions with duration, tracks and labels: those named, or those in the folders named.

    Without a name it lists those in recordings/.
    """
    from workbench.cli.actions.sessions import list_sessions

    return list_sessions(where, verify, as_json)


@click.command()
@click.argument("session")
@click.option("--import", "source_file", type=_PATH, help="Take labels from .csv, .txt (Audacity), .rttm or .stm.")
@click.option("--export", "target_file", type=_PATH, help="Write labels to .csv or .txt (Audacity).")
@click.option("--auto", is_flag=True, help="Draft the user's turns by voice activity detection.")
@_choice
@_source_option
@click.option("--replace", is_flag=True, help="Overwrite what is there.")
def label(
    session: str,
    source_file: Path | None,
    target_file: Path | None,
    auto: bool,
    speaker: str | None,
    file_id: str | None,
    channel: str | None,
    source: str,
    replace: bool,
) -> None:
    """Give SESSION labels, take them out for an editor, or draft them."""
    from workbench.cli.actions import sessions as catalog

    if (source_file is not None) + (target_file is not None) + auto != 1:
        raise click.UsageError("give one of --import, --export and --auto", click.get_current_context())
    folder = session_folder(session)
    if source_file:
        from workbench.sessions.label_formats import Choice

        catalog.take_labels(folder, source_file, Choice(speaker, file_id, channel), source, replace)
    elif target_file:
        catalog.give_labels(folder, target_file, replace)
    else:
        catalog.draft_labels(folder, replace)


COMMANDS = (import_, sessions, label)
