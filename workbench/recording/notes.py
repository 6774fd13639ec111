"""What a finished recording has to say about itself, for people."""

from collections.abc import Mapping
from typing import Any

from workbench.recording.tape import Tape
from workbench.sessions.folders import EVENTS
from workbench.units import samples_to_ms, samples_to_seconds

_SURE_WINDOWS = 2
"""Windows that must hear the loudspeaker: one may be chance, since two voices of one pitch correlate as well."""
_STEADY_MS = 10.0
"""Windows that agree on the echo's delay to this are one path; a frame's level hardly feels less."""


def remarks(tape: Tape, events: list[dict[str, Any]], agent_offset: int) -> tuple[str, ...]:
    """What there is to say about a recording.

    Args:
        tape: it was made from.
        events: of the session.
        agent_offset: microphone sample at which the agent track begins.
    """
    said = []
    for track, spans in tape.damaged.items():
        if spans:
            seconds = samples_to_seconds(sum(end - start for start, end in spans))
            said.append(
                f"{track}: {seconds:.2f} s differ from their checksums or are gone; zeros stand in their place, "
                f"marked in {EVENTS}"
            )
    said += tape.problems
    holes = [event for event in events if event["event"] == "hole"]
    if holes:
        lost = samples_to_seconds(sum(event["samples"] for event in holes))
        said.append(f"{len(holes)} holes, {lost:.3f} s in all, are filled with zeros and marked in {EVENTS}")
    starved = [event["samples"] for event in events if event["event"] == "starved"]
    if starved:
        times = "once" if len(starved) == 1 else f"{len(starved)} times"
        said.append(
            f"{times} nothing was ready to be played in time: {samples_to_seconds(sum(starved)):.2f} s of "
            f"silence inside what was played, marked in {EVENTS}"
        )
    for event in events:
        if event["event"] == "stalled":
            stopped = "stopped" in event["cause"]
            what = "the program was stopped for" if stopped else "the disk kept the writer waiting for"
            said.append(f"{what} {event['seconds']:g} s; no sample is missing unless a hole says so")
    if "agent" in tape.samples and not tape.offsets["agent"]:
        said.append(
            f"too short to tell how the agent track lies on the microphone's clock: it starts at sample {agent_offset}"
        )
    return tuple(said)


def echo_remarks(found: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The way from loudspeaker to microphone as the knobs that put it into a replay; see ``roundtrip``."""
    if found is None:
        return ()
    delay, gain, windows = samples_to_ms(found["lag_samples"]), found["gain_db"], found["windows"]
    counted = "1 window" if windows == 1 else f"{windows} windows"
    when = "later" if delay >= 0 else "earlier"
    heard = f"the loudspeaker is heard {abs(delay):.1f} ms {when} at {gain:.1f} dB ({counted} of 4 s"
    shake = samples_to_ms(found["lag_spread_samples"])
    if windows < _SURE_WINDOWS:
        return (f"{heard}): too little of it to be replayed as an echo path",)
    if shake > _STEADY_MS or not 0 <= delay <= 2000 or not -120 <= gain <= 20:
        return (f"{heard}, {shake:.1f} ms apart): too unsteady to be replayed as an echo path",)
    knobs = f'echo = "config", echo_delay_ms = {delay:.1f}, echo_gain_db = {gain:.1f}'
    return (f"{heard}); for replays of recordings in this room, in the config: {knobs}",)
