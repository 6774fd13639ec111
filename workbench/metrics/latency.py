"""Latency: from the user's last sample to the agent's first audible one, in parts that add up exactly.

Conventions:
    Samples at 24 kHz. ``E`` is the reference end of the turn (exclusive), from labels, never from the endpointer.
    ``F`` is the end of the 80 ms frame that holds the last voiced sample.

Metrics:
    ``framing_wait`` F − E; ``endpoint_hold`` decided frame's end − F, of which ``silence_hold`` is counted silence;
    ``stt_compute`` to the commit; ``stt_flush`` to the transcript; ``lm_ttft`` to the first token;
    ``text_aggregation`` to the first chunk; ``tts_ttfb`` to the first PCM frame; ``prebuffer_wait`` until playback
    may start; ``playout_delay`` to the loudspeaker; ``tts_leading_silence`` to the first audible sample.
"""

from workbench.metrics.condense import SpokenReply
from workbench.metrics.rows import Waterfall
from workbench.trace import Commit, Transcript
from workbench.units import FRAME_SAMPLES


def frame_ceiling(sample: int) -> int:
    """End of the frame that holds the sample before ``sample``.

    >>> frame_ceiling(1920), frame_ceiling(1921)
    (1920, 3840)
    """
    return -(-sample // FRAME_SAMPLES) * FRAME_SAMPLES


def waterfall(
    turn_end: int, commit: Commit, transcript: Transcript | None, spoken: SpokenReply | None, playout: int
) -> Waterfall | None:
    """Split the way from ``turn_end`` to the first audible sample of an answer.

    A step that the trace does not hold (a stack without that stage) takes no time: what follows is counted from the
    step before it.

    Returns:
        None where the answer never became audible.
    """
    if spoken is None or not spoken.audible:
        return None
    voiced_frame = frame_ceiling(turn_end)
    silence = commit.frame_end - max(commit.silence_from, voiced_frame) if commit.reason == "silence" else 0
    written = transcript.t if transcript else commit.t
    tokens = written if spoken.token is None else spoken.token
    chunk = tokens if spoken.chunk is None else spoken.chunk
    assert spoken.pcm is not None
    assert spoken.play is not None
    audible = spoken.audible[0][0]
    return Waterfall(
        framing_wait=voiced_frame - turn_end,
        endpoint_hold=commit.frame_end - voiced_frame,
        silence_hold=max(0, silence),
        stt_compute=commit.t - commit.frame_end,
        stt_flush=written - commit.t,
        lm_ttft=tokens - written,
        text_aggregation=chunk - tokens,
        tts_ttfb=spoken.pcm - chunk,
        prebuffer_wait=spoken.play - playout - spoken.pcm,
        playout_delay=playout,
        tts_leading_silence=audible - spoken.play,
        voice_to_voice=audible - turn_end,
    )
