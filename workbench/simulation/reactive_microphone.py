"""Microphone of a replay in which people react: passages of the recording where the agent's answers put them.

Each frame of the replay shows one frame of the recording. A passage is laid whole, with a little of what came before
it. Between two passages the recording goes on for as long as it can; where the gap is longer than the recorded one,
frames of the session's own quiet follow, taken by number, so that the same gap is filled alike in every replay.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio, Floats
from workbench.cache import Store
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms
from workbench.simulation.energy_gate import EnergyGate
from workbench.simulation.microphone import Microphone
from workbench.simulation.placement import Place, Placement, first_frame_from
from workbench.units import FRAME_RATE, FRAME_SAMPLES

LEAD = 3
"""Frames before a passage that move with it, where they are free: 240 ms, the default pre-roll."""

_HORIZON = round(600 * FRAME_RATE)
"""Frames there are while nobody knows when the session ends, since an answer is being given: ten minutes."""


class ReactiveMicrophone(Microphone):
    """See the module.

    Args:
        session: opened.
        path: echo path of the replayed agent.
        store: cache.
        placement: of the session's passages.
        quiet: frames of the recording that gaps are filled with.
        clean: the recording without the recorded agent's echo, float32 of shape (1920 frames,); None where it has none.
    """

    reacts = True

    def __init__(
        self,
        session: Session,
        path: EchoPath,
        store: Store,
        placement: Placement,
        quiet: Sequence[int],
        clean: Audio | None = None,
    ) -> None:
        super().__init__(session, path, store)
        self._placement = placement
        self._quiet = np.asarray(quiet, dtype=np.int64)
        self._own = clean
        self._in_recording: Floats = self._clean
        self._changed = np.zeros(self.frames, dtype=bool)
        if clean is not None:
            frames = clean.reshape(-1, FRAME_SAMPLES)
            self._in_recording = frame_rms(frames).astype(np.float64)
            for index in range(self.frames):
                self._changed[index] = np.any(super()._recorded(*_samples(index)) != frames[index])
        self._laid: list[int] = []
        self._source: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._handed: dict[float, EnergyGate] = {}
        self._lay(0, False)

    def answer_coming(self) -> None:
        """An answer will be given: the session does not end before it."""
        self._placement.coming()
        self._lay(self.frames, True)

    def answer_begins(self, reply: int, sound: int) -> None:
        """Its first sound has become known, in samples; everything before that is settled."""
        self._placement.begin(reply, sound)
        self._lay(first_frame_from(sound), True)

    def answer_ends(self, reply: int, silence: int | None, now: int) -> None:
        """It was last heard before ``silence``, None where nothing of it was; what came before ``now`` is settled."""
        self._placement.end(reply, silence, now)
        self._lay(first_frame_from(max(silence or 0, now)), False)

    def origin(self, index: int) -> int:
        """See :class:`workbench.simulation.microphone.MicrophoneSource`."""
        return int(self._source[index])

    def recorded(self, index: int) -> Audio:
        """Samples of a frame, without the replayed agent, float32 of shape (1920,)."""
        start, stop = _samples(int(self._source[index]))
        return super()._recorded(start, stop) if self._own is None else self._own[start:stop]

    def _recorded(self, start: int, stop: int) -> Audio:
        frames = [self.recorded(index) for index in range(start // FRAME_SAMPLES, stop // FRAME_SAMPLES)]
        return np.concatenate(frames) if frames else np.zeros(0, dtype=np.float32)

    def mark(self, index: int) -> str:
        """See :class:`workbench.simulation.microphone.MicrophoneSource`: a digest of what is not as recorded there."""
        marked = super().mark(index)
        if marked or (self._source[index] == index and not self._changed[index]):
            return marked
        return hashlib.sha256(self.recorded(index).tobytes()).hexdigest()

    def hear(self, played: list[tuple[int, Audio]]) -> None:
        """See :class:`workbench.simulation.microphone.Microphone`."""
        super().hear(played)
        self._renew_gates()

    def gate(self, threshold: float) -> EnergyGate:
        """Where the microphone is loud. A gate that was handed out follows what is laid anew."""
        if threshold not in self._handed:
            self._handed[threshold] = EnergyGate(self.levels, threshold)
        return self._handed[threshold]

    def _renew_gates(self) -> None:
        for gate in self._handed.values():
            gate.take(self.levels)

    def _lay(self, settled: int, goes_on: bool) -> None:
        """Lay every frame from ``settled`` on; ``goes_on``: nobody knows when the session ends."""
        self._laid = self._laid[:settled]
        self._go_on(settled)
        *places, end = self._placement.places
        for place in places:
            if place.is_there and place.stop > len(self._laid):
                self._lay_passage(place)
        self._go_on(len(self._laid) + _HORIZON if goes_on or end.shift is None else end.first)
        laid = np.asarray(self._laid, dtype=np.int64)
        self._source = np.where(laid < 0, -1 - laid, laid)
        self._clean = self._in_recording[self._source]
        self._mix(settled)
        self._renew_gates()

    def _lay_passage(self, place: Place) -> None:
        first, at = place.passage.first, len(self._laid)
        if place.first >= at:
            lead = min(LEAD, place.first - at, first - self._last_stop(first))
            self._go_on(place.first - lead)
            first -= lead
        else:  # it has begun
            first += at - place.first
        self._laid += range(first, place.passage.stop)

    def _last_stop(self, frame: int) -> int:
        """Where, in the recording, the quiet before a frame begins."""
        passages = (place.passage for place in self._placement.places)
        return max((passage.stop for passage in passages if passage.first < frame), default=0)

    def _go_on(self, stop: int) -> None:
        """The recording goes on as far as it is quiet, up to near the next passage; then quiet by number."""
        laid = self._laid
        after = laid[-1] + 1 if laid else 0
        if after > 0 or not laid:
            passages = (place.passage for place in self._placement.places)
            limit = min(item.first - LEAD * (item.kind != "end") for item in passages if item.first >= after)
            laid += range(after, after + max(0, min(stop - len(laid), limit - after)))
        numbers = np.arange(len(laid), max(stop, len(laid)))
        laid += (-1 - self._quiet[numbers % len(self._quiet)]).tolist()

    def _mix(self, settled: int) -> None:
        """Levels of the frames from ``settled`` on, and where the replayed agent is heard in them."""
        frames, taken = len(self._source), self._clean.copy()
        kept = min(settled, len(self.levels), frames)
        taken[:kept] = self.levels[:kept]
        echoed = np.zeros(frames if self._path else 0, dtype=bool)
        echoed[:kept] = self._echoed[:kept]
        self.frames, self.levels, self._echoed = frames, taken, echoed
        last = self._reach(self._played)[1]
        if kept < last:
            mixed = self._recorded(kept * FRAME_SAMPLES, last * FRAME_SAMPLES) + self._echo(self._played, kept, last)
            self.levels[kept:last] = frame_rms(mixed.reshape(-1, FRAME_SAMPLES))
            self._echoed[kept:last] = True


def _samples(frame: int) -> tuple[int, int]:
    return frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES
