"""Scores of one session: ``evaluate(trace, labels)``. Pure, deterministic, without a model."""

from bisect import bisect_left
from collections.abc import Sequence

from workbench.metrics.agent_speech import parting
from workbench.metrics.bargein import barge_ins, events_over_agent, floor_takes
from workbench.metrics.condense import MergedFacts, TraceFacts, condense, gather
from workbench.metrics.index import Span, first_within, index
from workbench.metrics.latency import waterfall
from workbench.metrics.loss import DEFAULT, Prices, losses
from workbench.metrics.moved import unplaced
from workbench.metrics.reference import Reference
from workbench.metrics.rows import SessionScores, TurnRow
from workbench.metrics.trace_checks import check_trace
from workbench.metrics.turns import TurnEnd, false_ends, holds, match_ends, speech_within
from workbench.metrics.word_errors import word_errors
from workbench.sessions.labels import Label
from workbench.trace import Header, Trace

_NEVER = 1 << 60
"""Later than any sample of any session."""


def evaluate(
    trace: Trace, labels: Sequence[Label], recorded_agent: Sequence[Span] = (), prices: Prices = DEFAULT
) -> SessionScores:
    """Score one replayed (or recorded, or hand-written) session.

    Args:
        trace: what happened.
        labels: the reference, as :func:`workbench.sessions.labels.validate` returns it, on the clock of the trace
            (:func:`workbench.metrics.moved.labels_as_replayed`). None at all, or moments alone, mean unlabelled: then
            only playback and compute are scored. (One that is known to hold nothing carries a ``note`` with a length;
            moments marked while recording have none.)
        recorded_agent: when the recorded agent spoke, from :func:`workbench.metrics.agent_intervals`; empty where
            there is no agent track.
        prices: of each fault, for the loss.

    Raises:
        WorkbenchError: the trace holds what no replay can do; names session and reply.
    """
    check_trace(trace)
    return score_parts(trace.header, [condense(index(trace))], Reference(labels), recorded_agent, prices)


def score_parts(
    header: Header,
    parts: Sequence[TraceFacts],
    reference: Reference,
    recorded_agent: Sequence[Span] = (),
    prices: Prices = DEFAULT,
) -> SessionScores:
    """Score a session whose trace was condensed in parts; see :func:`evaluate`."""
    found = gather(header, parts)
    total = found.total
    answered = {commit.reply for commit in total.commits}
    audible = {number for number, reply in found.spoken.items() if reply.audible}
    stops = barge_ins(found, reference) if reference.labelled else ()
    ends = match_ends(reference.turns, total.commits, header.samples) if reference.labelled else ()
    false, spans = false_ends(reference.turns, ends, total.commits, header.samples) if reference.labelled else (0, 0)
    turns = _turn_rows(found, reference, ends, recorded_agent) if ends else ()
    floor = floor_takes(found, reference)
    return SessionScores(
        session=header.session,
        samples=header.samples,
        labelled=reference.labelled,
        turns=turns,
        holds=holds(reference.turns, total.commits),
        spans=spans,
        false_ends=false,
        barge_ins=stops,
        floor=floor,
        events=events_over_agent(found, reference, stops),
        played=total.played,
        underruns=total.underruns,
        midword_splits=total.midword_splits,
        chunk_gaps=total.chunk_gaps,
        reserve=total.reserve,
        stt_steps=total.stt_steps,
        tts_steps=total.tts_steps,
        tts_audio=total.tts_audio,
        replies_unheard=len(answered - audible),
        xruns=total.xruns,
        xrun_samples=total.xrun_samples,
        dropped=total.dropped,
        shared_model=total.shared_model,
        late_frames=total.late_frames,
        timed_frames=total.timed_frames,
        losses=losses(found, turns, stops, floor, prices),
    )


def _turn_rows(
    found: MergedFacts, reference: Reference, ends: Sequence[TurnEnd], recorded_agent: Sequence[Span]
) -> tuple[TurnRow, ...]:
    out_of_place = unplaced(found.total.moved)
    heard_agent = [(start, end) for reply in found.spoken.values() for start, end, _ in reply.audible]
    # People who react leave the recording only where they cannot be placed.
    parted = parting(heard_agent, recorded_agent) if found.header.timing != "reactive" else None
    commits, heard = found.total.commits, found.total.heard
    listens = not any(commit.reason == "model" for commit in commits)  # a duplex model writes nothing down
    words = word_errors(
        [(turn.text, _transcript(found, reference, ends, number)) for number, turn in enumerate(reference.turns)]
    )
    rows = []
    for turn, end, (spoken, errors) in zip(reference.turns, ends, words, strict=True):
        commit = end.commit
        parts = None
        if commit:
            answer, written = found.spoken.get(commit.reply), found.transcripts.get(commit.reply)
            parts = waterfall(turn.end, commit, written, answer, found.header.playout)
        onset = first_within(heard, turn.start, turn.end)
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
                waterfall=parts,
                onset_clipped=None if onset is None else speech_within(turn, turn.start, onset),
                tail_clipped=speech_within(turn, commit.frame_end, turn.end) if commit else None,
                words=spoken if listens else 0,
                word_errors=errors if listens else 0,
                counterfactual=(parted is not None and turn.start > parted)
                or any(start <= turn.start < end for start, end in out_of_place),
            )
        )
    return tuple(rows)


def _transcript(found: MergedFacts, reference: Reference, ends: Sequence[TurnEnd], number: int) -> str:
    """Everything understood of a turn: the transcripts of its commits, up to the one that found the end.

    Where none did, up to the next turn's start: a late commit still carries the words.
    """
    turns, commits = reference.turns, found.total.commits
    commit = ends[number].commit
    if ends[number].end_found and commit:
        close = commit.frame_end
    else:
        close = turns[number + 1].start if number + 1 < len(turns) else _NEVER
    first = bisect_left(commits, turns[number].start + 1, key=lambda item: item.frame_end)
    texts = []
    for item in commits[first:]:
        if item.frame_end > close:
            break
        transcript = found.transcripts.get(item.reply)
        texts.append(transcript.text if transcript else "")
    return " ".join(texts)
