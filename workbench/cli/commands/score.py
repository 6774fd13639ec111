"""``workbench score``."""

from pathlib import Path

import click

from workbench.cli.options import PATH, budget_option, json_option, price_option, unmeasured_option


@click.command()
@click.argument("run", type=PATH)
@click.option("--labels", type=PATH, help="Labels of a trace: labels.csv; then RUN is a file of one trace.")
@budget_option
@unmeasured_option
@price_option
@json_option
def score(
    run: Path, labels: Path | None, budget: Path | None, allow_unmeasured: bool, prices: tuple[str, ...], as_json: bool
) -> int:
    """Score a run again from its saved traces, without loading a model.

    RUN is a folder that `workbench replay` wrote; or a trace that was written by hand or by another program, scored
    against --labels.
    """
    from workbench.cli.actions.score import Asked, score_and_show, score_trace

    if labels is not None or run.is_file():
        return score_trace(run, labels, Asked(budget, prices, allow_unmeasured), as_json)
    return score_and_show(run, Asked(budget, prices, allow_unmeasured), as_json)
