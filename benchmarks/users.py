"""Constructed users whose best setting is known: is it what ``tune`` recommends?

``python benchmarks/users.py [USER...] [--trials N] [--seed N]``. Each spec in ``benchmarks/users`` makes eight sessions
of one user. Every point of a grid of threshold × silence (for the long answers: silence × chunk length) is replayed on
all eight: the least ``loss_s_per_turn`` is the best there is, and the points next to it within 1 % are its plateau.
Then ``workbench tune`` searches the same ranges by itself, and its recommendation is replayed by ``workbench replay``.
Prints a table in Markdown; exit code 1 where a recommendation

* loses more than 1 % more than the best,
* lies outside the plateau: none of the points of the grid around it belongs to it, or
* says a number that the replays do not give.

Stack ``scripted``, listener ``mlx-harmony``, no limits, prices as shipped.

With 200 trials, seed 0, ``loss_s_per_turn``:

============  ======  =====  ===========  ===================================================================
user          today   best   recommended  recommended values
============  ======  =====  ===========  ===================================================================
fast-talker    3.063  2.645        2.622  threshold 0.003754, silence 320 ms
slow-talker   15.000  3.538        3.532  threshold 0.01815, silence 1280 ms
soft-voice    12.779  2.887        2.880  threshold 0.002811, silence 640 ms
noisy-room    13.529  2.670        2.670  threshold 0.01527, silence 640 ms
digits        12.840  5.321        5.311  threshold 0.04003, silence 1120 ms
long-answers   6.856  3.556        3.556  silence 160 ms, chunks of 360 characters (a word has no price here, and
                                          half of the words come after so early an end)
============  ======  =====  ===========  ===================================================================

All six lie in the plateau, and all numbers of their sentences are those of the replays. A float is searched between the
points of the grid too, so that it may be better than the best of them.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
SPECS = REPOSITORY / "benchmarks" / "users"
LOSS = "loss_s_per_turn"
WITHIN = 1.01

THRESHOLD = {"type": "float", "low": 0.002, "high": 0.1, "log": True, "points": 25}
SILENCE = {"type": "frames", "low": 160, "high": 1600}
CHUNK = {"type": "int", "low": 40, "high": 400, "step": 20}
SPACES = {
    "long-answers": {"stt_silence_ms": SILENCE, "tts_chunk_chars": CHUNK},
    "noisy-room": {"stt_silence_threshold": THRESHOLD | {"points": 97}, "stt_silence_ms": SILENCE},
}
"""Ranges to search, by user. In a noisy room the threshold has a narrow gap to lie in: a coarse grid steps over it."""
SETTINGS = {"long-answers": {"step_costs.source": "fixed", "step_costs.tts_step_ms": "70"}}
"""Changes of the baseline, by user: a slow TTS."""

Point = tuple[Any, ...]


@dataclass(frozen=True)
class Best:
    """Exhaustive search: all points of the grid with their loss, least first by ``least``."""

    axes: dict[str, list[Any]]
    losses: dict[Point, float]

    @property
    def least(self) -> float:
        return min(self.losses.values())

    def plateau(self) -> set[Point]:
        """Points within 1 % of the best that are reached from it in steps along one axis."""
        values = list(self.axes.values())
        good = {point for point, loss in self.losses.items() if loss <= WITHIN * self.least}
        found: set[Point] = set()
        edge = [min(self.losses, key=lambda point: self.losses[point])]
        while edge:
            point = edge.pop()
            found.add(point)
            for axis, step in itertools.product(range(len(values)), (-1, 1)):
                at = values[axis].index(point[axis]) + step
                if 0 <= at < len(values[axis]):
                    near = (*point[:axis], values[axis][at], *point[axis + 1 :])
                    edge += [near] if near in good - found else []
        return found

    def around(self, chosen: Mapping[str, Any]) -> set[Point]:
        """Points of the grid at the corners of the cell that a setting lies in."""
        sides = []
        for name, values in self.axes.items():
            below = [value for value in values if value <= chosen[name]]
            above = [value for value in values if value >= chosen[name]]
            sides.append({*below[-1:], *above[:1]})
        return set(itertools.product(*sides))


def exhaust(folders: Sequence[Path], user: str) -> Best:
    """Replay every point of the grid on all sessions."""
    from workbench.cache import Store
    from workbench.config import load
    from workbench.tuning.evaluator import Evaluator
    from workbench.tuning.space import parse
    from workbench.units import SAMPLE_RATE

    space = parse({"assistant": space_of(user)}, user)
    baseline = load(REPOSITORY / "configs" / "baseline.toml", settings_of(user))
    evaluator = Evaluator(folders, baseline, Store(None))
    losses = {}
    for point in space.grid():
        config = space.config(baseline, point)
        rows = [row for name in evaluator.names for row in evaluator.score(config, name).losses]
        losses[tuple(point.values())] = sum(row.total for row in rows) / SAMPLE_RATE / len(rows)
    return Best({item.name: item.grid() for item in space.parameters}, losses)


def space_of(user: str) -> dict[str, Any]:
    return SPACES.get(user, {"stt_silence_threshold": THRESHOLD, "stt_silence_ms": SILENCE})


def settings_of(user: str) -> dict[str, str]:
    return {"stack.name": "scripted", "workbench.listener": "mlx-harmony", **SETTINGS.get(user, {})}


def workbench(*arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command; what it prints."""
    command = [sys.executable, "-m", "workbench", *arguments]
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return done.stdout


def tune(folders: Sequence[Path], user: str, trials: int, seed: int) -> dict[str, Any]:
    """What ``workbench tune`` says."""
    import tomli_w

    Path("space.toml").write_text(tomli_w.dumps({"assistant": space_of(user)}))
    prices = (REPOSITORY / "configs" / "budget.toml").read_text("utf-8").partition("[price]")
    Path("prices.toml").write_text("".join(prices[1:]))
    baseline = ["--config", str(REPOSITORY / "configs" / "baseline.toml")]
    sets = [part for item in settings_of(user).items() for part in ("--set", "=".join(item))]
    how = ["--space", "space.toml", "--budget", "prices.toml", "--trials", str(trials), "--seed", str(seed), "--json"]
    printed = workbench("tune", *map(str, folders), "--name", user, *baseline, *sets, *how)
    result: dict[str, Any] = json.loads(printed)
    for name, config, changes in (("today", baseline[1], sets), ("tuned", f"configs/{user}/tuned.toml", [])):
        out = Path("reports") / f"{user}-{name}"
        workbench("replay", *map(str, folders), "--config", config, *changes, "--out", str(out))
        result[f"replay_{name}"] = json.loads((out / "scores.json").read_text("utf-8"))
    return result


CLAUSES = {
    r"interrupted in N of N pauses(?:, was N of N|, as today)": "cutin_per_hold",
    r"does not notice that you are done in N of N turns(?:, was N of N|, as today)": "missed_eot_rate",
    r"talks on over you in N of N interruptions(?:, was N of N|, as today)": "missed_bargein_rate",
    r"stopped by a noise or an mm-hm N times?(?:, was N|, as today)": "false_bargein_per_agent_hour",
    r"stutters N % of the time(?:, was N %|, as today)": "stall_ratio",
    r"mishears N % of your words(?:, was N %|, as today)": "wer",
    r"loses up to N ms of your first words(?:, was N ms|, as today)": "onset_clipped_ms_p95",
    r"answers come N s (?:later|sooner) \(N s after you stop\)|answers come N s after you stop, as today": "wait",
    r"answers come N s after you stop, was: before you have finished": "wait_now",
    r"N s lost per turn, today N": "loss",
    r"Better in N of N recordings|Same direction in all N recordings": "better",
    r"that did not see a recording were better on it in N of N": "",
}
"""Parts of the sentence, with N for a number. The last is about other searches: no replay of this config checks it."""


def numbers(key: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Numbers of a part in the order in which it says them, from replays of both configs."""
    runs = (after, before)
    if key in ("cutin_per_hold", "missed_eot_rate", "missed_bargein_rate", "false_bargein_per_agent_hour"):
        counts = [[f"{part:.0f}" for part in run["counts"].get(key, (0, 0))] for run in runs]
        return [count[0] for count in counts] if key.startswith("false") else counts[0] + counts[1]
    if key == "better":
        lost = [
            {item["session"]: sum(row["total"] for row in item["losses"]) for item in run["sessions"]} for run in runs
        ]
        better, total = sum(lost[0][name] < lost[1][name] for name in lost[0]), len(lost[0])
        return [str(better), str(total)] if better < total else [str(total)]
    scores = [run["scores"] for run in runs]
    if key == "wait":
        now, was = (round(max(0.0, side["voice_to_voice_ms_p50"]) / 1000, 1) for side in scores)
        return [f"{abs(now - was):.1f}", f"{now:.1f}"] if now != was else [f"{now:.1f}"]
    if key == "wait_now":
        return [f"{scores[0]['voice_to_voice_ms_p50'] / 1000:.1f}"] if scores[1]["voice_to_voice_ms_p50"] <= 0 else []
    if key == "loss":
        return [f"{side[LOSS]:.2f}" for side in scores]
    return [f"{side[key]:.0f}" if key.endswith("_ms_p95") else f"{100 * (side[key] or 0):.1f}" for side in scores]


def check_sentence(sentence: str, before: dict[str, Any], after: dict[str, Any]) -> tuple[int, list[str]]:
    """Hold the numbers of a sentence against replays.

    Returns:
        How many were checked, and what is wrong: numbers that differ, or that nothing here can read.
    """
    number = r"(\d+(?:\.\d+)?)"
    wrong, checked, rest = [], 0, sentence
    for pattern, key in CLAUSES.items():
        found = re.search(re.sub(r"\bN\b", lambda _: number, pattern), rest, re.IGNORECASE)
        if not found:
            continue
        rest = rest.replace(found[0], "")
        said = [part for part in found.groups() if part is not None]
        expected = numbers(key, before, after)[: len(said)] if key else said
        checked += len(said) if key else 0
        if said != expected:
            wrong.append(f"{found[0]!r}, replayed: {', '.join(expected)}")
    return checked, wrong + [f"{part} in {rest!r} is not known here" for part in re.findall(number, rest)]


def judge(user: str, folder: Path, trials: int, seed: int) -> tuple[str, list[str]]:
    """One user's row of the table, and what is wrong."""
    from workbench.sessions.synth import synthesise
    from workbench.sessions.synth_spec import read_spec

    folders = [session.folder for session in synthesise(read_spec(SPECS / f"{user}.toml"), folder)]
    best = exhaust(folders, user)
    found = tune(folders, user, trials, seed)
    plateau, chosen = best.plateau(), found["recommended"]
    after, before = found["replay_tuned"], found["replay_today"]
    loss = after["scores"][LOSS]
    checked, wrong = check_sentence(found["answer"]["sentence"], before, after)
    if loss > WITHIN * best.least:
        wrong.append(f"loses {loss:.3f} s a turn, the best {best.least:.3f}")
    if not best.around(chosen) & plateau:
        wrong.append(f"{chosen} lies outside the plateau")
    span = "; ".join(
        f"{name} {min(values)} to {max(values)}"
        for name, values in zip(best.axes, zip(*plateau, strict=True), strict=True)
    )
    values = "; ".join(f"{name} {value}" for name, value in chosen.items())
    row = [user, before["scores"][LOSS], best.least, loss, span, values, found["mark"], checked]
    cells = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
    return f"| {' | '.join(cells)} | {'; '.join(wrong) or 'ok'} |\n\n{found['answer']['sentence']}\n", wrong


def main() -> None:
    """Judge each user."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = sorted(path.stem for path in SPECS.glob("*.toml"))
    parser.add_argument("users", nargs="*", metavar="USER", help=f"of {', '.join(known)} [all]")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = []
    print("| user | today | best | recommended | plateau | recommended values | mark | numbers checked | |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        os.environ["WORKBENCH_STORE"] = f"{temporary}/store"
        for user in options.users or known:
            row, problems = judge(user, Path("recordings"), options.trials, options.seed)
            print(row, flush=True)
            wrong += problems
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
