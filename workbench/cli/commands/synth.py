"""``workbench synth``."""

from pathlib import Path

import click

from workbench.cli.options import PATH, json_option
from workbench.files import RECORDINGS


@click.command()
@click.argument("specs", nargs=-1, required=True, type=PATH, metavar="SPEC...")
@click.option("--dir", "into", type=PATH, default=RECORDINGS, show_default=True, help="Folder for the sessions.")
@click.option("--replace", is_flag=True, help="Make sessions of these names again that synth made.")
@json_option
def synth(specs: tuple[Path, ...], into: Path, replace: bool, as_json: bool) -> None:
    """Construct sessions from clips and noises at known times, as a TOML file says: labels are exact.

    docs/synth.md shows what SPEC may hold.
    """
    from workbench.cli.actions.synth import synthesise_and_show

    synthesise_and_show(specs, into, replace, as_json)
