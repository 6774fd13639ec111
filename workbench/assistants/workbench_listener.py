"""Listen loop of the assistant ``workbench``: when a turn begins, which frames the STT gets, when the turn is over.

This is MLX-Harmony's loop (:mod:`workbench.assistants.mlx_harmony_listener`) without its faults: pre-roll, reset,
flush, a queue without a bound, and a longest turn. Both act on RMS per frame, on the STT's text and, if asked, on its
pause head 2 (a pause of 2 s).
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from workbench.assistants.protocol import (
    Ears,
    Hears,
    ListenCycle,
    Listening,
    NextListen,
    PauseHeadCounter,
    StepCosts,
    first_frame,
)
from workbench.knobs import ListenKnobs
from workbench.simulation.energy_gate import EnergyGate
from workbench.simulation.scheduler import back_to_back, queued
from workbench.stages.cached_stt import Transcription
from workbench.units import frame_end


def listen(ears: Ears, opening: NextListen) -> Listening:
    """One listen cycle: reset, gate, STT, end of the turn, and the text that the model still holds back."""
    stt, mic, knobs = ears.stt, ears.stt.mic, ears.knobs
    prefix = stt.stt.prefix_frames
    hears = stt.open(fresh=True, prefix=prefix)
    # When the STT may take its first frame.
    free = opening.at + int(ears.costs.draw("stt_reset", stt.cycle, 1)[0])
    free += int(ears.costs.draw("stt", stt.cycle, prefix).sum())
    while True:
        cycle = run_listen_cycle(hears, mic.gate(knobs.threshold), ears.step_costs, knobs, opening, free)
        if cycle.committed or not mic.more():  # what was decided on fewer frames holds with more of them
            break
    if cycle.committed:
        cycle = _rest(ears, hears, cycle)
    stt.close()
    return Listening(cycle, hears)


def _rest(ears: Ears, hears: Transcription, cycle: ListenCycle) -> ListenCycle:
    """Bring the end of the turn out of the model: what it heard last it says only after its delay."""
    stt, mic = ears.stt, ears.stt.mic
    flush = stt.stt.flush_frames
    if ears.knobs.flush:
        steps = stt.stt.prefix_frames + hears.steps
        hears.silence(flush)
        jobs = ears.costs.draw("stt", stt.cycle, steps + flush)[-flush:]
        return replace(cycle, done=(*cycle.done, *back_to_back(cycle.ended, jobs).tolist()))
    first = cycle.last + 1
    while mic.frames < first + flush - 1 and mic.more():
        pass
    more = min(flush - 1, mic.frames - first)
    if more <= 0:
        return cycle
    hears.hear(first, more)
    done = list(cycle.done)
    arrived = mic.gate(ears.knobs.threshold).arrived(np.arange(first, first + more))
    for ready, cost in zip(arrived.tolist(), ears.step_costs(first, more).tolist(), strict=True):
        done.append(max(done[-1], ready) + cost)
    return replace(cycle, fed=(*cycle.fed, *range(first, first + more)), done=tuple(done))


class TurnBounds(NamedTuple):
    """Frames that a listen cycle hears, and what ends it.

    Attributes:
        fed_from: first frame that the STT gets.
        first: frame at which the turn is known to have begun.
        last: frame that decides, or the session's last.
        reason: ``silence``, ``pause``, ``limit`` or ``end``.
        silent: quiet frames in a row that end with ``last``.
    """

    fed_from: int
    first: int
    last: int
    reason: str
    silent: int


def find_turn(gate: EnergyGate, knobs: ListenKnobs, opening: NextListen, hears: Hears) -> TurnBounds | None:
    """Find the bounds of a turn; None where none begins before the session's end.

    Args:
        gate, knobs, opening: see :func:`run_listen_cycle`.
        hears: hears only as far as the pause head is asked.
    """
    onset, earliest = opening.onset, opening.earliest
    frames = len(gate.loud)
    begin = first_frame(opening.at)
    if onset >= 0:
        first, run = onset, onset - max(earliest, opening.sound) + 1
    elif not knobs.silence:
        # Without the energy gate there is no start to wait for: the turn begins with the cycle.
        first, run = begin, 1
    else:
        first = gate.next_loud(begin, knobs.min_speech_frames)
        run = knobs.min_speech_frames
    if first < 0 or first >= frames:
        return None
    fed_from = max(earliest, first - run + 1 - knobs.preroll_frames)
    limit = min(frames - 1, first + knobs.max_speech_frames - 1)
    last, reason = _end_of_turn(hears, gate, knobs, fed_from, first, limit)
    if last < 0:
        last, reason = frames - 1, "end"
    return TurnBounds(fed_from, first, last, reason, gate.quiet_run(last) if knobs.silence else 0)


def run_listen_cycle(
    hears: Hears, gate: EnergyGate, costs: StepCosts, knobs: ListenKnobs, opening: NextListen, free: int
) -> ListenCycle:
    """One cycle of the ``workbench`` listener.

    Args:
        hears: a fresh transcription.
        gate: loud and quiet runs of the microphone.
        costs: of the STT.
        knobs: of the listen loop.
        opening: how the cycle opens; frames from the first that begins then on are listened to.
        free: when the STT has been reset and can take its first frame.
    """
    found = find_turn(gate, knobs, opening, hears)
    if found is None:
        return ListenCycle("end", ended=max(opening.at, frame_end(len(gate.loud) - 1)))
    fed_from, last = found.fed_from, found.last
    hears.hear(fed_from + hears.steps, last + 1 - fed_from - hears.steps)
    fed = np.arange(fed_from, last + 1)
    done = queued(gate.arrived(np.maximum(fed, found.first)), costs(fed_from, len(fed)), free)
    return ListenCycle(
        reason=found.reason,
        ended=int(done[-1]),
        last=last,
        gate=found.first,
        fed=tuple(fed.tolist()),
        done=tuple(done.tolist()),
        silence_from=frame_end(last - found.silent),
    )


def _end_of_turn(
    hears: Hears, gate: EnergyGate, knobs: ListenKnobs, fed_from: int, first: int, limit: int
) -> tuple[int, str]:
    """The frame that ends the turn and why; (limit, 'limit') where nothing does before it, (-1, '') at the end."""
    quiet = gate.next_quiet(first, knobs.silence_frames) if knobs.silence else -1
    stop = limit if quiet < 0 else min(quiet, limit)
    if knobs.vad:
        heads = PauseHeadCounter(knobs, consecutive=True)
        texts = 0
        for frame in range(fed_from, stop + 1):
            if frame - fed_from >= hears.steps:
                hears.hear(frame, 1)
            step = frame - fed_from
            said = texts < len(hears.pieces) and hears.pieces[texts][0] == step
            texts += said
            if heads.see(hears.pauses[step], said) and texts and frame >= first:
                return frame, "pause"
    if stop == quiet:
        return quiet, "silence"
    return (limit, "limit") if limit == first + knobs.max_speech_frames - 1 else (-1, "")
