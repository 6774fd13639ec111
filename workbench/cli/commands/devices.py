"""``workbench devices``."""

import click

from workbench.cli.options import json_option


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """List microphones and loudspeakers, and how each is fitted to 24 kHz mono."""
    from workbench.cli.actions.devices import show_devices

    show_devices(as_json)
