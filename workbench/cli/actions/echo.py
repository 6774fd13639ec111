"""Action and output of ``workbench echo``."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from workbench.errors import WorkbenchError, printable
from workbench.sessions.echo_estimate import EchoEstimate, estimate_echo
from workbench.sessions.folders import MANIFEST
from workbench.sessions.labels import read_labels
from workbench.sessions.session import open_session, update_manifest

_FIGURES = ("delay_ms", "gain_db", "erle_db", "heard_dbfs", "left_dbfs", "drift_ppm", "seconds")


def measure_and_show(folder: Path, store: bool, as_json: bool) -> None:
    """Measure the echo path of a session, print it, and keep it in ``session.json``.

    Args:
        folder: of the session.
        store: whether to keep it.
        as_json: whether to print JSON.

    Raises:
        WorkbenchError: the session has no agent track, or one that cannot be decoded.
    """
    session = open_session(folder)
    if "agent" not in session.tracks:
        raise WorkbenchError(
            f"{folder}: no agent track, so nothing to look for; 'workbench record' makes one with --live, --play or "
            "--agent-device, 'workbench import' with --agent"
        )
    # A draft by voice activity takes the agent's echo for the user.
    exact = session.has_labels and session.labels_source != "auto"
    found = estimate_echo(session, read_labels(session.labels_path, session.samples) if exact else None)
    if store:
        update_manifest(session, echo=found.to_json() if found else None)
    if as_json:
        figures = found.measured if found else dict.fromkeys(_FIGURES)
        click.echo(json.dumps({"session": str(folder), "echo": bool(found), **figures, "stored": store}))
        return
    for line in _lines(found, exact):
        click.echo(printable(line))
    if store:
        click.echo(
            printable(f'stored in {folder / MANIFEST}: replays of this session use it ([echo] path = "session")')
        )


def _lines(found: EchoEstimate | None, exact: bool) -> Iterator[str]:
    if found is None:
        yield "echo     none: the microphone does not hear the agent (a headset, or a loudspeaker that was off)"
        return
    figures = found.measured
    yield f"delay    {figures['delay_ms']:.2f} ms ({found.delay} samples)"
    yield f"gain     {figures['gain_db']:.1f} dB against the agent track"
    yield (
        f"removed  {figures['erle_db']:.1f} dB (ERLE): {figures['heard_dbfs']:.1f} dBFS with the echo, "
        f"{figures['left_dbfs']:.1f} dBFS without, in {figures['seconds']:g} s in which only the agent speaks"
    )
    if not exact:
        yield "         no labels say who else speaks when: what the agent does not explain was left out"
    if figures["drift_ppm"]:
        clock = "faster" if figures["drift_ppm"] > 0 else "slower"
        minute = abs(figures["drift_ppm"]) * 60 / 1000
        yield (
            f"drift    the microphone's clock runs {abs(figures['drift_ppm']):.1f} ppm {clock} than the agent track's: "
            f"{minute:.1f} ms a minute; figures are after its removal, and a replay does not drift"
        )
