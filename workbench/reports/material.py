"""Content of a report: the run, its raw values and scores, and selections that several sections share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from workbench.files import read_json
from workbench.metrics import SessionScores, Summary
from workbench.metrics.loss import DEFAULT, Prices
from workbench.metrics.rows import TurnRow, Waterfall
from workbench.runs import Run, SessionRun
from workbench.trace import Commit, Event
from workbench.units import SAMPLE_RATE, samples_to_ms


@dataclass(frozen=True)
class Material:
    """Data that sections are made from.

    Attributes:
        manifest: ``run.json``.
        limits: the budget: score key → limit; empty where none was given.
        prices: what each fault costs a user.
    """

    run: Run
    scored: Sequence[SessionScores]
    summary: Summary
    manifest: Mapping[str, Any]
    limits: Mapping[str, float]
    prices: Prices = DEFAULT

    @cached_property
    def sessions(self) -> tuple[tuple[SessionRun, SessionScores], ...]:
        """Sessions with their raw values, by name."""
        scores = {item.session: item for item in self.scored}
        ordered = sorted(self.run.sessions, key=lambda item: item.session.name)
        return tuple((item, scores[item.session.name]) for item in ordered)

    @cached_property
    def answered(self) -> tuple[tuple[str, TurnRow, Waterfall], ...]:
        """(session, turn, its waterfall) of every answered turn."""
        return tuple(
            (item.session.name, row, row.waterfall)
            for item, scores in self.sessions
            for row in scores.turns
            if row.waterfall is not None
        )


def gather(
    run: Run,
    scored: Sequence[SessionScores],
    summary: Summary,
    limits: Mapping[str, float] | None = None,
    prices: Prices = DEFAULT,
) -> Material:
    """Data of a run's report.

    Args:
        run: replayed, or read back.
        scored: raw values of its sessions.
        summary: of ``scored``.
        limits: a budget to hold the scores to.
        prices: that the run was scored with.

    Raises:
        WorkbenchError: ``run.json`` cannot be read.
    """
    return Material(run, scored, summary, read_json(run.folder / "run.json"), limits or {}, prices)


def commits(item: SessionRun) -> list[Commit]:
    """Every commit of a session."""
    return [event for event in item.trace.events if isinstance(event, Commit)]


def cutins(found: Sequence[Commit], row: TurnRow) -> Iterator[Commit]:
    """The commits before the end of a turn that did not find its end."""
    for commit in found:
        if row.start < commit.frame_end < row.end and not (row.end_found and commit.reply == row.reply):
            yield commit


def idle(found: Sequence[Commit], scores: SessionScores) -> Iterator[Commit]:
    """Commits outside all turns that ended none; empty where there are no labels."""
    ended = {row.reply for row in scores.turns if row.end_found}
    for commit in found:
        inside = any(row.start < commit.frame_end < row.end for row in scores.turns)
        if scores.labelled and not inside and commit.reply not in ended:
            yield commit


def by_reply(item: SessionRun, kind: type[Event]) -> dict[int, list[Any]]:
    """Events of one kind by the answer they belong to."""
    found: dict[int, list[Any]] = {}
    for event in item.trace.events:
        if isinstance(event, kind):
            found.setdefault(event.reply, []).append(event)  # type: ignore[union-attr]
    return found


def early(fall: Waterfall) -> bool:
    """Whether the answer was decided before the user's speech had ended, so that its waterfall begins negative."""
    return fall.endpoint_hold < 0


def seconds(samples: int) -> str:
    """Seconds on the session clock.

    >>> seconds(36_000)
    '1.50'
    """
    return f"{samples / SAMPLE_RATE:.2f}"


def clock(samples: int) -> str:
    """Minutes and seconds on the session clock.

    >>> clock(36_000), clock(24_000 * 75)
    ('0:01.5', '1:15.0')
    """
    tenths = samples * 10 // SAMPLE_RATE
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


def ms(samples: int | None) -> str:
    """Whole milliseconds; a dash where there is no value.

    >>> ms(5760), ms(None)
    ('240', '–')
    """
    return "–" if samples is None else f"{samples_to_ms(samples):.0f}"
