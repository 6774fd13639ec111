"""Clock and loudspeaker of a live run: the protocol, and simulated ones. ``loudspeaker_device.py`` has the real."""

from collections.abc import Callable
from typing import Protocol

from workbench.arrays import Audio
from workbench.dialogue.answer import Answer, TimedChunk
from workbench.simulation.step_costs import CostSource, Item
from workbench.stages.playback import OpenStream, StreamPerChunk
from workbench.trace import Event

Log = Callable[[list[Event]], None]
"""Takes events as they become known, not in order of time."""


class Playback(Protocol):
    """Clock and loudspeaker.

    Attributes:
        playout: samples from the request of a frame to its sound.
    """

    playout: int

    @property
    def costs(self) -> CostSource:
        """Of the steps: drawn before they run, or measured while they do."""
        ...

    def step(
        self, stage: str, group: int, job: int, since: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """Do one model step that may begin at ``since``; returns what it brought and when it ended.

        None from ``work`` says that there was no step any more: it costs nothing.
        """
        ...

    def ended(self, begun: int, cost: int) -> int:
        """When a step ended that could begin then, and has been done by now."""
        ...

    def decided(self, arrived: int) -> int:
        """When a decision was there that a frame brought about which arrived then."""
        ...

    def play(self, frame: Audio) -> None:
        """Queue the next PCM frame of the answer for the loudspeaker."""
        ...

    def all_queued(self) -> None:
        """The answer has no more frames."""
        ...

    def stop(self) -> None:
        """Be silent: play nothing more of the answer that the device does not have."""
        ...

    def hold(self) -> None:
        """Be silent for now: play nothing more that the device does not have until :meth:`go_on`."""
        ...

    def go_on(self) -> None:
        """Go on with the first frame that was not heard."""
        ...

    def began(self, answer: Answer) -> int | None:
        """When the first sample of the answer left the loudspeaker; None while that is not known."""
        ...

    def closed(self, chunk: TimedChunk) -> int | None:
        """Close the stream of a chunk 0.1 s after its last step, whatever is still queued, as MLX-Harmony does.

        Returns:
            When it is closed; None, as long as that is not known: then ask again. The next frame opens another.
        """
        ...

    def over(self, answer: Answer) -> int | None:
        """When the last sample of the answer leaves the loudspeaker; None while that is not known."""
        ...

    def has_come(self, moment: int) -> bool:
        """Whether a moment has come; a simulated clock goes there at once."""
        ...

    def wait(self) -> None:
        """Let a little time pass."""
        ...

    def observed(self, answer: Answer) -> Answer:
        """The answer with the moments at which its frames really went out."""
        ...

    def forget(self) -> None:
        """Drop the costs of the steps until now."""
        ...


class OpenPlayback(Playback, Protocol):
    """A playback whose loudspeaker never closes: frames are one stream from the first to the last."""

    def sounded(self) -> list[tuple[int, int]]:
        """Number of each frame that has gone out since this was asked last, and when the device asked for it."""
        ...

    def hush(self) -> None:
        """Be silent from now on, though the session may go on; returns when it is known what has gone out."""
        ...


class FrameSink(Protocol):
    """Loudspeaker that frames are queued for; :class:`workbench.recording.callbacks.Speaker` is the recorder's."""

    def begin(self) -> int:
        """A new utterance; returns the number of its first frame."""
        ...

    def play(self, pcm: Audio) -> None:
        """Queue a frame, float32 of shape (1920,)."""
        ...

    def end(self) -> None:
        """The utterance has no more frames."""
        ...

    def pump(self) -> None:
        """Move what waits on, as far as there is room."""
        ...

    def stop(self) -> int:
        """Play nothing more that the device does not have; returns how many blocks it had been given by now."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether nothing is played now, as in a pause."""
        ...

    @property
    def written(self) -> int:
        """Blocks handed to the device that are known to have gone out."""
        ...


class SimulatedPlayback:
    """A :class:`Playback` without devices: each step takes what the cost source says."""

    def __init__(self, costs: CostSource, playout: int) -> None:
        self.costs: CostSource = costs
        self.playout = playout

    def step(
        self, stage: str, group: int, job: int, since: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """See :class:`Playback`."""
        item = work()
        return item, since if item is None else since + int(self.costs.draw(stage, group, job + 1)[job])

    def ended(self, begun: int, cost: int) -> int:
        """See :class:`Playback`."""
        return begun + cost

    def decided(self, arrived: int) -> int:
        """See :class:`Playback`: at once."""
        return arrived

    def play(self, frame: Audio) -> None:
        """See :class:`Playback`."""

    def all_queued(self) -> None:
        """See :class:`Playback`."""

    def stop(self) -> None:
        """See :class:`Playback`."""

    def hold(self) -> None:
        """See :class:`Playback`."""

    def go_on(self) -> None:
        """See :class:`Playback`."""

    def began(self, answer: Answer) -> int | None:
        """See :class:`Playback`."""
        return int(answer.at[0]) + self.playout if len(answer.at) else None

    def closed(self, chunk: TimedChunk) -> int | None:
        """See :class:`Playback`."""
        return StreamPerChunk().freed(chunk.times)

    def over(self, answer: Answer) -> int | None:
        """See :class:`Playback`."""
        return answer.over

    def has_come(self, moment: int) -> bool:
        """See :class:`Playback`."""
        return True

    def wait(self) -> None:
        """See :class:`Playback`."""

    def observed(self, answer: Answer) -> Answer:
        """See :class:`Playback`: as computed."""
        return answer

    def forget(self) -> None:
        """See :class:`Playback`."""


class SimulatedOpenPlayback(SimulatedPlayback):
    """An :class:`OpenPlayback` of that kind.

    Args:
        costs, playout: see :class:`SimulatedPlayback`.
        prebuffer: frames in hand before playback starts.
    """

    def __init__(self, costs: CostSource, playout: int, prebuffer: int) -> None:
        super().__init__(costs, playout)
        self._stream = OpenStream(prebuffer)
        self._now = self._placed = 0
        self._found: list[tuple[int, int]] = []

    def step(
        self, stage: str, group: int, job: int, since: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """See :class:`Playback`."""
        item, self._now = super().step(stage, group, job, since, work)
        return item, self._now

    def play(self, frame: Audio) -> None:
        """See :class:`Playback`: it is there when the last step ended."""
        self._place(self._stream.queue(self._now))

    def all_queued(self) -> None:
        """See :class:`Playback`."""
        self._place(self._stream.flush())

    def _place(self, requests: list[int]) -> None:
        self._found += enumerate(requests, self._placed)
        self._placed += len(requests)

    def sounded(self) -> list[tuple[int, int]]:
        """See :class:`OpenPlayback`."""
        found, self._found = self._found, []
        return found

    def hush(self) -> None:
        """See :class:`OpenPlayback`."""
