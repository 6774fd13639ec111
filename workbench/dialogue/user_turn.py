"""The listening half of a replay: from the moment a listen cycle opens to the final transcript of a turn."""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from workbench.arrays import Times
from workbench.assistants.listener import ListenCycle, ListenOptions, run_listen_cycle
from workbench.assistants.mlx_harmony_listener import MlxHarmonyListener, run_mlx_harmony_cycle
from workbench.cache import Store
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.simulation.microphone import MicrophoneSource
from workbench.simulation.scheduler import Environment, back_to_back
from workbench.simulation.step_costs import CostSource, MeasuredCosts
from workbench.stages.cached_stt import CachedStt, Transcription
from workbench.stages.protocols import Stt
from workbench.trace import Commit, Dropped, Event, Heard, Listen, Onset, Steps, Transcript, Word
from workbench.units import FRAME_SAMPLES, frame_end, frames_for_ms, seconds_to_samples

Words = list[tuple[int, str]]
"""(step of its last piece, word), as :meth:`workbench.stages.cached_stt.Transcription.words` gives them."""


@dataclass(frozen=True)
class UserTurn:
    """A user turn as the listener took it."""

    text: str
    at: int
    last: int


@lru_cache(maxsize=256)
def listen_options(config: Config) -> ListenOptions:
    """The listener's knobs out of the config."""
    assistant, own = config.assistant, config.workbench
    return ListenOptions(
        silence=assistant.stt_silence,
        threshold=assistant.stt_silence_threshold,
        silence_frames=frames_for_ms(assistant.stt_silence_ms),
        min_speech_frames=frames_for_ms(assistant.stt_min_speech_ms),
        vad=assistant.stt_vad,
        vad_threshold=assistant.stt_vad_threshold,
        vad_hits=assistant.stt_vad_hits,
        max_wait=seconds_to_samples(assistant.stt_max_seconds),
        preroll_frames=frames_for_ms(own.stt_preroll_ms),
        max_speech_frames=frames_for_ms(own.stt_max_speech_seconds * 1000),
        flush=own.stt_flush,
    )


def watch_options(config: Config) -> ListenOptions:
    """The knobs of MLX-Harmony's watch for barge-in: its listener's, always with the pause head, and its own window."""
    window = seconds_to_samples(config.assistant.barge_in_window_seconds)
    return replace(listen_options(config), vad=True, max_wait=window)


class UserTurnRunner:
    """Listens to one session, turn by turn.

    Args:
        stt: the stage.
        mic: what there is to hear.
        config: the knobs.
        costs: of the STT.
        store: memo of its outputs.
        events: where it says what happened.
        world: of a live run; only the published loop asks it.

    Attributes:
        hearing: the STT, for whoever else needs it while the agent speaks.
        options: the listener's knobs.

    Raises:
        WorkbenchError: the config wants pause heads that the checkpoint does not have.
    """

    def __init__(
        self,
        stt: Stt,
        mic: MicrophoneSource,
        config: Config,
        costs: CostSource,
        store: Store,
        events: list[Event],
        world: Environment | None = None,
    ) -> None:
        if config.assistant.stt_vad and not stt.has_pause_heads:
            raise WorkbenchError("stt_vad is true, but this STT checkpoint has no pause heads; set stt_vad to false")
        self._stt = stt
        self._mic = mic
        self._costs = costs
        self._measured = costs if isinstance(costs, MeasuredCosts) else None
        self._published = config.workbench.listener == "mlx-harmony"
        self._turns = 0
        self.hearing = CachedStt(stt, mic, store, self._measured)
        self.options = listen_options(config)
        self._events = events
        self._world = world

    def next_turn(self, at: int, onset: int, earliest: int) -> UserTurn | None:
        """Listen until somebody said something; None at the end of the session."""
        while True:
            self._events.append(Listen(at))
            turn = self._published_cycle(at) if self._published else self._cycle(at, onset, earliest)
            if turn is None or turn.text:
                self._turns += turn is not None
                return turn
            at, onset, earliest = turn.at, -1, turn.last + 1

    def _reset(self, at: int, group: int) -> int:
        """When the STT is ready for a cycle that opens then."""
        prefix = self._stt.prefix_frames
        return at + int(self._costs.draw("stt_reset", group, 1)[0]) + int(self._costs.draw("stt", group, prefix).sum())

    def _cycle(self, at: int, onset: int, earliest: int) -> UserTurn | None:
        prefix = self._stt.prefix_frames
        hears = self.hearing.open(fresh=True, prefix=prefix)
        free = self._reset(at, self.hearing.cycle)
        gate = self._mic.gate(self.options.threshold)
        cycle = run_listen_cycle(hears, gate, self.step_costs, self.options, at, free, earliest, onset)
        while not cycle.committed and self._mic.more():  # what was decided on fewer frames holds with more of them
            gate = self._mic.gate(self.options.threshold)
            cycle = run_listen_cycle(hears, gate, self.step_costs, self.options, at, free, earliest, onset)
        if cycle.committed:
            cycle = self._rest(hears, cycle)
        self.hearing.close(hears)
        self.log_heard(cycle, hears.words())
        if not cycle.committed:
            return None
        turn = UserTurn(hears.text, cycle.done[-1], cycle.fed[-1])
        if turn.text:
            self._log_commit(cycle, turn)
        return turn

    def _rest(self, hears: Transcription, cycle: ListenCycle) -> ListenCycle:
        """Bring the end of the turn out of the model: what it heard last it says only after its delay."""
        flush = self._stt.flush_frames
        if self.options.flush:
            steps = self._stt.prefix_frames + hears.steps
            hears.silence(flush)
            jobs = self._costs.draw("stt", self.hearing.cycle, steps + flush)[-flush:]
            return replace(cycle, done=(*cycle.done, *back_to_back(cycle.ended, jobs).tolist()))
        first = cycle.last + 1
        while self._mic.frames < first + flush - 1 and self._mic.more():
            pass
        more = min(flush - 1, self._mic.frames - first)
        if more <= 0:
            return cycle
        hears.hear(first, more)
        done = list(cycle.done)
        arrived = self._mic.gate(self.options.threshold).arrived(np.arange(first, first + more))
        for ready, cost in zip(arrived.tolist(), self.step_costs(first, more).tolist(), strict=True):
            done.append(max(done[-1], ready) + cost)
        return replace(cycle, fed=(*cycle.fed, *range(first, first + more)), done=tuple(done))

    def _published_cycle(self, at: int) -> UserTurn | None:
        # It opens at once: it clears neither codec nor caches, so it pays for no reset.
        gate = self._mic.gate(self.options.threshold)
        hears = self.hearing.open(fresh=False)
        if self._world is not None:
            cycle = MlxHarmonyListener(hears, gate, self.step_costs, self.options, at, at, self._mic).run(self._world)
        else:
            cycle = run_mlx_harmony_cycle(hears, gate, self.step_costs, self.options, at, at)
        if cycle.reason == "overrun":
            hears = self.hearing.open(fresh=False)
            cycle = MlxHarmonyListener(hears, gate, self.step_costs, self.options, at, at).run()
        self.hearing.close(hears)
        self.log_heard(cycle, hears.words())
        if cycle.reason == "end":
            return None
        turn = UserTurn(hears.text if cycle.committed else "", cycle.ended, cycle.last)
        if turn.text:
            self._log_commit(cycle, turn)
        return turn

    def step_costs(self, first: int, frames: int) -> Times:
        """What hearing session frames ``first … first + frames - 1`` costs."""
        if self._measured is not None:
            return self._measured.taken("stt", 0, range(first, first + frames))
        return self._costs.draw("stt", 0, self._mic.frames)[first : first + frames]

    def log_heard(self, cycle: ListenCycle, words: Words) -> None:
        """Put into the trace what one cycle heard, and what the STT made of it."""
        if cycle.gate >= 0 and cycle.fed:
            self._events.append(Onset(frame_end(cycle.gate), cycle.fed[0] * FRAME_SAMPLES))
        if not cycle.fed:
            return
        done = np.asarray(cycle.done)
        position = np.asarray([*cycle.fed, *range(cycle.fed[-1] + 1, cycle.fed[-1] + 1 + len(done) - len(cycle.fed))])
        delay = self._stt.delay_frames
        for step, word in words:
            heard_at = max(0, frame_end(int(position[step]) - delay))
            self._events.append(Word(int(done[step]), word, heard_at))
        fed = np.asarray(cycle.fed)
        costs = self._costs_of(fed)
        self._events.append(Steps(cycle.done[0] - int(costs[0]), "stt", tuple(costs.tolist())))
        borders = [0, *(np.flatnonzero(np.diff(fed) != 1) + 1).tolist(), len(fed)]
        for first, stop in pairwise(borders):
            heard = Heard(cycle.done[-1], cycle.fed[first] * FRAME_SAMPLES, frame_end(cycle.fed[stop - 1]))
            self._events.append(heard)
        for frame in cycle.dropped:
            self._events.append(Dropped(frame_end(frame), frame * FRAME_SAMPLES, frame_end(frame)))

    def _costs_of(self, frames: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Times:
        first = int(frames[0])
        return self.step_costs(first, int(frames[-1]) + 1 - first)[frames - first]

    def _log_commit(self, cycle: ListenCycle, turn: UserTurn) -> None:
        end = frame_end(cycle.last)
        silence = cycle.silence_from if cycle.reason == "silence" else end
        self._events.append(Commit(cycle.ended, end, self._turns, cycle.reason, silence))
        self._events.append(Transcript(turn.at, self._turns, turn.text))
