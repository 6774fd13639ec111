"""What ``demo`` does and prints."""

from collections.abc import Sequence
from pathlib import Path

import click

from workbench.cli.actions.replay import run_and_show
from workbench.cli.actions.tune import BASELINE, BUDGET, QUICK, tune_demo
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.files import RECORDINGS, read_json
from workbench.sessions.folders import MANIFEST, find_sessions

_MADE_BY = "recordings/build.py"
"""Provenance of the sessions that come with the project; others in the folder are the user's own."""
_HOME = "run the demo from the project's folder"


def run_demo(config: Config, out: Path) -> int:
    """Replay every demo session, then tune on them, where the stack has a listener to tune.

    Raises:
        WorkbenchError: names what the demo needs and does not find here; nothing is replayed then.
    """
    folders = demo_sessions(RECORDINGS)
    if not folders:
        raise WorkbenchError(f"{RECORDINGS}: holds no demo session; {_HOME}")
    tunes = config.stack.name != "moshi-duplex"
    _check_configs((BASELINE, QUICK, BUDGET) if tunes else ())
    plural = "" if len(folders) == 1 else "s"
    click.echo(f"Replaying {len(folders)} demo session{plural} on the {config.stack.name} stack.")
    code = run_and_show(folders, config, out, None, False)
    if code or not tunes:
        return code
    click.echo("\nTuning on them: a few trials, to show how it goes.")
    return tune_demo(folders, config)


def demo_sessions(recordings: Path) -> list[Path]:
    """Sessions that came with the project, sorted by name."""
    if not recordings.is_dir():
        return []
    return [folder for folder in find_sessions(recordings) if _is_ours(folder / MANIFEST)]


def _is_ours(manifest: Path) -> bool:
    """Whether a manifest names our script as its maker; one that cannot be read is somebody else's."""
    try:
        data = read_json(manifest)
    except WorkbenchError:
        return False
    provenance = data.get("provenance") if isinstance(data, dict) else None
    return isinstance(provenance, dict) and provenance.get("made_by") == _MADE_BY


def _check_configs(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise WorkbenchError(f"{path}: no such config file; {_HOME}")
