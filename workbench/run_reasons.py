"""Reasons of a run's faults: levels and knobs brought together for :mod:`workbench.metrics.reasons`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.config import Config
from workbench.knobs import DUPLEX_STACKS
from workbench.metrics import SessionScores
from workbench.metrics.reasons import reasons
from workbench.sessions.heard_levels import heard_levels
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.trace import Trace


def with_reasons(
    config: Config, run: Path, session: Session, happened: tuple[Trace, Sequence[Label]], scores: SessionScores
) -> SessionScores:
    """Scores with the reasons of what went wrong, where a listener and chunks can give reasons.

    Args:
        config: of the run.
        run: folder of the run, with what the agent played.
        session: opened.
        happened: trace and labels of the session.
        scores: of the trace.

    Raises:
        WorkbenchError: what the agent played cannot be read.
    """
    from workbench.assistants import knobs_of
    from workbench.replay.engine import echo_path
    from workbench.simulation.filters import FilterChain

    wrong = any(row.cutins or row.missed for row in scores.turns)
    if config.stack.name in DUPLEX_STACKS or not (wrong or scores.underruns):
        return scores
    options = knobs_of(config)
    agent = run / f"{session.name}.agent.flac"
    path, filters = echo_path(options.echo, session), FilterChain(options.filters).step if options.filters else None
    levels = heard_levels(session, agent, path, filters) if wrong else np.zeros(0)
    return replace(scores, reasons=reasons(*happened, scores, options, levels))
