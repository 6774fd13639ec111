"""Observer of a recording in progress: hears the microphone, and may speak."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workbench.arrays import Audio
from workbench.recording.callbacks import Speaker

LIVE = "live.jsonl"
"""In the tape's folder: what the follower did, as ``livetrace`` reads it."""


@dataclass(frozen=True)
class Clock:
    """The time of a recording, in samples at 24 kHz on the microphone tape.

    Attributes:
        now: the present moment.
        agent_offset: microphone sample at which the agent tape's first sample sounded, as known by now.
        output_latency: samples between a request of the output and its sound.
    """

    now: Callable[[], int]
    agent_offset: Callable[[], int]
    output_latency: Callable[[], int]


class RecordingObserver(Protocol):
    """Works in a thread of its own; a recording never waits for it."""

    def begin(self, tape: Path, speaker: Speaker, clock: Clock) -> None:
        """The devices are about to run.

        Args:
            tape: folder of the tape, to write :data:`LIVE` into.
            speaker: of the output.
            clock: of the recording.
        """

    def hear(self, pcm: Audio) -> None:
        """The microphone track goes on with these samples; called by the writer."""

    def played(self, cue: int, sample: int) -> None:
        """A queued block begins at this sample of the agent tape; called by the writer."""

    def end(self) -> None:
        """The microphone track has ended; called by the writer."""

    def finish(self) -> tuple[str, ...]:
        """Come to an end; what there is to say about it, for people."""

    @property
    def state(self) -> str:
        """What it does just now, in a word or two."""

    @property
    def trouble(self) -> str:
        """Why it cannot keep up, or has stopped; else empty."""
