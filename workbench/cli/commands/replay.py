"""``replay``, ``score``, ``compare``, ``demo`` and ``store``."""

from pathlib import Path

import click

from workbench.cli.options import (
    BASELINE,
    config_options,
    json_option,
    session_argument,
    session_folder,
    session_folders,
)
from workbench.config import Config


@click.command()
@session_argument
@config_options()
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; by default named after the config.")
@click.option("--budget", type=click.Path(path_type=Path), help="Exit 1 and name each figure over this budget.")
@json_option
def replay(
    sessions: tuple[str, ...],
    config: Config,
    out: Path | None,
    budget: Path | None,
    as_json: bool,
) -> int:
    """Replay sessions through STT → LM → TTS and score them."""
    from workbench.cli.actions.replay import run_and_show

    return run_and_show(session_folders(sessions), config, out, budget, as_json)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--budget", type=click.Path(path_type=Path), help="Exit 1 and name each figure over this budget.")
@json_option
def score(run: Path, budget: Path | None, as_json: bool) -> int:
    """Score a run again from its saved traces; no model is loaded."""
    from workbench.cli.actions.replay import score_and_show

    return score_and_show(run, budget, as_json)


@click.command()
@click.argument("session", metavar="SESSION")
@click.option("--set", "assignments", multiple=True, metavar="KNOB=VALUE", help="Replay with another knob; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the replay's run.")
@json_option
def compare(session: str, assignments: tuple[str, ...], out: Path | None, as_json: bool) -> int:
    """Say in what the replay of a session that was recorded with --live differs from what happened live.

    It is replayed with the config it was recorded with. Exit code 1: turns begin, end or read differently.
    """
    from workbench.cli.actions.compare import compare_and_show

    return compare_and_show(session_folder(session), assignments, out, as_json)


@click.command()
@config_options(BASELINE)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("reports/demo"), show_default=True, help="Folder of the run."
)
def demo(
    config: Config,
    out: Path,
) -> int:
    """Replay the demo sessions and write a report with figures: where to begin.

    Starts from configs/baseline.toml unless told otherwise.
    """
    from workbench.cli.actions.demo import run_demo

    return run_demo(config, out)


@click.command()
@click.option("--clear", is_flag=True, help="Forget what the models said; the next replay runs them again.")
@click.option("--clear-profiles", is_flag=True, help="Forget what steps cost; the next replay measures it again.")
@json_option
def cache(clear: bool, clear_profiles: bool, as_json: bool) -> None:
    """Show or clear the cache of model outputs, and the step costs measured on this machine."""
    from workbench.cli.actions.cache import show_cache

    show_cache(clear, clear_profiles, as_json)


COMMANDS = (replay, score, compare, demo, cache)
