"""Cancellers and filters side by side: echo removed, delay, cost, words lost, false and missed barge-ins.

    python benchmarks/cancellers.py [--stack nano] [--echo laptop --echo soundbar] [--listener NAME] [SESSION...]

ERLE, ``ms delay`` and ``ms cost`` are of a voice of 30 s through the echo path into a quiet room, the ERLE of its last
half; the cost is processor time per frame of 80 ms. All else is scored on replays of the sessions with barge-in.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import soundfile

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.metrics import evaluate, summarise
from workbench.replay.engine import cost_source, replay
from workbench.replay.profiles import stack_profile
from workbench.runs import open_labelled
from workbench.sessions.echo_path import preset_path
from workbench.sessions.folders import find_sessions
from workbench.sessions.labels import only_known
from workbench.sessions.noises import room_noise
from workbench.simulation.filters import FilterChain
from workbench.stacks import make_stack
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, samples_to_ms

ROOT = Path(__file__).parent.parent
CHAINS = [
    {},
    {"canceller": "ratio", "echo_ratio_db": -10.0},
    {"canceller": "aec3"},
    {"canceller": "aec3", "filter": "noise-suppression"},
    {"filter": "deepfilternet"},
    {"filter": "speech"},
    {"canceller": "aec3", "filter": "speech"},
]
_VOICE_SECONDS = 30


@click.command()
@click.option("--stack", default="scripted", show_default=True)
@click.option("--listener", default="workbench", show_default=True)
@click.option("--echo", "echoes", multiple=True, default=("laptop", "phone-on-table"), show_default=True)
@click.option("--set", "assignments", multiple=True, help="Other knobs, NAME=VALUE.")
@click.argument("sessions", nargs=-1)
def main(
    stack: str, listener: str, echoes: tuple[str, ...], assignments: tuple[str, ...], sessions: tuple[str, ...]
) -> None:
    """Print a table for each echo path."""
    folders = [Path(name).resolve() for name in sessions] or find_sessions(ROOT / "recordings")
    base = {"stack.name": stack, "listener": listener, "barge_in": True}
    base |= dict(item.split("=", 1) for item in assignments)
    for echo in echoes:
        click.echo(f"\nstack {stack}, listener {listener}, echo {echo}, {len(folders)} sessions")
        click.echo("| canceller + filter | ERLE dB | ms delay | ms cost | words lost | false / agent hour | missed |")
        click.echo("|---|---|---|---|---|---|---|")
        for chain in CHAINS:
            config = override(Config(), {**base, **chain, "echo.path": echo})
            click.echo("| " + " | ".join(_row(config, folders, echo)) + " |")


def _row(config: Config, folders: list[Path], echo: str) -> Iterator[str]:
    filters = knobs_of(config).filters
    names = [name for name in (filters.canceller, filters.filter) if name != "none"]
    yield " + ".join(names) or "none"
    chain = FilterChain(filters)
    erle, cost = _measured(chain, echo)
    yield f"{erle:.1f}"
    yield f"{samples_to_ms(chain.delay):.1f}"
    yield f"{cost:.2f} (clock: {samples_to_ms(chain.cost):.1f})" if chain else "0"
    scores = _scores(config, folders)
    for key in ("wer", "false_bargein_per_agent_hour", "missed_bargein_rate"):
        value = scores.get(key)
        yield "-" if value is None else f"{value:.3g}"


def _measured(chain: FilterChain, echo: str) -> tuple[float, float]:
    """ERLE in dB and processor milliseconds per frame."""
    far = np.zeros(_VOICE_SECONDS * SAMPLE_RATE, dtype=np.float32)
    at = SAMPLE_RATE
    for path in sorted((ROOT / "demo_sessions" / "sources").glob("*.flac")):
        clip, _ = soundfile.read(path)
        if at + len(clip) > len(far):
            break
        far[at : at + len(clip)] = clip * 0.1 / np.sqrt(np.mean(clip**2))
        at += len(clip) + SAMPLE_RATE // 2
    heard = preset_path(echo).echo([(0, far)], 0, len(far))
    near = (heard + 1e-3 * room_noise(len(far), [7])).astype(np.float32)
    frames = [(near[i : i + FRAME_SAMPLES], far[i : i + FRAME_SAMPLES]) for i in range(0, len(near), FRAME_SAMPLES)]
    begun = time.process_time()
    out = np.concatenate([chain.step(*frame) for frame in frames])
    taken = (time.process_time() - begun) * 1000 / len(frames)
    late = slice(len(far) // 2, None)
    power = [float(np.mean(np.square(wave[late], dtype=np.float64))) for wave in (near, out)]
    return 10 * float(np.log10(power[0] / max(power[1], 1e-12))), taken


def _scores(config: Config, folders: list[Path]) -> dict[str, float | None]:
    stack, store, knobs = make_stack(config), _STORE, knobs_of(config)
    opened = [open_labelled(folder) for folder in folders]
    profile = stack_profile(stack, config, opened, store, lambda _: None)
    rows = []
    for session, labels in opened:
        stages = stack.stages(labels)
        found = replay(session, stages, knobs, cost_source(knobs, profile, session.name), store)
        rows.append(evaluate(found.trace, only_known(labels, stack.vocabulary)[0]))
    return summarise(rows, bootstrap=False).scores


_STORE = Store(None)

if __name__ == "__main__":
    main()
