"""What lets the scheduler run live: frames come by themselves, and jobs take what they take."""

from workbench.live.generation import SessionOver
from workbench.live.loudspeaker import Playback
from workbench.live.microphone import LiveMicrophone


class LiveEnvironment:
    """Microphone and room as a :class:`workbench.simulation.scheduler.Environment`.

    Args:
        mic: whose frames come.
        room: whose time passes.
        answering: whether time is waited for, and the session may end under what is being done.
    """

    def __init__(self, mic: LiveMicrophone, room: Playback, answering: bool) -> None:
        self._mic, self._room, self._answering = mic, room, answering

    def come(self, until: int | None) -> None:
        """See :class:`workbench.simulation.scheduler.Environment`."""
        if until is not None:
            self._mic.catch_up(until)
        elif not self._answering:
            self._mic.more()
        else:
            self._room.wait()
            self._mic.catch_up(0)
        if self._answering and self._mic.ended and self._mic.is_live:
            raise SessionOver

    def ended(self, begun: int, cost: int) -> int:
        """See :class:`workbench.simulation.scheduler.Environment`."""
        return self._room.ended(begun, cost)
