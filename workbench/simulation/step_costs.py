"""Costs of model steps on the virtual clock, in samples.

* ``profile``: drawn from what the stages took on some machine, with a counter-based generator keyed by session, stage
  and job, so that tails show up and the same job costs the same in every replay and every trial;
* ``fixed``: a table in the config;
* ``measured``: what the stages really took just now, for checking a profile. Not reproducible.

A profile is a small JSON file, ``{"format": 1, "machine": …, "stages": {"stt": [µs, …], …}}``, each list sorted.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from workbench.arrays import Times
from workbench.errors import WorkbenchError
from workbench.files import canonical_json, pretty_json, read_json, sha256_text, write_text
from workbench.units import SAMPLE_RATE

FORMAT = 1
STAGES = ("stt", "stt_reset", "lm_first", "lm_token", "tts_start", "tts")
"""``stt``: one frame, codec included; ``stt_reset``: clearing it before a listen cycle; ``lm_first``: transcript to
first token; ``lm_token``: each further one; ``tts_start``: setting up one chunk; ``tts``: one step with decoding."""

LM_STAGES = ("lm_first", "lm_token")
"""Stages that a profile may lack: an LM that knows its own times (``TimedLm``) brings them with each reply."""

_KEPT = 1000
"""Quantiles a profile keeps of each stage: enough for a 99.9th percentile, 8 KB of JSON."""

Item = TypeVar("Item")
_NO_ITEM = object()


class CostSource(Protocol):
    """Source of step costs."""

    name: str
    digest: str

    def draw(self, stage: str, group: int, jobs: int) -> Times:
        """Costs of jobs 0 … jobs-1 of a group of jobs of one stage, in samples, shape (jobs,)."""
        ...


class Timer(Protocol):
    """Timer of the steps of a stage."""

    def timed(self, stage: str, group: int, job: int) -> AbstractContextManager[None]:
        """Context in which one step runs."""
        ...

    def each(self, items: Iterator[Item], group: int, name: Callable[[int], tuple[str, int]]) -> Iterator[Item]:
        """Pass items on and time how long each took to come; ``name`` gives stage and job of the i-th."""
        ...


BESIDE = ", beside other work"
"""In what a profile says of its machine: steps took longer than they do when the machine is idle."""


def measured_beside(machine: str) -> str:
    """What a profile says of other work, in words; empty where there was none.

    >>> measured_beside("x86_64, 2 cores, beside other work (load 2.8 on 2 cores)")
    'step costs were measured beside other work (load 2.8 on 2 cores)'
    """
    _, busy, load = machine.partition(BESIDE)
    return f"step costs were measured beside other work{load}" if busy else ""


@dataclass(frozen=True)
class Profile:
    """Sorted step costs in whole samples by stage, where they were measured, and the fingerprint of the LM that was."""

    stages: Mapping[str, tuple[int, ...]]
    machine: str = ""
    lm: str = ""

    @property
    def digest(self) -> str:
        """Names the profile in a trace."""
        return sha256_text(canonical_json({stage: list(costs) for stage, costs in self.stages.items()}))


class FixedCosts:
    """The fixed table of ``[step_costs]``: samples by stage."""

    name = "fixed"
    digest = ""

    def __init__(self, table: Mapping[str, int]) -> None:
        self._table = table

    def draw(self, stage: str, group: int, jobs: int) -> Times:
        """See :class:`CostSource`."""
        return np.full(jobs, self._table[stage], dtype=np.int64)


class ProfileCosts:
    """Draws from a profile. A draw depends on seed, session, stage, group and job number, and on nothing else."""

    name = "profile"

    def __init__(self, profile: Profile, session: str, seed: int) -> None:
        self.digest = profile.digest
        self._sorted = {stage: np.asarray(costs, dtype=np.int64) for stage, costs in profile.stages.items()}
        self._scope = f"{seed}/{session}"
        self._drawn: dict[tuple[str, int], Times] = {}

    def draw(self, stage: str, group: int, jobs: int) -> Times:
        """See :class:`CostSource`."""
        drawn = self._drawn.get((stage, group))
        if drawn is None or len(drawn) < jobs:
            # Philox counts: a longer draw begins with the shorter one.
            key = hashlib.sha256(f"{self._scope}/{stage}/{group}".encode()).digest()[:16]
            uniform = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "big"))).random(
                max(64, 1 << (jobs - 1).bit_length() if jobs else 0)
            )
            if (table := self._sorted.get(stage)) is None:
                raise WorkbenchError(
                    f"the cost profile has no {stage}: it was measured with an LM that brings its own times; name "
                    "another with '--set profile=', or none for this machine's own"
                )
            drawn = table[(uniform * len(table)).astype(np.int64)]
            self._drawn[stage, group] = drawn
        return drawn[:jobs]


class MeasuredCosts:
    """What was recorded while the stages ran; the stages are timed by :meth:`timed`."""

    name = "measured"
    digest = ""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, int], dict[int, int]] = {}

    @contextmanager
    def timed(self, stage: str, group: int, job: int) -> Iterator[None]:
        """Time one step of a stage; the first time a job runs is the one that counts."""
        begun = time.perf_counter_ns()
        try:
            yield
        finally:
            self.record(stage, group, job, time.perf_counter_ns() - begun)

    def each(self, items: Iterator[Item], group: int, name: Callable[[int], tuple[str, int]]) -> Iterator[Item]:
        """See :class:`Timer`."""
        index = 0
        while True:
            begun = time.perf_counter_ns()
            item = next(items, _NO_ITEM)
            taken = time.perf_counter_ns() - begun
            if item is _NO_ITEM:
                return
            stage, job = name(index)
            self.record(stage, group, job, taken)
            yield cast(Item, item)
            index += 1

    def record(self, stage: str, group: int, job: int, nanoseconds: int) -> None:
        """Note what one step took; the first time a job runs is the one that counts."""
        taken = self._taken.setdefault((stage, group), {})
        taken.setdefault(job, round(nanoseconds * SAMPLE_RATE / 1e9))

    def draw(self, stage: str, group: int, jobs: int) -> Times:
        """See :class:`CostSource`; a job that never ran costs nothing."""
        return self.taken(stage, group, range(jobs))

    def taken(self, stage: str, group: int, jobs: Iterable[int]) -> Times:
        """Costs of some jobs of a group; a job that never ran costs nothing."""
        taken = self._taken.get((stage, group), {})
        return np.asarray([taken.get(job, 0) for job in jobs], dtype=np.int64)

    def forget(self) -> None:
        """Begin anew: a live run goes on for as long as it likes."""
        self._taken.clear()

    def profile(self, machine: str) -> Profile:
        """All that was recorded, as a profile."""
        pooled: dict[str, list[int]] = {}
        for (stage, _), taken in sorted(self._taken.items()):
            pooled.setdefault(stage, []).extend(taken.values())
        return make_profile(pooled, machine)


def make_profile(costs: Mapping[str, list[int]], machine: str, lm: str = "") -> Profile:
    """Sort, and thin to evenly spaced quantiles (both ends kept) where there are many."""
    stages = {}
    for stage, values in sorted(costs.items()):
        ordered = sorted(values)
        if len(ordered) > _KEPT:
            picks = np.linspace(0, len(ordered) - 1, _KEPT).round().astype(int)
            ordered = [ordered[pick] for pick in picks]
        stages[stage] = tuple(ordered)
    return Profile(stages, machine, lm)


def profile_to_dict(profile: Profile) -> dict[str, Any]:
    """A profile as its file has it, in microseconds; :func:`parse_profile` gives it back."""
    stages = {
        stage: [round(cost * 1_000_000 / SAMPLE_RATE, 1) for cost in costs] for stage, costs in profile.stages.items()
    }
    lm = {"lm": profile.lm} if profile.lm else {}
    return {"format": FORMAT, "machine": profile.machine, **lm, "unit": "µs", "stages": stages}


def parse_profile(data: Any, where: str) -> Profile:
    """The inverse of :func:`profile_to_dict`.

    Raises:
        WorkbenchError: names the place and the stage that is missing or wrong.
    """
    from workbench.file_forms import ProfileForm, check_form

    hint = "measure a cost profile with 'workbench doctor --models FOLDER --profile FILE'"
    form = check_form(ProfileForm, data, where, hint)
    missing = [stage for stage in STAGES if stage not in form.stages and stage not in LM_STAGES]
    if missing or (form.stages.keys() & set(LM_STAGES)) not in (set(), set(LM_STAGES)):
        name = (missing or [stage for stage in LM_STAGES if stage not in form.stages])[0]
        raise WorkbenchError(f"{where}: stages.{name} is missing; it must be a list of costs in µs, 0 or more")
    stages = {
        stage: tuple(sorted(round(cost * SAMPLE_RATE / 1_000_000) for cost in form.stages[stage]))
        for stage in STAGES
        if stage in form.stages
    }
    return Profile(stages, form.machine, form.lm)


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, pretty_json(profile_to_dict(profile)))


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        WorkbenchError: names the file and the stage that is missing or wrong.
    """
    return parse_profile(read_json(path), str(path))
