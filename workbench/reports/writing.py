"""``report.md`` and ``figures/`` of a run, written into its folder."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from workbench.assistants import knobs_of
from workbench.errors import printable
from workbench.files import read_json, write_text
from workbench.metrics import SessionScores, Summary
from workbench.replay.engine import echo_path
from workbench.reports import happenings, overview, scores
from workbench.reports.material import Material
from workbench.runs import Run, SessionRun
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

MOST_TIMELINES = 40
"""Sessions beyond this many, in order of name, are not drawn."""

SECTIONS = (
    overview.opening,
    scores.budget,
    overview.sessions,
    scores.tables,
    happenings.waterfall,
    happenings.turn_taking,
    happenings.barge_in,
    happenings.stutter,
    happenings.turns,
    happenings.counterfactual,
    overview.what_was_run,
    scores.notes,
    overview.timelines,
)
"""Sections in the order of the report, the most wanted first."""


def write_report(
    run: Run, scored: Sequence[SessionScores], summary: Summary, limits: Mapping[str, float] | None = None
) -> Path:
    """Write ``report.md`` and its figures. The same run gives the same bytes.

    Args:
        run: replayed, or read back.
        scored: raw values of its sessions.
        summary: of ``scored``.
        limits: a budget to hold the scores to.

    Returns:
        The report.

    Raises:
        WorkbenchError: ``run.json`` or the agent's audio cannot be read.
    """
    manifest = read_json(run.folder / "run.json")
    figures = frozenset(_draw(run, scored))
    data = Material(run, scored, summary, manifest, limits or {}, figures)
    path = run.folder / "report.md"
    text = "\n".join(chain.from_iterable(section(data) for section in SECTIONS)).rstrip()
    # Names, labels and notes may hold what a terminal obeys, and a report may be looked at there.
    write_text(path, "\n".join(map(printable, text.split("\n"))) + "\n")
    return path


def _draw(run: Run, scored: Sequence[SessionScores]) -> Iterator[str]:
    """Draw all figures that have data; returns their file names, relative to the run."""
    from workbench.reports.figures import draw_latency, draw_waterfall, owners

    folder = run.folder / "figures"
    folder.mkdir(exist_ok=True)
    waterfall, latency = folder / "waterfall.png", folder / "latency.png"
    for path, drawn in (
        (waterfall, draw_waterfall(waterfall, scored, owners(run.config))),
        (latency, draw_latency(latency, scored)),
    ):
        if drawn:
            yield f"figures/{path.name}"
        else:
            path.unlink(missing_ok=True)
    found = {item.session: item for item in scored}
    for item in sorted(run.sessions, key=lambda item: item.session.name)[:MOST_TIMELINES]:
        if item.session.samples >= FRAME_SAMPLES:
            yield _timeline(run, item, found[item.session.name])


def _timeline(run: Run, item: SessionRun, found: SessionScores) -> str:
    from workbench.reports.timeline import LONGEST, Heading, draw_timeline
    from workbench.reports.timeline_data import dbfs, timeline_data

    session, assistant = item.session, run.config.assistant
    agent = run.folder / f"{session.name}.agent.flac"
    heard = item.trace.header.echo and agent.exists()
    taps = echo_path(knobs_of(run.config).echo, session) if heard else ()
    stop = min(session.samples, LONGEST)
    data = timeline_data(session, item.trace, found, agent, taps, stop)
    length = f"{session.samples / SAMPLE_RATE:.1f} s"
    facts = f"the first {LONGEST // SAMPLE_RATE} s of {length}" if stop < session.samples else length
    if item.trace.header.echo and not heard:
        facts += f", without the agent's echo: {agent.name} is missing"
    labels = (session.labels_source if found.labelled else None) or "none"
    ended = f"silence {assistant.stt_silence_ms} ms" if assistant.stt_silence else "pause head"
    heading = Heading(
        name=session.name,
        facts=f"{facts} · labels: {labels} · {item.trace.header.listener} listener, {ended}",
        threshold=float(dbfs(np.array(assistant.stt_silence_threshold))) if assistant.stt_silence else None,
        echo=bool(taps),
    )
    name = f"figures/{session.name}.timeline.png"
    draw_timeline(run.folder / name, heading, data, item.labels, stop)
    return name
