"""The replay of a model that hears and speaks at once: a frame in, a frame out, no turns given from outside.

The model is one device: frame *k* can be used from its end on, its step begins when the step before it is over, and
its PCM is queued for a loudspeaker that never closes. ``dialogue/duplex_events.py`` makes answers and events of it.
"""

import json
from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, key_of
from workbench.dialogue.duplex_events import BLOCK_STEPS, DuplexEventBuilder, job_of
from workbench.knobs import Knobs
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.session import Session
from workbench.simulation.filters import FilterChain
from workbench.simulation.step_costs import STAGES, CostSource, MeasuredCosts
from workbench.stages.playback import OpenStream
from workbench.stages.protocols import DuplexModel, DuplexStep
from workbench.trace import Event
from workbench.units import FRAME_SAMPLES, frame_end


class DuplexReplay:
    """One session heard and answered by a duplex model.

    Args:
        session: opened.
        duplex: the model.
        knobs: prebuffer, device latency and the seed of sampling are read.
        costs: what its steps cost; they are drawn as the stage ``tts``.
        store: cache of what it said.
        path: echo path from the loudspeaker to the microphone.

    Attributes:
        played: (first sample at the loudspeaker, PCM) of every frame.
    """

    def __init__(
        self, session: Session, duplex: DuplexModel, knobs: Knobs, costs: CostSource, store: Store, path: EchoPath
    ) -> None:
        self._session, self._duplex, self._costs, self._store = session, duplex, costs, store
        self._path, self._playout, self._seed = path, knobs.playback.playout, knobs.seed
        self._prebuffer = knobs.playback.prebuffer
        self._filters, self._chain = knobs.filters, FilterChain(knobs.filters)
        self._stream = OpenStream(self._prebuffer)
        self._timer = costs if isinstance(costs, MeasuredCosts) else None
        self._placed = 0
        self._events: list[Event] = []
        self._builder = DuplexEventBuilder(costs, self._playout, self._events)
        self.played: list[tuple[int, Audio]] = []

    def run(self) -> list[Event]:
        """Replay it; the events in no particular order."""
        done = 0
        for number, step in enumerate(self._steps()):
            begun = max(frame_end(number) + self._chain.cost, done)
            group, job = job_of(number)
            done = begun + int(self._costs.draw("tts", group, job + 1)[job])
            self._builder.stepped(begun, done, step)
            if step.pcm is not None:
                self.played.append((-1, step.pcm))
                self._place(self._stream.queue(done))
        self._place(self._stream.flush())
        self._builder.end()
        return self._events

    def _steps(self) -> Iterator[DuplexStep]:
        """Steps of the model, from the cache or run now."""
        where = [self._session.mic.sha256, self._duplex.fingerprint, self._seed]
        if self._chain:
            where += [self._filters.canceller, self._filters.filter, self._filters.ratio_db, self._chain.cost]
        if self._path or self._chain:  # what it hears depends on when it was heard
            where += [self._path.key, self._costs.name, self._costs.digest, self._session.name]
            where += [self._prebuffer, self._playout, BLOCK_STEPS]
        key = key_of("duplex", 1, where)
        if self._timer is None and (known := self._store.get(key, _decode)) is not None:
            yield from known
            return
        stream = self._duplex.open(self._seed)
        fresh: list[DuplexStep] = []
        for number in range(self._session.frames):
            with self._timer.timed("tts", *job_of(number)) if self._timer else nullcontext():
                fresh.append(stream.step(self._frame(number)))
            yield fresh[-1]
        if self._timer is None:
            self._store.put(key, fresh, _encode)
            return
        for stage in STAGES:
            with self._timer.timed(stage, 0, 0):
                pass  # stages that this stack does not have cost nothing; tts has its time already

    def _frame(self, number: int) -> Audio:
        start, stop = number * FRAME_SAMPLES, (number + 1) * FRAME_SAMPLES
        heard = self._session.read(start, stop)
        if not self._path and not self._chain:
            return heard
        audible = []
        for at, pcm in reversed(self.played[: self._placed]):
            if at + len(pcm) + (self._path.reach if self._path else 0) <= start:
                break
            audible.append((at, pcm))
        if self._path:
            heard = heard + self._path.echo(audible[::-1], start, stop)
        return self._chain.step(heard, EchoPath(((0, 1.0),)).echo(audible, start, stop)) if self._chain else heard

    def _place(self, requests: list[int]) -> None:
        """The next frames go out at these requests of the device, and come back as echo."""
        for at in requests:
            sounds, pcm = at + self._playout, self.played[self._placed][1]
            self.played[self._placed] = (sounds, pcm)
            self._builder.sounded(self._placed, at)
            self._placed += 1


def _encode(steps: list[DuplexStep]) -> bytes:
    header = json.dumps([[step.piece, step.pcm is not None] for step in steps], separators=(",", ":")).encode()
    return header + b"\n" + b"".join(step.pcm.tobytes() for step in steps if step.pcm is not None)


def _decode(data: bytes) -> list[DuplexStep]:
    header, _, body = data.partition(b"\n")
    pcm = iter(np.frombuffer(body, dtype=np.float32).reshape(-1, FRAME_SAMPLES))
    return [DuplexStep(piece, next(pcm) if there else None) for piece, there in json.loads(header)]
