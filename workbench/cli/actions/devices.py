"""Action and output of ``workbench devices``."""

import json

import click

from workbench.errors import WorkbenchError
from workbench.recording.devices import devices, stream_settings


def show_devices(as_json: bool) -> None:
    """Print all devices, a row per direction."""
    rows = [
        (device, kind)
        for device in devices()
        for kind, count in (("input", device.inputs), ("output", device.outputs))
        if count
    ]
    found = []
    for device, kind in rows:
        try:
            fit = stream_settings(device, kind).words
        except WorkbenchError as error:
            fit = f"not usable: {str(error).split(': ', 1)[-1].split(' (')[0]}"
        found.append(
            {
                "number": device.index,
                "name": device.name,
                "host": device.host,
                "kind": kind,
                "channels": device.inputs if kind == "input" else device.outputs,
                "rate": device.rate,
                "default": device.is_default_input if kind == "input" else device.is_default_output,
                "fit": fit,
            }
        )
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found:
        raise WorkbenchError("PortAudio sees no audio device: plug one in, or start the sound server")
    from rich.table import Table
    from rich.text import Text

    from workbench.cli.progress import Output

    table = Table("no.", "kind", "name", "host", "channels", "default rate", "fit to 24 kHz mono")
    for row in found:
        kind = f"{row['kind']} *" if row["default"] else str(row["kind"])
        cells = (row["number"], kind, row["name"], row["host"], row["channels"], f"{row['rate']} Hz", row["fit"])
        table.add_row(*(Text(str(cell)) for cell in cells))  # a device's name is no markup
    Output(110).print(table)
    click.echo("* default")
