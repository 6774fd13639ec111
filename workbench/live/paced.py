"""A session on a real clock: the live assistant in its own thread hears a recording at the pace at which it was made.

What a simulation cannot show of itself: whether threads, queues and a clock that really runs decide as it says.
"""

import threading
from dataclasses import dataclass

from workbench.arrays import Audio
from workbench.assistants import assistant
from workbench.errors import WorkbenchError
from workbench.knobs import DUPLEX_STACKS, Knobs
from workbench.live.assistant import LiveAssistant
from workbench.live.microphone import LiveMicrophone
from workbench.live.paced_device import PacedClock, PacedCosts, PacedPlayback
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import CostSource
from workbench.stages.protocols import Stages
from workbench.trace import Event, Header, Trace, in_order
from workbench.units import frame_end

_START_SECONDS = 0.2
"""Until the session's first sample: the threads are up by then."""


@dataclass(frozen=True)
class PacedRun:
    """What a session on a real clock gives.

    Attributes:
        trace: everything that happened.
        sounds: (first sample at the loudspeaker, PCM) of all that the agent played, in order.
        steps: model steps that ran.
        late: how many of them ended more than 5 ms after they were due.
        most_late_ms: the most by which one did.
    """

    trace: Trace
    sounds: list[tuple[int, Audio]]
    steps: int
    late: int
    most_late_ms: float


def check_paced(knobs: Knobs) -> None:
    """Check that a config can run on a real clock.

    Raises:
        WorkbenchError: names the setting that cannot.
    """
    if knobs.stack.name in DUPLEX_STACKS:
        raise WorkbenchError(f"--pace realtime is for stacks that take turns; {knobs.stack.name} speaks while it hears")
    if knobs.placement == "split":
        raise WorkbenchError("--pace realtime runs all models in one thread; set placement to serial or shared")
    if knobs.reactive:
        raise WorkbenchError("--pace realtime plays the recording as it is; set timing to fixed")
    if knobs.filters:
        raise WorkbenchError("--pace realtime hears the microphone as it is; set canceller and filter to none")
    if knobs.step_costs.source == "measured":
        raise WorkbenchError("--pace realtime needs costs that can be drawn; set --step-costs to profile or fixed")


class _AssistantThread(threading.Thread):
    """Runs the assistant; keeps what ended it."""

    def __init__(self, assistant: LiveAssistant) -> None:
        super().__init__(name="assistant", daemon=True)
        self._assistant = assistant
        self.error: Exception | None = None

    def run(self) -> None:
        """Until the microphone ends."""
        try:
            self._assistant.run()
        except Exception as error:  # raised again where the thread is waited for
            self.error = error


def run_paced(mic: Microphone, stages: Stages, knobs: Knobs, drawn: CostSource, header: Header) -> PacedRun:
    """Run one session on a real clock; takes as long as the session.

    Args:
        mic: the session's, with the echo path through which it hears the agent.
        stages: of the stack, see :func:`check_paced`.
        knobs: all options.
        drawn: costs to which the steps are stretched.
        header: of the trace.

    Raises:
        WorkbenchError: the models failed.
    """
    clock, costs = PacedClock(), PacedCosts(drawn)
    playout = knobs.playback.playout
    per_chunk = assistant(knobs.assistant).playout.closes_streams
    playback = PacedPlayback(knobs.playback.prebuffer, playout, costs, clock, per_chunk)
    live_mic = LiveMicrophone(knobs.listen.threshold, playback.arrived)
    events: list[Event] = []
    thread = _AssistantThread(LiveAssistant(stages, knobs, live_mic, playback, events.extend))
    mic.frame(0)  # decodes the first minute, which takes longer than a frame
    clock.start(_START_SECONDS)
    thread.start()
    _run_device(mic, live_mic, clock, playback, thread)
    if thread.error is not None:
        raise thread.error
    sounds = [(moment + playout, pcm) for moment, pcm in playback.loudspeaker.sounds]
    return PacedRun(Trace(header, in_order(events)), sounds, costs.steps, costs.late, costs.most_late_ms)


def _run_device(
    mic: Microphone, live_mic: LiveMicrophone, clock: PacedClock, playback: PacedPlayback, thread: threading.Thread
) -> None:
    """Give the recording's frames and take the agent's at their moments, until the assistant is done."""
    loudspeaker, frame = playback.loudspeaker, 0
    while thread.is_alive():
        moment = loudspeaker.next_request
        if frame < mic.frames and frame_end(frame) < moment:
            clock.sleep_until(frame_end(frame))
            live_mic.add(mic.frame(frame))
            frame += 1
            if frame == mic.frames:
                live_mic.end()
            continue
        clock.sleep_until(moment)
        if loudspeaker.next_request == moment:  # unless a stream of its own was opened meanwhile
            played = loudspeaker.request(playback.played)
            if played is not None and mic.has_echo:
                mic.hear([(moment + playback.playout, played)])
