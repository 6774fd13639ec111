"""Metrics: what a trace and its labels say about an assistant. No model, no audio, no clock.

``evaluate(trace, labels)`` gives the raw values of one session.
Times are samples at 24 kHz.
"""

from workbench.metrics.agent import agent_intervals
from workbench.metrics.rows import SessionScores
from workbench.metrics.scoring import evaluate
from workbench.metrics.turns import frontier

__all__ = [
    "SessionScores",
    "agent_intervals",
    "evaluate",
    "frontier",
]
