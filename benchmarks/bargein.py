"""Barge-in by rule, canceller and cause: false stops, missed ones and reaction, on the specs that come with workbench.

``python benchmarks/bargein.py [--spec NAME...] [--rule NAME...] [--front NAME...] [--anew] [--write]``. Makes the
sessions of each spec (``workbench synth --list``) and replays them with every rule that is asked for, behind each
canceller and filter. Each row goes to ``docs/bargein-table.csv`` as soon as it is there, and what stands there is not
measured again: a run that was stopped goes on. Rows of several runs at once may go there. ``--write`` makes
``docs/bargein-table.md`` and the part of the README from the file, so that twice gives the same bytes.

Timing is reactive: what a spec lays over the agent's speech lies there in each replay, whatever a rule did before.
Costs are fixed, the listener is ``workbench``, and a turn ends after 1.3 s of silence, so that no pause in a spec is
taken for its end. Intervals are at 95 %: Garwood's for a rate, Wilson's for a share, a bootstrap over sessions for a
reaction. With ``OMP_NUM_THREADS=1`` it takes half the processor time: the networks are too small for two threads.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bargein_page import Cell, Row, add_row, read_rows, write_page
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

STACK = "nano"
RULES = ("energy", "vad", "words", "words_n", "pause_head", "vad+words_n")
"""Every single rule, and LiveKit's pair of two. The others of the knob's choices can be asked for by name."""

SETTINGS = {
    "step_costs.source": "fixed",
    "timing": "reactive",
    "barge_in": True,
    "stt_silence_ms": 1300,
    "placement": "split",  # rules that ask the STT need it while the agent speaks
}


def choices(path: str) -> tuple[str, ...]:
    """Choices of a knob."""
    return tuple(knobs()[path].metadata["choices"])


@dataclass(frozen=True)
class Front:
    """What is in front of the listener: a canceller or a filter, and the knobs that choose it."""

    name: str
    changes: tuple[tuple[str, str], ...] = ()


def fronts() -> list[Front]:
    """Nothing, then each canceller and each filter by itself."""
    found = [Front("none")]
    for path in ("echo.canceller", "echo.filter"):
        found += [Front(name, ((path, name),)) for name in choices(path) if name != "none"]
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


def row_of(spec: str, rule: str, front: str, summary: Summary) -> Row:
    """False stops per hour of agent speech, share missed in percent, reaction in ms at p50 and p95."""
    return Row(
        spec,
        rule,
        front,
        _cell(summary, "false_bargein_per_agent_hour", 1),
        _cell(summary, "missed_bargein_rate", 100),
        _cell(summary, "bargein_reaction_ms_p50", 1),
        _cell(summary, "bargein_reaction_ms_p95", 1),
    )


def _cell(summary: Summary, key: str, scale: int) -> Cell | None:
    value = summary.scores[key]
    if value is None:
        return None
    low, high = summary.intervals.get(key, (value, value))
    return Cell(round(value * scale), round(low * scale), round(high * scale))


def measure(
    specs: Iterable[str], rules: Sequence[str], asked: Sequence[Front], known: set[tuple[str, str, str]]
) -> None:
    """Measure the rows that are not known, and add each to the file."""
    stack = make_stack(override(Config(), {"stack.name": STACK}))
    for spec in specs:
        with tempfile.TemporaryDirectory() as folder:
            sessions: list[Session] = []
            for front in asked:
                store = Store(None)
                for rule in rules:
                    if (spec, rule, front.name) not in known:
                        sessions = sessions or make(spec, Path(folder))
                        summary = summarise(list(scored(sessions, stack, rule, front, store)))
                        add_row(row_of(spec, rule, front.name, summary))
                        print(f"{spec}: {rule}, {front.name}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Barge-in by rule, canceller and cause.")
    parser.add_argument("--spec", nargs="+", default=sorted(shipped_specs()), choices=sorted(shipped_specs()))
    parser.add_argument("--rule", nargs="+", default=RULES, choices=choices("workbench.barge_in_rule"))
    parser.add_argument("--front", nargs="+", default=[front.name for front in fronts()])
    parser.add_argument("--anew", action="store_true", help="measure also what stands in the file")
    parser.add_argument("--write", action="store_true", help="write the page and the README's part when all is there")
    asked = parser.parse_args()
    known = set() if asked.anew else {(row.spec, row.rule, row.front) for row in read_rows()}
    measure(asked.spec, asked.rule, [front for front in fronts() if front.name in asked.front], known)
    if asked.write:
        write_page()


if __name__ == "__main__":
    main()
