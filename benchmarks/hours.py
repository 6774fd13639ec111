"""Hours that the STT of the published size takes for a study: with every trial replayed exactly, and as it is done.

``python benchmarks/hours.py --passes N [--trials N] [--stack NAME] [--frames N]``; prints both, and what they are made
of. The study: listener ``mlx-harmony``, eight constructed sessions of five minutes in all, a search for each left out.
``--passes`` is what such a study printed: how often the STT heard the recordings. For a study of exact replays the
frames that the STT is stepped by in the trials of its search are counted on a small stack, and taken eight times: each
of the eight searches without a session has as many trials, of seven eighths of the frames. The cache gives back part of
them, where a trial begins as another did. What a frame costs is measured on a generated model of the size of stt-1b
with the published codec: it depends on the sizes, not on the weights. Answers are spoken in either way, and left out.

Measured on two shared x86-64 cores without a GPU, bf16, in processor time: 1.17 s a frame; 200 trials of one exact
search heard the recordings (4,247 frames) 55 times, the whole study 438 times: 605 h. With the stand-in 7.4 passes (of
which 20 trials instead of 200 in each search without a session, which hear nothing anew but their result): 10 h.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from fidelity import REPOSITORY, constructed

SESSIONS, TURNS = 8, 4


def passes(folders: list[Path], stack: str, trials: int) -> float:
    """Passes of the STT over the recordings in the trials of a search by exact replays, all sessions seen."""
    import optuna

    from workbench.cli.options import build_config
    from workbench.files import shipped
    from workbench.metrics.budget import read_prices
    from workbench.tuning import plan as planning
    from workbench.tuning.loading import settle
    from workbench.tuning.objective import Goal
    from workbench.tuning.search import Objective, run_trials
    from workbench.tuning.space import read_space
    from workbench.tuning.study import create

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    baseline = build_config(REPOSITORY / "configs/baseline.toml", stack, None, "mlx-harmony", None, ())
    space = read_space(shipped(Path("configs/space.toml")))
    prices = read_prices(shipped(Path("configs/budget.toml")))
    options = planning.SearchOptions(trials=trials, exact=True)
    spec = planning.plan("exact", folders, baseline, space, Goal(("loss_s_per_turn",), {}), options, prices)
    spec, evaluator = settle(spec)
    run_trials(create(spec, optuna.storages.InMemoryStorage()), spec, Objective(spec, evaluator, spec.tuning))
    return evaluator.passes


def frame_cost(folder: Path, frames: int) -> tuple[float, float]:
    """Median seconds of wall clock and of processor time for a frame, encoded and stepped, after ten to warm up."""
    from workbench.moshi.checkpoint import find
    from workbench.moshi.doctor import probe
    from workbench.moshi.generate import Recipe, init
    from workbench.moshi.stt import DsmStt
    from workbench.units import FRAME_SAMPLES

    init(folder, Recipe("stt", "full"))
    stream = DsmStt(find(folder)).open()
    taken = []
    for frame in probe(frames + 10).reshape(-1, FRAME_SAMPLES):
        begun = time.perf_counter(), time.process_time()
        stream.step(frame)
        taken.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    wall, processor = np.median(taken[10:], axis=0)
    return float(wall), float(processor)


def main() -> int:
    """Count, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=float, required=True, help="of the STT, as a study printed them")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--stack", default="scripted", help="small stack on which the study is counted")
    parser.add_argument("--frames", type=int, default=50, help="frames heard by the model of the published size")
    options = parser.parse_args()
    from workbench.sessions.session import open_session

    with tempfile.TemporaryDirectory() as temporary:
        os.environ["WORKBENCH_STORE"] = f"{temporary}/store"
        os.chdir(temporary)
        wall, processor = frame_cost(Path("stt"), options.frames)
        print(f"stt-1b's size, generated: {wall * 1000:.0f} ms a frame, {processor * 1000:.0f} ms of processor time")
        print(f"on {os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}", flush=True)
        folders = constructed(SESSIONS, TURNS)
        recorded = sum(open_session(folder).frames for folder in folders)
        print(f"recorded: {len(folders)} sessions, {recorded} frames, {recorded * 0.08 / 60:.1f} minutes")
        trials = passes(folders, options.stack, options.trials)
        print(f"{options.trials} trials of one search, replayed exactly: {trials:.0f} passes", flush=True)
        for name, heard in (("every trial exactly", trials * len(folders)), ("with the stand-in", options.passes)):
            hours = [heard * recorded * cost / 3600 for cost in (wall, processor)]
            print(f"{name}: {heard:.1f} passes, {hours[0]:.1f} h, {hours[1]:.1f} h of processor time")
        os.chdir(REPOSITORY)
    return 0


if __name__ == "__main__":
    sys.exit(main())
