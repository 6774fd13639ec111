"""Facts of a trace that scores need: its events condensed, part by part.

A trace may be condensed whole, or in parts that follow one another: one for each time the listener listened, one for
each answer. :func:`gather` puts parts together; scores do not depend on where a trace was cut. A study keeps parts,
since most settings leave most of them as they were.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.metrics.index import Histogram, IndexedTrace, ReplyEvents, Span, union
from workbench.metrics.rows import UnderrunRow
from workbench.metrics.stutter import chunk_gaps, late_frames, pcm_samples, reserve, underruns
from workbench.trace import BargeIn, Cancel, Commit, Header, Moved, Transcript


@dataclass(frozen=True, slots=True)
class SpokenReply:
    """One answer. A moment is None where the trace does not hold it.

    Attributes:
        token, chunk, pcm, play: when the first of each was there.
        speaking: from the first played sample to the marker (or the cancellation).
        audible: (start, end, chunk) of each run of audible frames as played.
        silences: from each pause after a barge-in to where the agent went on.
    """

    number: int
    token: int | None
    chunk: int | None
    pcm: int | None
    play: int | None
    speaking: Span | None
    audible: tuple[tuple[int, int, int], ...]
    cancel: Cancel | None
    silences: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """What a stretch of a trace comes down to; the fields that scores count are those of ``SessionScores``."""

    commits: tuple[Commit, ...]
    transcripts: tuple[Transcript, ...]
    heard: tuple[Span, ...]
    spoken: tuple[SpokenReply, ...]
    barge_ins: tuple[BargeIn, ...]
    played: int
    underruns: tuple[UnderrunRow, ...]
    midword_splits: int
    chunk_gaps: tuple[int, ...]
    reserve: Histogram
    stt_steps: Histogram
    tts_steps: Histogram
    tts_audio: int
    xruns: int
    xrun_samples: int
    dropped: int
    shared_model: int
    late_frames: int
    timed_frames: int
    moved: tuple[Moved, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedFacts:
    """All of a trace, to be asked by the metrics.

    Attributes:
        header: of the trace.
        total: every part together.
        spoken: answers by number, ascending; those of which there is more than a commit.
        transcripts: by number of the answer.
    """

    header: Header
    total: TraceFacts
    spoken: dict[int, SpokenReply]
    transcripts: dict[int, Transcript]


def condense(index: IndexedTrace) -> TraceFacts:
    """Condense a trace, or a part of one."""
    replies = list(index.replies.values())
    sounding = [reply for reply in replies if reply.plays]
    late, timed = late_frames(replies)
    return TraceFacts(
        commits=tuple(index.commits),
        transcripts=tuple(reply.transcript for reply in replies if reply.transcript),
        heard=tuple(index.heard),
        spoken=tuple(_spoken(reply) for reply in replies if _says(reply)),
        barge_ins=tuple(index.barge_ins),
        played=sum(play.samples for reply in sounding for play in reply.plays),
        underruns=tuple(row for reply in sounding for row in underruns(reply)),
        midword_splits=sum(chunk.midword for reply in replies for chunk in reply.chunks),
        chunk_gaps=tuple(gap for reply in sounding for gap in chunk_gaps(reply)),
        reserve=reserve(index),
        stt_steps=index.stt_steps,
        tts_steps=index.tts_steps,
        tts_audio=pcm_samples(replies),
        xruns=len(index.xruns),
        xrun_samples=sum(xrun.samples for xrun in index.xruns),
        dropped=index.dropped,
        shared_model=index.shared_model,
        moved=tuple(index.moved),
        late_frames=late,
        timed_frames=timed,
    )


def _says(reply: ReplyEvents) -> bool:
    return bool(reply.tokens or reply.chunks or reply.pcm or reply.plays or reply.done or reply.cancel)


def _spoken(reply: ReplyEvents) -> SpokenReply:
    return SpokenReply(
        number=reply.number,
        token=reply.tokens.t if reply.tokens else None,
        chunk=reply.chunks[0].t if reply.chunks else None,
        pcm=min((pcm.t for pcm in reply.pcm.values()), default=None),
        play=reply.plays[0].t if reply.plays else None,
        speaking=reply.speaking,
        audible=reply.audible,
        cancel=reply.cancel,
        silences=reply.silences,
    )


def gather(header: Header, parts: Sequence[TraceFacts]) -> MergedFacts:
    """Put parts together that follow one another in time."""
    total = parts[0] if len(parts) == 1 else _together(parts)
    spoken = {item.number: item for item in total.spoken}
    if len(spoken) > 1:
        spoken = dict(sorted(spoken.items()))
    return MergedFacts(header, total, spoken, {item.reply: item for item in total.transcripts})


def _together(parts: Sequence[TraceFacts]) -> TraceFacts:
    commits: list[Commit] = []
    transcripts: list[Transcript] = []
    heard: list[Span] = []
    spoken: list[SpokenReply] = []
    barge_ins: list[BargeIn] = []
    holes: list[UnderrunRow] = []
    gaps: list[int] = []
    sums = [0] * 9
    for part in parts:
        commits += part.commits
        transcripts += part.transcripts
        heard += part.heard
        spoken += part.spoken
        barge_ins += part.barge_ins
        holes += part.underruns
        gaps += part.chunk_gaps
        for at, amount in enumerate(
            (
                part.played,
                part.midword_splits,
                part.tts_audio,
                part.xruns,
                part.xrun_samples,
                part.dropped,
                part.shared_model,
                part.late_frames,
                part.timed_frames,
            )
        ):
            sums[at] += amount
    return TraceFacts(
        commits=tuple(sorted(commits, key=_decided)),
        transcripts=tuple(transcripts),
        heard=tuple(union(heard)),
        spoken=tuple(spoken),
        barge_ins=tuple(barge_ins),
        played=sums[0],
        underruns=tuple(holes),
        midword_splits=sums[1],
        chunk_gaps=tuple(gaps),
        reserve=_counted(part.reserve for part in parts),
        stt_steps=_counted(part.stt_steps for part in parts),
        tts_steps=_counted(part.tts_steps for part in parts),
        tts_audio=sums[2],
        xruns=sums[3],
        xrun_samples=sums[4],
        dropped=sums[5],
        shared_model=sums[6],
        moved=tuple(move for part in parts for move in part.moved),
        late_frames=sums[7],
        timed_frames=sums[8],
    )


def _decided(commit: Commit) -> int:
    return commit.frame_end


def _counted(histograms: Iterable[Histogram]) -> Histogram:
    """Histograms added up."""
    filled = [found for found in histograms if found]
    if len(filled) < 2:
        return filled[0] if filled else ()
    total = dict(filled[0])
    for found in filled[1:]:
        for value, times in found:
            total[value] = total.get(value, 0) + times
    return tuple(sorted(total.items()))
