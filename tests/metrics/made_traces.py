"""Traces put together by hand, for tests with known answers. Times in milliseconds here, samples in the trace."""

from dataclasses import dataclass, field

from workbench.sessions.labels import Label, validate
from workbench.trace import Cancel, Chunk, Commit, Done, Event, Header, Pcm, Play, Tokens, Trace, Transcript, in_order
from workbench.units import FRAME_SAMPLES, ms_to_samples


def ms(value: float) -> int:
    return ms_to_samples(value)


@dataclass
class Made:
    """A trace under construction."""

    seconds: float = 60.0
    playout: float = 20.0
    echo: bool = False
    session: str = "made"
    events: list[Event] = field(default_factory=list)

    def add(self, *events: Event) -> "Made":
        self.events += events
        return self

    def answer(
        self,
        reply: int,
        commit: float,
        *,
        frames: int = 25,
        steps: tuple[float, ...] = (10, 20, 150, 30, 60),
        lead: float = 0.0,
        silence_from: float | None = None,
        reason: str = "silence",
        text: str = "",
        stop: float | None = None,
        gap: float = 0.0,
    ) -> "Made":
        """A whole answer of one chunk after a commit whose frame ends at ``commit`` ms.

        Args:
            steps: stt_compute, stt_flush, lm_ttft, text_aggregation, tts_ttfb; ``gap`` is the prebuffer wait.
            lead: silence before the first audible sample.
            stop: cancelled by barge-in at this time.
        """
        times = [ms(commit)]
        for step in steps:
            times.append(times[-1] + ms(step))
        _, done, transcript, tokens, chunk, pcm = times
        play = pcm + ms(gap) + ms(self.playout)
        samples = frames * FRAME_SAMPLES
        first = int(lead * 24) // FRAME_SAMPLES
        self.add(
            Commit(done, ms(commit), reply, reason, ms(commit if silence_from is None else silence_from)),
            Transcript(transcript, reply, text),
            Tokens(tokens, reply, "yes", (tokens,)),
            Chunk(chunk, reply, 0, "yes"),
            Pcm(pcm, reply, 0, (pcm,) * frames, "0" * first + "1" * (frames - first), ms(lead)),
        )
        if stop is None:
            self.add(Play(play, reply, 0, 0, samples), Done(play + samples, reply))
            return self
        if ms(stop) > play:
            self.add(Play(play, reply, 0, 0, min(samples, ms(stop) - play)))
        return self.add(Cancel(ms(stop), reply, "barge_in"))

    def trace(self) -> Trace:
        header = Header(self.session, ms(self.seconds * 1000), playout=ms(self.playout), echo=self.echo)
        return Trace(header, in_order(self.events))


def labels(*rows: tuple[float, float, str] | tuple[float, float, str, int] | tuple[float, float, str, int, str]):
    """Labels from (start ms, end ms, kind, turn, text)."""
    found = [Label(ms(row[0]), ms(row[1]), *row[2:]) for row in rows]
    return validate(found, None, "made")
