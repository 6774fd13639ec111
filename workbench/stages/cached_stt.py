"""Transcriptions of an STT: one a listen cycle, computed only as far as the listener needs, and kept in the store.

A transcription is a pure function of the frames that were heard, in order. It is kept by segments
(:mod:`workbench.stages.stt_runner`). Of a segment the longest outputs known are kept, so that settings that listen a
little longer share what is there.
"""

import json

from workbench.cache import Store, key_of
from workbench.simulation.microphone import MicrophoneSource
from workbench.simulation.step_costs import Timer
from workbench.stages.protocols import Stt, SttStep
from workbench.stages.stt_runner import SILENCE, HeardRun, PastCycle, SttRunner

Words = list[tuple[int, str]]
"""(step of its last piece, word)."""


def _encode(steps: list[SttStep]) -> bytes:
    return json.dumps([[step.piece, step.pause] for step in steps], separators=(",", ":")).encode()


def _decode(data: bytes) -> list[SttStep]:
    return [SttStep(piece, None if pause is None else tuple(pause)) for piece, pause in json.loads(data)]


class CachedStt:
    """The STT of one replay: opens transcriptions and lets them share the one model.

    Args:
        stt: the stage.
        mic: source of frames.
        store: cache of outputs.
        timer: if given, every step really runs and is timed; nothing is taken from the store, but put there.
    """

    def __init__(self, stt: Stt, mic: MicrophoneSource, store: Store, timer: Timer | None = None) -> None:
        self.stt = stt
        self.mic = mic
        self._store = store
        self._timer = timer
        self._runner = SttRunner(stt, mic, timer)
        self._chain = ""

    @property
    def cycle(self) -> int:
        """Number of the running cycle, from 1: the group of its jobs that belong to no session frame."""
        return self._runner.cycle

    def open(self, fresh: bool, prefix: int = 0) -> "Transcription":
        """Begin a listen cycle; the one before it is over.

        Args:
            fresh: reset all, or only what MLX-Harmony resets.
            prefix: frames of silence to hear first; they do not count as steps.
        """
        if fresh or not self._chain:
            self._chain = key_of(self.stt.fingerprint, self.mic.sha256)
        self._runner.begin(fresh)
        return Transcription(self, self._chain, prefix)

    def close(self, transcription: "Transcription") -> None:
        """Keep what is known; a cycle that is not reset begins where this one ended."""
        for segment in transcription.segments:
            self.save(segment)
        if transcription.segments and not self.mic.sha256:
            self._runner.past.clear()  # what a microphone heard cannot be heard again, and a live run has no end
        self._chain = key_of("next", transcription.chain)
        self._runner.past.append(PastCycle(self.cycle, transcription.segments, self._chain))

    def load(self, segment: HeardRun) -> None:
        """Fill a new segment with what the store knows of it."""
        if self._timer is None and (known := self._store.get(segment.key, _decode)) is not None:
            segment.known = known
            segment.stored = len(known)

    def save(self, segment: HeardRun) -> None:
        """Keep a segment of which more is known than the store has."""
        if len(segment.known) > segment.stored:
            self._store.put(segment.key, list(segment.known), _encode)
            segment.stored = len(segment.known)

    def compute(self, transcription: "Transcription") -> None:
        """Run the model until every frame heard so far is known."""
        self._runner.compute(transcription.segments)


class Transcription:
    """What the STT says of the frames heard since the cycle began.

    Attributes:
        steps: frames heard, the prefix not counted.
        segments: what was heard, in runs.
        pieces: (step, text) of the steps that brought text; the prefix has no steps.
        pauses: the pause heads of every step, where the model has them.
    """

    def __init__(self, stt: CachedStt, chain: str, prefix: int) -> None:
        self._stt = stt
        self._first = chain
        self.steps = 0
        self.segments: list[HeardRun] = []
        self.pieces: list[tuple[int, str]] = []
        self.pauses: list[tuple[float, ...] | None] = []
        self._prefix = prefix
        self.silence(prefix)
        self.steps = 0

    @property
    def chain(self) -> str:
        """Names everything heard so far."""
        return self.segments[-1].after if self.segments else self._first

    def hear(self, first: int, frames: int) -> None:
        """Hear session frames ``first … first + frames - 1``."""
        if frames > 0:
            self.steps += frames
            self._hear(first, first + frames)

    def silence(self, frames: int) -> None:
        """Hear zeros."""
        if frames > 0:
            self.steps += frames
            self._extend(SILENCE, frames, "")

    def _hear(self, first: int, last: int) -> None:
        mic = self._stt.mic
        while first < last:
            mark = mic.mark(first)
            run = 1
            if not mark:
                while first + run < last and not mic.mark(first + run):
                    run += 1
            self._extend(first, run, mark)
            first += run

    def _extend(self, first: int, frames: int, mark: str) -> None:
        segment = self.segments[-1] if self.segments else None
        follows = segment is not None and (
            (first == segment.first == SILENCE)
            or (
                first >= 0 <= segment.first
                and not mark
                and not segment.mark
                and first == segment.first + segment.frames
            )
        )
        if segment is None or not follows:
            segment = HeardRun(self.chain, first, mark, sum(item.frames for item in self.segments))
            segment.pcm = self._stt.mic.frame(first) if mark else None
            self._stt.load(segment)
            self.segments.append(segment)
        old = segment.frames
        segment.frames += frames
        if len(segment.known) < segment.frames:
            self._stt.compute(self)
        heard = segment.known[old : segment.frames]
        if self._prefix:
            self._prefix = 0  # it is heard first, in one
            return
        for step in heard:
            if step.piece:
                self.pieces.append((len(self.pauses), step.piece))
            self.pauses.append(step.pause)

    @property
    def text(self) -> str:
        """All text of the cycle."""
        return "".join(piece for _, piece in self.pieces).strip()

    def words(self) -> Words:
        """(step of its last piece, word): a piece that begins with a space begins a word.

        A word is taken to be whole at its last piece.
        """
        out: Words = []
        for step, piece in self.pieces:
            if out and not piece.startswith(" "):
                out[-1] = (step, out[-1][1] + piece)
            else:
                out.append((step, piece.strip()))
        return [(step, word) for step, word in out if word]
