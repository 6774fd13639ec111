"""How fast a replay is: one hour made of the demo sessions, as a multiple of real time, on one core.

Measured in one run, minimum of several: the replay with an empty store, with a full store on disk in a new process's
state, and with a warm one; the scoring; and what the framework adds to the bare stage calls of an empty-store replay.

    python benchmarks/replay.py [RECORDINGS]

Measured on one x86-64 core: an hour warm in 43 ms (86,000 times real time) with the baseline, 105 ms with barge-in and
echo, 70 ms with the published listener, 433 ms with parallel executors; from a store on disk in a new process 86,
226, 121 and 729 ms; with an empty store 1.5 to 2.5 s, which is 0.21 ms of Python a step.
"""

import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.metrics import evaluate, summarise
from workbench.replay.engine import cost_source, replay
from workbench.replay.profiles import stack_profile
from workbench.sessions.folders import find_sessions
from workbench.sessions.labels import Label, read_labels, validate, write_labels
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.stacks import make_stack
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

HOUR = 3600 * SAMPLE_RATE


def hour_of(recordings: Path, folder: Path) -> Session:
    """Demo sessions end to end, again and again, until they make an hour; labels move along."""
    sources = [open_session(path) for path in find_sessions(recordings)]
    blocks, labels, at, turn = [], [], 0, 0
    while at < HOUR:
        for source in sources:
            whole = source.frames * FRAME_SAMPLES
            blocks.append(source.read(0, whole))
            own = read_labels(source.labels_path, source.samples) if source.has_labels else ()
            labels += [
                replace(label, start=label.start + at, end=label.end + at, turn=label.turn and label.turn + turn)
                for label in own
                if label.end <= whole
            ]
            turn += 100
            at += whole
    folder.mkdir()
    write_track(folder / "mic.flac", iter(blocks))
    write_labels(folder / "labels.csv", validate(labels, at, "hour"))
    return write_manifest(folder, tracks={"mic": "mic.flac"}, labels_source="constructed")


def best(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of several runs."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


class Clocked:
    """Adds up the time spent in a stage's own calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object, **names: object) -> object:
            begun = time.perf_counter()
            try:
                return function(*arguments, **names)
            finally:
                self.seconds += time.perf_counter() - begun

        return timed


def bare_seconds(session: Session, labels: tuple[Label, ...], config: Config) -> tuple[float, float, int]:
    """Seconds of an empty-store replay, of the stage calls inside it, and how many steps those were."""
    stack = make_stack(config)
    stages = stack.stages(labels)
    clock, steps = Clocked(), [0]
    open_stream, synthesize = stages.stt.open, stages.tts.synthesize

    def opened(fresh: bool = True) -> object:
        stream = open_stream(fresh)
        inner = clock.wrap(stream.step)

        class Stream:
            def step(self, frame: object, at: int) -> object:
                steps[0] += 1
                return inner(frame, at)

        return Stream()

    def spoken(text: str, seed: int) -> object:
        stream = synthesize(text, seed)
        step = clock.wrap(lambda: next(stream, False))
        while (frame := step()) is not False:
            steps[0] += 1
            yield frame

    stages.stt.open = opened  # type: ignore[method-assign,assignment]
    stages.tts.synthesize = spoken  # type: ignore[method-assign,assignment]
    costs = cost_source(knobs_of(config), stack.profile, session.name)
    begun = time.perf_counter()
    replay(session, stages, knobs_of(config), costs, Store(None))
    return time.perf_counter() - begun, clock.seconds, steps[0]


def main() -> None:
    recordings = Path(sys.argv[1] if len(sys.argv) > 1 else "recordings")
    with tempfile.TemporaryDirectory() as scratch:
        session = hour_of(recordings, Path(scratch) / "hour")
        labels = read_labels(session.labels_path, session.samples)
        seconds = session.samples / SAMPLE_RATE
        print(f"one hour of {recordings}: {session.frames} frames, {len(labels)} labels")
        for name, changes in {
            "baseline": {},
            "barge_in": {"barge_in": True},
            "mlx-harmony": {"listener": "mlx-harmony"},
            "parallel": {"barge_in": True, "placement": "shared"},
        }.items():
            config = override(Config(), {"stack.name": "scripted"} | changes)
            stack = make_stack(config)
            stages = stack.stages(labels)
            profile = stack_profile(stack, config, [(session, labels)], Store(None))
            costs = cost_source(knobs_of(config), profile, session.name)
            disk = Path(scratch) / f"store-{name}"
            store = Store(disk)

            again = partial(replay, session, labels, stages, config, costs)
            empty = best(partial(again, Store(None)), 1)
            again(store)
            cold = best(lambda again=again, disk=disk: again(Store(disk)), 3)  # type: ignore[misc]
            warm = best(partial(again, store))
            trace = again(store).trace
            scored = best(lambda trace=trace: summarise([evaluate(trace, labels)], bootstrap=False))  # type: ignore[misc]
            print(
                f"{name:12s} empty {seconds / empty:9,.0f}x  full, new process {seconds / cold:9,.0f}x  "
                f"full, warm {seconds / warm:9,.0f}x ({1e3 * warm:.1f} ms, {len(trace.events)} events)  "
                f"scoring {1e3 * scored:.1f} ms"
            )
            if "--profile" in sys.argv:
                with cProfile.Profile() as profiler:
                    again(store)
                pstats.Stats(profiler).sort_stats("tottime").print_stats(14)
        whole, inside, steps = bare_seconds(session, labels, override(Config(), {"stack.name": "scripted"}))
        print(
            f"framework over bare stage calls, empty store: {1e6 * (whole - inside) / steps:.1f} us per step "
            f"({100 * (whole - inside) / steps / (FRAME_SAMPLES / SAMPLE_RATE):.3f} % of an 80 ms frame; "
            f"the scripted stages themselves take {1e6 * inside / steps:.1f} us)"
        )
        print(f"bounds: {np.__name__} {np.__version__}, one core, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
