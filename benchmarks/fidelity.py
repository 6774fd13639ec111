"""Does a search on a stand-in for the STT recommend what a search of exact replays recommends?

``python benchmarks/fidelity.py [--cases N] [--trials N] [--stack NAME]``; prints a table in Markdown. Each case is a
constructed session of at most 60 s: four turns, two with a pause of 0.4 to 1.3 s, from soft to near, in a room of its
own. It is tuned twice under listener ``mlx-harmony``, threshold and silence free: with the stand-in, and with
``--exact``. Both recommendations are then replayed exactly. Exit code 1 where the one from the stand-in loses more than
1 % more.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]

SPEC = """
format = 1
name = "case"
seed = 17
sessions = {cases}
clips = "{clips}"
tail_s = 6.0
room = {{ noise_dbfs = [-62.0, -46.0] }}
"""

TURN = """
[[event]]
clip = ["set-a-timer-for-five-minutes", "set-a-timer-for-ten-minutes-please"]
after_s = [6.0, 8.0]
level_dbfs = [-40.0, -24.0]
pauses = [{ after_word = 3, s = [0.4, 1.3] }]

[[event]]
clip = ["what-time-is-it", "what-is-the-weather-today"]
after_s = [6.0, 8.0]
level_dbfs = [-40.0, -24.0]
"""

SPACE = """
[assistant]
stt_silence_threshold = { type = "float", low = 0.002, high = 0.1, log = true }
stt_silence_ms = { type = "frames", low = 160, high = 1600 }
"""


def recommendation(case: Path, stack: str, trials: int, exact: bool) -> tuple[Any, float, float]:
    """Recommended config, passes of the STT over the recording (0 where it was not counted), processor seconds."""
    from workbench.cli.options import build_config
    from workbench.files import shipped
    from workbench.metrics.budget import read_prices
    from workbench.tuning import plan as planning
    from workbench.tuning.objective import Goal
    from workbench.tuning.space import read_space
    from workbench.tuning.tune import tune

    class Silent:
        def step(self, what: str, done: int, total: int) -> None:
            """Nothing is shown."""

    baseline = build_config(REPOSITORY / "configs/baseline.toml", stack, None, "mlx-harmony", None, ())
    options = planning.SearchOptions(trials=trials, exact=exact)
    prices = read_prices(shipped(Path("configs/budget.toml")))
    goal = Goal(("loss_s_per_turn",), {})
    name = f"{case.name}-{'exact' if exact else 'stand-in'}"
    spec = planning.plan(name, [case], baseline, read_space(Path("space.toml")), goal, options, prices)
    begun = time.process_time()
    result, passes = tune(replace(spec, exact=exact), Silent(), lambda result, evaluator: evaluator.passes)
    return result.config, passes, time.process_time() - begun


def main() -> int:
    """Tune each case twice, replay both recommendations, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--stack", default="nano")
    options = parser.parse_args()
    from workbench.assistants import acts_alike
    from workbench.cache import Store, default_folder
    from workbench.sessions.synth import synthesise
    from workbench.sessions.synth_spec import read_spec
    from workbench.tuning.evaluator import Evaluator

    worst, alike, equal = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        os.environ.setdefault("WORKBENCH_STORE", f"{temporary}/store")
        os.chdir(temporary)
        Path("space.toml").write_text(SPACE)
        clips = REPOSITORY / "demo_sessions/sources/sources.json"
        Path("case.toml").write_text(SPEC.format(cases=options.cases, clips=clips) + TURN * 2)
        sessions = list(synthesise(read_spec(Path("case.toml")), Path("recordings")))
        print("| case | s | stand-in: loss | passes | processor s | exact: loss | passes | processor s | same |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        for session in sessions:
            rows, configs, losses = [], [], []
            for exact in (False, True):
                config, passes, seconds = recommendation(session.folder, options.stack, options.trials, exact)
                evaluator = Evaluator([session.folder], config, Store(default_folder()))
                scores = evaluator.summary(config, [session.name]).scores
                losses.append(scores["loss_s_per_turn"] or 0.0)
                configs.append(config)
                rows.append(f"{losses[-1]:.3f} | {passes:.1f} | {seconds:.1f}")
            more = losses[0] / losses[1] - 1 if losses[1] else 0.0
            worst = max(worst, more)
            alike += acts_alike(*configs)
            equal += abs(more) < 0.001
            same = "settings" if acts_alike(*configs) else "loss" if abs(more) < 0.001 else f"{more:+.1%}"
            print(f"| {session.name} | {session.samples / 24_000:.0f} | {rows[0]} | {rows[1]} | {same} |", flush=True)
    print(f"\n{alike} of {len(sessions)} the same settings, {equal} the same loss; worst {worst:+.2%}")
    return int(worst > 0.01)


if __name__ == "__main__":
    sys.exit(main())
