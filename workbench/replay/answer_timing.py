"""Times of an answer's tokens and TTS steps in a replay.

Where each stage has its device to itself, or its neighbours' jobs are known beforehand, the times are closed forms:
a speed-up, equal to what the scheduler gives (``tests/replay/test_answer_timing.py``). Else the scheduler runs.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from workbench.arrays import Times
from workbench.dialogue.answer import ChunkAudio, TimedChunk, schedule_playback
from workbench.dialogue.background_stt import BackgroundStt
from workbench.knobs import Knobs
from workbench.simulation.scheduler import Job, Process, back_to_back, run_until_done, sharing_device
from workbench.stages.playback import PlayoutRule

Timing = tuple[Times, list[TimedChunk]]
"""When each token was there, and the chunks."""


class AnswerTiming:
    """Puts the tokens and the chunks of one answer on the clock.

    Args:
        begun: when the final transcript was there.
        token_costs: of each token, in samples.
        audio: the chunks.
        rule: how they are played.
        knobs: all options.
        background: the STT where it shares the device; None where it does not.
    """

    def __init__(
        self,
        begun: int,
        token_costs: Times,
        audio: Sequence[ChunkAudio],
        rule: PlayoutRule,
        knobs: Knobs,
        background: BackgroundStt | None = None,
    ) -> None:
        self._begun, self._token_costs, self._audio = begun, token_costs, audio
        self._rule, self._knobs, self._background = rule, knobs, background

    def times(self) -> Timing:
        """By the closed form that holds, else by the scheduler."""
        if self._background is None and not (self._knobs.chunks.stream and self._knobs.lm_device == "device"):
            tokens = back_to_back(self._begun, self._token_costs)
            return tokens, list(self._alone(tokens))
        jobs = self._background.jobs() if self._background else None
        if jobs is not None and not self._knobs.chunks.stream and self._knobs.lm_device == "device":
            return self._beside(jobs)
        return self.scheduled()

    def _alone(self, tokens: Times) -> Iterator[TimedChunk]:
        free = self._begun
        for audio in self._audio:
            handed = int(tokens[audio.token if self._knobs.chunks.stream else -1])
            start = max(handed, free)
            chunk = self._chunk(audio, handed, start, back_to_back(start, audio.costs))
            free = self._rule.freed(chunk.times)
            yield chunk

    def _chunk(self, audio: ChunkAudio, handed: int, start: int, steps: Times) -> TimedChunk:
        # Where each chunk has its stream, it is handed over when the one before it has been closed.
        return TimedChunk(audio, start if self._rule.closes_streams else handed, steps)

    def _beside(self, jobs: tuple[Times, Times]) -> Timing:
        """Tokens, then chunk after chunk: one chain of jobs that shares the device with the STT's."""
        costs = [self._token_costs, *(audio.costs for audio in self._audio)]
        ended = sharing_device(self._begun, np.concatenate(costs), *jobs)
        tokens, *steps = np.split(ended, np.cumsum([len(part) for part in costs])[:-1])
        return tokens, [
            TimedChunk(audio, int(tokens[-1]), part) for audio, part in zip(self._audio, steps, strict=True)
        ]

    def scheduled(self) -> Timing:
        """By the scheduler, with all that shares the device."""
        tokens: list[int] = []
        chunks: list[TimedChunk] = []
        lm, tts = self._knobs.lm_device, "device" if self._knobs.one_device else "tts"

        def think() -> Process:
            now = self._begun
            for cost in self._token_costs.tolist():
                now = yield Job(now, cost, lm)
                tokens.append(now)

        def speak() -> Process:
            free = self._begun
            for audio in self._audio:
                wanted = audio.token if self._knobs.chunks.stream else len(self._token_costs) - 1
                while len(tokens) <= wanted:
                    yield None
                handed = tokens[wanted]
                start = now = max(handed, free)
                ends = []
                for cost in audio.costs.tolist():
                    now = yield Job(now, cost, tts)
                    ends.append(now)
                chunks.append(self._chunk(audio, handed, start, np.asarray(ends, dtype=np.int64)))
                free = self._rule.freed(chunks[-1].times)

        known: list[int] = []

        def over() -> int | None:
            if not known and len(chunks) == len(self._audio) and len(tokens) == len(self._token_costs):
                ends = np.asarray(tokens, dtype=np.int64)
                answer = schedule_playback(ends, chunks, self._begun, self._rule, self._knobs.playback)
                known.append(answer.over)
            return known[0] if known else None

        beside = [self._background.process(over)] if self._background else []
        run_until_done([*beside, think(), speak()], {"device": self._begun})
        return np.asarray(tokens, dtype=np.int64), chunks
