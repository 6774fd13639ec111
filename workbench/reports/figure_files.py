"""Figures of a run as files, on request: PNG and SVG by matplotlib, the same bytes again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workbench.assistants import knobs_of
from workbench.metrics import SessionScores
from workbench.replay.engine import echo_path
from workbench.reports.figures import draw_latency, draw_waterfall
from workbench.reports.material import Material
from workbench.reports.parts import owners
from workbench.reports.timeline import Heading, draw_timeline
from workbench.reports.timeline_data import dbfs, timeline_data
from workbench.runs import Run, SessionRun
from workbench.sessions.echo_path import EchoPath
from workbench.simulation.filters import FilterChain
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

SUFFIXES = (".png", ".svg")


def write_figures(data: Material) -> Iterator[Path]:
    """Draw every figure that has data into ``figures/``; yields the files. Those without data are deleted.

    Raises:
        WorkbenchError: the agent's audio cannot be read.
    """
    folder = data.run.folder / "figures"
    folder.mkdir(exist_ok=True)
    for suffix in SUFFIXES:
        waterfall, latency = folder / f"waterfall{suffix}", folder / f"latency{suffix}"
        for path, drawn in (
            (waterfall, draw_waterfall(waterfall, data.scored, owners(data.run.config))),
            (latency, draw_latency(latency, data.scored)),
        ):
            if drawn:
                yield path
            else:
                path.unlink(missing_ok=True)
    for item, scores in data.sessions:
        if item.session.samples >= FRAME_SAMPLES:
            yield from _timeline(data.run, item, scores)


def _timeline(run: Run, item: SessionRun, scores: SessionScores) -> Iterator[Path]:
    session, assistant = item.session, run.config.assistant
    agent = run.folder / f"{session.name}.agent.flac"
    heard = item.trace.header.echo and agent.exists()
    echo = echo_path(knobs_of(run.config).echo, session) if heard else EchoPath()
    named = knobs_of(run.config).filters
    filters = FilterChain(named).step if named else None
    shown = timeline_data(session, item.trace, scores, agent, echo, session.samples, filters)
    facts = f"{session.samples / SAMPLE_RATE:.1f} s"
    if item.trace.header.echo and not heard:
        facts += f", without the agent's echo: {agent.name} is missing"
    labels = (session.labels_source if scores.labelled else None) or "none"
    ended = f"silence {assistant.stt_silence_ms} ms" if assistant.stt_silence else "pause head"
    heading = Heading(
        name=session.name,
        facts=f"{facts} · labels: {labels} · {item.trace.header.listener} listener, {ended}",
        threshold=float(dbfs(np.array(assistant.stt_silence_threshold))) if assistant.stt_silence else None,
        echo=bool(echo),
    )
    for suffix in SUFFIXES:
        path = run.folder / "figures" / f"{session.name}.timeline{suffix}"
        draw_timeline(path, heading, shown, item.labels, session.samples)
        yield path
