"""``workbench synth``."""

from pathlib import Path

import click

from workbench.cli.options import PATH, json_option
from workbench.files import RECORDINGS


@click.command()
@click.argument("specs", nargs=-1, type=PATH, metavar="SPEC...")
@click.option("--list", "listed", is_flag=True, help="List the specs that come with workbench, and make nothing.")
@click.option("--dir", "into", type=PATH, default=RECORDINGS, show_default=True, help="Folder for the sessions.")
@click.option("--replace", is_flag=True, help="Make sessions of these names again that synth made.")
@json_option
def synth(specs: tuple[Path, ...], listed: bool, into: Path, replace: bool, as_json: bool) -> None:
    """Construct sessions from clips and noises at known times, as a TOML file says: labels are exact.

    SPEC is a file, or the name of one that comes with workbench. docs/synth.md shows what it may hold.
    """
    from workbench.cli.actions.synth import list_specs, synthesise_and_show

    if listed:
        list_specs(as_json)
        return
    if not specs:
        raise click.UsageError("name a SPEC; --list lists those that come with workbench")
    synthesise_and_show(specs, into, replace, as_json)
