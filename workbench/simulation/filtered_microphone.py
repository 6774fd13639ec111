"""Simulated microphone with an echo canceller or a filter behind it: frames are filtered in order, one by one.

A canceller remembers all that it heard, so a frame is filtered when a listener first asks for it or for one after it,
with what the agent has played until then. Where what was played turns out to be something else after all (an answer
that was cut off earlier than it was looked at), all is filtered again from the session's start. Frames that came out
are kept in memory by all that went in, so that another replay in which the same was heard need not filter at all.
"""

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio, Floats
from workbench.cache import Store, key_of
from workbench.echo_knobs import FilterKnobs
from workbench.files import canonical_json, source_digest
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms
from workbench.simulation.energy_gate import EnergyGate, GrowingGate
from workbench.simulation.filters import FilterChain
from workbench.simulation.microphone import Microphone
from workbench.simulation.reactive_microphone import ReactiveMicrophone
from workbench.units import FRAME_SAMPLES, frame_end

_VERSION = source_digest(__file__)
_SILENCE = np.zeros(FRAME_SAMPLES, dtype=np.float32)


class FilteredGate(GrowingGate):
    """Runs of loud and of quiet frames, as far as they are filtered.

    Args:
        threshold: frame RMS from which a frame is loud.
        total: gives the frames of the session.
        cost: samples from a frame's end until it can be used.
    """

    def __init__(self, threshold: float, total: Callable[[], int], cost: int) -> None:
        super().__init__(threshold)
        self._total, self._cost = total, cost

    @property
    def total(self) -> int:
        """Frames of the session."""
        return self._total()

    def arrived(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """First sample of the clock at which each frame can be used."""
        return (frames + 1) * FRAME_SAMPLES + self._cost

    def come_by(self, moment: int) -> int:
        """How many frames can be used at a moment."""
        return min(max(0, moment - self._cost) // FRAME_SAMPLES, self._total())


class FilteredMicrophone(Microphone):
    """The frames of one session with the agent's echo in them, through cancellers and filters.

    Args:
        session: opened.
        path: echo path.
        store: cache of levels.
        knobs: of the filters.
        laid: microphone of people who react, which is filtered then; None: the recording.

    Attributes:
        delay: samples by which sound in the frames is late.

    Raises:
        WorkbenchError: a package of a filter is missing.
    """

    is_lazy = True

    def __init__(
        self,
        session: Session,
        path: EchoPath,
        store: Store,
        knobs: FilterKnobs,
        laid: ReactiveMicrophone | None = None,
    ) -> None:
        super().__init__(session, path, store)
        self._knobs, self._laid = knobs, laid
        self._origins: list[int] = []
        """Frames of the recording that were filtered, where people react."""
        self._plain = 0
        """The first so many of them are as recorded, where they were recorded."""
        if laid is not None:
            self.reacts, self.frames = True, laid.frames
        self._chain = FilterChain(knobs)
        self.delay = self._chain.delay
        self._cost = self._chain.cost
        self.sha256 = key_of("filtered", _VERSION, session.mic.sha256, canonical_json(vars(knobs)))
        self._frames: list[tuple[Audio, float]] = []
        """Frames as heard, and their levels."""
        self._taken: list[tuple[Audio, Audio]] = []
        """Frames that went in: of the microphone, and what was played."""
        self._stepped = 0
        """How many of them the filters have taken."""
        self._inputs = hashlib.sha256(self.sha256.encode())
        """Names all that went in."""
        self._far: dict[int, Audio] = {}
        """What was played in the frames that were filtered, where it was anything."""
        self._settled = 0
        """Frames that were filtered when the agent's last sounds were reported."""

    @property
    def has_echo(self) -> bool:
        """What the agent plays changes what is heard: a canceller hears it, too."""
        return True

    def origin(self, index: int) -> int:
        """See :class:`workbench.simulation.microphone.MicrophoneSource`."""
        return index if self._laid is None else self._laid.origin(index)

    def answer_coming(self) -> None:
        """See :class:`workbench.simulation.microphone.Microphone`."""
        if self._laid is not None:
            self._laid.answer_coming()
            self._lay_anew(self._laid)

    def answer_begins(self, reply: int, sound: int) -> None:
        """See :class:`workbench.simulation.microphone.Microphone`."""
        if self._laid is not None:
            self._laid.answer_begins(reply, sound)
            self._lay_anew(self._laid)

    def answer_ends(self, reply: int, silence: int | None, now: int) -> None:
        """See :class:`workbench.simulation.microphone.Microphone`."""
        if self._laid is not None:
            self._laid.answer_ends(reply, silence, now)
            self._lay_anew(self._laid)

    def _lay_anew(self, laid: ReactiveMicrophone) -> None:
        """Frames were laid elsewhere: where one of them was filtered already, all are filtered again."""
        self.frames = laid.frames
        if any(index >= laid.frames or laid.origin(index) != at for index, at in enumerate(self._origins)):
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._chain, self._plain, self._stepped = FilterChain(self._knobs), 0, 0
        self._inputs = hashlib.sha256(self.sha256.encode())
        self._taken.clear()
        self._frames.clear()
        self._origins.clear()
        self._far.clear()
        self._gates.clear()

    def arrived(self, index: int) -> int:
        """First sample of the clock at which a frame can be used: its end, and the filters' cost."""
        return frame_end(index) + self._cost

    def recorded(self, index: int) -> Audio:
        """As :meth:`frame`: the recording itself is not heard."""
        return self.frame(index)

    def frame(self, index: int) -> Audio:
        """Samples of a frame as heard, float32 of shape (1920,)."""
        self._filter(index + 1)
        return self._frames[index][0]

    def level(self, index: int) -> float:
        """RMS of a frame as heard."""
        self._filter(index + 1)
        return self._frames[index][1]

    def mark(self, index: int) -> str:
        """Empty until the agent first plays: what is heard until then follows from the recording alone."""
        self._filter(index + 1)
        is_plain = self._laid is None or index < self._plain
        if is_plain and next(iter(self._far), self.frames) > index:  # frames are filtered in order
            return ""
        return hashlib.sha256(self._frames[index][0].tobytes()).hexdigest()

    def more(self) -> bool:
        """Filter one more frame; False where all are."""
        if len(self._frames) == self.frames:
            return False
        self._filter(len(self._frames) + 1)
        return True

    def levels_with(self, played: list[tuple[int, Audio]], first: int, last: int) -> Floats:
        """Levels of frames [first, last) if the agent also plays ``played``."""
        before, self._speaking = self._speaking, (lambda: played)
        levels = [self.level(frame) for frame in range(first, last)]
        self._speaking = before
        return np.asarray(levels, dtype=np.float64)

    def hear(self, played: list[tuple[int, Audio]]) -> None:
        """The agent has played this; where frames were filtered with something else, all are filtered again."""
        self._played += played
        begin = min([self._settled, *(at // FRAME_SAMPLES for at, _ in played[:1])])
        for frame in range(begin, len(self._frames)):
            if not np.array_equal(self._played_in(frame), self._far.get(frame, _SILENCE)):
                self._begin_anew()
                self._filter(frame)
                break
        self._settled = len(self._frames)

    def _filter(self, count: int) -> None:
        """Filter frames until there are so many."""
        for index in range(len(self._frames), count):
            far = self._played_in(index)
            near = super().recorded(index) if self._laid is None else self._laid.recorded(index)
            if self._laid is not None:
                self._plain += self._plain == index and not self._laid.mark(index)
                self._origins.append(self._laid.origin(index))
            if self._path and (sounds := self._audible(index)):
                near = near + self._echo(sounds, index, index + 1)
            self._taken.append((near, far))
            self._inputs.update(near.tobytes() + far.tobytes())
            heard = self._store.in_memory(self._inputs.hexdigest(), self._step)
            if far is not _SILENCE:
                self._far[index] = far
            self._frames.append((heard, float(frame_rms(heard[None])[0])))

    def _step(self) -> Audio:
        """What comes out for the last frame that went in; the filters take those first that they have not had."""
        for near, far in self._taken[self._stepped :]:
            heard = self._chain.step(near, far)
        self._stepped = len(self._taken)
        return heard

    def _audible(self, index: int) -> list[tuple[int, Audio]]:
        """Sounds that may reach a frame, in order."""
        found, tail = [], self._path.reach if self._path else 0
        for at, pcm in reversed(self._played):
            if at + len(pcm) + tail <= index * FRAME_SAMPLES:
                break
            found.append((at, pcm))
        return [*reversed(found), *(self._speaking() if self._speaking is not None else ())]

    def _played_in(self, index: int) -> Audio:
        """What the loudspeaker plays in a frame, as far as that is known now."""
        start, out = index * FRAME_SAMPLES, _SILENCE
        for at, pcm in self._audible(index):
            a, b = max(at, start), min(at + len(pcm), start + FRAME_SAMPLES)
            if a < b:
                out = out.copy() if out is _SILENCE else out
                out[a - start : b - start] += pcm[a - at : b - at]
        return out

    def gate(self, threshold: float) -> EnergyGate:
        """Where the microphone is loud, at a threshold, as far as frames are filtered."""
        gate = self._gates.get(threshold)
        if gate is None:
            gate = self._gates[threshold] = FilteredGate(threshold, lambda: self.frames, self._cost)
        assert isinstance(gate, FilteredGate)
        for index in range(len(gate.loud), len(self._frames)):
            gate.add(self._frames[index][1], self.arrived(index))
        return gate
