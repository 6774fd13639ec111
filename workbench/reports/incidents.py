"""Incidents of a run: every moment that should not have been, each with its cause and a clip, the worst first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workbench.metrics import SessionScores
from workbench.metrics.loss import price_of_stop
from workbench.metrics.rows import PARTS, TurnRow
from workbench.metrics.turns import HOLD_MAX, HOLD_MIN
from workbench.reports.material import Material, commits, cutins, early, idle, ms
from workbench.runs import SessionRun
from workbench.sessions.labels import Turn
from workbench.sessions.labels import turns as labelled_turns
from workbench.trace import Chunk, Commit
from workbench.units import SAMPLE_RATE, SAMPLES_PER_MS, samples_to_seconds

KINDS: Mapping[str, str] = {
    "cut-in": "Cut-in: the agent took a pause for the end of the turn",
    "missed turn": "Missed turn: nobody answered",
    "wrong stop": "Wrong stop: something that is no interruption stopped the agent",
    "missed barge-in": "Missed barge-in: the user spoke and the agent talked on",
    "false end": "False end: a turn was ended where none was",
    "stutter": "Stutter: the loudspeaker ran dry",
    "split word": "Split word: a chunk ends in the middle of a word",
    "slow answer": "Slow answer: over the limit",
}
"""Kinds of incidents with what they mean."""

_BEFORE, _AFTER = 3 * SAMPLE_RATE, 4 * SAMPLE_RATE
"""What a clip holds before and after its moment."""
_SLOW_KEY = "voice_to_voice_ms_p95"


@dataclass(frozen=True)
class Incident:
    """A moment that should not have been.

    Attributes:
        kind: one of :data:`KINDS`.
        turn: labelled turn; None where it belongs to none.
        t: sample at which it happened.
        start, end: samples ``[start, end)`` of the clip.
        text: what happened, and why.
        remedy: cause and remedy by :mod:`workbench.metrics.reasons`; empty where none is known.
        cost: seconds that it costs the user, by the prices of the run; 0 where it has no price.
    """

    session: str
    kind: str
    turn: int | None
    t: int
    start: int
    end: int
    text: str
    remedy: str = ""
    cost: float = 0.0


def incidents(data: Material) -> tuple[Incident, ...]:
    """All incidents: those that cost most first, then by kind, session and time."""
    found = [
        incident
        for item, scores in data.sessions
        for part in (_turn_taking, _barge_ins, _playback, _slow)
        for incident in part(data, item, scores)
    ]
    order = {kind: number for number, kind in enumerate(KINDS)}
    return tuple(sorted(found, key=lambda it: (-it.cost, order[it.kind], it.session, it.t)))


def _span(item: SessionRun, first: int, last: int) -> tuple[int, int]:
    """The clip around ``[first, last]``; it may run on beyond the session's end, into the answer."""
    return max(0, first - _BEFORE), min(max(item.session.samples, last), last + _AFTER)


def _decided(commit: Commit, data: Material) -> str:
    assistant = data.run.config.assistant
    if commit.reason == "silence":
        return f"after {ms(commit.frame_end - commit.silence_from)} ms of silence"
    if commit.reason == "pause":
        return f"by the pause head (over {assistant.stt_vad_threshold:g})"
    return {"limit": "at the longest turn that is allowed", "model": "by the model itself"}.get(
        commit.reason, f"by {commit.reason}"
    )


def _turn_taking(data: Material, item: SessionRun, scores: SessionScores) -> Iterator[Incident]:
    name, decided = item.session.name, commits(item)
    reference = {turn.number: turn for turn in labelled_turns(item.labels)}
    for row in scores.turns:
        for commit in cutins(decided, row):
            where = _place(reference[row.turn], commit.frame_end)
            ahead = ms(row.end - commit.frame_end)
            text = f"Turn {row.turn} was ended {ahead} ms early, {where}, {_decided(commit, data)}."
            remedy = _reason(scores, "cut-in", commit.frame_end)
            span = _span(item, commit.frame_end, commit.frame_end)
            yield Incident(name, "cut-in", row.turn, commit.frame_end, *span, text, remedy, data.prices.cut_in)
        if row.missed:
            text = f"Turn {row.turn} brought no answer within 3 s of its end."
            remedy = _reason(scores, "missed end", row.end)
            lost = data.prices.longest_delay + data.prices.missed_end
            yield Incident(name, "missed turn", row.turn, row.end, *_span(item, row.end, row.end), text, remedy, lost)
    for commit in idle(decided, scores):
        text = f"A turn was ended {_outside(scores, commit.frame_end)}, {_decided(commit, data)}."
        span = _span(item, commit.frame_end, commit.frame_end)
        yield Incident(name, "false end", None, commit.frame_end, *span, text)


def _reason(scores: SessionScores, what: str, t: int) -> str:
    """Cause and remedy of what went wrong at a moment; empty where none is known."""
    text = next((row.text for row in scores.reasons if (row.what, row.t) == (what, t)), "")
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _place(turn: Turn, moment: int) -> str:
    """Place of a moment in a turn; a commit at the last sample of a pause took the pause for the end."""
    for start, end in turn.holds:
        if start < moment <= end:
            counted = "" if HOLD_MIN <= end - start <= HOLD_MAX else ", which is none of the holds"
            return f"in a pause of {ms(end - start)} ms{counted}"
    before = [(start, end) for start, end in turn.holds if end < moment]
    if not before:
        return "in speech"
    start, end = before[-1]
    return f"{ms(moment - end)} ms into the speech after a pause of {ms(end - start)} ms"


def _outside(scores: SessionScores, moment: int) -> str:
    before = [row for row in scores.turns if row.end <= moment]
    if not before:
        return "before the first turn" if scores.turns else "where nobody spoke to the agent"
    return f"{ms(moment - before[-1].end)} ms after the end of turn {before[-1].turn}"


_CAUSES = {
    "echo": "the agent's own echo",
    "noise": "a noise",
    "background": "people in the background",
    "backchannel": "a backchannel, such as “mhm”",
    "unknown": "a sound without a label",
}


def _barge_ins(data: Material, item: SessionRun, scores: SessionScores) -> Iterator[Incident]:
    name = item.session.name
    for row in scores.barge_ins:
        if row.cause != "speech":
            text = f"The answer was stopped by {_CAUSES[row.cause]}, {ms(row.t - row.onset)} ms after it began."
            if row.resumed is not None:
                text += f" It went on {ms(row.resumed)} ms later."
            span = _span(item, row.onset, row.t)
            yield Incident(name, "wrong stop", None, row.t, *span, text, "", price_of_stop(row, data.prices))
    for take in scores.floor:
        if take.missed:
            text = f"The user began turn {take.turn} over the answer, and 2 s later the agent still spoke."
            remedy = (
                "" if data.run.config.assistant.barge_in else "barge_in is off; switched on it would stop the agent."
            )
            span = _span(item, take.start, take.start)
            yield Incident(
                name, "missed barge-in", take.turn, take.start, *span, text, remedy, data.prices.missed_barge_in
            )


def _playback(data: Material, item: SessionRun, scores: SessionScores) -> Iterator[Incident]:
    name = item.session.name
    for row in scores.underruns:
        place = "in the middle of speech" if row.voiced else "in a pause of the answer"
        text = f"The loudspeaker had nothing to play for {ms(row.samples)} ms, {place}."
        remedy = _reason(scores, "underrun", row.t)
        span = _span(item, row.t, row.t + row.samples)
        lost = data.prices.stutter * samples_to_seconds(row.samples)
        yield Incident(name, "stutter", None, row.t, *span, text, remedy, lost)
    for event in item.trace.events:
        if isinstance(event, Chunk) and event.midword:
            tail = event.text if len(event.text) <= 30 else "…" + event.text[-30:]
            text = f"Chunk {event.chunk} of answer {event.reply} ends in the middle of a word: {tail}"
            yield Incident(name, "split word", None, event.t, *_span(item, event.t, event.t), text)


def _slow(data: Material, item: SessionRun, scores: SessionScores) -> Iterator[Incident]:
    limit = data.limits.get(_SLOW_KEY)
    if limit is None:
        return
    for row in scores.turns:
        fall = row.waterfall
        if fall is None or early(fall) or fall.voice_to_voice <= limit * SAMPLES_PER_MS:
            continue
        span = (max(0, row.end - _BEFORE), row.end + fall.voice_to_voice + SAMPLE_RATE)
        text = f"Turn {row.turn} was answered after {ms(fall.voice_to_voice)} ms. {_largest(row)}"
        lost = samples_to_seconds(fall.voice_to_voice)
        yield Incident(item.session.name, "slow answer", row.turn, row.end, *span, text, "", lost)


def _largest(row: TurnRow) -> str:
    parts = sorted(PARTS, key=lambda part: -getattr(row.waterfall, part))[:2]
    words = " and ".join(f"{part} ({ms(getattr(row.waterfall, part))} ms)" for part in parts)
    return f"Most of it is {words}."
