"""Scores of one session: ``evaluate(trace, labels)``. Pure, deterministic, without a model."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from workbench.labels import Label, turns
from workbench.labels import Turn as LabelledTurn
from workbench.metrics.agent import parting
from workbench.metrics.bargein import barge_ins, events_over_agent, floor_takes
from workbench.metrics.index import Index, Span, index
from workbench.metrics.latency import waterfall
from workbench.metrics.rows import SessionScores, TurnRow
from workbench.metrics.stutter import chunk_gaps, histogram, pcm_samples, reserve, underruns
from workbench.metrics.turns import TurnEnd, false_ends, holds, match_ends, speech_within
from workbench.metrics.words import word_errors
from workbench.trace import Trace

_NEVER = 1 << 60
"""Later than any sample of any session."""


def evaluate(trace: Trace, labels: Sequence[Label], recorded_agent: Sequence[Span] = ()) -> SessionScores:
    """Score one replayed (or recorded, or hand-written) session.

    Args:
        trace: what happened.
        labels: the reference, as :func:`workbench.labels.validate` returns it. None at all means unlabelled: then
            only playback and compute are scored. (A session that is known to hold nothing carries a ``note``.)
        recorded_agent: when the recorded agent spoke, from :func:`workbench.metrics.agent_intervals`; empty where
            there is no agent track.

    Raises:
        WorkbenchError: the trace holds what no replay can do; names session and reply.
    """
    found = index(trace)
    replies = list(found.replies.values())
    spoken = [reply for reply in replies if reply.plays]
    holes = [row for reply in spoken for row in underruns(reply)]
    scored = _labelled(found, labels, recorded_agent) if labels else _unlabelled(found)
    return replace(
        scored,
        played=sum(play.samples for reply in spoken for play in reply.plays),
        underruns=tuple(holes),
        midword_splits=sum(chunk.midword for reply in replies for chunk in reply.chunks),
        chunk_gaps=tuple(gap for reply in spoken for gap in chunk_gaps(reply)),
        reserve=reserve(found),
        stt_steps=histogram(found.stt_costs),
        tts_steps=histogram(found.tts_costs),
        tts_audio=pcm_samples(replies),
        replies_unheard=sum(not reply.audible for reply in replies if reply.commit),
        xruns=len(found.xruns),
        xrun_samples=sum(xrun.samples for xrun in found.xruns),
        dropped=found.dropped,
    )


def _unlabelled(found: Index) -> SessionScores:
    return SessionScores(found.header.session, found.header.samples, labelled=False)


def _labelled(found: Index, labels: Sequence[Label], recorded_agent: Sequence[Span]) -> SessionScores:
    """The fields that need labels; the others keep their defaults."""
    labels = sorted(labels)
    reference = turns(labels)
    ends = match_ends(reference, found.commits, found.header.samples)
    false, spans = false_ends(reference, ends, found.commits, found.header.samples)
    stops = barge_ins(found, labels)
    return SessionScores(
        session=found.header.session,
        samples=found.header.samples,
        labelled=True,
        turns=_turn_rows(found, reference, ends, recorded_agent),
        holds=holds(reference, found.commits),
        spans=spans,
        false_ends=false,
        barge_ins=stops,
        floor=floor_takes(found, labels),
        events=events_over_agent(found, labels, stops),
    )


def _turn_rows(
    found: Index, reference: Sequence[LabelledTurn], ends: Sequence[TurnEnd], recorded_agent: Sequence[Span]
) -> tuple[TurnRow, ...]:
    heard_agent = [(start, end) for reply in found.replies.values() for start, end, _ in reply.audible]
    parted = parting(heard_agent, recorded_agent)
    listens = not any(commit.reason == "model" for commit in found.commits)  # a duplex model writes nothing down
    words = word_errors(
        [(turn.text, _transcript(found, reference, ends, number)) for number, turn in enumerate(reference)]
    )
    rows = []
    for turn, end, (spoken, errors) in zip(reference, ends, words, strict=True):
        commit = end.commit
        reply = found.replies[commit.reply] if commit else None
        heard = found.first_heard(turn.start, turn.end)
        rows.append(
            TurnRow(
                turn=turn.number,
                start=turn.start,
                end=turn.end,
                reply=commit.reply if commit else None,
                end_found=end.end_found,
                missed=not end.end_found and not end.censored,
                censored=end.censored,
                cutins=end.cutins,
                endpoint_delay=commit.frame_end - turn.end if commit else None,
                waterfall=waterfall(turn.end, reply) if reply else None,
                onset_clipped=None if heard is None else speech_within(turn, turn.start, heard),
                tail_clipped=speech_within(turn, commit.frame_end, turn.end) if commit else None,
                words=spoken if listens else 0,
                word_errors=errors if listens else 0,
                counterfactual=parted is not None and turn.start > parted,
            )
        )
    return tuple(rows)


def _transcript(found: Index, reference: Sequence[LabelledTurn], ends: Sequence[TurnEnd], number: int) -> str:
    """Everything understood of a turn: the transcripts of its commits, up to the one that found the end.

    Where none did, up to the next turn's start: a late commit still carries the words.
    """
    commit = ends[number].commit
    if ends[number].end_found and commit:
        close = commit.frame_end
    else:
        close = reference[number + 1].start if number + 1 < len(reference) else _NEVER
    start = reference[number].start
    first = bisect_left(found.commits, start + 1, key=lambda item: item.frame_end)
    texts = []
    for item in found.commits[first:]:
        if item.frame_end > close:
            break
        transcript = found.replies[item.reply].transcript
        texts.append(transcript.text if transcript else "")
    return " ".join(texts)
