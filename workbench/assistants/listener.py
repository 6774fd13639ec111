"""The listen loop: when a turn begins, which frames the STT gets, and when the turn is over.

This is the published loop (``published.py``) put right: pre-roll, reset, flush, a queue without a bound, and a longest
turn. Both act on RMS per frame, on the STT's text and, if asked, on its pause head 2 (a pause of 2 s).
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from workbench.arrays import Times
from workbench.simulation.microphone import EnergyGate
from workbench.simulation.scheduler import queued
from workbench.units import FRAME_SAMPLES, frame_end

PAUSE_HEAD = 2
"""Which head both listeners read: probability of a pause of 2 s (as the delayed-streams scripts do)."""


@dataclass(frozen=True)
class ListenOptions:
    """The knobs of the listen loop, in frames where the loop counts frames."""

    silence: bool
    threshold: float
    silence_frames: int
    min_speech_frames: int
    vad: bool
    vad_threshold: float
    vad_hits: int
    max_wait: int
    preroll_frames: int = 0
    max_speech_frames: int = 1 << 40
    flush: bool = False


class Hears(Protocol):
    """What the loop needs of a transcription."""

    @property
    def pieces(self) -> list[tuple[int, str]]:
        """(step, text) of the steps that brought text."""
        ...

    @property
    def pauses(self) -> list[tuple[float, ...] | None]:
        """The pause heads of every step, where the model has them."""
        ...

    @property
    def steps(self) -> int:
        """Frames heard so far."""
        ...

    def hear(self, first: int, frames: int) -> None:
        """Hear session frames."""
        ...


class StepCosts(Protocol):
    """Cost of the STT's step on each session frame."""

    def __call__(self, first: int, frames: int) -> Times:
        """Costs of frames ``first … first + frames - 1``."""
        ...


@dataclass(frozen=True)
class ListenCycle:
    """How one listen cycle went.

    Attributes:
        reason: ``silence``, ``pause`` or ``limit`` when the turn was ended; ``timeout`` when no speech came;
            ``end`` when the session ended; ``overrun`` when skipping cannot tell the cycle (blocks were lost);
            ``left`` when nobody waits for its outcome any more.
        ended: when the loop was done, computing included.
        last: frame that decided; -1 if none did.
        gate: frame at which the gate opened; -1 if it did not.
        fed: session frame of each STT step.
        done: when each step ended, same length.
        dropped: frames that the full queue lost after the gate had opened.
        silence_from: sample where the silence that was counted began.
    """

    reason: str
    ended: int
    last: int = -1
    gate: int = -1
    fed: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    silence_from: int = 0

    @property
    def committed(self) -> bool:
        """Whether the turn was ended."""
        return self.reason in ("silence", "pause", "limit")


def first_frame(t: int) -> int:
    """First frame that begins at ``t`` or later."""
    return -(-t // FRAME_SAMPLES)


class PauseHeadCounter:
    """Counts pause hits. ``consecutive`` clears the count on a miss; the published loop clears it on text only."""

    def __init__(self, options: ListenOptions, consecutive: bool) -> None:
        self._options = options
        self._consecutive = consecutive
        self.hits = 0

    def see(self, pause: tuple[float, ...] | None, text: bool) -> bool:
        """One step; whether there are hits enough."""
        if pause is not None:
            if pause[PAUSE_HEAD] > self._options.vad_threshold:
                self.hits += 1
            elif self._consecutive:
                self.hits = 0
        if text:
            self.hits = 0
        return self.hits >= self._options.vad_hits


class TurnBounds(NamedTuple):
    """What a cycle of the ``workbench`` listener hears, and what ends it.

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


def find_turn(
    gate: EnergyGate, options: ListenOptions, opened: int, earliest: int, onset: int = -1, hears: Hears | None = None
) -> TurnBounds | None:
    """Find the stretch of a cycle; None where no turn begins before the session's end.

    All that the knobs decide of a cycle is in the answer: two settings that agree in it have heard the same.

    Args:
        gate, options, opened, earliest, onset: see :func:`run_listen_cycle`.
        hears: wanted only where the pause head may end the turn; it hears as far as it is asked.
    """
    frames = len(gate.loud)
    begin = first_frame(opened)
    if onset >= 0:
        first, run = onset, min(gate.loud_run(onset), onset - earliest + 1)
    elif not options.silence:
        # Without the energy gate there is no start to wait for: the turn begins with the cycle.
        first, run = begin, 1
    else:
        first = gate.next_loud(begin, options.min_speech_frames)
        run = max(1, options.min_speech_frames)
    if first < 0 or first >= frames:
        return None
    fed_from = max(earliest, first - run + 1 - options.preroll_frames)
    limit = min(frames - 1, first + options.max_speech_frames - 1)
    last, reason = _end_of_turn(hears, gate, options, fed_from, first, limit)
    if last < 0:
        last, reason = frames - 1, "end"
    return TurnBounds(fed_from, first, last, reason, gate.quiet_run(last) if options.silence else 0)


def run_listen_cycle(
    hears: Hears,
    gate: EnergyGate,
    costs: StepCosts,
    options: ListenOptions,
    opened: int,
    free: int,
    earliest: int,
    onset: int = -1,
) -> ListenCycle:
    """One cycle of the ``workbench`` listener.

    Args:
        hears: a fresh transcription.
        gate: loud and quiet runs of the microphone.
        costs: of the STT.
        options: the knobs.
        opened: when the cycle opens; frames from the first that begins then on are listened to.
        free: when the STT has been reset and can take its first frame.
        earliest: first frame that pre-roll may reach back to.
        onset: frame at which the gate is known to have opened already (a barge-in), or -1.
    """
    found = find_turn(gate, options, opened, earliest, onset, hears)
    if found is None:
        return ListenCycle("end", ended=max(opened, frame_end(len(gate.loud) - 1)))
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


def frame_end_of(frames: npt.NDArray[np.int64]) -> Times:
    """First sample at which each frame can be used."""
    return (frames + 1) * FRAME_SAMPLES


def _end_of_turn(
    hears: Hears | None, gate: EnergyGate, options: ListenOptions, fed_from: int, first: int, limit: int
) -> tuple[int, str]:
    """The frame that ends the turn and why; (limit, 'limit') where nothing does before it, (-1, '') at the end."""
    quiet = gate.next_quiet(first, max(1, options.silence_frames)) if options.silence else -1
    stop = limit if quiet < 0 else min(quiet, limit)
    if options.vad:
        assert hears is not None
        heads = PauseHeadCounter(options, consecutive=True)
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
    return (limit, "limit") if limit == first + options.max_speech_frames - 1 else (-1, "")
