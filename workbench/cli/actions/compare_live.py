"""Action and output of ``workbench compare`` with one live recording."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click

from workbench.config import Config, override
from workbench.errors import WorkbenchError, printable
from workbench.live.compare_traces import Exchange, Pairing, exchanges, pair
from workbench.runs import run_sessions
from workbench.sessions.session import Live, Session, open_session
from workbench.trace import Heard
from workbench.trace_file import read_trace
from workbench.units import FRAME_SAMPLES, samples_to_ms, samples_to_seconds


def compare_live(folder: Path, changes: Mapping[str, str], out: Path | None, as_json: bool) -> int:
    """Replay a live session and print where the two differ; the exit code is 1 if their turns do."""
    session = open_session(folder)
    if session.live is None:
        raise WorkbenchError(f"{folder}: not recorded with --live, so there is no live trace to compare")
    # The microphone track holds the echo of the agent already.
    config = override(_config(session, session.live), {"echo.path": "off"})
    config = override(config, changes)
    shown = _shown(session, session.live, config)
    run = run_sessions([folder], config, out or Path("reports") / f"{session.name}-live-{config.fingerprint[:8]}")
    live = read_trace(session.live.path)
    pairs = pair(exchanges(live), exchanges(run.sessions[0].trace))
    same = all(item.is_same for item in pairs)
    if as_json:
        rows = [{side: asdict(x) if x else None for side, x in (("live", p.a), ("replay", p.b))} for p in pairs]
        click.echo(json.dumps({"session": session.name, "same": same, "turns": rows}))
    else:
        _print(session, pairs, shown)
        heard = max((event.end for event in live.events if isinstance(event, Heard)), default=0)
        if shown is _UTTERANCES and heard < session.frames * FRAME_SAMPLES:
            whole = samples_to_seconds(session.samples)
            click.echo(
                f"heard live: {samples_to_seconds(heard):.2f} of {whole:.2f} s; the model was behind, or was stopped"
            )
    return 0 if same else 1


def _config(session: Session, live: Live) -> Config:
    flat = {f"{section}.{knob}": value for section, knobs in live.config.items() for knob, value in knobs.items()}
    try:
        return override(Config(), flat)
    except WorkbenchError as error:
        raise WorkbenchError(f"{session.folder}: live config: {error}") from None


_DUPLEX = "moshi-duplex"


@dataclass(frozen=True)
class _Table:
    """Table of turns or of utterances.

    Attributes:
        what: noun for a row, ``turn`` or ``utterance``.
        columns: headings after number and side.
        decide: columns that must be equal on both sides.
        sound: noun for what is heard at another moment live.
    """

    what: str
    columns: tuple[str, ...]
    decide: frozenset[int]
    sound: str


_TURNS = _Table("turn", ("start s", "end s", "answer s", "until s", "", "words"), frozenset({0, 1, 5}), "answers")
_UTTERANCES = _Table(
    "utterance", ("decided s", "sounds s", "until s", "long s", "words"), frozenset({0, 3, 4}), "sound"
)
"""For a model that hears and speaks at once; ``long`` is the length of the utterance."""


def _shown(session: Session, live: Live, config: Config) -> _Table:
    was, now = live.config.get("stack", {}).get("name"), config.stack.name
    if was != now and _DUPLEX in (was, now):
        raise WorkbenchError(
            f"{session.folder}: ran live with stack {was!r}; {_DUPLEX} has no turns to compare with those of "
            f"{now if was == _DUPLEX else was}"
        )
    return _UTTERANCES if now == _DUPLEX else _TURNS


def _print(session: Session, pairs: Sequence[Pairing], shown: _Table) -> None:
    from rich.table import Table

    from workbench.cli.progress import Output

    table = Table(shown.what, "", *shown.columns, box=None, pad_edge=False)
    for number, item in enumerate(pairs, 1):
        live, replayed = _cells(item.a, shown), _cells(item.b, shown)
        if item.is_same:
            replayed = ["=" if column in shown.decide else cell for column, cell in enumerate(replayed)]
        table.add_row(str(number), "live", *live)
        table.add_row("", "replay", *replayed)
    Output(110).print(table)
    same = sum(item.is_same for item in pairs)
    alike = f"{same} of {len(pairs)} {shown.what}s begin, end and read the same live and replayed"
    click.echo(printable(f"{session.name}: {alike}"))
    later = [samples_to_ms(item.answer_later_by) for item in pairs if item.answer_later_by is not None]
    if later:
        middle = median(later)
        click.echo(
            f"{shown.sound} came {abs(middle):.0f} ms {'later' if middle >= 0 else 'earlier'} live than replayed "
            f"(median of {len(later)}; {min(later):+.0f} to {max(later):+.0f} ms)"
        )
    stopped = [sum(bool(x and x.is_stopped) for x in side) for side in zip(*((p.a, p.b) for p in pairs), strict=True)]
    if any(stopped):
        click.echo(printable(f"interrupted: {stopped[0]} answers live, {stopped[1]} replayed"))


def _cells(item: Exchange | None, shown: _Table) -> list[str]:
    if item is None:
        return [*("-" if column else "" for column in shown.columns[:-1]), f"no such {shown.what}"]
    words = item.text if len(item.text) <= 40 else item.text[:39] + "…"
    if item.frames is None:
        moments = [_seconds(moment) for moment in (item.start, item.end, item.answer, item.answer_end)]
        return [*moments, "stopped" if item.is_stopped else "", words]
    made = item.frames * FRAME_SAMPLES
    return [*(_seconds(moment) for moment in (item.end, item.answer, item.answer_end, made)), words]


def _seconds(moment: int | None) -> str:
    return "-" if moment is None else f"{samples_to_seconds(moment):.2f}"
