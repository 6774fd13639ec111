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

from workbench.metrics.index import Reply
from workbench.metrics.rows import Waterfall
from workbench.units import FRAME_SAMPLES


def frame_ceiling(sample: int) -> int:
    """End of the frame that holds the sample before ``sample``.

    >>> frame_ceiling(1920), frame_ceiling(1921)
    (1920, 3840)
    """
    return -(-sample // FRAME_SAMPLES) * FRAME_SAMPLES


def waterfall(turn_end: int, reply: Reply) -> Waterfall | None:
    """Split the way from ``turn_end`` to the first audible sample of ``reply``.

    A step that the trace does not hold (a stack without that stage) takes no time: what follows is counted from the
    step before it.

    Returns:
        None where the answer has no commit or never became audible.
    """
    commit = reply.commit
    if commit is None or not reply.audible:
        return None
    voiced_frame = frame_ceiling(turn_end)
    silence = commit.frame_end - max(commit.silence_from, voiced_frame) if commit.reason == "silence" else 0
    transcript = reply.transcript.t if reply.transcript else commit.t
    tokens = reply.tokens.t if reply.tokens else transcript
    chunk = reply.chunks[0].t if reply.chunks else tokens
    pcm = min(item.t for item in reply.pcm.values())
    play = reply.plays[0].t
    audible = reply.audible[0][0]
    return Waterfall(
        framing_wait=voiced_frame - turn_end,
        endpoint_hold=commit.frame_end - voiced_frame,
        silence_hold=max(0, silence),
        stt_compute=commit.t - commit.frame_end,
        stt_flush=transcript - commit.t,
        lm_ttft=tokens - transcript,
        text_aggregation=chunk - tokens,
        tts_ttfb=pcm - chunk,
        prebuffer_wait=play - reply.playout - pcm,
        playout_delay=reply.playout,
        tts_leading_silence=audible - play,
        voice_to_voice=audible - turn_end,
    )
