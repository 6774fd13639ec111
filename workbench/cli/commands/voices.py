"""``workbench voices``."""

from pathlib import Path

import click

from workbench.cli.options import PATH, HelpfulGroup, json_option


@click.group(cls=HelpfulGroup)
def voices() -> None:
    """List, check and audition voices of the TTS."""


@voices.command("list")
@click.argument("folder", type=PATH)
@json_option
def list_voices(folder: Path, as_json: bool) -> None:
    """List the voices of the TTS model in FOLDER."""
    from workbench.cli.actions.voices import list_voices as show

    show(folder, as_json)


@voices.command("check")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option("--tts", type=PATH, metavar="FOLDER", help="TTS model that the voices must fit.")
@json_option
def check_voices(files: tuple[Path, ...], tts: Path | None, as_json: bool) -> int:
    """Check voice files: key, shape, dtype, spread and origin; exit 1 if one is unfit."""
    from workbench.cli.actions.voices import check_voices as check

    return check(files, tts, as_json)


@voices.command()
@click.argument("names", nargs=-1, required=True, metavar="VOICE...")
@click.option("--tts", type=PATH, metavar="FOLDER", required=True, help="TTS model that speaks.")
@click.option("--text", help="Text to speak; by default two sentences.")
@click.option("--out", type=PATH, default=Path("voices"), show_default=True, help="Folder for the FLAC files.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the speech.")
def audition(names: tuple[str, ...], tts: Path, text: str | None, out: Path, seed: int) -> None:
    """Speak one text with several voices, for a FLAC file each and a table."""
    from workbench.cli.actions.voices import audition as run

    run(tts, names, text, out, seed)
