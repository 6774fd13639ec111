"""Environment of a live run for the scheduler: frames come by themselves, and jobs take what they take."""

from workbench.live.generation import SessionOver
from workbench.live.loudspeaker import Playback
from workbench.live.microphone import LiveMicrophone


class LiveEnvironment:
    """Microphone and playback as a :class:`workbench.simulation.scheduler.Environment`.

    Args:
        mic: whose frames come.
        playback: whose time passes.
        answering: whether time is waited for, and the session may end under what is being done.
    """

    def __init__(self, mic: LiveMicrophone, playback: Playback, answering: bool) -> None:
        self._mic, self._playback, self._answering = mic, playback, answering

    def come(self, until: int | None) -> None:
        """See :class:`workbench.simulation.scheduler.Environment`."""
        if until is not None:
            self._mic.catch_up(until)
        elif not self._answering:
            self._mic.more()
        else:
            self._playback.wait()
            self._mic.catch_up(0)
        if self._answering and self._mic.ended and self._mic.is_live:
            raise SessionOver

    def ended(self, begun: int, cost: int) -> int:
        """See :class:`workbench.simulation.scheduler.Environment`."""
        return self._playback.ended(begun, cost)
