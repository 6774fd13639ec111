"""``tune``, ``worker``, ``studies`` and ``dashboard``."""

from pathlib import Path

import click
from click.core import ParameterSource

from workbench.cli.options import CONFIG_PATH, json_option, session_folders


@click.command()
@click.argument("sessions", nargs=-1, metavar="SESSION...")
@click.option("--name", required=True, help="Of the study, and of its folder in configs/.")
@click.option(
    "--config",
    "config_file",
    type=CONFIG_PATH,
    default=Path("configs/baseline.toml"),
    show_default=True,
    help="The baseline: TOML, or the moshi.json that your assistant has.",
)
@click.option("--set", "assignments", multiple=True, metavar="KNOB=VALUE", help="Change the baseline; repeatable.")
@click.option("--stack", metavar="NAME", help="Which models speak and hear.")
@click.option("--models", metavar="DIR", help="Directory of the stack's models.")
@click.option("--listener", type=click.Choice(["workbench", "mlx-harmony"]), help="Whose listen loop.")
@click.option(
    "--space",
    type=CONFIG_PATH,
    default=Path("configs/space.toml"),
    show_default=True,
    help="What is searched.",
)
@click.option(
    "--budget",
    type=CONFIG_PATH,
    default=Path("configs/budget.toml"),
    show_default=True,
    help="Limits that the tuned config must keep.",
)
@click.option("--objective", "objectives", multiple=True, metavar="SCORE", help="[default: voice_to_voice_ms_p95]")
@click.option(
    "--pareto", is_flag=True, help="Look for the front of all --objective scores (or of latency and cut-ins)."
)
@click.option(
    "--trials", type=int, help="Finished trials wanted, the baseline's included.  [default: 200; grid: all its points]"
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "gp", "nsga2", "random", "grid"]),
    help="[default: tpe; nsga2 with several objectives]",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Break hopeless trials off, session by session (Wilcoxon); none before one has kept the budget.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of sampler, split and intervals."
)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes on this machine.")
@click.option("--storage", metavar="URL", help="postgresql://..., grpc://HOST:PORT or journal:PATH.")
@click.option("--scheduler", metavar="URL", help="tcp://HOST:PORT of a dask scheduler that runs the models first.")
@click.option("--resume", is_flag=True, help="Go on with a study; all but --name (and --storage) may be left out.")
@click.option(
    "--moshi-json", type=click.Path(path_type=Path), help="Keep the model paths of this file, whatever the baseline."
)
@json_option
def tune(sessions: tuple[str, ...], **options: object) -> int:
    """Search settings by exact replay, and write the config that the assistant loads."""
    from workbench.cli.actions.tune import TuneRequest, run_tune

    source = click.get_current_context().get_parameter_source
    given = frozenset(name for name in options if source(name) is not ParameterSource.DEFAULT)
    return run_tune(session_folders(sessions), TuneRequest(**options, given=given))  # type: ignore[arg-type]


@click.command()
@click.option(
    "--storage", required=True, metavar="URL", help="The study's: postgresql://..., grpc://..., journal:PATH."
)
@click.option("--name", help="Of the study; needed where the storage holds several.")
@click.option("--recordings", type=click.Path(path_type=Path), help="Where this machine has the sessions.")
@click.option("--trials", type=click.IntRange(min=1), help="Leave after so many.")
@click.option("--heartbeat", type=int, default=10, show_default=True, help="Seconds between signs of life.")
def worker(storage: str, name: str | None, recordings: Path | None, trials: int | None, heartbeat: int) -> int:
    """Help with a study from this machine, until it has its trials."""
    from workbench.cli.actions.studies import run_worker

    return run_worker(storage, name, recordings, trials, heartbeat)


@click.command()
@click.option("--storage", metavar="URL", help="List those of a storage instead of studies/.")
@json_option
def studies(storage: str | None, as_json: bool) -> None:
    """List studies: trials, the best trial, the tuned config, both on the tuning sessions."""
    from workbench.cli.actions.studies import show_studies

    show_studies(storage, as_json)


@click.command()
@click.argument("study")
@click.option("--storage", metavar="URL", help="Where the study is kept; its own journal by default.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Where to listen.")
def dashboard(study: str, storage: str | None, host: str, port: int) -> None:
    """Open optuna-dashboard on a study."""
    from workbench.cli.actions.studies import run_dashboard

    run_dashboard(study, storage, host, port)


COMMANDS = (tune, worker, studies, dashboard)
