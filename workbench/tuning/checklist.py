"""``checklist.md``: for every key what ``hotmic`` would suggest, what was measured, what to write, and the evidence."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.config import get, knobs
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.tuning.faults import Faults, section
from workbench.tuning.hotmic import RELEASE_MS, Suggestion
from workbench.tuning.moshi_json import KEYS, OWN, moshi_json
from workbench.tuning.sensitivity import Range
from workbench.tuning.study import Outcome
from workbench.tuning.ticks import Tick
from workbench.tuning.tune import Comparison, Result
from workbench.tuning.unread import told
from workbench.tuning.words import advice, evidence, figure, headline, knob, nudge, number, spread, verdict
from workbench.units import FRAME_MS, frames_for_ms

ITEMS = (
    ("aligned", "24 kHz audio in blocks of 80 ms (1920 samples), whole and in order",
     "workbench sessions --verify $SESSIONS"),
    ("shapes", "token shapes: a frame is (1, codebooks, 1) from the codec and (1, codebooks) for the model",
     "workbench doctor --models DIR"),
    ("reset", "codec and model are reset explicitly before each turn: no state bleeds from one into the next",
     "workbench doctor --models DIR"),
    ("chunks", "chunks cut between words, spoken without a gap, and none costs more frames than playback has",
     "workbench replay $SESSIONS --config {tuned} --set costs=profile"),
    ("voice", "the voice file has the right key, shape and spread", "workbench voices check FILE"),
    ("beside", "STT beside TTS fits the machine, and noise and backchannels do not stop the agent",
     "workbench replay $SESSIONS --config {tuned} --set executors=parallel"),
    ("mapping", "this mapping: the values below are what the replay was run with",
     "workbench replay $SESSIONS --config {tuned}"),
)  # fmt: skip
"""(key in :func:`workbench.tuning.ticks.ticks`, what must hold, the command that checks it)."""


def checklist(
    result: Result,
    suggestions: Sequence[Suggestion],
    replayed: Outcome,
    kept: Mapping[str, Any],
    faults: Faults | None,
    folder: Path,
    found: Mapping[str, Tick],
) -> str:
    """The checklist as Markdown.

    Args:
        result: of the study.
        suggestions: hotmic's, one per session.
        replayed: what hotmic's values are worth on the tuning sessions.
        kept: the user's own ``moshi.json``.
        faults: what the published loop costs, where that is the listener.
        folder: where ``moshi.json`` and ``tuned.toml`` are.
        found: what was checked just now.
    """
    parts = [
        f"# {result.spec.name}: from measurement to config",
        _claim(result),
        _figures(result),
        _rule(result, replayed),
        _keys(result, suggestions, kept),
        _workbench_keys(result),
        _neighbourhood(result),
        _listener(result, faults),
        _front(result),
        _items(result, folder, found),
        _undo(folder),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _claim(result: Result) -> str:
    spec = result.spec
    how = {
        "held-out": f"{len(spec.tuning)} sessions were tuned on, {len(spec.held_out)} only judged",
        "leave-one-out": f"{len(spec.tuning)} sessions; each was judged by a search that did not see it",
        "none": "1 session: it was tuned on, and nothing was left to judge by",
    }[spec.split]
    lines = [
        f"**{headline(result)}: {advice(result)}.**",
        "",
        f"{result.trials} trials ({result.pruned} broken off early) of `{spec.objectives[0]}`, stack "
        f"`{spec.config.stack.stack}`, listener `{spec.config.workbench.listener}`, seed {spec.seed}; {how}.",
    ]
    if spec.unread:
        lines.append(f"\nNot searched: {told(spec.unread)}.")
    if result.over_budget:
        broken = ", ".join(f"`{key}`" for key in result.over_budget)
        lines.append(f"\nNo setting in the space keeps the whole budget; here, too, over it: {broken}.")
    return "\n".join(lines)


def _figures(result: Result) -> str:
    judged = result.held_out
    lines = ["## Figures", ""]
    if judged is not None:
        lines += ["On sessions that the search did not see:", "", *_table(judged), ""]
    lines += ["On the tuning sessions (flattering: the search chose by them):", "", *_table(result.tuning)]
    warnings = [text for item in (judged or result.tuning).evidence if (text := evidence(item))]
    if warnings:
        lines += ["", "What these sessions cannot certify:", "", *(f"- {text}" for text in warnings)]
    return "\n".join(lines)


def _rule(result: Result, replayed: Outcome) -> str:
    """What hotmic's own values do."""
    rows = [
        f"| `{key}` | {_plain(replayed.scores.get(key))} | {_plain(result.outcome.scores.get(key))} |"
        for key in dict.fromkeys([*result.spec.objectives, *result.spec.goal.limits])
    ]
    broken = [key for key, over in replayed.over.items() if over > 0]
    verdict = f"They break {', '.join(f'`{key}`' for key in broken)}." if broken else "They keep the budget."
    head = "`hotmic`'s own values (median threshold, its release setting), replayed on the tuning sessions:"
    return "\n".join([head, "", "| score | hotmic's | tuned |", "|---|---|---|", *rows, "", verdict])


def _plain(value: float | None) -> str:
    return "nothing to measure" if value is None else number(value)


def _table(comparison: Comparison) -> list[str]:
    rows = ["| score | baseline | tuned | difference |", "|---|---|---|---|"]
    for item in comparison.differences:
        before, after = (figure(side, item.key) for side in (comparison.baseline, comparison.tuned))
        rows.append(f"| `{item.key}` | {before} | {after} | {verdict(item)} |")
    return rows


def _keys(result: Result, suggestions: Sequence[Suggestion], kept: Mapping[str, Any]) -> str:
    lines = [
        "## The 26 keys of moshi.json",
        "",
        "| key | hotmic suggests | measured here | write | evidence |",
        "|---|---|---|---|---|",
    ]
    values = moshi_json(result.config, kept)
    ranges = {item.name: item for item in result.sensitivity.ranges}
    for key in KEYS:
        measured = knob(get(result.config, key)) if key in ranges else "–"
        lines.append(
            f"| `{key}` | {_hotmic(key, suggestions)} | {measured} | `{_json(values[key])}` | "
            f"{_evidence(key, result, ranges.get(key), kept)} |"
        )
    return "\n".join(lines)


def _json(value: Any) -> str:
    return "null" if value is None else knob(value)


def _hotmic(key: str, suggestions: Sequence[Suggestion]) -> str:
    if key == "stt_silence_ms":
        return f"{RELEASE_MS} (its release setting, not measured)"
    if key != "stt_silence_threshold" or not suggestions:
        return "–"
    found = sorted(item.threshold for item in suggestions)
    spans = f" ({found[0]:.4f} to {found[-1]:.4f})" if len(found) > 1 else ""
    return f"{statistics.median(found):.4f}{spans}"


def _evidence(key: str, result: Result, found: Range | None, kept: Mapping[str, Any]) -> str:
    meta = knobs()[f"assistant.{key}"].metadata
    if meta["inert"]:
        return f"**{meta['help']}**; any value will do"
    if found is None:
        if key in kept and key in OWN:
            return "yours, kept"
        if key in OWN:
            return "yours to set: nothing to measure"
        if key in result.spec.unread:
            return f"not searched: {result.spec.unread[key]}"
        return f"not searched; the baseline's ({len(result.spec.sessions)} sessions were replayed with it)"
    return _searched(key, result, found)


def _searched(key: str, result: Result, found: Range) -> str:
    before, after = get(result.spec.config, key), get(result.config, key)
    if before == after:
        words = ["as in the baseline: nothing better was found", spread(found)]
    else:
        words = [_put_back(result, key), spread(found)]
    if key.endswith("_ms") and isinstance(after, int):
        acts = frames_for_ms(after) * FRAME_MS
        words.append(f"acts as {acts} ms ({acts // FRAME_MS} frames)")
    if (share := result.sensitivity.importances.get(key)) is not None:
        words.append(f"importance {share:.0%}")
    return "; ".join(words)


def _put_back(result: Result, name: str) -> str:
    """What the change is good for."""
    item = next((item for item in result.put_back if item.name == name), None)
    if item is None:
        return f"was {knob(get(result.spec.config, name))}, which does not go with the rest"
    row = item.difference
    where = "held-out" if result.spec.split == "held-out" else "tuning"
    figures = f"{number(row.a)} → {number(row.b)}" if row.a is not None and row.b is not None else "nothing to measure"
    words = f"put back to {knob(item.value)}: `{row.key}` {figures} on {row.sessions} {where} sessions, {verdict(row)}"
    return words + (f"; then over budget: {', '.join(item.broken)}" if item.broken else "")


def _workbench_keys(result: Result) -> str:
    rows = []
    for item in result.sensitivity.ranges:
        path = next(path for path in knobs() if path.partition(".")[2] == item.name)
        if path.startswith("workbench."):
            before = get(result.spec.config, item.name)
            why = spread(item) if before == item.chosen else f"{_put_back(result, item.name)}; {spread(item)}"
            rows.append(f"| `{item.name}` | {knob(before)} | {knob(item.chosen)} | {why} |")
    if not rows:
        return ""
    head = [
        "## Knobs that only the workbench has",
        "",
        "MLX-Harmony has no key for these; they are in `tuned.toml` and never in `moshi.json`. A figure above that "
        "rests on one of them cannot be had from the assistant as published.",
        "",
        "| knob | baseline | tuned | evidence |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def _neighbourhood(result: Result) -> str:
    objective = result.spec.objectives[0]
    lines = ["## How sharp the optimum is", ""]
    lines += [f"- {nudge(item, objective)}" for item in result.sensitivity.nudges]
    if shares := result.sensitivity.importances:
        ordered = sorted(shares.items(), key=lambda item: -item[1])
        lines.append(f"- importances (PED-ANOVA): {', '.join(f'{name} {share:.0%}' for name, share in ordered)}")
    return "\n".join(lines) if len(lines) > 2 else ""


def _listener(result: Result, faults: Faults | None) -> str:
    if faults is None:
        return (
            "## Whose listen loop\n\nThese values were tuned on the `workbench` listener: pre-roll, reset, flush, a "
            "queue without a bound. MLX-Harmony's published loop has none of them. For the assistant as published "
            "tune with `--listener mlx-harmony`."
        )
    return section(faults)


def _front(result: Result) -> str:
    if not result.front:
        return ""
    keys = result.spec.objectives
    lines = [
        "## Pareto front",
        "",
        f"| trial | {' | '.join(f'`{key}`' for key in keys)} |",
        "|---" * (len(keys) + 1) + "|",
    ]
    lines += [f"| {number} | {' | '.join(f'{value:.4g}' for value in values)} |" for number, values in result.front]
    return "\n".join(lines)


def _items(result: Result, folder: Path, found: Mapping[str, Tick]) -> str:
    names = " ".join(item.folder for item in result.spec.sessions)
    tuned = (folder / "tuned.toml").as_posix()
    head = "Each with the command that checks it. What is ticked was checked when this was written."
    lines = ["## To tick", "", head, "", "```sh", f'SESSIONS="{names}"', "```", ""]
    for key, text, command in ITEMS:
        tick = found.get(key)
        mark, says = ("x" if tick.good else " ", f"\n      {tick.found}") if tick else (" ", "")
        lines.append(f"- [{mark}] {text}{says}\n      `{command.format(tuned=tuned)}`")
    assistant = result.config.assistant
    if assistant.tts_stream and assistant.barge_in:
        lines.append("- [ ] `tts_stream` with `barge_in` stops MLX-Harmony with an error: set one of them to false")
    if NO_DIFFERENCE in headline(result):
        lines.append("- [ ] no difference was shown: record more sessions before you trust these values over your own")
    return "\n".join(lines)


def _undo(folder: Path) -> str:
    return (
        "## To undo\n\nKeep a copy of your `configs/moshi.json` before you overwrite it; to go back, copy it over. "
        f"Nothing else was changed: the study wrote only `{folder.as_posix()}/` and its own folder under `studies/`. "
        "Every key left out of `moshi.json` takes MLX-Harmony's default."
    )
