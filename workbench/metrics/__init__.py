"""Metrics: what a trace and its labels say about an assistant. No model, no audio, no clock.

``evaluate(trace, labels)`` gives the raw values of one session; ``summarise(sessions)`` pools them into the flat scores
that ``docs/metrics.md`` defines. Times are samples at 24 kHz until the summary turns them into milliseconds.
"""

from workbench.metrics.agent_speech import agent_intervals
from workbench.metrics.compare import Difference, compare
from workbench.metrics.rows import SessionScores
from workbench.metrics.scores_json import read_scores, write_scores
from workbench.metrics.scoring import evaluate
from workbench.metrics.summary import Summary, shown, summarise
from workbench.metrics.turns import frontier

__all__ = [
    "Difference",
    "SessionScores",
    "Summary",
    "agent_intervals",
    "compare",
    "evaluate",
    "frontier",
    "read_scores",
    "shown",
    "summarise",
    "write_scores",
]
