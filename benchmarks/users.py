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
SPACES = {"long-answers": {"stt_silence_ms": SILENCE, "tts_chunk_chars": CHUNK}}
"""Ranges to search, by user."""
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


COUNTS = {
    r"interrupted in (\d+) of (\d+) pauses, was (\d+) of (\d+)": "cutin_per_hold",
    r"does not notice that you are done in (\d+) of (\d+) turns, was (\d+) of (\d+)": "missed_eot_rate",
    r"talks on over you in (\d+) of (\d+) interruptions, was (\d+) of (\d+)": "missed_bargein_rate",
}
"""Parts of the sentence: count after the change, of how many, and both before it."""
SHARE = r"stutters ([\d.]+) % of the time, was ([\d.]+) %"
LOST = r"([\d.]+) s lost per turn, today ([\d.]+)"
WAIT = r"answers come ([\d.]+) s (later|sooner) \(([\d.]+) s after you stop\)"
BETTER = r"Better in (\d+) of (\d+) recordings|Same direction in all (\d+) recordings"
OTHERS = r"on it in (\d+) of (\d+)"
"""Of other searches, each on the recording that it did not see: nothing that a replay of this config could check."""


def check_sentence(sentence: str, before: dict[str, Any], after: dict[str, Any]) -> tuple[int, list[str]]:
    """Hold the numbers of a sentence against replays.

    Returns:
        How many were checked, and what is wrong: numbers that differ, or that nothing here can read.
    """
    wrong, checked, rest = [], 0, sentence

    def take(pattern: str, *expected: str) -> None:
        nonlocal checked, rest
        if found := re.search(pattern, rest, re.IGNORECASE):
            said = [part for part in found.groups() if part and part[0].isdigit()]
            checked += len(said)
            rest = rest.replace(found[0], "")
            if said != list(expected[: len(said)]):
                wrong.append(f"{found[0]!r}, replayed: {', '.join(expected)}")

    for pattern, key in COUNTS.items():
        sides = [[f"{part:.0f}" for part in run["counts"].get(key, (0, 0))] for run in (after, before)]
        take(pattern, *sides[0], *sides[1])
    now, was = after["scores"], before["scores"]
    take(LOST, f"{now[LOSS]:.2f}", f"{was[LOSS]:.2f}")
    waits = [round(run["voice_to_voice_ms_p50"] / 1000, 1) for run in (now, was)]
    take(WAIT, f"{abs(waits[0] - waits[1]):.1f}", f"{waits[0]:.1f}")
    take(SHARE, *(f"{100 * (run['stall_ratio'] or 0):.1f}" for run in (now, was)))
    lost = [
        {item["session"]: sum(row["total"] for row in item["losses"]) for item in run["sessions"]}
        for run in (after, before)
    ]
    better = sum(lost[0][name] < lost[1][name] for name in lost[0])
    whole = re.search(r"Same direction", rest) is not None
    take(BETTER, *([str(len(lost[0]))] if whole else [str(better), str(len(lost[0]))]))
    rest = re.sub(OTHERS, "", rest)
    return checked, wrong + [f"{number} in {rest!r} is not known here" for number in re.findall(r"\d[\d.]*", rest)]


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
    parser.add_argument("--trials", type=int, default=100)
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
