"""The evaluator of a study: loaded here, in a worker process, or on another machine to which its sessions travel."""

import socket
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from workbench.cache import Store, default_folder
from workbench.errors import WorkbenchError
from workbench.execution import Setup
from workbench.replay.profiles import Progress
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.spec import StudySpec


def settle(spec: StudySpec, progress: Progress = lambda _: None) -> tuple[StudySpec, Evaluator]:
    """Begin a study: load what it needs, and make step costs, measured here if need be, and weights a part of it.

    Raises:
        WorkbenchError: a session or the stack cannot be loaded; or ``tts_stream`` is tuned where the LM's time is not
            known.
    """
    folders = [Path(ref.folder) for ref in spec.sessions]
    evaluator = Evaluator(folders, spec.config, Store(default_folder()), progress, prices=spec.prices)
    if spec.config.assistant.tts_stream or "assistant.tts_stream" in [item.path for item in spec.space.parameters]:
        evaluator.refuse_unknown_lm_time()
    return spec.settled(evaluator.profile, evaluator.weights), evaluator


def make_evaluator(spec: StudySpec, progress: Progress = lambda _: None) -> Evaluator:
    """Load what a study that was begun needs; sessions, step costs and weights must be those it was begun with.

    Raises:
        WorkbenchError: a session is not there, or is another; or the stack has other weights.
    """
    for ref in spec.sessions:
        ref.check()
    return load_evaluator(spec, Store(default_folder()), progress)


def load_evaluator(spec: StudySpec, store: Store, progress: Progress = lambda _: None) -> Evaluator:
    """Load a study's evaluator; in worker processes as it is, the owner having looked at the sessions.

    Raises:
        WorkbenchError: a session cannot be loaded; or the stack has other weights.
    """
    if spec.config.step_costs.source == "profile" and spec.profile is None:
        raise WorkbenchError(f"study {spec.name!r} has lost its cost profile; tune under a new --name")
    folders = [Path(ref.folder) for ref in spec.sessions]
    return Evaluator(
        folders, spec.config, store, progress, profile=spec.profile, weights=spec.weights, prices=spec.prices
    )


@dataclass(frozen=True)
class Parcel:
    """A session's files as they travel.

    Attributes:
        name: of the session's folder.
        files: name and content of each.
    """

    name: str
    files: tuple[tuple[str, bytes], ...]


def setup_here(spec: StudySpec) -> Setup:
    """Setup of worker processes on this machine."""
    return partial(load_evaluator, spec)


def setup_elsewhere(spec: StudySpec, evaluator: Evaluator) -> Setup:
    """Setup of workers on other machines: the sessions travel, the models must be there."""
    parcels = []
    for ref in spec.sessions:
        files = sorted(path for path in Path(ref.folder).iterdir() if path.is_file())
        parcels.append(Parcel(Path(ref.folder).name, tuple((path.name, path.read_bytes()) for path in files)))
    return partial(_unpack, spec, tuple(parcels), evaluator.fingerprints)


_unpacked: list[tempfile.TemporaryDirectory[str]] = []
"""Of the study that this worker is at: removed with the next one's, or with the process."""


def _unpack(spec: StudySpec, parcels: tuple[Parcel, ...], fingerprints: dict[str, str], store: Store) -> Evaluator:
    _unpacked[:] = [tempfile.TemporaryDirectory()]
    refs = []
    for number, (ref, parcel) in enumerate(zip(spec.sessions, parcels, strict=True)):
        folder = Path(_unpacked[0].name) / str(number) / parcel.name
        folder.mkdir(parents=True)
        for name, data in parcel.files:
            (folder / Path(name).name).write_bytes(data)
        refs.append(replace(ref, folder=str(folder)))
    try:
        evaluator = load_evaluator(replace(spec, sessions=tuple(refs)), store)
        _check_same(spec.config.stack.name, evaluator.fingerprints, fingerprints)
    except WorkbenchError as error:
        raise WorkbenchError(f"worker on {socket.gethostname()}: {error}") from None
    return evaluator


def _check_same(stack: str, here: dict[str, str], wanted: dict[str, str]) -> None:
    """Refuse a worker whose models would say something else: by another code, package, device or option."""
    for role, fingerprint in wanted.items():
        if here[role] != fingerprint:
            raise WorkbenchError(
                f"stack {stack!r}: its {role} is not the study owner's ({here[role][:8]}, not {fingerprint[:8]}); "
                "install the same versions, and run it on the same kind of device"
            )
