"""Parts of the latency for people: what each is, and its cause."""

from collections.abc import Mapping, Sequence

from workbench.assistants import knobs_of
from workbench.config import Config

OWNERS = {
    "framing_wait": "framing",
    "endpoint_hold": "setting",
    "stt_compute": "compute",
    "stt_flush": "compute",
    "lm_ttft": "compute",
    "text_aggregation": "setting",
    "tts_ttfb": "compute",
    "prebuffer_wait": "setting",
    "playout_delay": "device",
    "tts_leading_silence": "model",
}
"""Part of the waterfall → its cause, as in ``docs/report.md``."""


def owners(config: Config) -> Mapping[str, str]:
    """Cause of each part under a config: without a prebuffer, ``prebuffer_wait`` is only the loudspeaker's grid."""
    waits = knobs_of(config).playback.prebuffer > 1
    return OWNERS if waits else {**OWNERS, "prebuffer_wait": "framing"}


PART_WORDS: Mapping[str, str] = {
    "framing_wait": "rest of the 80 ms frame in which the user stopped",
    "endpoint_hold": "waiting whether the user goes on",
    "silence_hold": "part of endpoint_hold in which silence was counted; not a part of the sum by itself",
    "stt_compute": "speech recognition, still computing",
    "stt_flush": "speech recognition, last words",
    "lm_ttft": "language model, to its first token",
    "text_aggregation": "language model, until the first chunk is complete",
    "tts_ttfb": "speech synthesis, to its first frame",
    "prebuffer_wait": "frames kept back before playback starts, and the loudspeaker's grid",
    "playout_delay": "sound card",
    "tts_leading_silence": "silence at the start of the voice's audio",
}
"""Parts of the waterfall for people."""


def edges(parts: Sequence[float]) -> list[float]:
    """Where each part begins, and the end of the last. An early answer's first parts take no room: it begins there.

    >>> edges([10, 20, 5]), edges([10, -50, 5])
    ([0.0, 10.0, 30.0, 35.0], [-40.0, -40.0, -40.0, -35.0])
    """
    found = [0.0]
    for part in parts:
        found.append(found[-1] + part)
    if parts[1] < 0:
        found[0] = found[1] = found[2]
    return found
