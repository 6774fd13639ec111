"""Does tuning claim anything where there is nothing to find? All of it, on labels that lie elsewhere than the speech.

``python benchmarks/null.py [--seeds N] [--sessions N]``; prints in how many of the seeds the held-out comparison says
"no difference shown". Sessions are made and replayed as in any study; but for each seed and each setting every session
is scored against another's labels, moved by a random time. Laid once for all settings they would not do: a longer
silence answers later whatever the labels say, and a study that finds that out is right.
"""

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "tuning"))

SPACE = {"assistant": {"stt_silence_ms": {"type": "frames", "low": 160, "high": 1600}}}


def make(folder: Path, sessions: int) -> list[Path]:
    """Sessions with pauses and knocks."""
    import numpy as np
    from made_sessions import conversation, make_session, with_noises

    for number in range(sessions):
        generator = np.random.default_rng(number)
        sounds, seconds = conversation(generator, 3, hold=(0.3, 0.9), gap=(14.0, 18.0))
        make_session(folder / f"s{number:02}", with_noises(sounds, generator, 0.02, 4.0), seconds, seed=number)
    return sorted(folder.iterdir())


def moved(labels: Any, samples: int, shift: int) -> Any:
    """Labels turned round by some samples; a turn that the end of the session cuts in two is left out."""
    from workbench.labels import Label, turns

    found = []
    for turn in turns(labels):
        start = (turn.start + shift) % samples
        if start + turn.end - turn.start <= samples:
            move = start - turn.start
            found += [Label(p.start + move, p.end + move, p.kind, p.turn, p.text) for p in turn.parts]
    return tuple(sorted(found))


class Lost:
    """Scores real replays against labels that lie anywhere."""

    def __init__(self, evaluator: Any) -> None:
        self._evaluator = evaluator
        self._names = evaluator.names
        self._parts: dict[tuple[str, str], Any] = {}
        self._scored: dict[tuple[str, str], Any] = {}
        self.seed = 0

    def begin(self, seed: int) -> None:
        """Lay the labels anew."""
        self.seed = seed
        self._scored.clear()

    def score(self, config: Any, name: str) -> Any:
        """See :class:`workbench.tuning.study.Scorer`."""
        import numpy as np

        from workbench.metrics.facts import condense
        from workbench.metrics.index import index
        from workbench.metrics.reference import Reference
        from workbench.metrics.scoring import score_parts

        key = config.fingerprint, name
        if key not in self._parts:
            trace = self._evaluator.replay(config, name).trace
            self._parts[key] = trace.header, [condense(index(trace))]
        if key not in self._scored:
            number = self._names.index(name)
            generator = np.random.default_rng([self.seed, number, int(config.fingerprint[:12], 16)])
            other = self._evaluator.material(self._names[int(generator.integers(len(self._names)))])
            samples = self._evaluator.material(name).session.samples
            labels = moved(other.labels, samples, int(generator.integers(samples)))
            self._scored[key] = score_parts(*self._parts[key], Reference(labels))
        return self._scored[key]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=36, help="a third of them is held out")
    options = parser.parse_args()

    from workbench.config import load
    from workbench.metrics import compare
    from workbench.store import Store
    from workbench.tuning.objective import Evaluator
    from workbench.tuning.space import parse
    from workbench.tuning.splitting import split
    from workbench.tuning.study import Objective, search
    from workbench.tuning.tune import plan, refine

    said = Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        folders = make(Path(temporary), options.sessions)
        baseline = load(REPOSITORY / "configs/baseline.toml", {"stack": "scripted", "stt_silence_ms": 720})
        first = plan("null", folders, baseline, parse(SPACE, "null"), {}, ["voice_to_voice_ms_p95"], trials=19)
        evaluator = Evaluator(folders, baseline, Store(None))
        scorer: Any = Lost(evaluator)
        for seed in range(options.seeds):
            scorer.begin(seed)
            parts = split({name: evaluator.material(name).labels for name in evaluator.names}, seed)
            spec = replace(first, seed=seed, tuning=parts.tuning, held_out=parts.held_out, split=parts.kind)
            trial = search(spec, scorer, spec.tuning, spec.trials)
            config = refine(spec, trial, Objective(spec, scorer, spec.tuning))
            before, after = ([scorer.score(one, name) for name in spec.held_out] for one in (baseline, config))
            verdict = compare(before, after, spec.objectives)[0].verdict
            said[f"{verdict}, the baseline kept" if config == baseline else verdict] += 1
    for verdict, times in said.most_common():
        print(f"{times} of {options.seeds}: {verdict}")


if __name__ == "__main__":
    main()
