"""A run: sessions replayed with one config, and everything about it on disk.

``reports/<run>/`` holds ``run.json``, a trace and the agent's audio per session, ``scores.json`` and the report. The
name of a run comes from its config, never from the time of day: the same inputs give the same bytes.
"""

import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Config, knobs, override, to_dict
from workbench.errors import WorkbenchError
from workbench.files import pretty_json, write_text
from workbench.metrics import SessionScores, Summary, agent_intervals, evaluate, summarise, write_scores
from workbench.metrics.codec_limit import codec_note
from workbench.metrics.loss import DEFAULT, Prices
from workbench.metrics.moved import noted_moves
from workbench.run_folders import as_replayed, default_run_folder, write_replay
from workbench.run_reasons import with_reasons
from workbench.sessions.folders import check_name
from workbench.sessions.labels import Label, only_known, read_labels
from workbench.sessions.session import Session, open_session
from workbench.simulation.step_costs import Profile, measured_beside
from workbench.stages.protocols import Stack, fingerprints
from workbench.trace import Remark, Trace
from workbench.trace_file import read_trace, trace_digest

if TYPE_CHECKING:
    from workbench.replay.engine import Driver
    from workbench.replay.profiles import Progress

FORMAT = 1
PACKAGES = ("mlx", "moshi_mlx", "rustymimi", "numpy", "soxr", "soundfile")


@dataclass(frozen=True)
class SessionRun:
    """One session of a run; session and labels are on the clock of the replay."""

    session: Session
    labels: tuple[Label, ...]
    trace: Trace
    digest: str


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        failed: (session folder, why) of those that could not be replayed.
        vocabulary: all words the stack knows, None where any can be said.
        machine: on which step costs were measured; empty where they come from no profile.
        generated: whether its models were written by ``models init``.
        notes: what must be said of all its scores.
    """

    folder: Path
    config: Config
    sessions: tuple[SessionRun, ...]
    failed: tuple[tuple[str, str], ...]
    vocabulary: frozenset[str] | None = None
    machine: str = ""
    generated: bool = False
    notes: tuple[str, ...] = ()


def open_labelled(folder: Path) -> tuple[Session, tuple[Label, ...]]:
    """Open a session, check its audio against its checksums, and read its labels (none is fine).

    Raises:
        WorkbenchError: names the file that is wrong.
    """
    session = open_session(folder)
    if problems := session.verify():
        raise WorkbenchError(problems[0])
    labels = read_labels(session.labels_path, session.samples) if session.has_labels else ()
    return session, labels


def run_sessions(
    folders: Sequence[Path],
    config: Config,
    out: Path | None = None,
    progress: "Progress" = lambda _: None,
    driver: "Driver | None" = None,
) -> Run:
    """Replay sessions and write traces, audio and ``run.json``; on the virtual clock unless a driver is given.

    A session that fails is reported in the result; the others are finished.

    Raises:
        WorkbenchError: the stack cannot be loaded, or no session could be replayed.
    """
    opened, failed = _open_all(folders)
    if not opened:  # before any model is loaded
        raise WorkbenchError(failed[0][1] if failed else "no session to replay")
    # Not needed to score a run again, nor to say that there is nothing to replay.
    from workbench.assistants import knobs_of
    from workbench.cache import REPLAY_MEMORY, Store, default_folder
    from workbench.replay.engine import cost_source, replay
    from workbench.replay.prefetch import Prefetcher, hear, helpers, load_stack
    from workbench.replay.profiles import stack_profile, unknown_lm_time
    from workbench.stacks import generated, make_stack

    out = out or default_run_folder(config, [session.name for session, _ in opened])
    knobs = knobs_of(config)
    stack = make_stack(config)
    store = Store(default_folder(), memory=REPLAY_MEMORY)
    profile = stack_profile(stack, config, opened, store, progress)
    done: list[SessionRun] = []
    tasks = [(session.folder, labels, config, profile) for session, labels in opened]
    try:
        with Prefetcher(partial(load_stack, config), store, helpers(stack, config)) as ahead:
            for number in ahead.tasks_in_order(hear, tasks):
                session, labels = opened[number]
                progress(session.name)
                try:
                    costs = cost_source(knobs, profile, session.name)
                    stages = stack.stages(labels)
                    result = (driver or replay)(session, stages, knobs, costs, store)
                except WorkbenchError as error:
                    failed.append((str(session.folder), str(error)))
                    continue
                # On a real clock the same trace may come with other sounds.
                models = fingerprints(stages) if driver is None else None
                digest = write_replay(out, session, result, store, models)
                done.append(SessionRun(*as_replayed(out, session, labels, result.trace), result.trace, digest))
    finally:
        store.close()
    if not done:
        raise WorkbenchError(failed[0][1])
    notes = tuple(filter(None, [unknown_lm_time(stack, profile), *_idle(config)]))
    write_text(out / "run.json", pretty_json(_manifest(config, stack, profile, done) | {"notes": list(notes)}))
    machine = profile.machine if profile else ""
    return Run(out, config, tuple(done), tuple(failed), stack.vocabulary, machine, generated(config), notes)


def _open_all(
    folders: Sequence[Path],
) -> tuple[list[tuple[Session, tuple[Label, ...]]], list[tuple[str, str]]]:
    opened: list[tuple[Session, tuple[Label, ...]]] = []
    failed: list[tuple[str, str]] = []
    for folder in folders:
        try:
            session, labels = open_labelled(folder)
        except WorkbenchError as error:
            failed.append((str(folder), str(error)))
            continue
        if same := next((other.folder for other, _ in opened if other.name == session.name), None):
            failed.append((str(folder), f"{folder}: has the name of {same}, {session.name!r}; rename one"))
            continue
        opened.append((session, labels))
    return opened, failed


def score_run(run: Run, prices: Prices = DEFAULT) -> tuple[tuple[SessionScores, ...], Summary]:
    """Score every session of a run, pool, and write ``scores.json``; raises what :func:`scores_of` does."""
    scored, summary = scores_of(run, prices)
    write_scores(run.folder / "scores.json", scored, summary, prices)
    return scored, summary


def scores_of(run: Run, prices: Prices = DEFAULT) -> tuple[tuple[SessionScores, ...], Summary]:
    """Scores of every session of a run, and pooled; nothing is written.

    Raises:
        WorkbenchError: a trace holds what no replay can do.
    """
    scored = []
    unknown = 0
    for item in run.sessions:
        agent = agent_intervals(item.session.stream("agent")) if "agent" in item.session.tracks else ()
        labels, strange = only_known(item.labels, run.vocabulary)
        unknown += strange
        scores = evaluate(item.trace, labels, agent, prices)
        scored.append(with_reasons(run.config, run.folder, item.session, (item.trace, item.labels), scores))
    summary = summarise(scored)
    if unknown:
        hold = "turn holds" if unknown == 1 else "turns hold"
        note = f"{unknown} {hold} words outside the stack's vocabulary: their words are not scored"
        summary = replace(summary, notes=(*summary.notes, note))
    if busy := measured_beside(run.machine):
        again = f"{busy}: replay again after 'workbench cache --clear-profiles'"
        summary = replace(summary, notes=(*summary.notes, again))
    ends = (codec_note(item.trace) for item in run.sessions if item.trace.header.listener == "mlx-harmony")
    notes = noted_moves(summary.notes, [item.trace for item in run.sessions])
    summary = replace(summary, notes=(*notes, *run.notes, *filter(None, ends), *_remarks(run)))
    return tuple(scored), summary


def _idle(config: Config) -> list[str]:
    """A line for each knob that is set and does nothing; ``enabled`` is for the assistant alone."""
    from workbench.idle_knobs import idle

    return list(idle(config, (path for path in knobs() if path != "assistant.enabled")))


def _remarks(run: Run) -> Iterator[str]:
    """What the traces say of replies that are not what they seem, each with how often."""
    counted = Counter(event.text for item in run.sessions for event in item.trace.events if isinstance(event, Remark))
    for text, count in sorted(counted.items()):
        yield f"{count} {'reply' if count == 1 else 'replies'}: {text}"


def _manifest(config: Config, stack: Stack, profile: Profile | None, done: Sequence[SessionRun]) -> dict[str, Any]:
    import importlib.metadata

    from workbench.stacks import generated

    return {
        "format": FORMAT,
        "config": to_dict(config),
        "fingerprint": config.fingerprint,
        "stack": stack.name,
        "weights": stack.weights,
        "generated": generated(config),
        "vocabulary": sorted(stack.vocabulary) if stack.vocabulary is not None else None,
        "profile": {"digest": profile.digest, "machine": profile.machine} if profile else None,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "sessions": [
            {
                "name": run.session.name,
                "folder": run.session.folder.as_posix(),
                "mic": open_session(run.session.folder).mic.sha256,
                "labels": run.session.labels_source,
                "digest": run.digest,
            }
            for run in done
        ],
    }


def read_run(folder: Path) -> Run:
    """Read a run back from its traces; no model is loaded.

    Raises:
        WorkbenchError: not a run, or a trace or session is missing.
    """
    from workbench.file_forms import read_run_json

    path = folder / "run.json"
    form = read_run_json(folder)
    flat = {f"{section}.{knob}": value for section, values in form.config.items() for knob, value in values.items()}
    try:
        config = override(Config(), flat)
    except WorkbenchError as error:
        raise WorkbenchError(f"{path}: config: {error}; replay the sessions again") from None
    sessions = []
    for entry in form.sessions:
        check_name(entry.name, f"{path}: sessions.name")
        try:
            session, labels = open_labelled(Path(entry.folder))
        except (WorkbenchError, ValueError) as error:  # a folder's name may hold what no path can
            raise WorkbenchError(f"{path}: {error}; score from the folder it was replayed in") from None
        if session.name != entry.name:
            raise WorkbenchError(f"{path}: {entry.folder} holds session {session.name!r}, not {entry.name!r}")
        if session.mic.sha256 != entry.mic:
            raise WorkbenchError(f"{path}: {entry.folder} holds another recording than was replayed; replay it again")
        trace_path = folder / f"{entry.name}.trace.jsonl"
        trace = read_trace(trace_path)
        if trace_digest(trace) != entry.digest:
            raise WorkbenchError(f"{trace_path}: is not the trace of this run, by the digest in run.json; replay again")
        sessions.append(SessionRun(*as_replayed(folder, session, labels, trace), trace, entry.digest))
    known = frozenset(form.vocabulary) if form.vocabulary is not None else None
    machine = form.profile.machine if form.profile else ""
    return Run(folder, config, tuple(sessions), (), known, machine, form.generated, tuple(form.notes))
