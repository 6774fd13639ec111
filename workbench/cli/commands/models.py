"""``models``, ``voices`` and ``doctor``."""

from pathlib import Path

import click

from workbench.cli.options import HelpfulGroup, config_options, json_option
from workbench.config import Config

_PATH = click.Path(path_type=Path)


@click.group(cls=HelpfulGroup)
def models() -> None:
    """Get, generate and check model directories."""


@models.command("list")
@click.argument("folder", type=_PATH, required=False)
def list_models(folder: Path | None) -> None:
    """List the published models, or those below FOLDER."""
    from workbench.cli.actions.models import list_folder, list_known

    list_known() if folder is None else list_folder(folder)


@models.command()
@click.argument("name")
@click.argument("folder", type=_PATH)
@click.option("--voice", "voices", multiple=True, metavar="NAME", help="A voice of kyutai/tts-voices; repeatable.")
def pull(name: str, folder: Path, voices: tuple[str, ...]) -> int:
    """Download a model (a name of `models list`, or owner/repository) into FOLDER and check it; exit 1 if it is bad."""
    from workbench.cli.actions.models import pull_and_check

    return pull_and_check(name, folder, voices)


@models.command()
@click.argument("folders", nargs=-1, required=True, type=_PATH, metavar="FOLDER...")
def check(folders: tuple[Path, ...]) -> int:
    """Ask moshi_mlx whether it takes the files of a model, without loading it; exit 1 if it does not.

    A line that begins with `note` names what it takes but is likely wrong, weights that are not finite among it.
    """
    from workbench.cli.actions.models import check_folders

    return check_folders(folders)


@models.command()
@click.argument("folder", type=_PATH)
@click.option("--kind", type=click.Choice(["stt", "tts", "duplex", "mimi"]), required=True, help="Role of the model.")
@click.option(
    "--size", type=click.Choice(["tiny", "full"]), default="tiny", show_default=True, help="full is as published."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same bytes.")
@click.option("--bits", type=click.Choice(["4", "8"]), help="Quantised, as the -q4 and -q8 repositories are.")
@click.option("--mimi", type=click.Choice(["tiny", "full"]), help="Size of the codec, if not SIZE.")
def init(folder: Path, kind: str, size: str, seed: int, bits: str | None, mimi: str | None) -> None:
    """Generate a model in Kyutai's layout: full in shape and cost, without meaning.

    With --size full it tells what your machine costs per step before you download anything: see `workbench doctor`.
    """
    from workbench.cli.actions.models import generate

    generate(folder, kind, size, seed, int(bits) if bits else None, mimi)


@click.group(cls=HelpfulGroup)
def voices() -> None:
    """List, check and hear voices of the TTS."""


@voices.command("list")
@click.argument("folder", type=_PATH)
def list_voices(folder: Path) -> None:
    """List the voices beside the TTS model in FOLDER."""
    from workbench.cli.actions.models import list_voices as show

    show(folder)


@voices.command("check")
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@click.option("--tts", type=_PATH, metavar="FOLDER", help="Also check against this TTS model.")
def check_voices(files: tuple[Path, ...], tts: Path | None) -> int:
    """Check key, shape, dtype, spread and origin of voice files; exit 1 if one is unfit."""
    from workbench.cli.actions.models import check_voices as check

    return check(files, tts)


@voices.command()
@click.argument("names", nargs=-1, required=True, metavar="VOICE...")
@click.option("--tts", type=_PATH, metavar="FOLDER", required=True, help="The TTS model.")
@click.option("--text", help="What they say.")
@click.option("--out", type=_PATH, default=Path("voices"), show_default=True, help="Where the FLACs go.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the speech.")
def audition(names: tuple[str, ...], tts: Path, text: str | None, out: Path, seed: int) -> None:
    """Let voices say the same text: a FLAC each, and a table."""
    from workbench.cli.actions.models import audition as run

    run(tts, names, text, out, seed)


@click.command()
@config_options()
@click.option("--steps", type=click.IntRange(10), default=100, show_default=True, help="Steps timed of each kind.")
@click.option("--profile", "profile_path", type=_PATH, help="Write the step costs as a profile for replays.")
@json_option
def doctor(
    config: Config,
    steps: int,
    profile_path: Path | None,
    as_json: bool,
) -> int:
    """Check packages, audio, models, resets and speed; exit 1 if this machine is not fit.

    Without --models only the machine itself is looked at.
    """
    from workbench.cli.actions.models import examine

    return examine(config, steps, profile_path, as_json)
