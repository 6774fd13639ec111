"""``workbench demo``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import BASELINE, PATH, config_options, page_option

if TYPE_CHECKING:
    from workbench.config import Config


ASSISTANT_OF_MOST = "mlx-harmony"
"""Assistant that most people have."""


@click.command()
@config_options(BASELINE, ASSISTANT_OF_MOST)
@click.option("--out", type=PATH, default=Path("reports/demo"), show_default=True, help="Folder of the run.")
@page_option
def demo(config: "Config", out: Path, page: bool) -> int:
    """Replay the demo sessions, write a page and tune on them: where to begin.

    The config is configs/baseline.toml under listener mlx-harmony, as most people run it, unless --config or --listener
    say otherwise.
    """
    from workbench.cli.actions.demo import run_demo

    return run_demo(config, out, page)
