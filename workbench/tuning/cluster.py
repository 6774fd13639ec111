"""Running the models of many sessions elsewhere, before the trials: only the first replay of a setting costs inference.

A task is one session under one config. The session travels as its files, what the models said comes back by its key in
the store; nothing on the other machine is needed but the package and, for stacks that have any, the models. Where tasks
run is an :class:`concurrent.futures.Executor`: a dask scheduler's. On this machine :mod:`workbench.replay.prefetch`
does as much with the store itself.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from workbench.assistants import knobs_of
from workbench.cache import Store, key_of
from workbench.config import Config, Knob, override
from workbench.errors import WorkbenchError, install
from workbench.simulation.step_costs import Profile
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.spec import Spec

POINTS = 16
"""Points of the space that are replayed beforehand, the baseline among them."""


@dataclass(frozen=True)
class Parcel:
    """A session's files.

    Attributes:
        name: of its folder.
        files: (name, content).
    """

    name: str
    files: tuple[tuple[str, bytes], ...]

    @property
    def digest(self) -> str:
        """Names the content."""
        digest = hashlib.sha256(self.name.encode())
        for name, data in self.files:
            digest.update(f"{name} {len(data)} ".encode() + data)
        return digest.hexdigest()


def pack(folder: Path) -> Parcel:
    """A session as it travels."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return Parcel(folder.name, tuple((path.name, path.read_bytes()) for path in files))


class Carrier(Store):
    """A store in memory that remembers what was put into it."""

    def __init__(self) -> None:
        super().__init__(None)
        self.new: dict[str, bytes] = {}

    def put(self, key: str, value: Any, encode: Callable[[Any], bytes]) -> None:
        """See :class:`workbench.cache.Store`."""
        self.new[key] = encode(value)
        super().put(key, value, encode)


def infer(parcel: Parcel, config: Config, profile: Profile | None, weights: Mapping[str, str]) -> dict[str, bytes]:
    """Replay a session and give back what the models said, by store key.

    Args:
        parcel: the session.
        config: the knobs.
        profile: the study's: what steps cost decides what is heard next.
        weights: the study's.
    """
    store = Carrier()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / parcel.name
        folder.mkdir()
        for name, data in parcel.files:
            (folder / Path(name).name).write_bytes(data)
        evaluator = Evaluator([folder], config, store, profile=profile, weights=weights)
        evaluator.replay(config, evaluator.names[0])
    return store.new


def points(spec: Spec) -> list[Config]:
    """Configs worth replaying beforehand: the baseline, and points spread over the space."""
    generator = np.random.default_rng(spec.seed)
    found = {knobs_of(spec.config).key: spec.config}
    for _ in range(POINTS - 1):
        drawn: dict[str, Knob] = {}
        for parameter in spec.space.parameters:
            choices = parameter.grid()
            drawn[parameter.name] = choices[int(generator.integers(len(choices)))]
        try:
            config = spec.space.config(spec.config, drawn)
        except WorkbenchError:
            continue
        found.setdefault(knobs_of(config).key, config)
    return list(found.values())


def fill(executor: Executor, spec: Spec, store: Store, told: Callable[[int, int], None] = lambda *_: None) -> int:
    """Have the models run on every session under :func:`points`, and take what they said into the store.

    Returns:
        Replays done; those done before, by the marks they left in the store, are not repeated.

    Raises:
        WorkbenchError: a session cannot be replayed there.
    """
    jobs = {}
    ground = [spec.profile.digest if spec.profile else "", spec.weights]
    for ref in spec.sessions:
        parcel = pack(Path(ref.folder))
        for config in points(spec):
            setting = knobs_of(
                override(config, {"step_costs.profile": ""})
            ).key  # by its digest, not by where it is kept
            mark = key_of("filled", 2, ref.mic, parcel.digest, setting, ground)
            if store.get(mark, bytes.decode) is None:
                jobs[executor.submit(infer, parcel, config, spec.profile, spec.weights)] = mark
    sizes: dict[str, int] = {}
    for done, job in enumerate(as_completed(jobs), 1):
        for key, data in job.result().items():
            # A setting that listens longer knows more under the same key.
            if len(data) > sizes.get(key, 0):
                store.add(key, data)
                sizes[key] = len(data)
        store.add(jobs[job], b"done")
        told(done, len(jobs))
    return len(jobs)


@contextmanager
def executor(scheduler: str) -> Iterator[Executor]:
    """Where tasks run: the workers of a dask scheduler.

    Raises:
        WorkbenchError: the address is none, the scheduler does not answer, or dask is not installed.
    """
    _check_address(scheduler)
    try:
        import distributed
    except ImportError:
        raise WorkbenchError(f"--scheduler needs a package; {install('dask')}") from None
    try:
        connect: Any = distributed.Client
        client = connect(scheduler, timeout="5s", set_as_default=False)
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise WorkbenchError(f"--scheduler {scheduler}: no dask scheduler answers there ({first})") from None
    try:
        yield client.get_executor()
    finally:
        client.close()


def _check_address(scheduler: str) -> None:
    """Refuse what dask would stumble over for ten seconds."""
    try:
        address = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}")
        good = address.scheme in ("tcp", "tls", "ucx", "ws", "wss") and address.hostname and address.port
    except ValueError:
        good = False
    if not good:
        raise WorkbenchError(f"--scheduler {scheduler}: must be tcp://HOST:PORT")
