"""Action and output of ``workbench demo``."""

from pathlib import Path

import click

from workbench.cli.actions.replay import replay_and_show
from workbench.cli.actions.score import Asked
from workbench.cli.actions.tune import tune_demo
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.files import RECORDINGS, SHIPPED, read_json
from workbench.sessions.folders import MANIFEST, find_sessions

DEMO = Path("reports/demo")
"""Folder of the demo's run, which each demo writes anew."""

COLLECTION = "workbench demo"
"""``provenance.collection`` of a demo session; other sessions are the user's own."""


def run_demo(config: Config, out: Path, page: bool) -> int:
    """Replay every demo session, then tune on them, where the stack has a listener to tune.

    Demo sessions in ``recordings/`` are taken first; where there are none, those that came with workbench.
    """
    folders = demo_sessions(RECORDINGS) or demo_sessions(SHIPPED / RECORDINGS)
    if not folders:
        raise WorkbenchError(f"{SHIPPED / RECORDINGS}: no demo session; install workbench again")
    plural = "" if len(folders) == 1 else "s"
    click.echo(f"Replaying {len(folders)} demo session{plural} on the {config.stack.name} stack.")
    code = replay_and_show(folders, config, (out, out == DEMO), Asked(), False, page)
    if code or config.stack.name == "moshi-duplex":
        return code
    click.echo("\nTuning on them: a few trials, to show how it goes.")
    return tune_demo(folders, config, page)


def demo_sessions(recordings: Path) -> list[Path]:
    """Demo sessions in a folder, sorted by name."""
    if not recordings.is_dir():
        return []
    return [folder for folder in find_sessions(recordings) if _is_demo(folder / MANIFEST)]


def _is_demo(manifest: Path) -> bool:
    """Whether a manifest is that of a demo session; one that cannot be read is a user's own."""
    try:
        data = read_json(manifest)
    except WorkbenchError:
        return False
    provenance = data.get("provenance") if isinstance(data, dict) else None
    return isinstance(provenance, dict) and provenance.get("collection") == COLLECTION
