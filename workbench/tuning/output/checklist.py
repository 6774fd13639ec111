"""``checklist.md``: for every key what ``hotmic`` would suggest, what was measured, what to write, and the evidence."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.metrics import Summary
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.tuning.inactive_knobs import told
from workbench.tuning.objective import ANSWERED
from workbench.tuning.output.checklist_checks import Check
from workbench.tuning.output.checklist_commands import commands
from workbench.tuning.output.checklist_rows import key_table, named, workbench_table
from workbench.tuning.output.hotmic import RELEASE_MS, Suggestion
from workbench.tuning.output.listener_comparison import ListenerComparison, section
from workbench.tuning.output.phrases import advice, caveats, evidence, figure, headline, knob, nudge, number, verdict
from workbench.tuning.result import Comparison, Result

ITEMS = (
    ("aligned", "24 kHz audio in blocks of 80 ms (1920 samples), whole and in order"),
    ("shapes", "token shapes: a frame is (1, codebooks, 1) from the codec and (1, codebooks) for the model"),
    ("reset", "codec and model are reset explicitly before each turn: no state bleeds from one into the next"),
    ("voice", "the voice file has the right key, shape and spread"),
    ("beside", "STT beside TTS fits the machine, and noise and backchannels do not stop the agent"),
    ("chunks", "chunks cut between words, spoken without a gap, and none costs more frames than playback has"),
    ("mapping", "this mapping: the values above are what the replay was run with"),
)
"""(key in ``checklist_checks.ticks`` and in ``checklist_commands.commands``, what must hold)."""

NO_MODEL = "no model was run and none is named: give `tune` your own file, `--keep-keys-from FILE`"


def checklist(
    result: Result,
    suggestions: Sequence[Suggestion],
    replayed: Summary,
    kept: Mapping[str, Any],
    faults: ListenerComparison | None,
    folder: Path,
    found: Mapping[str, Check],
) -> str:
    """The checklist as Markdown.

    Args:
        result: of the study.
        suggestions: hotmic's, one per session.
        replayed: what hotmic's values score on the tuning sessions.
        kept: the user's own ``moshi.json``.
        faults: what the faults of the assistant cost, where it has any.
        folder: where ``moshi.json`` and ``tuned.toml`` are.
        found: what was checked just now.
    """
    parts = [
        f"# {result.spec.name}: from measurement to config",
        _claim(result),
        _figures(result, suggestions, replayed),
        key_table(result, suggestions, kept),
        workbench_table(result),
        _neighbourhood(result),
        _listener(result, faults),
        _front(result, folder),
        _items(result, commands(result, kept, folder), found),
        _undo(folder),
    ]
    if any(ANSWERED in part for part in parts):
        parts.insert(2, f"`{ANSWERED}` is the limit that comes with every budget: nine of ten turns must be answered.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _claim(result: Result) -> str:
    spec = result.spec
    tuning = f"{len(spec.tuning)} sessions ({named(spec.tuning)})"
    how = {
        "held-out": f"The search saw {tuning}; {len(spec.held_out)} ({named(spec.held_out)}) only judged.",
        "leave-one-out": f"{tuning}; each was judged by a search that did not see it.",
        "none": f"1 session ({named(spec.tuning)}): it was tuned on, and nothing was left to judge by.",
    }[spec.split]
    words = advice(result)
    pruned = f", {result.pruned} of them broken off early" if result.pruned else ""
    lines = [
        f"**{words[0].upper()}{words[1:]}.**",
        "",
        f"{headline(result)}.",
        "",
        f"{result.trials} trials{pruned}; stack `{spec.config.stack.name}`, listener "
        f"`{spec.config.workbench.listener}`, seed {spec.seed}. {how}",
    ]
    if spec.unread:
        lines.append(f"\nNot searched: {told(spec.unread)}.")
    if result.over_budget:
        lines.append(
            "\nNo setting that was tried keeps the whole budget on the tuning sessions. There this one, too, is over "
            f"it: {_keys(result.over_budget)}."
        )
    lines += [f"\n{note[0].upper()}{note[1:].removesuffix('.')}." for note in caveats(spec)]
    return "\n".join(lines)


def _keys(keys: Sequence[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _figures(result: Result, suggestions: Sequence[Suggestion], replayed: Summary) -> str:
    judged = result.held_out
    lines = ["## Figures", ""]
    if judged is not None:
        lines += ["On sessions that the search did not see:", "", *_table(judged), ""]
    threshold = statistics.median(item.threshold for item in suggestions)
    lines += [
        "On the tuning sessions (flattering: the search chose by them), with `hotmic`'s own values beside (threshold "
        f"{threshold:.4f}, the median of what it suggests; {RELEASE_MS} ms, its release setting):",
        "",
        *_table(result.tuning, replayed),
        "",
        f"`hotmic`'s values are over budget in: {_keys(result.spec.goal.broken(replayed.scores)) or 'nothing'}; the "
        f"tuned ones in: {_keys(result.over_budget) or 'nothing'}.",
    ]
    warnings = [text for item in (judged or result.tuning).evidence if (text := evidence(item))]
    if warnings:
        lines += ["", "What these sessions cannot certify:", "", *(f"- {text}" for text in warnings)]
    return "\n".join(lines)


def _table(comparison: Comparison, hotmic: Summary | None = None) -> list[str]:
    """A row per score that any side has, with hotmic's values as a column of their own where they are given."""
    last = (" hotmic's |", "---|") if hotmic else ("", "")
    rows = [f"| score | baseline | tuned | difference |{last[0]}", f"|---|---|---|---|{last[1]}"]
    for item in comparison.differences:
        if item.a is None and item.b is None:
            continue
        before, after = (figure(side, item.key) for side in (comparison.baseline, comparison.tuned))
        beside = f" {figure(hotmic, item.key)} |" if hotmic else ""
        rows.append(f"| `{item.key}` | {before} | {after} | {verdict(item)} |{beside}")
    return rows


def _neighbourhood(result: Result) -> str:
    nudges, objective = result.sensitivity.nudges, result.spec.objectives[0]
    if not nudges:
        return ""
    before = result.outcome.broken
    value = result.outcome.values[0]
    lines = [
        "## How sharp the optimum is",
        "",
        f"On the tuning sessions, where the values above give `{objective}` {number(value)}:",
        "",
    ]
    return "\n".join([*lines, *(f"- {nudge(item, before)}" for item in nudges)])


def _listener(result: Result, faults: ListenerComparison | None) -> str:
    if faults is None:
        return (
            "## Whose listen loop\n\nThese values were tuned on the `workbench` listener: pre-roll, reset, flush, a "
            "queue without a bound. MLX-Harmony's loop has none of them. For the assistant as shipped "
            "tune with `--listener mlx-harmony`."
        )
    return section(faults)


def _front(result: Result, folder: Path) -> str:
    if not result.front:
        return ""
    keys = result.spec.objectives
    lines = [
        "## Pareto front",
        "",
        f"On the tuning sessions. To replay a point: `--config {folder.as_posix()}/tuned.toml`, and `--set` before "
        "each of its settings.",
        "",
        f"| trial | {' | '.join(f'`{key}`' for key in keys)} | settings |",
        "|---" * (len(keys) + 2) + "|",
    ]
    for point in result.front:
        figures = " | ".join(number(value) for value in point.values)
        settings = " ".join(f"{name}={knob(value)}" for name, value in point.settings.items())
        lines.append(f"| {point.trial} | {figures} | `{settings}` |")
    return "\n".join(lines)


def _items(result: Result, lines: Mapping[str, str | None], found: Mapping[str, Check]) -> str:
    text = [
        "## To tick",
        "",
        "What is ticked was checked when this was written. The commands check it again; paste them in the folder that "
        "holds `configs/` and `studies/`. Exit code 1 says no; `replay` says so of every "
        "limit that is over, and names it: what counts for an item are the scores that it names itself.",
        "",
    ]
    last = ""
    for key, what in ITEMS:
        tick, line = found.get(key), lines[key]
        says = [tick.found] if tick else [] if line else [NO_MODEL]
        again = ["the same command"] if line and line == last else []
        text.append("  \n  ".join([f"- [{'x' if tick and tick.good else ' '}] {what}", *says, *again]))
        if line and not again:
            text += ["", "  ```sh", f"  {line}", "  ```", ""]
        last = line or last
    assistant = result.config.assistant
    if assistant.tts_stream and assistant.barge_in:
        text.append("- [ ] `tts_stream` with `barge_in` stops MLX-Harmony with an error: set one of them to false")
    if assistant.barge_in and result.spec.config.workbench.listener == "mlx-harmony":
        text.append(
            "- [ ] `barge_in`: MLX-Harmony's watches outlive their chunk, and two listens that step one STT model at "
            "the same time mix their text or crash; a shorter `barge_in_window_seconds` makes that rarer. "
            f"`shared_model_listens` on the tuning sessions: {figure(result.tuning.tuned, 'shared_model_listens')}"
        )
    if NO_DIFFERENCE in headline(result):
        text.append("- [ ] no difference was shown: record more sessions before you trust these values over your own")
    return "\n".join(text)


def _undo(folder: Path) -> str:
    return (
        "## To undo\n\nKeep a copy of the `configs/moshi.json` in MLX-Harmony's folder before you overwrite it; to go "
        f"back, copy it over. The study touched nothing else of the assistant's: it wrote `{folder.as_posix()}/`, its "
        "own folder under `studies/`, the `--storage` it was given, if any, and into the store and the cache what the "
        "models said and what steps cost here. Every key left out of `moshi.json` takes "
        "MLX-Harmony's default."
    )
