"""Simulated microphone of a replay: the recording, and the replayed agent through the echo path.

Levels are the RMS of each 80 ms frame: the recording's from the store, of the mixed samples where the agent is heard.
"""

import hashlib
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio, Floats
from workbench.cache import Store, key_of
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import Session
from workbench.sessions.tracks import frame_rms
from workbench.simulation.energy_gate import EnergyGate
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, frame_end

PlayedSounds = Callable[[], list[tuple[int, Audio]]]
"""Gives (first sample at the loudspeaker, PCM) of what the agent has played, in order."""

_BLOCK = 60 * SAMPLE_RATE
"""Samples decoded at once."""

_ECHO_KEPT = 60 * SAMPLE_RATE
"""How long before an answer the echo of earlier ones is still known: far longer than any listen cycle looks back."""


class MicrophoneSource(Protocol):
    """Source of a listener's frames: a recording, or a microphone while it is recorded.

    Attributes:
        frames: whole frames there are by now.
        sha256: names the recording; empty where it is not finished.
    """

    frames: int
    sha256: str

    @property
    def ended(self) -> bool:
        """Whether there will be no more frames than there are."""
        ...

    @property
    def has_echo(self) -> bool:
        """Whether the agent is mixed in here."""
        ...

    @property
    def reacts(self) -> bool:
        """Whether what is recorded here depends on when the agent speaks."""
        ...

    def arrived(self, index: int) -> int:
        """First sample of the clock at which a frame can be used."""
        ...

    def origin(self, index: int) -> int:
        """Frame of the recording that a frame shows."""
        ...

    def recorded(self, index: int) -> Audio:
        """Samples of a frame as recorded, float32 of shape (1920,)."""
        ...

    def frame(self, index: int) -> Audio:
        """Samples of a frame as heard, float32 of shape (1920,)."""
        ...

    def level(self, index: int) -> float:
        """RMS of a frame as heard."""
        ...

    def mark(self, index: int) -> str:
        """Name of what sets this frame apart from the recording's; empty where nothing does."""
        ...

    def gate(self, threshold: float) -> EnergyGate:
        """Where the microphone is loud, at a threshold, as far as there are frames."""
        ...

    def more(self) -> bool:
        """Wait until there is another frame; False: there will be none."""
        ...

    def catch_up(self, until: int) -> None:
        """Take the frames that could be used before ``until``, and on a real clock all that are there."""
        ...


class Microphone:
    """The frames of one session, with the agent's echo mixed in as it is played.

    Attributes:
        frames: whole frames of the session.
        levels: RMS of each, float64 (the consumer compares in double precision), shape (frames,).
    """

    ended = True
    reacts = False
    is_lazy = False
    """Whether frames are worked out one by one, so that none should be looked at before it must be."""

    def __init__(self, session: Session, path: EchoPath, store: Store) -> None:
        self._session = session
        self._store = store
        self._path = path
        self.frames = session.frames
        self.sha256 = session.mic.sha256
        key = key_of("levels", 2, self.sha256)
        levels = store.get(key, lambda data: np.frombuffer(data, dtype=np.float32))
        if levels is None:
            levels = session.levels
            store.put(key, levels, lambda value: value.tobytes())
        else:
            session.know_levels(levels)
        self.levels: Floats = levels.astype(np.float64)
        self._clean = self.levels
        self._played: list[tuple[int, Audio]] = []
        self._known_from = 0
        """First frame whose echo is known in full."""
        self._echoed: npt.NDArray[np.bool_] = np.zeros(self.frames if path else 0, dtype=bool)
        self._ascending: list[float] | None = None
        self._gates: dict[float, EnergyGate] = {}
        self._speaking: PlayedSounds | None = None

    @property
    def has_echo(self) -> bool:
        """Whether the agent can be heard."""
        return bool(self._path)

    def same_gate(self, threshold: float) -> float:
        """One threshold for all that call the same frames of the recording loud: the least level that does."""
        if self._ascending is None:
            self._ascending = [*np.unique(self._clean).tolist(), math.inf]
        return self._ascending[bisect_left(self._ascending, threshold)]

    def _recorded(self, start: int, stop: int) -> Audio:
        parts = []
        for number in range(start // _BLOCK, (stop - 1) // _BLOCK + 1):
            first = number * _BLOCK
            parts.append(self._block(number)[max(0, start - first) : stop - first])
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def _block(self, number: int) -> Audio:
        """A minute of the recording, which the replays of one process share."""
        start = number * _BLOCK
        return self._store.in_memory(
            key_of("audio", self.sha256, number),
            lambda: self._session.read(start, min(start + _BLOCK, self._session.samples)),
        )

    def arrived(self, index: int) -> int:
        """See :class:`MicrophoneSource`: its end."""
        return frame_end(index)

    def origin(self, index: int) -> int:
        """See :class:`MicrophoneSource`: itself."""
        return index

    def recorded(self, index: int) -> Audio:
        """Samples of a frame as recorded, float32 of shape (1920,)."""
        return self._recorded(index * FRAME_SAMPLES, (index + 1) * FRAME_SAMPLES)

    def frame(self, index: int) -> Audio:
        """Samples of a frame as heard, float32 of shape (1920,)."""
        sounds = self._sounds_in(index)
        if not self._path or not (self._echoed[index] or sounds):
            return self.recorded(index)
        return self.recorded(index) + self._echo([*self._played, *sounds], index, index + 1)

    def level(self, index: int) -> float:
        """See :class:`MicrophoneSource`."""
        sounds = self._sounds_in(index)
        return float(self.levels_with(sounds, index, index + 1)[0] if sounds else self.levels[index])

    def _sounds_in(self, index: int) -> list[tuple[int, Audio]]:
        """What the agent plays just now, where a frame holds some of it."""
        sounds = self._speaking() if self._path and self._speaking is not None else []
        first, last = self._reach(sounds)
        return sounds if first <= index < last else []

    def mark(self, index: int) -> str:
        """See :class:`MicrophoneSource`: a digest of the frame."""
        if not self._path or not (self._echoed[index] or self._sounds_in(index)):
            return ""
        return hashlib.sha256(self.frame(index).tobytes()).hexdigest()

    def _echo(self, played: list[tuple[int, Audio]], first: int, last: int) -> Audio:
        """The agent through the echo path in frames [first, last)."""
        assert first >= self._known_from, f"frame {first} is asked for when its echo is forgotten"
        return self._path.echo(played, first * FRAME_SAMPLES, last * FRAME_SAMPLES)

    def levels_with(self, played: list[tuple[int, Audio]], first: int, last: int) -> Floats:
        """Levels of frames [first, last) if the agent had also played ``played``; nothing is kept."""
        if not self._path or not played or first >= last:
            return self.levels[first:last]
        mixed = self._recorded(first * FRAME_SAMPLES, last * FRAME_SAMPLES)
        mixed = mixed + self._echo([*self._played, *played], first, last)
        return frame_rms(mixed.reshape(-1, FRAME_SAMPLES)).astype(np.float64)

    def listen_to(self, speaking: "PlayedSounds | None") -> None:
        """The agent speaks: until :meth:`hear` settles it, the callable gives what it has played by then."""
        self._speaking = speaking

    def hear(self, played: list[tuple[int, Audio]]) -> None:
        """The agent has played this: (first sample at the loudspeaker, PCM) in order of time."""
        if not self._path or not played:
            return
        self._forget_before(played[0][0] - _ECHO_KEPT)
        first, last = self._reach(played)
        if first < last:
            mixed = self.levels_with(played, first, last)
            if self.levels is self._clean:
                self.levels = self._clean.copy()
            self.levels[first:last] = mixed
            self._echoed[first:last] = True
            self._gates.clear()
        self._played += played

    def _forget_before(self, moment: int) -> None:
        """Let go of sounds whose echo had ended by then."""
        longest = self._path.reach
        kept = next((i for i, (at, pcm) in enumerate(self._played) if at + len(pcm) + longest > moment), None)
        if gone := len(self._played) if kept is None else kept:
            del self._played[:gone]
            self._known_from = moment // FRAME_SAMPLES + 1

    def _reach(self, played: list[tuple[int, Audio]]) -> tuple[int, int]:
        """Frames [first, last) in which the agent's sound arrives."""
        if not self._path or not played:
            return 0, 0
        stop = max(at + len(pcm) for at, pcm in played) + self._path.reach
        return played[0][0] // FRAME_SAMPLES, min(self.frames, -(-stop // FRAME_SAMPLES))

    def blocks(self) -> Iterator[Audio]:
        """All frames without the replayed agent, float32 of shape (1920,) each."""
        return (self.recorded(index) for index in range(self.frames))

    def answer_coming(self) -> None:
        """An answer will be given. A recording stays as it is; see ``reactive_microphone.py`` for people who react."""

    def answer_begins(self, reply: int, sound: int) -> None:
        """The first sound of an answer has become known, in samples."""

    def answer_ends(self, reply: int, silence: int | None, now: int) -> None:
        """The end of an answer's last sound has become known, in samples; None where nothing of it is heard.

        Args:
            reply: number of the answer.
            silence: first sample after its last sound.
            now: moment by which the listener may have heard the microphone.
        """

    def more(self) -> bool:
        """A recording has all its frames from the start."""
        return False

    def catch_up(self, until: int) -> None:
        """See :class:`MicrophoneSource`."""

    def gate(self, threshold: float) -> EnergyGate:
        """Where the microphone is loud, at a threshold."""
        gate = self._gates.get(threshold)
        if gate is None:
            gate = self._gates[threshold] = EnergyGate(self.levels, threshold)
        return gate
