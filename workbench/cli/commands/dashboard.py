"""``workbench dashboard``."""

import click


@click.command()
@click.argument("study")
@click.option("--storage", metavar="URL", help="Storage of the study; its own journal by default.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
def dashboard(study: str, storage: str | None, host: str, port: int) -> None:
    """Open a study in the browser, with optuna-dashboard."""
    from workbench.cli.actions.dashboard import run_dashboard

    run_dashboard(study, storage, host, port)
