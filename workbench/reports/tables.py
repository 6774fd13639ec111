"""Tables of a run with documented columns; :mod:`workbench.reports.table_files` writes them as CSV and Parquet.

Conventions:
    Times and durations are milliseconds (``_ms``) or seconds (``_s``) as floats; a cell is None where there was nothing
    to measure. ``docs/report.md`` lists every column (a test compares).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER
from workbench.metrics.rows import PARTS, TurnRow
from workbench.reports.incidents import Incident
from workbench.reports.material import Material, by_reply, commits, cutins
from workbench.reports.parts import PART_WORDS
from workbench.sessions.labels import turns as labelled_turns
from workbench.trace import Tokens, Transcript
from workbench.units import samples_to_ms, samples_to_seconds

Cell = str | float | int | bool | None


@dataclass(frozen=True)
class DataTable:
    """A table.

    Attributes:
        name: of its file, without suffix.
        title: for people.
        columns: name → what it holds, in order.
        rows: cells in order of the columns.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    rows: tuple[tuple[Cell, ...], ...]


_SESSION = {"session": "name of the session"}
_TURN = {**_SESSION, "turn": "number of the labelled turn; empty where it belongs to none"}


def run_tables(data: Material, found: Sequence[Incident]) -> tuple[DataTable, ...]:
    """Every table of a run's page."""
    return (
        _incidents(found),
        _turns(data),
        _waterfall(data),
        *(_raw(data, *raw) for raw in _RAW),
        _sessions(data),
        _scores(data),
    )


def _incidents(found: Sequence[Incident]) -> DataTable:
    columns = {
        **_TURN,
        "at_s": "moment on the session clock",
        "kind": "kind of incident",
        "text": "what happened",
        "remedy": "cause, and the setting that would have helped here; empty where none is known",
        "cost_s": "seconds that it costs the user, by the prices in scores.json",
    }
    rows = tuple((it.session, it.turn, samples_to_seconds(it.t), it.kind, it.text, it.remedy, it.cost) for it in found)
    return DataTable("incidents", "Incidents", columns, rows)


def _turns(data: Material) -> DataTable:
    columns = {
        **_TURN,
        "start_s": "first sample of the user's speech",
        "end_s": "first sample after it",
        "said": "words by the labels",
        "understood": "final transcripts, joined by a slash where the turn was cut",
        "answered": "text of the answers",
        "outcome": "what became of the turn",
        "endpoint_delay_ms": "from the turn's end to the end of the frame that decided; negative for a cut-in",
        "voice_to_voice_ms": "from the turn's end to the first audible sample of the answer",
        "cutins": "commits before the turn's end",
        "words": "words by the labels",
        "word_errors": "substitutions, deletions and insertions",
        "counterfactual": "whether the agent had behaved differently from the recorded one before it",
    }
    rows = []
    for item, scores in data.sessions:
        decided, heard, answers = commits(item), by_reply(item, Transcript), by_reply(item, Tokens)
        spoken = {turn.number: turn.text for turn in labelled_turns(item.labels)}
        for row in scores.turns:
            replies = [commit.reply for commit in cutins(decided, row)]
            replies += [row.reply] if row.reply is not None and row.reply not in replies else []
            rows.append(
                (
                    item.session.name,
                    row.turn,
                    samples_to_seconds(row.start),
                    samples_to_seconds(row.end),
                    spoken[row.turn],
                    " / ".join(event.text for reply in replies for event in heard.get(reply, ())),
                    " / ".join(event.text for reply in replies for event in answers.get(reply, ())),
                    outcome(row),
                    _ms(row.endpoint_delay),
                    _ms(row.waterfall.voice_to_voice if row.waterfall else None),
                    row.cutins,
                    row.words,
                    row.word_errors,
                    row.counterfactual,
                )
            )
    return DataTable("turns", "Turns", columns, tuple(rows))


def outcome(row: TurnRow) -> str:
    """What became of a turn, in words."""
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
        words.append(f"first {samples_to_ms(row.onset_clipped):.0f} ms not heard")
    return ", ".join(words) or "answered"


def _waterfall(data: Material) -> DataTable:
    names = (*PARTS[:2], "silence_hold", *PARTS[2:], "voice_to_voice")
    words = {**PART_WORDS, "voice_to_voice": "all of it, measured directly"}
    columns = {**_TURN, **{f"{name}_ms": words[name] for name in names}, "residual_samples": "what the parts leave out"}
    rows = tuple(
        (session, row.turn, *(_ms(getattr(fall, name)) for name in names), fall.residual)
        for session, row, fall in data.answered
    )
    return DataTable("waterfall", "Latency of every answered turn", columns, rows)


_Convert = Callable[[int], Cell]
_RAW: tuple[tuple[str, str, str, Mapping[str, tuple[str, str]]], ...] = (
    (
        "holds",
        "Pauses inside turns",
        "holds",
        {"turn": ("turn", ""), "start_s": ("start", "begin of the pause"), "end_s": ("end", "end of the pause"),
         "cut": ("cut", "whether it was taken for the end of the turn")},
    ),
    (
        "stops",
        "Answers that were stopped",
        "barge_ins",
        {"at_s": ("t", "when it was decided"), "reply": ("reply", "number of the answer"),
         "onset_s": ("onset", "where the sound began that did it"), "cause": ("cause", "who or what made it"),
         "detection_ms": ("detection", "from the user's onset to the decision"),
         "reaction_ms": ("reaction", "from the user's onset to the agent's silence")},
    ),
    (
        "floor",
        "Turns that began while the agent spoke",
        "floor",
        {"turn": ("turn", ""), "at_s": ("start", "begin of the turn"), "reply": ("reply", "number of the answer"),
         "missed": ("missed", "whether the agent still spoke 2 s later")},
    ),
    (
        "events",
        "Sounds that are no interruption, while the agent spoke",
        "events",
        {"start_s": ("start", "begin of the sound"), "end_s": ("end", "end of the sound"),
         "kind": ("kind", "backchannel, noise or background"), "stopped": ("stopped", "whether it stopped the agent")},
    ),
    (
        "losses",
        "What each turn cost the user",
        "losses",
        {"turn": ("turn", ""), "delay_s": ("delay", "waiting; of a turn without an answer the longest that is counted"),
         "missed_end_s": ("missed_end", "price of a turn without an answer"),
         "cut_in_s": ("cut_in", "price of its cut-ins"), "false_barge_in_s": ("false_barge_in", "price of wrong stops"),
         "missed_barge_in_s": ("missed_barge_in", "price of interruptions that were not noticed"),
         "stutter_s": ("stutter", "price of holes in the answer"),
         "clipped_onset_s": ("clipped_onset", "price of first words that were not heard"),
         "total_s": ("total", "what is counted")},
    ),
    (
        "underruns",
        "Holes in the agent's speech",
        "underruns",
        {"at_s": ("t", "begin of the hole"), "reply": ("reply", "number of the answer"),
         "length_ms": ("samples", "length of the hole"), "voiced": ("voiced", "whether speech surrounds it")},
    ),
)  # fmt: skip
"""Name, title, field of ``SessionScores`` and columns (name → field of the row, what it holds)."""


def _raw(data: Material, name: str, title: str, source: str, fields: Mapping[str, tuple[str, str]]) -> DataTable:
    convert: list[tuple[str, _Convert]] = [(field, _unit(column)) for column, (field, _) in fields.items()]
    columns = {**_SESSION, **{column: words or _TURN[column] for column, (_, words) in fields.items()}}
    rows = tuple(
        (item.session.name, *(as_cell(getattr(row, field)) for field, as_cell in convert))
        for item, scores in data.sessions
        for row in getattr(scores, source)
    )
    return DataTable(name, title, columns, rows)


def _unit(column: str) -> _Convert:
    if column.endswith("_s"):
        return samples_to_seconds
    return _ms if column.endswith("_ms") else lambda value: value


def _ms(samples: int | None) -> float | None:
    return None if samples is None else samples_to_ms(samples)


def _sessions(data: Material) -> DataTable:
    columns = {
        **_SESSION,
        "length_s": "length of the recording",
        "labels": "origin of the labels: human, constructed or auto; empty where there are none",
        "turns": "labelled turns",
        "answered": "turns whose answer was heard",
        "cutins": "commits before the end of a turn",
        "missed": "turns whose end was missed",
        "wrong_stops": "answers stopped by something else than an interruption",
        "underruns": "holes in the agent's speech",
        "agent_s": "what the loudspeaker played",
    }
    rows = tuple(
        (
            item.session.name,
            samples_to_seconds(scores.samples),
            (item.session.labels_source or "") if scores.labelled else "",
            len(scores.turns),
            sum(row.waterfall is not None for row in scores.turns),
            sum(row.cutins for row in scores.turns),
            sum(row.missed for row in scores.turns),
            sum(row.cause != "speech" for row in scores.barge_ins) if scores.labelled else None,
            len(scores.underruns),
            samples_to_seconds(scores.played),
        )
        for item, scores in data.sessions
    )
    return DataTable("sessions", "Sessions", columns, rows)


def _scores(data: Material) -> DataTable:
    columns = {
        "score": "key; docs/metrics.md defines it",
        "value": "figure over all sessions",
        "low": "lower end of its 95 % interval",
        "high": "upper end",
        "k": "events that were counted, for rates",
        "n": "chances or exposure",
        "limit": "of the budget",
        "higher_is_better": "whether more is better",
    }
    summary = data.summary
    rows = tuple(
        (
            key,
            value,
            *summary.intervals.get(key, (None, None)),
            *summary.counts.get(key, (None, None)),
            data.limits.get(key),
            key in HIGHER_IS_BETTER,
        )
        for key, value in summary.scores.items()
        if key in BY_KEY
    )
    return DataTable("scores", "Scores", columns, rows)
