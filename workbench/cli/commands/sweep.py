"""``workbench sweep``."""

from pathlib import Path

import click

from workbench.cli.options import BASELINE, PATH, config_options, force_option, json_option, price_option
from workbench.config import Config


@click.command()
@click.argument("arguments", nargs=-1, required=True, metavar="SESSION... KNOB [KNOB]")
@click.option("--values", multiple=True, metavar="A,B,...", help="Values of the knob; once for each of two knobs.")
@config_options(BASELINE)
@click.option(
    "--out", type=PATH, help="Folder of the result; by default reports/ and a name made from knob and sessions."
)
@force_option
@price_option
@json_option
def sweep(
    arguments: tuple[str, ...],
    values: tuple[str, ...],
    config: Config,
    out: Path | None,
    force: bool,
    prices: tuple[str, ...],
    as_json: bool,
) -> int:
    """Replay sessions at every value of one knob, or of two as a grid, and show which scores move.

    The values are those of configs/space.toml, unless --values gives others. All other knobs are those of
    configs/baseline.toml, unless --config names another file. Each row equals a `workbench replay` with that value.
    """
    from workbench.cli.actions.score import yardstick
    from workbench.cli.actions.sweep import sweep_and_show

    return sweep_and_show((arguments, values), config, yardstick(None, prices)[1], (out, force), as_json)
