"""The replay of a model that hears and speaks at once: a frame in, a frame out, no turns given from outside.

The model is one executor: frame *k* can be used from its end on, its step begins when the step before it is over, and
its PCM is queued for a loudspeaker that never closes. What it says is one stream without end; for the scores it is cut
into answers where it was silent for almost a second. The moment it decides to speak, with its first text or its first
sound, stands in the trace as the ``commit`` that an endpointer would have made, with the reason ``model``.
"""

import json
from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import numpy.typing as npt

from workbench.costs import STAGES, CostSource, MeasuredCosts
from workbench.microphone import Taps
from workbench.session import Session
from workbench.stages import Duplex, DuplexStep, Pcm
from workbench.stages.playback import runs
from workbench.stages.tts import AUDIBLE
from workbench.store import Store, key_of
from workbench.trace import Commit, Done, Event, Heard, Listen, Onset, Play, Steps, Tokens, Underrun
from workbench.trace import Pcm as PcmEvent
from workbench.units import FRAME_SAMPLES, frame_end

PAUSE_FRAMES = 12
"""0.96 s of silence end an answer: longer than a pause between sentences, shorter than waiting for a reply."""

Times = npt.NDArray[np.int64]


class Conversation:
    """One session heard and answered by a duplex model.

    Args:
        session: opened.
        duplex: the model.
        costs: what its steps cost; they are drawn as the stage ``tts``.
        store: memo of what it said.
        taps: how the loudspeaker reaches the microphone.
        prebuffer: PCM frames in hand before playback starts.
        playout: device latency in samples.
        seed: of sampling.

    Attributes:
        played: (first sample at the loudspeaker, PCM) of every frame.
    """

    def __init__(
        self,
        session: Session,
        duplex: Duplex,
        costs: CostSource,
        store: Store,
        *,
        taps: Taps,
        prebuffer: int,
        playout: int,
        seed: int,
    ) -> None:
        self._session, self._duplex, self._costs, self._store = session, duplex, costs, store
        self._taps, self._playout, self._seed = taps, playout, seed
        self._prebuffer = max(prebuffer, 1)
        self._timer = costs if isinstance(costs, MeasuredCosts) else None
        self._echo = np.zeros(session.samples if taps else 0, dtype=np.float32)
        self._waiting: list[int] = []
        self._done: list[int] = []
        self._ready: list[int] = []
        self._at: list[int] = []
        self.played: list[tuple[int, Pcm]] = []

    def run(self) -> list[Event]:
        """Replay it; the events in no particular order."""
        steps: list[DuplexStep] = []
        for number, step in enumerate(self._steps()):
            steps.append(step)
            arrived = frame_end(number)
            begun = max(arrived, self._done[-1]) if self._done else arrived
            self._done.append(begun + int(self._costs.draw("tts", 0, number + 1)[number]))
            if step.pcm is not None:
                self._queue(step.pcm, self._done[-1])
        self._flush()
        return [*self._frame_events(), *self._answers(steps)]

    def _steps(self) -> Iterator[DuplexStep]:
        """What the model said, remembered or asked for; without the end of the last step where that is remembered."""
        where = [self._session.mic.sha256, self._duplex.fingerprint, self._seed]
        if self._taps:  # what it hears depends on when it was heard
            where += [list(self._taps), self._costs.name, self._costs.digest, self._session.name]
            where += [self._prebuffer, self._playout]
        key = key_of("duplex", 1, where)
        if self._timer is None and (known := self._store.get(key, _decode)) is not None:
            yield from known
            return
        stream = self._duplex.open(self._seed)
        fresh: list[DuplexStep] = []
        for number in range(self._session.frames):
            with self._timer.timed("tts", 0, number) if self._timer else nullcontext():
                fresh.append(stream.step(self._frame(number)))
            yield fresh[-1]
        if self._timer is None:
            self._store.put(key, fresh, _encode)
            return
        for stage in STAGES:
            with self._timer.timed(stage, 0, 0):
                pass  # stages that this stack does not have cost nothing; tts has its time already

    def _frame(self, number: int) -> Pcm:
        start, stop = number * FRAME_SAMPLES, (number + 1) * FRAME_SAMPLES
        clean = self._session.read(start, stop)
        return clean + self._echo[start:stop] if self._taps else clean

    def _queue(self, pcm: Pcm, ready: int) -> None:
        """A frame is there: it is played at the next request of the device, once the prebuffer is full."""
        self._ready.append(ready)
        self.played.append((-1, pcm))
        self._waiting.append(len(self._ready) - 1)
        if self._at or len(self._waiting) >= self._prebuffer:
            self._flush()

    def _flush(self) -> None:
        for index in self._waiting:
            slot = -(-self._ready[self._waiting[-1]] // FRAME_SAMPLES) * FRAME_SAMPLES
            at = max(slot, self._at[-1] + FRAME_SAMPLES) if self._at else slot
            self._at.append(at)
            pcm = self.played[index][1]
            self.played[index] = (at + self._playout, pcm)
            for delay, gain in self._taps:
                begin = at + self._playout + delay
                length = min(FRAME_SAMPLES, len(self._echo) - begin)
                if length > 0:
                    self._echo[begin : begin + length] += np.float32(gain) * pcm[:length]
        self._waiting.clear()

    def _frame_events(self) -> list[Event]:
        frames = len(self._done)
        if not frames:
            return [Listen(0)]
        costs = self._costs.draw("tts", 0, frames)
        first = frame_end(0)
        return [
            Listen(0),
            Onset(0, 0),
            Heard(self._done[-1], 0, frame_end(frames - 1)),
            Steps(first, "tts", tuple(costs.tolist())),
        ]

    def _answers(self, steps: list[DuplexStep]) -> list[Event]:
        voiced = np.array([bool((np.abs(pcm) >= AUDIBLE).any()) for _, pcm in self.played], dtype=bool)
        silent = len(steps) - len(voiced)  # steps before the first PCM frame
        found: list[Event] = []
        before = 0
        for reply, (first, last) in enumerate(utterances(voiced)):
            begin = max(before, first + silent - PAUSE_FRAMES)
            found += self._answer(reply, first, last, steps, begin, silent, voiced)
            before = last + silent + 1
        return found

    def _answer(
        self,
        reply: int,
        first: int,
        last: int,
        steps: list[DuplexStep],
        begin: int,
        silent: int,
        voiced: npt.NDArray[np.bool_],
    ) -> list[Event]:
        """One utterance: PCM frames first … last, text from step ``begin`` on."""
        spoken = [n for n in range(begin, last + silent + 1) if steps[n].piece]
        decided = min([*spoken[:1], first + silent])
        out: list[Event] = [Commit(self._done[decided], frame_end(decided), reply, "model", frame_end(decided))]
        ready = tuple(self._ready[first : last + 1])
        if spoken:
            # Text that comes with or after the first sound begins, for the waterfall, where the sound does.
            times = (min(self._done[spoken[0]], ready[0]), *(self._done[n] for n in spoken[1:]))
            out.append(Tokens(times[0], reply, "".join(steps[n].piece for n in spoken).strip(), times))
        flags = "".join("1" if v else "0" for v in voiced[first : last + 1])
        lead = int(np.argmax(np.abs(self.played[first][1]) >= AUDIBLE))
        out.append(PcmEvent(ready[0], reply, 0, ready, flags, lead))
        at = np.array(self._at[first : last + 1], dtype=np.int64)
        stretches = runs(at, np.zeros(len(at), dtype=np.int64))
        for a, b in stretches:
            out.append(Play(int(at[a]) + self._playout, reply, 0, a * FRAME_SAMPLES, (b - a) * FRAME_SAMPLES))
        for _, b in stretches[:-1]:
            hole = int(at[b] - at[b - 1]) - FRAME_SAMPLES
            both = flags[b - 1] == flags[b] == "1"
            out.append(Underrun(int(at[b - 1]) + FRAME_SAMPLES + self._playout, reply, hole, both))
        out.append(Done(int(at[-1]) + FRAME_SAMPLES + self._playout, reply))
        return out


def utterances(voiced: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) voiced frame of each stretch without :data:`PAUSE_FRAMES` silent ones in a row.

    >>> utterances(np.array([0, 1, 0, 1] + 12 * [0] + [1], dtype=bool))
    [(1, 3), (16, 16)]
    """
    loud = np.flatnonzero(voiced)
    if not len(loud):
        return []
    borders = np.flatnonzero(np.diff(loud) > PAUSE_FRAMES)
    starts = [int(loud[0]), *(int(loud[b + 1]) for b in borders)]
    ends = [*(int(loud[b]) for b in borders), int(loud[-1])]
    return list(zip(starts, ends, strict=True))


def _encode(steps: list[DuplexStep]) -> bytes:
    header = json.dumps([[step.piece, step.pcm is not None] for step in steps], separators=(",", ":")).encode()
    return header + b"\n" + b"".join(step.pcm.tobytes() for step in steps if step.pcm is not None)


def _decode(data: bytes) -> list[DuplexStep]:
    header, _, body = data.partition(b"\n")
    pcm = iter(np.frombuffer(body, dtype=np.float32).reshape(-1, FRAME_SAMPLES))
    return [DuplexStep(piece, next(pcm) if there else None) for piece, there in json.loads(header)]
