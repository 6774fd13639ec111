"""Transcriptions of an STT: one a listen cycle, computed only as far as the listener needs, and kept in the store.

A transcription is a pure function of the frames that the model heard, in order. They are kept by segments
(:mod:`workbench.stages.stt_runner`). Of a segment the longest outputs known are kept, so that settings that listen a
little longer share what is there.
"""

import json
from collections.abc import Iterable

from workbench.cache import Store, key_of
from workbench.simulation.microphone import MicrophoneSource
from workbench.simulation.step_costs import Timer
from workbench.stages.protocols import Stt, SttStep
from workbench.stages.stt_runner import SILENCE, HeardRun, PastCycle, SttRunner


def encode_steps(steps: list[SttStep]) -> bytes:
    """Steps as the store keeps them."""
    return json.dumps([[step.piece, step.pause] for step in steps], separators=(",", ":")).encode()


def decode_steps(data: bytes) -> list[SttStep]:
    """The inverse of :func:`encode_steps`."""
    return [SttStep(piece, None if pause is None else tuple(pause)) for piece, pause in json.loads(data)]


class CachedStt:
    """The STT of one replay: opens transcriptions and lets them share the one model.

    Args:
        stt: the stage.
        mic: source of frames.
        store: cache of outputs.
        timer: if given, every step really runs and is timed; nothing is taken from the store, but put there.

    Attributes:
        stt, mic, store: as given.
    """

    def __init__(self, stt: Stt, mic: MicrophoneSource, store: Store, timer: Timer | None = None) -> None:
        self.stt = stt
        self.mic = mic
        self.store = store
        self._timer = timer
        self._runner = SttRunner(stt, mic, timer)
        self._first = ""
        """Names what the model had heard when the running cycle began."""
        self._segments: list[HeardRun] | None = None
        """What it heard since; None where that does not count."""

    @property
    def cycle(self) -> int:
        """Number of the running cycle, from 1: the group of its jobs that belong to no session frame."""
        return self._runner.cycle

    def open(self, fresh: bool, prefix: int = 0) -> "Transcription":
        """Begin a listen cycle.

        Without a reset the model goes on from all that it has heard. A transcription that is still open goes on too:
        the two step one model, in turn, and each gets the text of its own steps.

        Args:
            fresh: reset all, or only what MLX-Harmony resets.
            prefix: frames of silence to hear first; they do not count as steps.
        """
        if fresh or not self._first:
            self._first = key_of(self.stt.fingerprint, self.mic.sha256)
        elif self._segments is not None:
            self._leave(self._segments)
        self._runner.begin(fresh)
        self._segments = []
        return Transcription(self, prefix)

    def _leave(self, segments: list[HeardRun]) -> None:
        """End the running cycle of a model that is not reset."""
        self.close()
        self._first = key_of("next", self._chain)
        if segments and not self.mic.sha256:
            self._runner.past.clear()  # what a microphone heard cannot be heard again, and a live run has no end
        self._runner.past.append(PastCycle(self.cycle, segments, self._first))

    def close(self) -> None:
        """Keep what is known of the running cycle."""
        for segment in self._segments or ():
            self._save(segment)

    def drop(self) -> None:
        """Make as if the running cycle had not been opened."""
        self._segments = None

    @property
    def _chain(self) -> str:
        """Names everything heard so far."""
        return self._segments[-1].after if self._segments else self._first

    def extend(self, first: int, frames: int, mark: str) -> list[SttStep]:
        """Hear frames that follow on each other; see :class:`workbench.stages.stt_runner.HeardRun`."""
        segments = self._segments
        assert segments is not None
        segment = segments[-1] if segments else None
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
            segment = HeardRun(self._chain, first, mark, sum(item.frames for item in segments))
            segment.pcm = self.mic.frame(first) if mark else None
            self._load(segment)
            segments.append(segment)
        old = segment.frames
        segment.frames += frames
        if len(segment.known) < segment.frames:
            self._runner.compute(segments)
        return segment.known[old : segment.frames]

    def _load(self, segment: HeardRun) -> None:
        """Fill a new segment with what the store knows of it."""
        if self._timer is None and (known := self.store.get(segment.key, decode_steps)) is not None:
            segment.known = known
            segment.stored = len(known)

    def _save(self, segment: HeardRun) -> None:
        """Keep a segment of which more is known than the store has."""
        if len(segment.known) > segment.stored:
            self.store.put(segment.key, list(segment.known), encode_steps)
            segment.stored = len(segment.known)


class Transcription:
    """What the STT says of the frames heard since the cycle began.

    Attributes:
        steps: frames heard, the prefix not counted.
        pieces: (step, text) of the steps that brought text; the prefix has no steps.
        pauses: the pause heads of every step, where the model has them.
    """

    def __init__(self, stt: CachedStt, prefix: int) -> None:
        self._stt = stt
        self.steps = 0
        self.pieces: list[tuple[int, str]] = []
        self.pauses: list[tuple[float, ...] | None] = []
        if prefix > 0:
            stt.extend(SILENCE, prefix, "")

    def hear(self, first: int, frames: int) -> None:
        """Hear session frames ``first … first + frames - 1``."""
        mic, last = self._stt.mic, first + frames
        while first < last:
            mark = mic.mark(first)
            run = 1
            if not mark:
                while first + run < last and not mic.mark(first + run):
                    run += 1
            self._note(self._stt.extend(first, run, mark))
            first += run

    def silence(self, frames: int) -> None:
        """Hear zeros."""
        if frames > 0:
            self._note(self._stt.extend(SILENCE, frames, ""))

    def _note(self, heard: list[SttStep]) -> None:
        for step in heard:
            if step.piece:
                self.pieces.append((len(self.pauses), step.piece))
            self.pauses.append(step.pause)
        self.steps += len(heard)

    @property
    def text(self) -> str:
        """All text of the cycle."""
        return "".join(piece for _, piece in self.pieces).strip()

    def words(self) -> list[tuple[int, str]]:
        """(step of its last piece, word): a piece that begins with a space begins a word.

        A word is taken to be whole at its last piece.
        """
        return words_of(self.pieces)


def words_of(pieces: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """See :meth:`Transcription.words`.

    >>> words_of([(3, " un"), (4, "til"), (9, " now")])
    [(4, 'until'), (9, 'now')]
    """
    out: list[tuple[int, str]] = []
    for step, piece in pieces:
        if out and not piece.startswith(" "):
            out[-1] = (step, out[-1][1] + piece)
        else:
            out.append((step, piece.strip()))
    return [(step, word) for step, word in out if word]
