"""Digests of what replays do, to show that a change of the code leaves behaviour alone.

One line for each demo session and setting: SHA-256 of the events (without the trace's header, which names the config)
and of the agent's PCM. The settings are {scripted, nano} × {workbench, mlx-harmony} × three placements × barge-in off
and on, and for the stack ``scripted`` a few more. Step costs are drawn from a profile that stands below, so that every
machine with the same model outputs prints the same lines::

    python benchmarks/behaviour.py > before.txt      # on the old commit
    python benchmarks/behaviour.py > after.txt       # on the new one
    diff before.txt after.txt

``--stack scripted`` takes seconds, all of it half an hour on two cores with an empty cache.
"""

import argparse
import hashlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from workbench.assistants import knobs_of
from workbench.cache import Store, default_folder
from workbench.config import Config, override
from workbench.replay.engine import replay
from workbench.runs import open_labelled
from workbench.sessions.tracks import agent_blocks
from workbench.simulation.step_costs import ProfileCosts, make_profile
from workbench.stacks import make_stack
from workbench.trace_file import format_event

RECORDINGS = Path(__file__).parent.parent / "recordings"

COSTS = {
    "stt": [260, 270, 280, 300, 310, 330, 350, 380, 450, 900],
    "stt_reset": [40, 50, 60, 80, 300],
    "lm_first": [3000, 3600, 4200, 6000, 9000],
    "lm_token": [200, 300, 360, 420, 800],
    "tts_start": [100, 150, 200, 240, 700],
    "tts": [700, 760, 820, 900, 1000, 1100, 1300, 1700, 2300, 3100],
}
"""Step costs in samples at 24 kHz, spread as those of the stack nano on a two-core machine, tails included."""

MORE = (
    {"tts_stream": True},
    {"tts_stream": True, "placement": "split"},
    {"stt_flush": False, "stt_preroll_ms": 0},
    {"tts_prebuffer_frames": 3, "tts_chunk_chars": 40, "tts_chunk_min_chars": 10},
    {"echo.path": "config", "echo_gain_db": -12.0, "barge_in": True},
    {"listener": "mlx-harmony", "tts_stream": True},
    {"listener": "mlx-harmony", "tts_chunk_chars": 40, "barge_in": True, "barge_in_window_seconds": 8.0},
    {"stt_max_speech_seconds": 2.0, "stt_silence_ms": 240},
)
"""Settings of the stack ``scripted`` in which rules act that the matrix does not reach."""


def settings(stacks: list[str]) -> Iterator[tuple[str, dict[str, object]]]:
    """Label and changed knobs of each setting, the slow stack last."""
    listeners, placements = ("workbench", "mlx-harmony"), ("serial", "shared", "split")
    for stack in sorted(stacks, reverse=True):
        for listener, placement, barge_in in itertools.product(listeners, placements, (False, True)):
            label = f"{stack} {listener} {placement} {'barge-in' if barge_in else 'no-barge-in'}"
            changes = {"listener": listener, "placement": placement, "barge_in": barge_in}
            yield label, {"stack.name": stack, **changes}
        if stack == "scripted":
            yield from ((f"{stack} more-{number}", {"stack.name": stack, **more}) for number, more in enumerate(MORE))


def digests(job: tuple[str, dict[str, object], Path]) -> str:
    """The line of one session under one setting."""
    label, changes, folder = job
    config = override(Config(), changes)
    session, labels = open_labelled(folder)
    stack = make_stack(config)
    store = Store(default_folder())
    costs = ProfileCosts(make_profile(COSTS, ""), session.name, config.workbench.seed)
    result = replay(session, stack.stages(labels), knobs_of(config), costs, store)
    store.close()
    events = hashlib.sha256("\n".join(format_event(event) for event in result.trace.events).encode())
    pcm = hashlib.sha256()
    for block in agent_blocks(result.sounds(), session.samples):
        pcm.update(block.astype("<f4").tobytes())
    return f"{label} {session.name} {events.hexdigest()[:16]} {pcm.hexdigest()[:16]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", action="append", choices=("scripted", "nano"), help="one stack only")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folders = sorted(path.parent for path in RECORDINGS.glob("*/session.json"))
    jobs = [(*setting, folder) for setting in settings(options.stack or ["scripted", "nano"]) for folder in folders]
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for line in pool.map(digests, jobs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
