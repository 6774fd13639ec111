"""``workbench sessions``."""

import click

from workbench.cli.options import json_option


@click.command()
@click.argument("where", nargs=-1, metavar="[FOLDER_OR_SESSION]...")
@click.option("--verify", is_flag=True, help="Check every track against its checksum; exit 1 if one differs.")
@json_option
def sessions(where: tuple[str, ...], verify: bool, as_json: bool) -> int:
    """List sessions with duration, tracks and labels.

    Sessions are named one by one or by their folder; without a name, those in recordings/ are listed.
    """
    from workbench.cli.actions.sessions import list_sessions

    return list_sessions(where, verify, as_json)
