"""``workbench echo``."""

import click

from workbench.cli.options import json_option, session_folder


@click.command()
@click.argument("session")
@click.option(
    "--store/--no-store", default=True, show_default=True, help="Keep the path in session.json, for replays of SESSION."
)
@json_option
def echo(session: str, store: bool, as_json: bool) -> None:
    """Measure how the microphone hears the agent: delay, gain, drift, and what is left when the echo is removed.

    SESSION needs an agent track. docs/echo.md explains the figures.
    """
    from workbench.cli.actions.echo import measure_and_show

    measure_and_show(session_folder(session), store, as_json)
