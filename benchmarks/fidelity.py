"""Does a search on a stand-in for the STT recommend what a search of exact replays recommends?

``python benchmarks/fidelity.py [--cases N] [--trials N] [--turns N] [--stack NAME] [--folder FOLDER]``; prints a table
in Markdown. Each case is a constructed session of at most 60 s: turns from soft to near, every other one with a pause
of 0.4 to 1.3 s, in a room of its own. It is tuned twice under listener ``mlx-harmony``, threshold and silence free:
with ``--exact``, and with the stand-in. Losses are of exact replays. Exit code 1 where the setting from the stand-in
loses more than 1 % more in any case, or anything more in over one of twenty.

With ``--folder`` cache, sessions and findings stay there, and cases that are done are skipped; delete ``exact.jsonl``
or ``stand-in.jsonl`` to have that half anew.

Measured with 60 trials, stand-in against exact. ``scripted``, 20 cases of 4 turns (39 to 44 s):
11 the same loss, 8 less, 1 more (0.3%); median passes 4.0 against 12.8.
``nano``, 20 cases of 3 turns (31 to 36 s, ``--turns 3``):
9 the same loss, 7 less, 4 more (36.6%, 12.5%, 6.0%, 2.3%); median passes 3.6 against 13.1.
In the worst one the best exact setting lies in a region of 2 dB by 200 ms, to which the stand-in gives five times its
loss: 20 replays do not meet it by chance.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

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

TURNS = (
    """
[[event]]
clip = ["set-a-timer-for-five-minutes", "set-a-timer-for-ten-minutes-please"]
after_s = [6.0, 8.0]
level_dbfs = [-40.0, -24.0]
pauses = [{ after_word = 3, s = [0.4, 1.3] }]
""",
    """
[[event]]
clip = ["what-time-is-it", "what-is-the-weather-today"]
after_s = [6.0, 8.0]
level_dbfs = [-40.0, -24.0]
""",
)

SPACE = """
[assistant]
stt_silence_threshold = { type = "float", low = 0.002, high = 0.1, log = true }
stt_silence_ms = { type = "frames", low = 160, high = 1600 }
"""

EQUAL = 0.001
"""Losses that differ by less than this share are the same: of a loss of 1 s per turn a thousandth is 1 ms."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        settings: name → value.
        loss: of their exact replay, s per turn.
        passes: frames that the STT heard over frames recorded.
        seconds: of processor time.
    """

    settings: dict[str, float]
    loss: float
    passes: float
    seconds: float


class Silent:
    """Shows nothing of a study's progress."""

    def step(self, what: str, done: int, total: int) -> None:
        """See :class:`workbench.tuning.refinement.StudyWatch`."""


def search(case: Path, stack: str, trials: int, exact: bool) -> Found:
    """Tune a case as ``workbench tune`` does, as far as the choice of the setting."""
    import optuna

    from workbench.cli.options import build_config
    from workbench.files import shipped
    from workbench.metrics.budget import read_prices
    from workbench.tuning import plan as planning
    from workbench.tuning.loading import settle
    from workbench.tuning.objective import Goal
    from workbench.tuning.refinement import find_best
    from workbench.tuning.search import Objective, run_trials
    from workbench.tuning.space import read_space
    from workbench.tuning.study import create

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    baseline = build_config(REPOSITORY / "configs/baseline.toml", stack, None, "mlx-harmony", None, ())
    options = planning.SearchOptions(trials=trials, exact=exact)
    prices = read_prices(shipped(Path("configs/budget.toml")))
    goal = Goal(("loss_s_per_turn",), {})
    spec = planning.plan(case.name, [case], baseline, read_space(Path("space.toml")), goal, options, prices)
    begun = time.process_time()
    spec, evaluator = settle(replace(spec, exact=exact))
    study = create(spec, optuna.storages.InMemoryStorage())
    objective = Objective(spec, evaluator, spec.tuning)
    run_trials(study, spec, objective)
    config, _, judge = find_best(study, spec, evaluator, objective, Silent())
    evaluator.store.close()
    seconds = time.process_time() - begun
    settings = {name: float(str(value)) for name, value in spec.space.point(config).items()}
    return Found(settings, judge(config).values[0], evaluator.passes, seconds)


def search_all(cases: list[Path], stack: str, trials: int, exact: bool) -> list[Found]:
    """What the searches found, in the order of the cases; each is written down as soon as it is known."""
    kept = Path("exact.jsonl" if exact else "stand-in.jsonl")
    done = {}
    if kept.exists():
        done = {line.pop("case"): Found(**line) for line in map(json.loads, kept.read_text().splitlines())}
    for case in cases:
        if case.name not in done:
            done[case.name] = search(case, stack, trials, exact)
            with kept.open("a") as file:
                file.write(json.dumps({"case": case.name, **asdict(done[case.name])}) + "\n")
            print(f"{case.name}, {kept.stem}: {done[case.name]}", file=sys.stderr, flush=True)
    return [done[case.name] for case in cases]


def constructed(count: int, turns: int) -> list[Path]:
    """Folders of the cases, made unless they are there."""
    from workbench.sessions.synth import synthesise
    from workbench.sessions.synth_spec import read_spec

    Path("space.toml").write_text(SPACE)
    clips = REPOSITORY / "demo_sessions/sources/sources.json"
    spec = SPEC.format(cases=count, clips=clips) + "".join(TURNS[turn % 2] for turn in range(turns))
    if not Path("recordings").exists() or Path("case.toml").read_text() != spec:
        Path("case.toml").write_text(spec)
        for _ in synthesise(read_spec(Path("case.toml")), Path("recordings")):
            pass
    return sorted(Path("recordings").iterdir())


def main() -> int:
    """Tune each case twice, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--stack", default="nano")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    from workbench.sessions.session import open_session

    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["WORKBENCH_STORE"] = str(folder / "store")
        os.chdir(folder)
        cases = constructed(options.cases, options.turns)
        seconds = [open_session(case).samples / 24_000 for case in cases]
        exact, ours = (search_all(cases, options.stack, options.trials, how) for how in (True, False))
        os.chdir(REPOSITORY)
    print("| case | s | exact: loss | passes | processor s | stand-in: loss | passes | processor s | found |")
    print("|---|---|---|---|---|---|---|---|---|")
    worst, equal = 0.0, 0
    for case, length, a, b in zip(cases, seconds, exact, ours, strict=True):
        more = b.loss / a.loss - 1 if a.loss else 0.0
        worst = max(worst, more)
        equal += more < EQUAL
        same = (
            "the same settings"
            if a.settings == b.settings
            else "the same loss"
            if abs(more) < EQUAL
            else f"{more:+.1%}"
        )
        sides = " | ".join(f"{side.loss:.3f} | {side.passes:.1f} | {side.seconds:.1f}" for side in (a, b))
        print(f"| {case.name} | {length:.0f} | {sides} | {same} |")
    print(f"\n{equal} of {len(cases)} as good as exact; worst {worst:+.2%}")
    return int(worst > 0.01 or equal < 0.95 * len(cases))


if __name__ == "__main__":
    sys.exit(main())
