"""Barge-in by rule, canceller and cause: false stops, missed ones and reaction, on the specs that come with workbench.

``python benchmarks/bargein.py [--stack NAME] [--spec NAME...] [--all] [--write]``. Makes the sessions of each spec
(``workbench synth --list``), replays them with every single barge-in rule, and where there is echo with every canceller
in front of the listener as well. ``--all`` adds combined rules and filters, and puts everything before every spec.
Prints a table in Markdown for each spec; ``--write`` puts all into ``docs/bargein-table.md``. Rules, cancellers and
filters are read from the choices of their knobs, so that a new one is in the table when it is written anew.

Timing is reactive: what a spec lays over the agent's speech lies there in each replay, whatever a rule did before.
Costs are fixed, the listener is ``workbench``, and a turn ends after 1.3 s of silence, so that no pause in a spec is
taken for its end. Intervals are at 95 %: Garwood's for a rate, Wilson's for a share, a bootstrap over sessions for a
reaction.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, knobs, override
from workbench.metrics import SessionScores, Summary, evaluate, summarise
from workbench.metrics.moved import labels_as_replayed
from workbench.replay.engine import cost_source, replay
from workbench.sessions.labels import only_known, read_labels
from workbench.sessions.session import Session
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import read_spec, shipped_specs
from workbench.stacks import make_stack
from workbench.stages.protocols import Stack

PAGE = Path(__file__).resolve().parents[1] / "docs" / "bargein-table.md"
SETTINGS = {
    "step_costs.source": "fixed",
    "timing": "reactive",
    "barge_in": True,
    "stt_silence_ms": 1300,
    "placement": "split",  # rules that ask the STT need it while the agent speaks
}
WORDS = {
    "nano": "the tiny models `nano`, trained for this project: a real STT and a synthesised voice, but no "
    "yardstick for Kyutai's models: words are found less often",
    "scripted": "the stack `scripted`: words come from the labels, the agent's voice is a tone",
}
"""The stack that spoke, for the page's head."""

HEAD = """# Barge-in by rule, canceller and cause

Spoken and heard by {words}.
Written by `python benchmarks/bargein.py --stack {stack} --write`, which says how; `--all` adds combined rules and
filters. Each table is one
[spec that comes with workbench](synth.md#specs-that-come-with-it); what the figures mean stands in
[metrics.md](metrics.md#barge-in), what the rules and cancellers do in [bargein.md](bargein.md) and [echo.md](echo.md).
Brackets hold 95 % intervals; "–": nothing to measure.
"""

COLUMNS = """| rule | in front | false per agent hour | missed | reaction p50 | reaction p95 |
|---|---|---|---|---|---|
"""


def choices(path: str, default: str) -> tuple[str, ...]:
    """Choices of a knob; the default alone where there is no such knob."""
    found = knobs().get(path)
    return tuple(found.metadata["choices"]) if found is not None else (default,)


@dataclass(frozen=True)
class Front:
    """What is in front of the listener: a canceller or a filter, and the knobs that choose it."""

    name: str
    changes: tuple[tuple[str, str], ...] = ()


def fronts() -> list[Front]:
    """Nothing, then each canceller and each filter by itself."""
    found = [Front("none")]
    for path in ("echo.canceller", "echo.filter"):
        found += [Front(name, ((path, name),)) for name in choices(path, "none") if name != "none"]
    return found


def make(spec: str, folder: Path) -> list[Session]:
    """Sessions of a spec."""
    return list(synthesise(read_spec(shipped_specs()[spec]), folder, replace=True))


def scored(sessions: Sequence[Session], stack: Stack, rule: str, front: Front, store: Store) -> Iterator[SessionScores]:
    """Replay and score sessions with a rule and what is in front of the listener."""
    config = override(Config(), {"stack.name": stack.name, **SETTINGS, "barge_in_rule": rule, **dict(front.changes)})
    options = knobs_of(config)
    for session in sessions:
        labels = only_known(read_labels(session.labels_path, session.samples), stack.vocabulary)[0]
        costs = cost_source(options, None, session.name)
        trace = replay(session, stack.stages(labels), options, costs, store).trace
        yield evaluate(trace, labels_as_replayed(trace, labels))


def cells(summary: Summary) -> list[str]:
    """False stops per hour of agent speech, share missed, reaction at p50 and p95."""
    return [
        _cell(summary, "false_bargein_per_agent_hour", 1, 0),
        _cell(summary, "missed_bargein_rate", 100, 0, " %"),
        _cell(summary, "bargein_reaction_ms_p50", 1, 0, " ms"),
        _cell(summary, "bargein_reaction_ms_p95", 1, 0, " ms"),
    ]


def _cell(summary: Summary, key: str, scale: int, digits: int, unit: str = "") -> str:
    value = summary.scores[key]
    if value is None:
        return "–"
    low, high = summary.intervals.get(key, (None, None))
    span = f" ({low * scale:.{digits}f} to {high * scale:.{digits}f})" if low is not None and high is not None else ""
    return f"{value * scale:.{digits}f}{unit}{span}"


def rows(spec: str, folder: Path, stack: Stack, everything: bool, store: Store) -> Iterator[str]:
    """The rows of a spec's table."""
    sessions = make(spec, folder)
    rules = choices("workbench.barge_in_rule", "energy")
    cancellers = choices("echo.canceller", "none")
    for rule in rules if everything else [rule for rule in rules if not set(rule) & set("+/")]:
        for front in fronts():
            if not everything and (front.name not in cancellers or (front.changes and sessions[0].echo is None)):
                continue
            summary = summarise(list(scored(sessions, stack, rule, front, store)))
            print(f"{spec}: {rule}, {front.name}", file=sys.stderr)
            yield f"| `{rule}` | {front.name} | {' | '.join(cells(summary))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Barge-in by rule, canceller and cause.")
    parser.add_argument("--stack", default="nano")
    parser.add_argument("--spec", nargs="+", default=sorted(shipped_specs()))
    parser.add_argument("--all", action="store_true", help="combined rules and filters, too, for every spec")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/bargein-table.md")
    asked = parser.parse_args()
    stack, store = make_stack(override(Config(), {"stack.name": asked.stack})), Store(None)
    parts = [HEAD.format(stack=asked.stack, words=WORDS.get(asked.stack, f"the stack `{asked.stack}`"))]
    with tempfile.TemporaryDirectory() as folder:
        for spec in asked.spec:
            shows = read_spec(shipped_specs()[spec]).head.shows
            table = "\n".join(rows(spec, Path(folder), stack, asked.all, store))
            parts.append(f"\n## {spec}\n{shows[0].upper()}{shows[1:]}.\n\n{COLUMNS}{table}\n")
    text = "".join(parts)
    print(text)
    if asked.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
