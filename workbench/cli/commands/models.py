"""``workbench models``."""

from pathlib import Path

import click

from workbench.cli.options import PATH, HelpfulGroup, json_option


@click.group(cls=HelpfulGroup)
def models() -> None:
    """Download, generate and check models."""


@models.command("list")
@click.argument("folder", type=PATH, required=False)
@json_option
def list_models(folder: Path | None, as_json: bool) -> None:
    """List the published models, or the models in FOLDER and its subfolders."""
    from workbench.cli.actions.models import list_folder, list_known

    list_known(as_json) if folder is None else list_folder(folder, as_json)


@models.command()
@click.argument("name")
@click.argument("folder", type=PATH)
@click.option(
    "--voice", "voices", multiple=True, metavar="NAME", help="Voice of kyutai/tts-voices to download too; repeatable."
)
def pull(name: str, folder: Path, voices: tuple[str, ...]) -> int:
    """Download a model (a name of `models list`, or owner/repository) into FOLDER and check it; exit 1 if it is bad."""
    from workbench.cli.actions.models import pull_and_check

    return pull_and_check(name, folder, voices)


@models.command()
@click.argument("folders", nargs=-1, required=True, type=PATH, metavar="FOLDER...")
@json_option
def check(folders: tuple[Path, ...], as_json: bool) -> int:
    """Ask moshi_mlx whether it takes the files of a model, without loading it; exit 1 if it does not.

    A line that begins with `note` names something that loads but is likely wrong, such as weights that are not finite.
    """
    from workbench.cli.actions.models import check_folders

    return check_folders(folders, as_json)


@models.command()
@click.argument("folder", type=PATH)
@click.option("--kind", type=click.Choice(["stt", "tts", "duplex", "mimi"]), required=True, help="Role of the model.")
@click.option(
    "--size",
    type=click.Choice(["tiny", "full"]),
    default="tiny",
    show_default=True,
    help="Size of the model; full is the published one.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the weights.")
@click.option("--bits", type=click.Choice(["4", "8"]), help="Quantise, like the -q4 and -q8 repositories.")
@click.option("--mimi", type=click.Choice(["tiny", "full"]), help="Size of the codec; by default that of --size.")
def init(folder: Path, kind: str, size: str, seed: int, bits: str | None, mimi: str | None) -> None:
    """Generate a model in Kyutai's layout, with random weights.

    With --size full, `workbench doctor` then measures the speed of this machine before you download anything.
    """
    from workbench.cli.actions.models import generate

    generate(folder, kind, size, seed, int(bits) if bits else None, mimi)
