"""``workbench doctor``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import PATH, config_options, json_option

if TYPE_CHECKING:
    from workbench.config import Config


@click.command()
@config_options()
@click.option(
    "--steps", type=click.IntRange(10), default=100, show_default=True, help="Number of steps to time, of each kind."
)
@click.option("--profile", "profile_path", type=PATH, help="File to write the step costs to, as a profile for replays.")
@json_option
def doctor(
    config: "Config",
    steps: int,
    profile_path: Path | None,
    as_json: bool,
) -> int:
    """Check packages, audio, models, resets and speed; exit 1 if this machine is not fit.

    Without --models only packages and audio are checked.
    """
    from workbench.cli.actions.doctor import examine

    return examine(config, steps, profile_path, as_json)
