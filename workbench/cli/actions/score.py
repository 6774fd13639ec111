"""Action and output of ``workbench score``; ``replay`` ends with the same table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from workbench.cli.config_line import changed_knobs
from workbench.cli.progress import Output
from workbench.errors import WorkbenchError
from workbench.files import shipped
from workbench.metrics import SessionScores, Summary, evaluate, shown, summarise
from workbench.metrics.budget import Budget, check_budget, nothing_answered, read_budget, read_prices, unmeasured
from workbench.metrics.loss import Prices, check_prices
from workbench.metrics.missing import explained, why_missing
from workbench.metrics.moved import labels_as_replayed
from workbench.runs import Run, read_run, score_run
from workbench.sessions.labels import read_labels
from workbench.trace_file import read_trace

if TYPE_CHECKING:
    from workbench.reports import Material

BUDGET = Path("configs/budget.toml")
"""Limits and prices where no others are given."""

HEADLINES = {
    "in all": ("loss_s_per_turn",),
    "latency": ("voice_to_voice_ms_p50", "voice_to_voice_ms_p95", "endpoint_delay_ms_p50"),
    "turns": ("cutin_per_hold", "missed_eot_rate", "onset_clipped_ms_p95", "wer"),
    "barge-in": ("false_bargein_per_agent_hour", "missed_bargein_rate", "bargein_reaction_ms_p50"),
    "stutter": ("stall_ratio", "underrun_events", "midword_splits", "rtf", "deadline_miss_rate"),
}
"""Scores of the console table by group; ``scores.json``, ``report.md`` and the page hold all."""

_KEYS = [key for keys in HEADLINES.values() for key in keys]


def yardstick(budget: Path | None, prices: Sequence[str]) -> tuple[Budget, Prices]:
    """Limits of ``--budget``; and prices of that file, or of ``configs/budget.toml``, under those of ``--price``.

    Raises:
        WorkbenchError: names the file or option with what is wrong in it.
    """
    base = read_prices(budget or shipped(BUDGET))
    return read_budget(budget) if budget else {}, prices_of(prices, base)


def prices_of(given: Sequence[str], base: Prices) -> Prices:
    """Prices as typed at ``--price``, over those of ``base``.

    Raises:
        WorkbenchError: names the price.
    """
    found: dict[str, object] = {}
    for item in given:
        name, _, value = item.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise WorkbenchError(f"--price {item}: must be FAULT=SECONDS, as in cut_in=3") from None
    return check_prices(found, "--price", base)


@dataclass(frozen=True)
class Asked:
    """What ``--budget``, ``--price`` and ``--allow-unmeasured`` were given."""

    budget: Path | None = None
    prices: Sequence[str] = ()
    allow_unmeasured: bool = False


def score_and_show(folder: Path, asked: Asked, as_json: bool) -> int:
    """Score saved traces, write the report, print the scores, check the budget."""
    limits, prices = yardstick(asked.budget, asked.prices)
    run = read_run(folder)
    scored, summary = score_run(run, prices)
    write_text_report(run, scored, summary, limits, prices)
    return show(run, scored, summary, (limits, asked.allow_unmeasured), as_json)


def score_trace(path: Path, labels: Path | None, asked: Asked, as_json: bool) -> int:
    """Score one trace of any origin against labels; nothing is written."""
    limits, prices = yardstick(asked.budget, asked.prices)
    trace = read_trace(path)
    longest = None if trace.header.timing == "reactive" else trace.header.samples
    known = read_labels(labels, longest) if labels is not None else ()
    summary = summarise([evaluate(trace, labels_as_replayed(trace, known), prices=prices)])
    if as_json:
        click.echo(json.dumps({"trace": str(path), "scores": summary.scores}))
    else:
        console = Output(100)
        console.print(_score_table(f"{trace.header.session}: {path}", [shown(summary, key) for key in _KEYS]))
        for note in summary.notes:
            console.print(f"- {note}", soft_wrap=True, markup=False)
    empty = [] if asked.allow_unmeasured else unmeasured(summary.scores, limits)
    problems = [*map(str, check_budget(summary.scores, limits)), *(f"{key}: nothing to measure" for key in empty)]
    for problem in problems:
        click.echo(f"over budget: {problem}", err=True)
    return int(bool(problems))


def _score_table(title: str, values: Sequence[str]) -> Table:
    table = Table("", "score", "value", title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    remaining = iter(values)
    for group, keys in HEADLINES.items():
        for number, key in enumerate(keys):
            table.add_row("" if number else group, key, next(remaining))
    return table


def write_text_report(
    run: Run, scored: Sequence[SessionScores], summary: Summary, limits: Budget, prices: Prices
) -> "Material":
    """Write ``report.md`` into the run's folder; returns what it was made of."""
    from workbench.reports import gather
    from workbench.reports.markdown import write_markdown

    # A report without limits of its own shows those that came with workbench.
    data = gather(run, scored, summary, limits or read_budget(shipped(BUDGET)), prices)
    write_markdown(data)
    return data


def show(run: Run, scored: Sequence[SessionScores], summary: Summary, kept: tuple[Budget, bool], as_json: bool) -> int:
    """Print the scores and what broke the budget.

    Args:
        run: finished.
        scored, summary: of its sessions.
        kept: limits, and whether one with nothing to measure is kept.
        as_json: whether to print JSON.

    Returns:
        The exit code: 0; 1 over budget; 2 a session could not be replayed.
    """
    limits, allow_unmeasured = kept
    violations = check_budget(summary.scores, limits)
    missing = {key: why for key in summary.scores if (why := why_missing(key, summary.scores, run.config))}
    empty = unmeasured(summary.scores, limits)
    if as_json:
        fields = {
            "run": str(run.folder),
            "config": changed_knobs(run.config),
            "scores": summary.scores,
            "missing": missing,
            "reasons": [{"session": item.session, **asdict(row)} for item in scored for row in item.reasons],
            "over_budget": [item.key for item in violations],
            "unmeasured": empty,
        }
        click.echo(json.dumps(fields))
    else:
        _print_table(run, scored, summary)
    for key in empty:
        fails = "" if allow_unmeasured else "; without evidence no limit is kept (--allow-unmeasured lets it pass)"
        click.echo(f"budget: nothing to measure for {key}: {missing[key]}{fails}", err=True)
    silent = nothing_answered(summary.scores) if limits else ""
    if silent:
        click.echo(f"over budget: {silent}", err=True)
    for violation in violations:
        click.echo(f"over budget: {violation}", err=True)
    for _, problem in run.failed:
        click.echo(f"error: {problem}", err=True)
    return 2 if run.failed else int(bool(violations or silent or (empty and not allow_unmeasured)))


def _print_table(run: Run, scored: Sequence[SessionScores], summary: Summary) -> None:
    from workbench.reports import first_words

    console = Output(100)
    title = f"{len(scored)} session{'s' * (len(scored) != 1)}, {run.config.stack.name}"
    table = _score_table(title, [explained(summary, key, run.config) for key in _KEYS])
    console.print(table)
    # What happened in none of n chances, or all, the table shows as a count; the report says what that bounds.
    notes = [note for note in summary.notes if ": none " not in note and ": all " not in note]
    for note in (*first_words(run), *notes):
        console.print(f"- {note}", soft_wrap=True, markup=False)
    console.print(f"report: {run.folder / 'report.md'}", soft_wrap=True, markup=False)
    console.print(f"audio:  {run.folder}/<session>.agent.flac", soft_wrap=True, markup=False)
