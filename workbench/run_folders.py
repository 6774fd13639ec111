"""Folders of runs: their names, what may take the place of a run that is there, and files of a replay in them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.files import canonical_json, sha256_file, sha256_text, write_text
from workbench.metrics.moved import labels_as_replayed
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.sessions.tracks import Track, agent_blocks, write_track
from workbench.trace import Trace
from workbench.trace_file import write_trace

if TYPE_CHECKING:
    from workbench.cache import Store
    from workbench.replay.engine import ReplayResult

LONGEST_PART = 40
"""Characters of sessions' names in a folder's name."""

_OF_A_RUN = (
    "run.json", "scores.json", "report.md", "index.html", "sliders.json", "run.perfetto.json", "*.trace.jsonl",
    "*.agent.flac", "*.mic.flac", "*.pauses.json", "figures/*.png", "figures/*.svg", "tables/*.csv", "tables/*.parquet",
)  # fmt: skip
"""Files of a run's folder that another run does not keep."""


def folder_part(sessions: Sequence[str]) -> str:
    """Part of a folder's name that says of which sessions it is: their names, or how many with a digest of the names.

    >>> folder_part(["kitchen"]), folder_part(["hall", "kitchen"]), folder_part([f"s{n}" for n in range(20)])
    ('kitchen', 'hall+kitchen', '20-sessions-645c03')
    """
    names = sorted(sessions)
    joined = "+".join(names)
    return joined if len(joined) <= LONGEST_PART else f"{len(names)}-sessions-{sha256_text(joined)[:6]}"


def default_run_folder(config: Config, sessions: Sequence[str]) -> Path:
    """``reports/<stack>-<listener>-<sessions>-<fingerprint>``."""
    name = f"{config.stack.name}-{config.workbench.listener}-{folder_part(sessions)}-{config.fingerprint[:8]}"
    return Path("reports") / name


def make_room(folder: Path, config: Config, sessions: Sequence[Path], force: bool) -> None:
    """Let a run be written: into an empty place, over a run with the same config of these sessions, or by force.

    Args:
        folder: of the run to write.
        config: of that run.
        sessions: folders of its sessions.
        force: whether a run with another config or of other sessions is removed.

    Raises:
        WorkbenchError: such a run is there and ``force`` is not given; names what differs.
    """
    if not (folder / "run.json").exists():
        return
    from workbench.file_forms import read_run_json

    try:
        there = read_run_json(folder)
    except WorkbenchError:
        if not force:
            raise
        return
    asked = {path.resolve() for path in sessions}
    other = [entry.name for entry in there.sessions if Path(entry.folder).resolve() not in asked]
    if there.fingerprint == config.fingerprint and not other:
        return
    what = f"of other sessions ({', '.join(other[:3])})" if other else "with another config"
    if not force:
        raise WorkbenchError(f"{folder}: holds a run {what}; give another --out, or --force to replace it")
    for pattern in _OF_A_RUN:
        for path in sorted(folder.glob(pattern)):
            path.unlink()


def pauses_path(folder: Path, session: str) -> Path:
    """File of a session's pause heads in the folder of its run: [frame, probability of a pause] of each frame heard."""
    return folder / f"{session}.pauses.json"


def as_replayed(
    folder: Path, session: Session, labels: tuple[Label, ...], trace: Trace
) -> tuple[Session, tuple[Label, ...]]:
    """Session and labels on the clock of a replay: those of the recording, but where people reacted.

    Args:
        folder: of the run; it holds the microphone as it was laid.
        session: as recorded.
        labels: as recorded.
        trace: of the replay.

    Raises:
        WorkbenchError: the microphone of such a replay is missing.
    """
    if trace.header.timing != "reactive":
        return session, labels
    path = mic_path(folder, session.name)
    if not path.exists():
        raise WorkbenchError(f"{path}: missing; replay the session again")
    mic = Track("mic", path, trace.header.samples, sha256_file(path))
    laid = replace(session, samples=trace.header.samples, tracks={"mic": mic})
    return laid, labels_as_replayed(trace, labels)


def mic_path(folder: Path, session: str) -> Path:
    """File of a session's microphone in the folder of its run, where people reacted."""
    return folder / f"{session}.mic.flac"


def write_replay(out: Path, session: Session, result: "ReplayResult", store: "Store", models: list[str] | None) -> str:
    """Write trace, agent audio, pause heads and, where people reacted, the microphone of a replay.

    The audio takes longest. It stays where the file there is the one that was written for this trace before.

    Args:
        out: folder of the run.
        session: that was replayed.
        result: of the replay.
        store: keeps checksums of what was written.
        models: fingerprints of the stages; None where audio does not follow from them and the trace.

    Returns:
        Digest of the trace.
    """
    from workbench.cache import code_version, key_of

    out.mkdir(parents=True, exist_ok=True)
    digest = write_trace(out / f"{session.name}.trace.jsonl", result.trace)
    audio = out / f"{session.name}.agent.flac"

    def write(path: Path) -> None:
        write_track(path, agent_blocks(result.sounds(), result.trace.header.samples))

    if models is None:
        write(audio)
    else:
        store.write_file(audio, key_of("agent", code_version(), models, session.mic.sha256, digest), write)
    if result.mic is not None:
        write_track(mic_path(out, session.name), result.mic())
    else:
        mic_path(out, session.name).unlink(missing_ok=True)
    pauses = pauses_path(out, session.name)
    if result.pauses:
        heads = [[frame, round(value, 4)] for frame, value in sorted(result.pauses.items())]
        write_text(pauses, canonical_json(heads) + "\n")
    else:
        pauses.unlink(missing_ok=True)
    return digest
