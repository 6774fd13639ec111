"""``workbench tune``."""

from pathlib import Path

import click
from click.core import ParameterSource

from workbench.cli.options import ASSISTANT, CONFIG_PATH, json_option, page_option, price_option, session_folders


@click.command()
@click.argument("sessions", nargs=-1, metavar="SESSION...")
@click.option("--name", required=True, help="Name of the study, and of its folder in configs/.")
@click.option(
    "--config",
    "config_file",
    type=CONFIG_PATH,
    default=Path("configs/baseline.toml"),
    show_default=True,
    help="Baseline: TOML, or the moshi.json that your assistant has.",
)
@click.option("--set", "assignments", multiple=True, metavar="KNOB=VALUE", help="Change the baseline; repeatable.")
@click.option("--stack", metavar="NAME", help="Models to run: nano, scripted, moshi or moshi-duplex.")
@click.option("--models", metavar="FOLDER", help="Folder of the stack's models: stt/, tts/, duplex/.")
@click.option(
    "--listener",
    type=ASSISTANT,
    help="Turn detection to simulate: `workbench` (corrected) or `mlx-harmony` (as shipped, faults included).",
)
@click.option(
    "--space",
    type=CONFIG_PATH,
    default=Path("configs/space.toml"),
    show_default=True,
    help="Search space: knobs and the values to try.",
)
@click.option(
    "--budget",
    type=CONFIG_PATH,
    default=Path("configs/budget.toml"),
    show_default=True,
    help="Limits that the tuned config must keep, and prices of faults.",
)
@price_option
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="SCORE",
    help="Score to improve; several ask for their Pareto front.  [default: loss_s_per_turn]",
)
@click.option(
    "--trials", type=int, help="Number of trials, the baseline's included.  [default: 200; grid: all its points]"
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "gp", "nsga2", "random", "grid"]),
    help="Sampler of settings.  [default: tpe; nsga2 with several objectives]",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Prune hopeless trials session by session (Wilcoxon test); none before one has kept the budget.",
)
@click.option(
    "--exact", is_flag=True, help="Replay every trial exactly, not with a stand-in that hears each session once."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of sampler, split, intervals.",
)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes on this machine that run trials.")
@click.option("--dask", metavar="URL", help="Scheduler whose workers run the trials instead: tcp://HOST:PORT.")
@click.option(
    "--storage", metavar="URL", help="Where trials are kept: journal:PATH, postgresql://... or sqlite:///PATH."
)
@click.option("--resume", is_flag=True, help="Go on with a study; options left out keep the study's value.")
@click.option(
    "--keep-keys-from",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Your moshi.json: model paths and other keys that are not tuned are taken from it.",
)
@json_option
@page_option
def tune(sessions: tuple[str, ...], **options: object) -> int:
    """Search settings by exact replay, and write the config that the assistant loads."""
    from workbench.cli.actions.tune import TuneRequest, run_tune

    source = click.get_current_context().get_parameter_source
    given = frozenset(name for name in options if source(name) is not ParameterSource.DEFAULT)
    return run_tune(session_folders(sessions), TuneRequest(**options, given=given))  # type: ignore[arg-type]
