"""Listen loop of the assistant ``mlx-harmony`` (branch ``moshi-dev``, ``MoshiSTT.listen_once``), faults included.

It drops two blocks when it opens and the blocks that only count towards ``stt_min_speech_ms``, restarts the generator
but clears neither codec nor caches, does not flush, keeps four blocks while it is busy and drops the oldest, and does
not end before it has text.
"""

from collections.abc import Callable, Generator
from typing import Generic, TypeVar

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
from workbench.simulation.microphone import MicrophoneSource
from workbench.simulation.scheduler import BARRIER, Job, Process, queued, run_until_done
from workbench.stages.cached_stt import Transcription
from workbench.units import FRAME_SAMPLES, frame_end

_H = TypeVar("_H", bound=Hears)

QUEUE_BLOCKS = 4
WARMUP_BLOCKS = 2
"""MLX-Harmony's constants; its knobs of like names are not read."""


def listen(ears: Ears, opening: NextListen) -> Listening:
    """One listen cycle. It opens at once: it clears neither codec nor caches, so it pays for no reset."""
    stt, at = ears.stt, opening.at
    gate = stt.mic.gate(ears.knobs.threshold)
    if ears.environment is None and len(gate.loud) == gate.total and ears.scheduler.is_idle(at):
        hears = stt.open(fresh=False)
        cycle = run_mlx_harmony_cycle(hears, gate, ears.step_costs, ears.knobs, at, at)
        if cycle.reason != "overrun":
            stt.close()
            return Listening(cycle, hears)
        stt.drop()
    loop = open_cycle(ears, ears.knobs, at)
    ears.scheduler.run([loop.process(ears.device)], ears.environment)
    stt.close()
    return loop.outcome


def open_cycle(ears: Ears, knobs: ListenKnobs, at: int) -> "MlxHarmonyListener[Transcription]":
    """A listen cycle that opens at a moment, to be run as a process."""
    stt = ears.stt
    gate = stt.mic.gate(knobs.threshold)
    return MlxHarmonyListener(lambda: stt.open(fresh=False), gate, ears.step_costs, knobs, at, at, stt.mic)


def run_mlx_harmony_cycle(
    hears: Hears, gate: EnergyGate, costs: StepCosts, knobs: ListenKnobs, opened: int, started: int
) -> ListenCycle:
    """One call of ``listen_once``.

    Where the STT keeps up, the cycle is found by skipping from one frame that matters to the next; where it does not,
    or without the energy gate, it runs block by block. Both give the same cycle (a property test holds that).

    Args:
        hears: a transcription, not reset.
        gate: loud and quiet runs of the microphone.
        costs: of the STT.
        knobs: of the listen loop; ``max_wait`` in samples, 0 for ever.
        opened: when the audio stream opens.
        started: when the call began: the time-out counts from here.
    """
    if not knobs.silence or knobs.vad:
        return MlxHarmonyListener(lambda: hears, gate, costs, knobs, opened, started).run()
    frames = len(gate.loud)
    begin = min(first_frame(opened) + WARMUP_BLOCKS, frames)
    first = gate.next_loud(begin, knobs.min_speech_frames)
    deadline = _deadline(knobs, started)
    # The deadline is looked at before each block, when the block before it has been taken.
    expired = max(begin, -(-(deadline + 1) // FRAME_SAMPLES)) if deadline >= 0 else frames + 1
    if (first < 0 or first >= expired) and expired <= frames:
        return ListenCycle("timeout", ended=frame_end(expired - 1))
    if first < 0:
        return ListenCycle("end", ended=max(opened, frame_end(frames - 1)))
    last = gate.next_quiet(first, knobs.silence_frames)
    while last >= 0:
        hears.hear(first + hears.steps, last + 1 - first - hears.steps)
        if hears.pieces:
            break
        last = gate.next_quiet(last + 1, knobs.silence_frames)
    reason = "silence"
    if last < 0:
        last, reason = frames - 1, "end"
        hears.hear(first + hears.steps, last + 1 - first - hears.steps)
    fed = np.arange(first, last + 1)
    done = queued(gate.arrived(fed), costs(first, len(fed)))
    begun = done - costs(first, len(fed))
    # A block is lost when the fourth after it arrives before it has been taken.
    pushed = gate.arrived(fed + QUEUE_BLOCKS)
    if np.any((begun >= pushed) & (fed + QUEUE_BLOCKS < frames)):
        return ListenCycle("overrun", ended=opened)
    return ListenCycle(
        reason=reason,
        ended=int(done[-1]),
        last=last,
        gate=first,
        fed=tuple(fed.tolist()),
        done=tuple(done.tolist()),
        silence_from=frame_end(last - gate.quiet_run(last)),
    )


def _deadline(knobs: ListenKnobs, started: int) -> int:
    return started + knobs.max_wait if knobs.max_wait > 0 else -1


class MlxHarmonyListener(Generic[_H]):
    """MLX-Harmony's loop, block by block: queue of four, drop-oldest, warm-up, gate, STT, end of turn.

    Args:
        opens: opens the transcription, not reset, when the cycle begins.
        gate, costs, knobs, opened, started: see :func:`run_mlx_harmony_cycle`.
        mic: where blocks come from while the loop waits for them; None where ``gate`` knows them all.

    Attributes:
        hears: the transcription, once the cycle has begun.
        cycle: how it went, once it is over.
    """

    def __init__(
        self,
        opens: Callable[[], _H],
        gate: EnergyGate,
        costs: StepCosts,
        knobs: ListenKnobs,
        opened: int,
        started: int,
        mic: MicrophoneSource | None = None,
    ) -> None:
        self._opens = opens
        self._gate = gate
        self._costs = costs
        self._knobs = knobs
        self._mic = mic
        self._now = opened
        self._next = first_frame(opened)
        self._deadline = _deadline(knobs, started)
        self._fed: list[int] = []
        self._done: list[int] = []
        self._dropped: list[int] = []
        self._first = -1
        self._speech = 0
        self._silence = 0
        self._heads = PauseHeadCounter(knobs, consecutive=False)
        self.hears: _H
        self.cycle: ListenCycle | None = None

    @property
    def outcome(self) -> Listening:
        """The cycle and what the STT made of it, once it is over."""
        assert self.cycle is not None
        assert isinstance(self.hears, Transcription)
        return Listening(self.cycle, self.hears)

    def run(self) -> ListenCycle:
        """Run the call to its end, with the device to itself."""
        run_until_done([self.process()])
        assert self.cycle is not None
        return self.cycle

    def process(self, device: str = "stt") -> Process:
        """The call as a process that needs ``device`` for each STT step; ``cycle`` holds the outcome."""
        self.cycle = yield from self._loop(device)

    def _loop(self, device: str) -> Generator[Job | None, int, ListenCycle]:
        # Other cycles may be stepping the model: it is restarted when the moment has come, and each step in its turn.
        yield Job(self._now, 0, BARRIER)
        self.hears = self._opens()
        for _ in range(WARMUP_BLOCKS):
            yield from self._take()
        while True:
            if self._deadline >= 0 and self._first < 0 and self._now > self._deadline:
                return self._cycle("limit" if self.hears.pieces else "timeout", self._next - 1)
            frame = yield from self._take()
            if frame < 0:
                return self._cycle("end", self._gate.total - 1)
            if self._knobs.silence and not (yield from self._speaks(frame)):
                continue
            yield Job(self._now, 0, BARRIER)
            # The price is known only once the step has run, where steps are timed.
            step = self.hears.steps
            self.hears.hear(frame, 1)
            self._now = yield Job(self._now, int(self._costs(frame, 1)[0]), device)
            self._fed.append(frame)
            self._done.append(self._now)
            if reason := self._over(step):
                return self._cycle(reason, frame)

    def _take(self) -> Generator[Job | None, int | None, int]:
        """Next block off the queue, waiting for it if there is none; -1 if none comes any more."""
        if self._mic is not None:
            self._mic.catch_up(self._now + 1)
        newest = self._gate.come_by(self._now) - 1
        oldest = max(self._next, newest - QUEUE_BLOCKS + 1)
        if self._first >= 0 or self._fed:
            self._dropped += range(self._next, min(oldest, self._gate.total))
        self._next = oldest + 1
        while oldest >= self._gate.total:
            if self._mic is None or self._mic.ended:
                return -1
            yield None
        self._now = max(self._now, int(self._gate.arrived(np.asarray([oldest]))[0]))
        return oldest

    def _speaks(self, frame: int) -> Generator[Job, int, bool]:
        """The energy gate; whether the block goes on to the STT."""
        if self._mic is not None and (self._mic.has_echo or self._mic.reacts):
            # What the agent plays until the block's end, and who reacts to it, is known when that moment has come.
            yield Job(self._now, 0, BARRIER)
            loud = self._mic.level(frame) >= self._knobs.threshold
        else:
            loud = self._gate.loud[frame]
        if loud:
            self._speech += 1
            self._silence = 0
            if self._first < 0:
                if self._speech < self._knobs.min_speech_frames:
                    return False
                self._first = frame
            return True
        if self._first < 0:
            self._speech = 0
            return False
        self._silence += 1
        return True

    def _over(self, step: int) -> str:
        """Whether the call ends with the block heard last; the reason, or nothing."""
        hears, knobs = self.hears, self._knobs
        said = bool(hears.pieces) and hears.pieces[-1][0] == step
        enough = knobs.vad and self._heads.see(hears.pauses[step], said)
        if enough and hears.pieces:
            return "pause"
        if knobs.silence and self._silence >= knobs.silence_frames and hears.pieces:
            return "silence"
        return ""

    def _cycle(self, reason: str, last: int) -> ListenCycle:
        return ListenCycle(
            reason=reason,
            ended=self._now,
            last=last,
            gate=self._first,
            fed=tuple(self._fed),
            done=tuple(self._done),
            dropped=tuple(self._dropped),
            silence_from=frame_end(last - self._silence),
        )
