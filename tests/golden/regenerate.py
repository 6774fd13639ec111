"""Write the expected scores of the golden cases anew: ``python tests/golden/regenerate.py [CASE…]``.

A case is a folder with ``trace.jsonl``, ``labels.csv`` and, where the recorded agent is known, ``agent.csv`` (start and
end of its speech in samples). Run this only after a change that is meant to change scores, and read the diff: what the
figures should be stands in ``tests/metrics/test_golden.py`` for the ones that can be told by hand.
"""

import csv
import sys
from pathlib import Path
from typing import Any

from workbench.files import pretty_json, write_text
from workbench.metrics import evaluate, summarise
from workbench.sessions.labels import read_labels
from workbench.trace_file import read_trace

HERE = Path(__file__).parent


def cases() -> list[Path]:
    """Every case, by name."""
    return sorted(path.parent for path in HERE.glob("*/trace.jsonl"))


def scored(case: Path) -> dict[str, Any]:
    """What the case scores now."""
    trace = read_trace(case / "trace.jsonl")
    labels = read_labels(case / "labels.csv", trace.header.samples) if (case / "labels.csv").exists() else ()
    agent = case / "agent.csv"
    recorded = [(int(a), int(b)) for a, b in csv.reader(agent.open())] if agent.exists() else []
    summary = summarise([evaluate(trace, labels, recorded)])
    return {
        "scores": summary.scores,
        "counts": {key: list(count) for key, count in summary.counts.items()},
        "notes": list(summary.notes),
    }


def main() -> None:
    """Regenerate the named cases, or all."""
    names = sys.argv[1:] or [case.name for case in cases()]
    for name in names:
        write_text(HERE / name / "scores.json", pretty_json(scored(HERE / name)))
        print(f"{name}: written")


if __name__ == "__main__":
    main()
