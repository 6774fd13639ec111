"""Sections on single events: parts and words of turns, cut-ins, misses, barge-ins, holes in the speech."""

from collections.abc import Iterator, Sequence

from workbench.metrics.rows import PARTS, SessionScores, TurnRow, Waterfall
from workbench.metrics.turns import HOLD_MAX, HOLD_MIN
from workbench.metrics.word_errors import digit_errors
from workbench.reports.markdown import escape, table
from workbench.reports.material import Material, by_reply, commits, cutins, early, idle, ms, seconds
from workbench.runs import SessionRun
from workbench.sessions.labels import Turn
from workbench.sessions.labels import turns as labelled_turns
from workbench.trace import Chunk, Tokens, Transcript
from workbench.units import SAMPLES_PER_MS

MOST_HOLES = 50
"""Most underruns that are listed one by one."""

_ANSWER = 80
"""Characters of an answer that are shown; the trace has all of it."""


def waterfall(data: Material) -> Iterator[str]:
    """Every answered turn in parts that add up exactly, then mean and percentiles."""
    yield from ("## Latency: where the waiting goes", "")
    for name, words in (("waterfall", "Waterfall per turn"), ("latency", "Distribution of the latencies")):
        if f"figures/{name}.png" in data.figures:
            yield from (f"![{words}](figures/{name}.png)", "")
    if not data.answered:
        yield from ("No labelled turn was answered: there is no waterfall.", "")
        return
    yield (
        "Milliseconds from the labelled end of the user's speech to the first audible sample of the answer. "
        "`silence_hold` is included in `endpoint_hold`, not a part of its own. The residual is what the parts leave "
        "unexplained, in samples. Percentiles are taken part by part and do not add up."
    )
    yield ""
    header = ("session", "turn", *PARTS[:2], "silence_hold", *PARTS[2:], "voice_to_voice", "residual")
    yield from table(header, _waterfall_rows(data, header[2:-1]), right=header[1:])
    worst = max(abs(fall.residual) for _, _, fall in data.answered)
    yield from (f"Largest residual: {worst} samples.", "")
    if any(early(fall) for _, _, fall in data.answered):
        yield from ("† decided before the user's speech had ended: `endpoint_hold` runs backwards.", "")
    if any(row.counterfactual for _, row, _ in data.answered):
        yield from ("\\* counterfactual: the replayed agent had already behaved differently from the recorded one.", "")


def _waterfall_rows(data: Material, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for session, row, fall in data.answered:
        marks = (" \\*" if row.counterfactual else "") + (" †" if early(fall) else "")
        yield (
            escape(session) + marks,
            str(row.turn),
            *(ms(getattr(fall, name)) for name in names),
            str(fall.residual),
        )
    falls = [fall for _, _, fall in data.answered]
    waited = [fall for fall in falls if not early(fall)]
    yield "**mean**", "", *_means(falls, names), ""
    if waited and len(waited) < len(falls):
        yield "**mean without †**", "", *_means(waited, names), ""
    for percent in ("p50", "p95"):
        values = [data.summary.scores[f"{name}_ms_{percent}"] for name in names]
        yield percent, "", *("–" if value is None else f"{value:.0f}" for value in values), ""


def _means(falls: Sequence[Waterfall], names: Sequence[str]) -> list[str]:
    return [f"**{sum(getattr(fall, name) for fall in falls) / len(falls) / SAMPLES_PER_MS:.0f}**" for name in names]


def turns(data: Material) -> Iterator[str]:
    """Every labelled turn: what was said, understood and answered."""
    header = ("session", "turn", "ends at", "said", "understood", "answered", "word errors", "what happened")
    rows, digits, errors = [], 0, 0
    for item, scores in data.sessions:
        decided, heard, answers = commits(item), by_reply(item, Transcript), by_reply(item, Tokens)
        spoken = {turn.number: turn.text for turn in labelled_turns(item.labels)}
        for row in scores.turns:
            replies = [commit.reply for commit in cutins(decided, row)]
            replies += [row.reply] if row.reply is not None and row.reply not in replies else []
            understood = " / ".join(escape(event.text) for reply in replies for event in heard.get(reply, ()))
            errors += row.word_errors
            if row.word_errors:
                text = " ".join(event.text for reply in replies for event in heard.get(reply, ()))
                digits += min(row.word_errors, digit_errors(spoken[row.turn], text))
            said = [escape(_shortened(event.text)) for reply in replies for event in answers.get(reply, ())]
            rows.append(
                (
                    escape(item.session.name),
                    str(row.turn),
                    f"{seconds(row.end)} s",
                    escape(spoken[row.turn]) or "–",
                    understood or "–",
                    " / ".join(said) or "–",
                    f"{row.word_errors} of {row.words}" if row.words else "–",
                    _became(row),
                )
            )
    if rows:
        yield from ("## Turns", "", *table(header, rows, right=("turn", "ends at", "word errors")))
    if digits:
        yield from (f"{digits} of {errors} word errors set digits against words: 3 is not three.", "")


def _shortened(text: str) -> str:
    return text if len(text) <= _ANSWER else text[: _ANSWER - 1].rstrip() + "…"


def _became(row: TurnRow) -> str:
    words = []
    if row.cutins and not (row.end_found and row.cutins == 1 and (row.endpoint_delay or 0) < 0):
        words.append(f"cut in on {row.cutins}×")
    if row.missed:
        words.append("end missed")
    elif row.censored:
        words.append("session ended first")
    if row.reply is not None and row.waterfall is None:
        words.append("answer never heard")
    if row.onset_clipped is None:
        words.append("not heard at all")
    elif row.onset_clipped:
        words.append(f"first {ms(row.onset_clipped)} ms not heard")
    if row.counterfactual:
        words.append("counterfactual")
    return ", ".join(words) or "answered"


def turn_taking(data: Material) -> Iterator[str]:
    """Cut-ins, missed ends and commits that ended no turn, one row each."""
    rows: list[tuple[str, ...]] = []
    for item, scores in data.sessions:
        name, decided = escape(item.session.name), commits(item)
        reference = {turn.number: turn for turn in labelled_turns(item.labels)}
        found: list[tuple[int, tuple[str, ...]]] = []
        for row in scores.turns:
            for commit in cutins(decided, row):
                where = _place(reference[row.turn], commit.frame_end)
                early = f"{ms(row.end - commit.frame_end)} ms before the end"
                why = _reason(scores, "cut-in", commit.frame_end) or f"decided by {commit.reason}"
                details = f"{early}, {where}; {escape(why)}"
                at = f"{seconds(commit.frame_end)} s"
                found.append((commit.frame_end, (name, str(row.turn), at, "cut-in", details)))
            if row.missed:
                details = escape(_reason(scores, "missed end", row.end)) or "no commit within 3 s of the end"
                found.append((row.end, (name, str(row.turn), f"{seconds(row.end)} s", "missed end", details)))
        for commit in idle(decided, scores):
            details = f"{_outside(scores.turns, commit.frame_end)}; decided by {escape(commit.reason)}"
            found.append((commit.frame_end, (name, "–", f"{seconds(commit.frame_end)} s", "ended no turn", details)))
        rows += [row for _, row in sorted(found)]
    yield from ("## Turn taking", "")
    if not any(scores.labelled for _, scores in data.sessions):
        yield from ("No labels: turn taking cannot be scored.", "")
    elif not rows:
        yield from ("No cut-in, no missed end, and no commit that ended no turn.", "")
    else:
        yield from table(("session", "turn", "at", "what", "details"), rows, right=("turn", "at"))


def _reason(scores: SessionScores, what: str, t: int) -> str:
    return next((row.text for row in scores.reasons if (row.what, row.t) == (what, t)), "")


def _outside(turns: Sequence[TurnRow], moment: int) -> str:
    """Place of a moment between the turns."""
    before = [row for row in turns if row.end <= moment]
    if not before:
        return "before the first turn" if turns else "there is no turn"
    return f"{ms(moment - before[-1].end)} ms after the end of turn {before[-1].turn}"


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


def barge_in(data: Material) -> Iterator[str]:
    """Every interruption of an answer with its cause, and sounds that did not interrupt, rightly or wrongly."""
    rows: list[tuple[str, ...]] = []
    for item, scores in data.sessions:
        name = escape(item.session.name)
        moments: list[tuple[int, tuple[str, ...]]] = []
        for stop in scores.barge_ins:
            verdict = "true" if stop.cause == "speech" else "**false**"
            times = (ms(stop.detection), ms(stop.reaction))
            moments.append((stop.t, (name, f"{seconds(stop.t)} s", "stopped", stop.cause, verdict, *times)))
        for event in scores.events:
            if not event.stopped:
                moments.append(
                    (event.start, (name, f"{seconds(event.start)} s", "spoke on", event.kind, "right", "–", "–"))
                )
        for take in scores.floor:
            if take.missed:
                at = f"{seconds(take.start)} s"
                cause = f"speech, turn {take.turn}"
                moments.append((take.start, (name, at, "spoke on for 2 s", cause, "**missed**", "–", "–")))
        rows += [row for _, row in sorted(moments)]
    yield from ("## Barge-in", "")
    if not data.run.config.assistant.barge_in:
        yield from ("`barge_in` is off: nothing can stop an answer.", "")
    if rows:
        header = ("session", "at", "the agent", "cause", "verdict", "detection ms", "reaction ms")
        yield from table(header, rows, right=("at", "detection ms", "reaction ms"))
    elif data.run.config.assistant.barge_in:
        yield from ("Nobody and nothing interrupted the agent.", "")
    if shared := sum(scores.shared_model for _, scores in data.sessions):
        yield (
            f"{shared} listen cycle{'s' * (shared != 1)} stepped the STT model between steps of another one "
            "(`shared_model_listens`), since a watch for barge-in outlived its chunk. Whose text it is in MLX-Harmony "
            "cannot be known; here each cycle has that of its own steps."
        )
        yield ""


def stutter(data: Material) -> Iterator[str]:
    """Every hole in the agent's speech, every chunk that ends in the middle of a word."""
    yield from ("## Stutter", "")
    holes = [
        (item.session.name, row, _reason(scores, "underrun", row.t))
        for item, scores in data.sessions
        for row in scores.underruns
    ]
    shown = holes
    if len(holes) > MOST_HOLES:
        longest = sorted(range(len(holes)), key=lambda i: (-holes[i][1].samples, i))[:MOST_HOLES]
        shown = [holes[i] for i in sorted(longest)]
        yield from (f"{len(holes)} underruns; the {MOST_HOLES} longest:", "")
    if holes:
        header = ("session", "answer", "at", "ms", "inside speech", "why")
        rows = (
            (
                escape(name),
                str(row.reply),
                f"{seconds(row.t)} s",
                ms(row.samples),
                "yes" if row.voiced else "no",
                escape(why),
            )
            for name, row, why in shown
        )
        yield from table(header, rows, right=("answer", "at", "ms"))
    else:
        yield from ("No underrun.", "")
    split = [row for item, _ in data.sessions for row in _midword(item)]
    if split:
        yield from ("Chunks that end in the middle of a word:", "")
        yield from table(("session", "answer", "chunk", "ends in"), split, right=("answer", "chunk"))


def _midword(item: SessionRun) -> Iterator[tuple[str, ...]]:
    for event in item.trace.events:
        if isinstance(event, Chunk) and event.midword:
            tail = event.text if len(event.text) <= 30 else "…" + event.text[-30:]
            yield escape(item.session.name), str(event.reply), str(event.chunk), escape(tail)


def counterfactual(data: Material) -> Iterator[str]:
    """Number of counterfactual turns: those after the replayed agent left the recording."""
    total = sum(len(scores.turns) for _, scores in data.sessions)
    moved = [
        (item.session.name, row.turn) for item, scores in data.sessions for row in scores.turns if row.counterfactual
    ]
    yield from ("## What is counterfactual", "")
    yield (
        f"{len(moved)} of {total} labelled turns begin after the replayed agent first behaved differently from the "
        "recorded one: the people in the recording did not react to this agent."
    )
    yield ""
    by_session: dict[str, list[str]] = {}
    for session, turn in moved:
        by_session.setdefault(session, []).append(str(turn))
    yield from (f"- {escape(session)}: turn {', '.join(numbers)}" for session, numbers in by_session.items())
    if moved:
        yield ""
