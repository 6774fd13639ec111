"""Plan of a recording, and the reason why it stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.recording.devices import StreamSettings
from workbench.recording.observer import RecordingObserver


@dataclass(frozen=True)
class RecordingPlan:
    """What to record.

    Attributes:
        folder: the session to make.
        play: audio that goes out while the microphone comes in.
        output: where it goes; given if ``play`` or ``follower`` is.
        seconds: length of the session; None is until stopped.
        gate: (threshold, silence_ms, min_speech_ms) of the listener that the meter shows.
        about: provenance.
    """

    folder: Path
    input: StreamSettings
    gate: tuple[float, float, float]
    play: Path | None = None
    output: StreamSettings | None = None
    loopback: StreamSettings | None = None
    """Device that gives what another program plays: the agent track; not together with ``output``."""
    one_stream: bool = False
    """Microphone and loudspeaker are opened as one stream (``audio.one_stream``)."""
    seconds: float | None = None
    calibration: Mapping[str, Any] | None = None
    about: Mapping[str, Any] | None = None
    follower: RecordingObserver | None = None
    """Observer that gets the microphone and may speak."""


@dataclass(frozen=True)
class StopReason:
    """Why a take ended.

    Attributes:
        as_asked: False when something went wrong; what was heard until then is kept.
        why: in words.
    """

    as_asked: bool
    why: str
