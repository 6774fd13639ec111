"""Underruns by whose step was late: the TTS's, the language model's, or another's on the same device.

The PCM frame that ends a hole is looked up, and what its making waited for. The remedy is the least number of frames in
hand (``tts_prebuffer_frames``) with which the answer would have had no hole; it delays the answer by that much.
"""

from collections.abc import Iterator, Sequence

from workbench.knobs import Knobs
from workbench.metrics.index import IndexedTrace, ReplyEvents
from workbench.metrics.rows import ReasonRow, UnderrunRow
from workbench.trace import Pcm, Steps, Trace
from workbench.units import FRAME_MS, FRAME_SAMPLES, samples_to_ms


def late_steps(
    found: IndexedTrace, trace: Trace, underruns: Sequence[UnderrunRow], knobs: Knobs
) -> Iterator[ReasonRow]:
    """A row for each underrun.

    Args:
        found: the trace, sorted.
        trace: of the session.
        underruns: of the session.
        knobs: that it was replayed with.
    """
    steps = [event for event in trace.events if isinstance(event, Steps) and event.stage == "tts"]
    for row in underruns:
        reply = found.replies[row.reply]
        kind, text = _late(reply, row, steps)
        knob, value = "", None
        if knobs.assistant != "workbench":
            if kind == "lm" and not knobs.chunks.stream:
                kind, text = "stream", "the next chunk is begun only when the audio stream of this one is closed"
            text = f"{text}; no key fixes this (docs/mlx-harmony.md)"
        elif frames := _enough(reply):
            knob, value = "tts_prebuffer_frames", float(frames)
            text = f"{text}; tts_prebuffer_frames = {frames} would have covered it"
        yield ReasonRow("underrun", row.t, None, kind, text, knob, value)


def _late(reply: ReplyEvents, row: UnderrunRow, steps: Sequence[Steps]) -> tuple[str, str]:
    play = next((play for play in reply.plays if play.t >= row.t + row.samples), None)
    if play is None:
        return "device", "the audio device reported it"
    pcm, frame = reply.pcm[play.chunk], play.offset // FRAME_SAMPLES
    ready = pcm.ready[frame]
    if frame == 0:
        return _late_chunk(reply, play.chunk, pcm)
    took = ready - pcm.ready[frame - 1]
    own = [event for event in steps if event.t <= pcm.t]
    costs = own[-1].costs if own else ()
    place = len(costs) - len(pcm.ready) + frame  # one frame a step, once the first has come
    cost = costs[place] if 0 <= place < len(costs) else took
    if took > cost and cost <= FRAME_SAMPLES:
        waited = samples_to_ms(took - cost)
        return "device", f"a TTS step waited {waited:.0f} ms for other work on its device; placement = split frees it"
    if cost > FRAME_SAMPLES:
        return "tts", f"a TTS step took {samples_to_ms(cost):.0f} ms, a frame lasts {FRAME_MS}"
    mean = samples_to_ms(ready - pcm.ready[0]) / frame
    return "tts", f"TTS steps took {mean:.0f} ms on average, a frame lasts {FRAME_MS}"


def _late_chunk(reply: ReplyEvents, number: int, pcm: Pcm) -> tuple[str, str]:
    """The first frame of a chunk was late: its text, or the steps before a chunk sounds."""
    handed = next((chunk.t for chunk in reply.chunks if chunk.chunk == number), pcm.t)
    before = max((other.ready[-1] for chunk, other in reply.pcm.items() if chunk < number), default=handed)
    if handed > before:
        waited = samples_to_ms(handed - before)
        return "lm", f"the text of chunk {number + 1} came {waited:.0f} ms after the speech before it was made"
    start = samples_to_ms(pcm.t - max(handed, before))
    return "tts", f"the TTS took {start:.0f} ms to begin chunk {number + 1}"


def _enough(reply: ReplyEvents) -> int:
    """Least frames in hand with which the answer plays without a hole; 0 where none is enough."""
    ready = [t for chunk in sorted(reply.pcm) for t in reply.pcm[chunk].ready]
    for frames in range(1, len(ready) + 1):
        start = -(-ready[frames - 1] // FRAME_SAMPLES) * FRAME_SAMPLES
        if all(start + number * FRAME_SAMPLES >= t for number, t in enumerate(ready)):
            return frames
    return 0
