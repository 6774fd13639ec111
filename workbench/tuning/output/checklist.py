"""``checklist.md``: what to do, on one screen; then, folded, all 26 keys, figures, sweeps and machine checks."""

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.metrics import shown
from workbench.tuning.finalists import Agreement
from workbench.tuning.inactive_knobs import told
from workbench.tuning.output.answer import KeyChange, StudyAnswer
from workbench.tuning.output.checklist_checks import Check
from workbench.tuning.output.checklist_commands import commands, copy_commands
from workbench.tuning.output.checklist_rows import key_table, named
from workbench.tuning.output.listener_comparison import ListenerComparison, section
from workbench.tuning.output.phrases import busy_machine, counted, evidence, knob, number, verdict
from workbench.tuning.recommendation import Comparison
from workbench.tuning.result import Result
from workbench.tuning.sweep import SCORE_HEADINGS, Sweep

WIDTH, LINES = 100, 25
"""Columns and lines of the first screen."""

ITEMS = {
    "aligned": "24 kHz audio in blocks of 80 ms (1920 samples), whole and in order",
    "models": "shapes of tokens and speed on this machine, and explicit resets: no state is carried from turn to turn",
    "mapping": "the files hold what the replay was run with",
}
"""Key in ``checklist_checks.run_checks`` and in ``checklist_commands.commands`` → what must hold."""


def checklist(
    result: Result,
    found: StudyAnswer,
    kept: Mapping[str, Any],
    faults: ListenerComparison | None,
    folder: Path,
    checks: Mapping[str, Check],
    installed: str,
) -> str:
    """The checklist as Markdown.

    Args:
        result: of the study.
        found: the same in words.
        kept: the user's own ``moshi.json``.
        faults: what the faults of the assistant cost, where it has any.
        folder: where ``moshi.json`` and ``tuned.toml`` are.
        checks: what was checked just now.
        installed: where the assistant has its file.
    """
    folded = {
        "Trade-offs: answering fast or waiting patiently": _trade_offs(found),
        "All 26 keys": "\n\n".join([*filter(None, notes(found)), _keys(result, kept)]),
        "Figures and intervals": _figures(result),
        "One knob at a time": "\n\n".join([*_by_stand_in(result.agreement), *map(_sweep, result.sweeps)]),
        "What the faults of the loop cost": section(faults) if faults else "",
        "Machine checks": _items(result, commands(result, folder), checks),
    }
    parts = [f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>" for title, text in folded.items() if text]
    return "\n\n".join(["\n".join(first_screen(result, found, folder, installed)), *parts]) + "\n"


def first_screen(result: Result, found: StudyAnswer, folder: Path, installed: str) -> list[str]:
    """What to do, in at most 25 lines of 100 columns."""
    head = [f"# {result.spec.name}: {found.title}"]
    for words in found.banner:
        head += wrap(f"> {words}", 3, "> ")
    head += ["", *wrap(found.sentence, 5), ""]
    last = ["```sh", *copy_commands(folder, installed), "```"]
    points = [text for text in notes(found) if text]
    rows = _changes(result, found, LINES - len(head) - len(last) - len(points) - 1)
    room = LINES - len(head) - len(last) - len(rows)
    lines: list[str] = []
    for place, text in enumerate(points):
        left = len(points) - place - 1
        lines += wrap(f"- {text}", max(1, min(2, room - len(lines) - left)), "  ")
    return [*head, *rows, *lines, *last]


def notes(found: StudyAnswer) -> list[str]:
    """What to leave alone, what no key can fix, and limits that are not kept; empty where there is nothing."""
    texts = {
        "Leave alone": found.leave,
        "hotmic would say": found.hotmic,
        "No key can fix": "; ".join(found.unfixable),
        "Limits of budget.toml not kept": "; ".join(found.not_kept),
    }
    return [f"**{title}:** {text}." if text else "" for title, text in texts.items()]


def wrap(text: str, most: int, indent: str = "") -> list[str]:
    """Lines of 100 columns; where they are too many, the last says that more follows."""
    return textwrap.wrap(
        text,
        WIDTH,
        max_lines=most,
        placeholder=" …",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _changes(result: Result, found: StudyAnswer, most: int) -> list[str]:
    """The changed keys as a table of at most so many lines; empty where nothing changes."""
    if not found.changes:
        return []
    what = "candidate.json" if result.recommendation.mark == "keep" else "change"
    rows = [_row(item) for item in found.changes]
    if len(rows) + 3 > most:
        shown = max(1, most - 4)
        rows = [*rows[:shown], f"| {len(found.changes) - shown} more | see all 26 keys below | | | |"]
    return [f"| {what} | from → to | you gain | you pay | better in recordings |", "|---|---|---|---|---|", *rows, ""]


def _row(item: KeyChange) -> str:
    name = f"`{item.name}`{' (not in moshi.json)' if item.own else ''}"
    return f"| {name} | {item.turn} | {item.gain} | {item.pay} | {item.sure} |"


def _trade_offs(found: StudyAnswer) -> str:
    rows = [(item.name, *item.values, f"`{item.settings}`" if item.settings else "") for item in found.trade_offs]
    return "\n".join(
        [
            "On the recordings that the search saw. To try one: `workbench replay SESSION... --config FILE`, with your "
            "own file, and `--set` before each of its settings.",
            "",
            *table(("", *found.heads, "differs from today in"), rows),
        ]
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table."""
    head = list(head)
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _by_stand_in(agreement: Agreement | None) -> list[str]:
    if agreement is None:
        return []
    return [
        "By the stand-in for the STT: an exact replay may differ by as much as the figures say. `workbench sweep` "
        "replays exactly."
    ]


def rests_on(agreement: Agreement) -> str:
    """What a search with a stand-in for the STT rests on, in three sentences."""
    alike = "" if agreement.correlation is None else f"rank correlation {agreement.correlation:.2f}, "
    sure = "" if agreement.settled else " Others might still be better: `--exact` replays them all."
    return (
        f"The search asked a stand-in for the STT, which hears each recording once. {agreement.settings} settings were "
        f"also replayed exactly: {alike}largest difference {number(agreement.difference)} in the objective; what is "
        f"recommended and compared are exact replays. The STT heard the recordings {agreement.passes:.1f} times in all."
        + sure
    )


def _keys(result: Result, kept: Mapping[str, Any]) -> str:
    lines = [
        "*As good*: within 5 % of the best on the recordings that the search saw, all other keys as written, no "
        "further limit broken. *Importance*: the share in what made settings differ (PED-ANOVA).",
        "",
        *table(("key", "today", "write", "why"), key_table(result, kept)),
    ]
    return "\n".join(lines)


def _sweep(swept: Sweep) -> str:
    """The scores that move, value by value; today's value in bold."""
    axis = swept.axes[0]
    keys = [key for key in SCORE_HEADINGS if key in swept.moving]
    if not keys:
        return f"`{axis.name}`: no score moves between {knob(axis.values[0])} and {knob(axis.values[-1])}."
    rows = []
    for place, point in enumerate(swept.points):
        value = knob(point.values[0])
        scores = [point.scores.get(key) for key in keys]
        said = ["–" if score is None else number(score) for score in scores]
        rows.append([f"**{value}**" if place == swept.now else value, *said])
    head = [f"`{axis.name}`", *(" ".join(SCORE_HEADINGS[key]) for key in keys)]
    return "\n".join(table(head, rows))


def _figures(result: Result) -> str:
    """Scores with intervals, and what the sessions cannot certify."""
    spec, held = result.spec, result.held_out
    names = f"{counted(len(spec.tuning), 'session')} ({named(spec.tuning)})"
    pruned = f", {result.pruned} of them broken off early" if result.pruned else ""
    lines = [
        f"{result.trials} trials{pruned}; stack `{spec.config.stack.name}`, listener "
        f"`{spec.config.workbench.listener}`, seed {spec.seed}. `loss_s_per_turn` adds up the wait for an answer and a "
        "price for each fault, in seconds per turn of yours: "
        + ", ".join(f"{name} {value:g}" for name, value in vars(spec.prices).items())
        + " (docs/metrics.md).",
        *([f"Not searched: {told(spec.unread)}."] if spec.unread else []),
        *([rests_on(result.agreement)] if result.agreement else []),
        *([f"{note[0].upper()}{note[1:]}."] if (note := busy_machine(spec)) else []),
    ]
    if held is not None and spec.split == "held-out":
        lines.append(
            f"On {counted(len(held.sessions), 'session')} that the search did not see ({named(held.sessions)}):"
        )
        lines.append(_table(held, "new"))
    elif held is not None:
        lines.append(
            "Each session under settings of a search that did not see it. These are other settings than those in the "
            "files; they show how far tuning on so few recordings can be trusted:"
        )
        lines.append(_table(held, "searched without it"))
    if result.other != spec.config:
        lines.append(f"On the {names} that the search saw, which flatters:")
        lines.append(_table(result.tuning, "new"))
    warned = [text for item in result.judged.evidence if (text := evidence(item))]
    if warned:
        lines.append("What these sessions are too few to certify:\n\n" + "\n".join(f"- {text}" for text in warned))
    return "\n\n".join(lines)


def _table(comparison: Comparison, name: str) -> str:
    """A row per score that any side has."""
    rows = [
        (f"`{item.key}`", shown(comparison.baseline, item.key), shown(comparison.tuned, item.key), verdict(item))
        for item in comparison.differences
        if item.a is not None or item.b is not None
    ]
    return "\n".join(table(("score", "today", name, "difference"), rows))


def _items(result: Result, lines: Mapping[str, str], found: Mapping[str, Check]) -> str:
    text = [
        "What is ticked was checked when this was written. The commands check it again; paste them in the folder that "
        "holds `configs/` and `studies/`. Exit code 1 says no; `replay` says so of every limit that is over.",
    ]
    for key, line in lines.items():
        tick = found.get(key)
        says = f"  \n  {tick.found}" if tick else ""
        text.append(f"- [{'x' if tick and tick.good else ' '}] {ITEMS[key]}{says}\n\n  ```sh\n  {line}\n  ```")
    assistant = result.config.assistant
    if assistant.tts_stream and assistant.barge_in:
        text.append("- [ ] `tts_stream` with `barge_in` stops MLX-Harmony with an error: set one of them to false")
    if assistant.barge_in and result.spec.config.workbench.listener == "mlx-harmony":
        text.append(
            "- [ ] `barge_in`: MLX-Harmony's watches outlive their chunk, and two listens that step one STT model at "
            "the same time mix their text or crash; a shorter `barge_in_window_seconds` makes that rarer. "
            f"`shared_model_listens` on the tuning sessions: {shown(result.tuning.tuned, 'shared_model_listens')}"
        )
    return "\n\n".join(text)
