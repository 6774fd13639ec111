"""``workbench demo``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import BASELINE, PATH, config_options

if TYPE_CHECKING:
    from workbench.config import Config


@click.command()
@config_options(BASELINE)
@click.option("--out", type=PATH, default=Path("reports/demo"), show_default=True, help="Folder of the run.")
def demo(config: "Config", out: Path) -> int:
    """Replay the demo sessions, write a report and tune on them: where to begin.

    The config is configs/baseline.toml, unless --config names another.
    """
    from workbench.cli.actions.demo import run_demo

    return run_demo(config, out)
