"""Remarks on a finished recording, for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.recording.bandwidth import Stretch
from workbench.recording.tape import Tape
from workbench.sessions.folders import EVENTS
from workbench.units import SAMPLE_RATE, samples_to_ms, samples_to_seconds

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
            f"too short to find how the agent track lies on the microphone's clock: it starts at sample {agent_offset}"
        )
    return tuple(said)


def microphone_remarks(
    bands: Sequence[Stretch], events: Sequence[Mapping[str, Any]], source: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """Whether another microphone took over in mid-recording, or this one leaves out the upper part of the sound.

    Args:
        bands: bandwidths of the microphone track.
        events: of the session.
        source: ``name`` and ``rate`` of the sound server's source at the beginning, where they are known.
    """
    said = []
    if source is not None and 0 < source["rate"] < SAMPLE_RATE:
        said.append(
            f"the microphone ({source['name']}) runs at {source['rate'] / 1000:g} kHz behind the sound server: "
            f"nothing above {source['rate'] / 2000:g} kHz is heard"
        )
    elif bands and bands[0].limit:
        said.append(
            f"the microphone gives nothing above {bands[0].limit / 1000:g} kHz: a headset at "
            f"{bands[0].limit / 500:g} kHz behind the sound server? Levels and models differ with another one"
        )
    for event in events:
        if event["event"] == "moved":
            rate = f", {event['rate'] / 1000:g} kHz" if event["rate"] else ""
            said.append(
                f"the sound server moved the recording to another microphone ({event['source']}{rate}) before "
                f"{samples_to_seconds(event['sample']):.1f} s: levels before and after are not of one device; "
                f"marked in {EVENTS}"
            )
    for band in bands[1:]:
        said.append(
            f"the bandwidth changes to {(band.limit or SAMPLE_RATE // 2) / 1000:g} kHz at "
            f"{samples_to_seconds(band.start):.1f} s: another microphone took over? Marked in {EVENTS}"
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
    knobs = f'path = "config", echo_delay_ms = {delay:.1f}, echo_gain_db = {gain:.1f}'
    return (f"{heard}); for replays of recordings in this room, in the config under [echo]: {knobs}",)
