"""Stand-in for the STT in searches: what one continuous pass over a recording heard, asked frame by frame.

An STT that is never reset hears everything anew after the first difference between two trials. The stand-in hears a
recording once, from its first frame to its last, and gives every trial the words and pause heads of that pass. It is
not the STT: a model that hears a turn cut off, or the agent's echo, may say something else. So a search may rest on
it, and no claim may.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, key_of
from workbench.sessions.session import Session
from workbench.stages.cached_stt import decode_steps, encode_steps
from workbench.stages.protocols import BatchStt, KnownFramesStream, Stt, SttStep, SttStream
from workbench.units import FRAME_SAMPLES

_TOGETHER = 250
"""Frames heard in one call: 20 s."""

_NOTHING = SttStep("")


def continuous_pass(stt: Stt, session: Session, store: Store) -> list[SttStep]:
    """Hear a session whole, without the agent's echo; kept in the store.

    Returns:
        One step a frame, and those of as many frames of silence as the model's delay: what it still held back.
    """
    key = _key(stt, session)
    known = store.get(key, decode_steps)
    if known is None:
        known = _hear(stt, session)
        store.put(key, known, encode_steps)
    return known


def hear_passes(stt: Stt, sessions: Sequence[Session], store: Store) -> None:
    """Hear together what :func:`continuous_pass` would have to hear, where the STT hears several best at once.

    Sessions of like length go together, and one that has ended leaves the batch.
    """
    if not isinstance(stt, BatchStt) or stt.together < 2:
        return
    unknown = [session for session in sessions if store.get(_key(stt, session), decode_steps) is None]
    unknown.sort(key=lambda session: -session.frames)
    for first in range(0, len(unknown), stt.together):
        group = unknown[first : first + stt.together]
        heard = stt.hear_together([_blocks(stt, session) for session in group])
        for session, steps in zip(group, heard, strict=True):
            store.put(_key(stt, session), steps[stt.prefix_frames :], encode_steps)


def _key(stt: Stt, session: Session) -> str:
    return key_of("continuous pass", stt.fingerprint, session.mic.sha256)


def _blocks(stt: Stt, session: Session) -> Iterator[Audio]:
    """All frames of a pass, prefix and delay included."""
    if stt.prefix_frames:
        yield np.zeros(stt.prefix_frames * FRAME_SAMPLES, np.float32)
    for first in range(0, session.frames, _TOGETHER):
        yield session.read(first * FRAME_SAMPLES, min(first + _TOGETHER, session.frames) * FRAME_SAMPLES)
    if stt.delay_frames:
        yield np.zeros(stt.delay_frames * FRAME_SAMPLES, np.float32)


def _hear(stt: Stt, session: Session) -> list[SttStep]:
    stream = stt.open(fresh=True)
    for _ in range(stt.prefix_frames):
        stream.step(np.zeros(FRAME_SAMPLES, np.float32), -1)
    steps: list[SttStep] = []
    for first in range(0, session.frames, _TOGETHER):
        last = min(first + _TOGETHER, session.frames)
        steps += _together(stream, session.read(first * FRAME_SAMPLES, last * FRAME_SAMPLES), first)
    return steps + _together(stream, np.zeros(stt.delay_frames * FRAME_SAMPLES, np.float32), None)


def _together(stream: SttStream, pcm: Audio, first: int | None) -> list[SttStep]:
    """Steps of whole frames, float32 of shape (1920 n,); ``first`` is the number of the first, None for silence."""
    if len(pcm) > FRAME_SAMPLES and isinstance(stream, KnownFramesStream):
        return stream.steps(pcm)
    frames = pcm.reshape(-1, FRAME_SAMPLES)
    return [stream.step(frame, -1 if first is None else first + index) for index, frame in enumerate(frames)]


class StandInStt:
    """An STT that repeats a continuous pass (role ``Stt``).

    A word's text comes ``delay_frames`` steps after its sound was heard, as from the model: what is still inside when a
    cycle ends comes out in the next one, unless all is reset.

    Args:
        stt: the STT that it stands in for.
        steps: see :func:`continuous_pass`.
    """

    def __init__(self, stt: Stt, steps: Sequence[SttStep]) -> None:
        self.fingerprint = key_of("stand-in", stt.fingerprint)
        self.delay_frames = stt.delay_frames
        self.flush_frames = stt.flush_frames
        self.prefix_frames = stt.prefix_frames
        self.has_pause_heads = stt.has_pause_heads
        self._steps = steps
        self._inside = deque([""] * self.delay_frames)

    def open(self, fresh: bool = True) -> SttStream:
        """See :class:`workbench.stages.protocols.Stt`."""
        if fresh:
            self._inside = deque([""] * self.delay_frames)
        return _StandInStream(self._steps, self._inside, self.delay_frames)


class _StandInStream:
    def __init__(self, steps: Sequence[SttStep], inside: deque[str], delay: int) -> None:
        self._steps, self._inside, self._delay = steps, inside, delay
        self._at = -1

    def step(self, frame: Audio, at: int) -> SttStep:
        """See :class:`workbench.stages.protocols.SttStream`; silence goes on from the last frame that was heard."""
        # Pause heads of silence that the listener puts in are those of the frames that followed in the recording.
        self._at = at if at >= 0 else self._at + 1 if self._at >= 0 else -1
        heard = self._steps[self._at] if 0 <= self._at < len(self._steps) else _NOTHING
        sound = at + self._delay
        self._inside.append(self._steps[sound].piece if at >= 0 and sound < len(self._steps) else "")
        return SttStep(self._inside.popleft(), heard.pause)
