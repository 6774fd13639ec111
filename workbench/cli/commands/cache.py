"""``workbench cache``."""

import click

from workbench.cli.options import json_option


@click.command()
@click.option("--clear", is_flag=True, help="Delete all model outputs; the next replay runs the models again.")
@click.option("--clear-profiles", is_flag=True, help="Delete all step costs; the next replay measures them again.")
@json_option
def cache(clear: bool, clear_profiles: bool, as_json: bool) -> None:
    """Show or clear the model outputs and step costs kept on this machine."""
    from workbench.cli.actions.cache import show_cache

    show_cache(clear, clear_profiles, as_json)
