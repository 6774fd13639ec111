"""``workbench placements``."""

import click

from workbench.cli.options import BASELINE, config_options, json_option, price_option
from workbench.config import Config


@click.command()
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@config_options(BASELINE)
@price_option
@json_option
def placements(sessions: tuple[str, ...], config: Config, prices: tuple[str, ...], as_json: bool) -> int:
    """Replay sessions with the stages in turn, at the same time, and on a device each, and compare.

    One row for each `placement`: serial, shared and split. It shows the steps that missed their 80 ms, what that does
    to stutter, and how soon the agent answers and stops. Steps cost what the profile of the stack says; `workbench
    doctor --profile FILE` measures one here, `--set profile=FILE` names it. Each row equals a `workbench replay` with
    that placement.
    """
    from workbench.cli.actions.placements import show_placements
    from workbench.cli.actions.score import yardstick

    return show_placements(sessions, config, yardstick(None, prices)[1], as_json)
