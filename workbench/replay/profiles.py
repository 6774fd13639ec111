"""Cost profiles: the one that a replay draws from, and how this machine's own is measured."""

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from workbench.assistants import assistant, knobs_of
from workbench.cache import Store, cache_folder
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.files import canonical_json, sha256_text
from workbench.knobs import Knobs
from workbench.replay.engine import cost_source, replay
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.simulation.step_costs import (
    BESIDE,
    LM_STAGES,
    STAGES,
    MeasuredCosts,
    Profile,
    make_profile,
    read_profile,
    write_profile,
)
from workbench.stages.cached_tts import CachedTts
from workbench.stages.lm import CachedLm, CannedLm
from workbench.stages.protocols import Stack, Stages, Stt, TextLm, TimedLm
from workbench.units import FRAME_SAMPLES

Progress = Callable[[str], None]
"""Takes a line that says what is being done."""

_SESSIONS = 3
"""Sessions that a profile is measured on: some thousand steps, and no wait before the first replay of many."""

_CYCLES, _FRAMES = 3, 25
"""Listen cycles that are tried without a session, and frames of each: a question of two seconds."""

_QUIET = 0.001
"""RMS of the noise that they hear: -60 dBFS, a quiet room. What a model's step costs does not depend on it."""

_WORD = "hello"
"""What the LM is asked without a session."""


def profile_path(stack: Stack) -> Path:
    """Where this machine's profile of a stack is kept; a stack with other weights has another, and so has one whose LM
    brings its own times: they are in no profile.
    """
    weights = f"-{sha256_text(canonical_json(stack.weights))[:8]}" if stack.weights else ""
    own_times = "-without-lm" if isinstance(_lm(stack), TimedLm) else ""
    return profile_folder() / f"{stack.name}{weights}{own_times}.json"


def _lm(stack: Stack) -> TextLm | None:
    stages = stack.stages(())
    return stages.lm if isinstance(stages, Stages) else None


def unknown_lm_time(stack: Stack, profile: Profile | None) -> str:
    """Why the times of the language model are not known, in one line; empty where they are.

    Args:
        stack: that is replayed.
        profile: that costs are drawn from; None where they are fixed or measured, and so known.
    """
    lm = _lm(stack)
    if profile is None or lm is None or isinstance(lm, TimedLm):
        return ""
    if profile.lm != lm.fingerprint:
        return "the times of the language model are the cost profile's, which was not measured with this one"
    if isinstance(lm, CannedLm) and stack.profile is None:
        return "the times of a language model are not known: with lm = canned replies come from a table, at no cost"
    return ""


def refuse_unknown_lm_time(stack: Stack, profile: Profile | None) -> None:
    """Refuse to tune ``tts_stream``, whose worth is the time that the LM takes, where nobody knows that time.

    Raises:
        WorkbenchError: says how it gets known.
    """
    if why := unknown_lm_time(stack, profile):
        raise WorkbenchError(
            f"tts_stream: {why}; tune it with an endpoint, a recording of one (--set lm=recorded:FILE), or times "
            "of your own (--step-costs fixed)"
        )


def profile_folder() -> Path:
    """Where this machine's profiles are kept."""
    return cache_folder() / "profiles"


def stack_profile(
    stack: Stack,
    config: Config,
    sessions: Sequence[tuple[Session, tuple[Label, ...]]],
    store: Store,
    progress: Progress = lambda _: None,
) -> Profile | None:
    """The cost profile a replay draws from: the one named, the stack's own, this machine's, or one measured now.

    Measuring replays up to three of the sessions with every stage run and timed, by the listener that resets. Steps
    that none of them runs, because nobody says a word in them, are tried without a session.

    Raises:
        WorkbenchError: the profile that is named is not there or is none, or a stage does not run.
    """
    if config.step_costs.source != "profile":
        return None
    if config.step_costs.profile:
        return _named(Path(config.step_costs.profile))
    if stack.profile is not None:
        return stack.profile
    path = profile_path(stack)
    if path.exists():
        return read_profile(path)
    beside = other_work()
    measured = override(config, {"step_costs.source": "measured", "listener": "workbench", "timing": "fixed"})
    knobs = knobs_of(measured)
    pooled: dict[str, list[int]] = {}
    for session, labels in sessions[:_SESSIONS]:
        progress(f"measuring step costs on {session.name}")
        result = replay(session, stack.stages(labels), knobs, cost_source(knobs, None, ""), store)
        assert result.measured is not None
        for stage, costs in result.measured.profile("").stages.items():
            pooled.setdefault(stage, []).extend(costs)
    lm = _lm(stack)
    if not pooled.keys() >= set(STAGES) - set(LM_STAGES if isinstance(lm, TimedLm) else ()):
        progress("measuring step costs")
        stages = stack.stages(())
        assert isinstance(stages, Stages), "a model that hears and speaks at once runs its step with every frame"
        for stage, costs in probe(stages, knobs).stages.items():
            pooled.setdefault(stage, list(costs))
    named = lm.fingerprint if lm is not None and not isinstance(lm, TimedLm) else ""
    write_profile(path, make_profile(pooled, machine_name() + beside, named))
    return read_profile(path)


def other_work() -> str:
    """How busy the machine was in the last minute; empty where there were cores enough, or the load is not known."""
    try:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
    except OSError:
        return ""
    return f"{BESIDE} (load {load:.1f} on {cores} cores)" if load > cores else ""


def forget_profiles() -> list[str]:
    """Let the next replay measure step costs anew; returns the names of those that were known."""
    known = sorted(profile_folder().glob("*.json"))
    for path in known:
        path.unlink(missing_ok=True)
    return [path.stem for path in known]


def _named(path: Path) -> Profile:
    if not path.exists():
        raise WorkbenchError(
            f"step_costs.profile: {path}: no such file; '--set profile=' takes this machine's own costs"
        )
    return read_profile(path)


def probe(stages: Stages, knobs: Knobs) -> Profile:
    """Step costs without a session: quiet noise is heard, a word answered, and the answer's first chunk spoken.

    Everything is done twice, and timed the second time: the first steps of a model compile kernels.

    Raises:
        WorkbenchError: the LM has nothing to say.
    """
    timer = MeasuredCosts()
    for _ in range(2):
        timer.forget()
        _hear(stages.stt, timer)
        said = "".join(CachedLm(stages.lm, Store(None), timer).reply((_WORD,), 0))
        if not said.strip():
            raise WorkbenchError(f"[stack] lm {knobs.stack.lm}: says nothing to {_WORD!r}; there is nothing to time")
        chunk = assistant(knobs.chunks.chunker).chunker.cut(said, knobs.chunks)[0]
        CachedTts(stages.tts, Store(None), knobs.seed, timer).speech(chunk, 0)
    found = timer.profile("")
    # A reply that comes in one piece has no further token to wait for.
    return found if isinstance(stages.lm, TimedLm) else Profile({"lm_token": (0,), **found.stages})


def _hear(stt: Stt, timer: MeasuredCosts) -> None:
    noise = np.random.default_rng(0).normal(0, _QUIET, (_FRAMES, FRAME_SAMPLES)).astype(np.float32)
    for cycle in range(_CYCLES):
        with timer.timed("stt_reset", cycle, 0):
            stream = stt.open()
        for job, frame in enumerate(noise):
            with timer.timed("stt", cycle, job):
                stream.step(frame, -1)


def machine_name() -> str:
    """What a profile was measured on, without naming the host."""
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
