"""Sessions on a real clock: a second driver for the sessions of a run, at the pace at which they were recorded."""

from collections.abc import Sequence
from dataclasses import replace

from workbench.cache import Store
from workbench.dialogue.user_turn import check_pause_heads
from workbench.knobs import Knobs
from workbench.live.paced import PacedRun, run_paced
from workbench.replay.engine import ReplayResult, echo_path, header
from workbench.sessions.session import Session
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import CostSource
from workbench.stages.protocols import DuplexModel, Stages

REALTIME = "realtime"
"""``costs`` in the header of a trace from a real clock; and the folder of such a run, within that of the replay."""


class RealtimeDriver:
    """Runs sessions on a real clock in place of :func:`workbench.replay.engine.replay`.

    Attributes:
        runs: one for each session that was run, with what its steps took.
    """

    def __init__(self) -> None:
        self.runs: list[PacedRun] = []

    def __call__(
        self, session: Session, stages: Stages | DuplexModel, knobs: Knobs, costs: CostSource, store: Store
    ) -> ReplayResult:
        """See :func:`workbench.replay.engine.replay`; takes as long as the session."""
        assert isinstance(stages, Stages)  # by check_paced
        check_pause_heads(knobs, stages.stt)
        path = echo_path(knobs.echo, session)
        head = replace(header(session, knobs, costs, path), costs=REALTIME)
        run = run_paced(Microphone(session, path, store), stages, knobs, costs, head)
        self.runs.append(run)
        return ReplayResult(run.trace, lambda: run.sounds)


def steps_in_words(runs: Sequence[PacedRun]) -> str:
    """How far the steps of real-time runs kept to their costs, in a line."""
    steps, late = sum(run.steps for run in runs), sum(run.late for run in runs)
    if not late:
        return f"model steps: {steps}, none ended more than 5 ms after it was due"
    most = max(run.most_late_ms for run in runs)
    return (
        f"model steps: {steps}, of which {late} ended more than 5 ms after they were due (by up to {most:.0f} ms): "
        "their work took longer than the cost drawn for it, or this machine was busy"
    )
