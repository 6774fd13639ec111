"""``workbench studies``."""

import click

from workbench.cli.options import json_option


@click.command()
@click.option("--storage", metavar="URL", help="Storage to list, instead of the folder studies/.")
@json_option
def studies(storage: str | None, as_json: bool) -> None:
    """List studies with their trials, best trial and tuned config.

    Both figures are the first objective on the tuning sessions.
    """
    from workbench.cli.actions.studies import show_studies

    show_studies(storage, as_json)
