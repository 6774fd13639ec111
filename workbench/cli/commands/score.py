"""``workbench score``."""

from pathlib import Path

import click

from workbench.cli.options import PATH, budget_option, json_option, price_option, unmeasured_option


@click.command()
@click.argument("run", type=PATH)
@budget_option
@unmeasured_option
@price_option
@json_option
def score(run: Path, budget: Path | None, allow_unmeasured: bool, prices: tuple[str, ...], as_json: bool) -> int:
    """Score a run again from its saved traces, without loading a model.

    RUN is a folder that `workbench replay` wrote.
    """
    from workbench.cli.actions.score import Asked, score_and_show

    return score_and_show(run, Asked(budget, prices, allow_unmeasured), as_json)
