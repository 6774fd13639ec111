"""What the comparison of two configs is worth, on scores whose true difference is known.

``python benchmarks/coverage.py [--rounds N]``; prints a table in Markdown. Sessions are drawn, not replayed: rooms
differ, latencies are log-normal within a room, and

* ``apart``: each config has latencies of its own in each session, 1 to 3 turns of it;
* ``slow``: the same with 3 turns, of which one in twelve takes 3 s longer;
* ``shared``: both configs have the latency of the turn itself, and 40 ms of their own, as replays of one recording do.

Either the configs are equal, and whatever is claimed is wrong; or one is faster by 240 ms in every turn.
``cutin_per_hold`` has 4 holds a session, and is equal in both. "Bootstrap alone" is the comparison without its
exact test.
"""

import argparse
import sys
from collections import Counter
from typing import Any

SHIFT_MS = 240
KEYS = ("voice_to_voice_ms_p50", "voice_to_voice_ms_p95", "cutin_per_hold")


def scores(number: int, delays_ms: Any, cuts: Any) -> Any:
    """One session's scores from its latencies."""
    from workbench.metrics.rows import HoldRow, SessionScores, TurnRow, Waterfall

    rows = []
    for turn, delay in enumerate(round(24 * ms) for ms in delays_ms):
        parts = Waterfall(0, delay, 0, 0, 0, 0, 0, 0, 0, 0, 0, delay)
        rows.append(TurnRow(turn, 0, 24_000, turn, True, False, False, 0, delay, parts, 0, 0, 0, 0, False))
    holds = tuple(HoldRow(0, 0, 9, bool(cut)) for cut in cuts)
    return SessionScores(f"s{number:02}", 24_000 * 60, True, turns=tuple(rows), holds=holds)


def draw(generator: Any, kind: str, sessions: int, faster: float) -> tuple[list[Any], list[Any]]:
    """Two configs on the same sessions, the second faster by so many milliseconds."""
    sides: tuple[list[Any], list[Any]] = ([], [])
    for number in range(sessions):
        room, clumsy = generator.normal(0, 0.25), generator.beta(0.5, 2.0)
        turns = 1 + generator.binomial(2, 0.3) if kind == "apart" else 3
        turn = 1500 * generator.lognormal(room, 0.4, turns)
        for side, less in zip(sides, (0.0, faster), strict=True):
            if kind == "shared":
                delays = turn + generator.normal(0, 40, turns)
            else:
                delays = 1500 * generator.lognormal(room + generator.normal(0, 0.15), 0.4, turns)
            if kind == "slow":
                delays = delays + 3000 * (generator.random(turns) < 1 / 12)
            side.append(scores(number, delays - less, generator.random(4) < clumsy))
    return sides


def measure(kind: str, sessions: int, faster: float, rounds: int) -> dict[str, Counter[str]]:
    """How often each score was claimed to differ, with and without the test, and how often its interval held."""
    import numpy as np

    from workbench.metrics import compare
    from workbench.metrics.compare import NO_DIFFERENCE

    generator = np.random.default_rng([sessions, round(faster), len(kind)])
    found: dict[str, Counter[str]] = {key: Counter() for key in KEYS}
    for number in range(rounds):
        sides = draw(generator, kind, sessions, faster)
        for item, alone in zip(compare(*sides, KEYS, number), untested(*sides, number), strict=True):
            assert item.low is not None
            assert item.high is not None
            truth = 0.0 if item.key == "cutin_per_hold" else -faster
            found[item.key]["claimed"] += item.verdict != NO_DIFFERENCE
            found[item.key]["alone"] += alone.verdict != NO_DIFFERENCE
            found[item.key]["held"] += item.low <= truth <= item.high
    return found


def untested(a: Any, b: Any, seed: int) -> Any:
    """The comparison with a test that excludes all."""
    from unittest.mock import patch

    from workbench.metrics import compare

    with patch.object(sys.modules["workbench.metrics.compare"], "_borne_out", lambda span, _: span):
        return compare(a, b, KEYS, seed)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    print("| latencies | sessions | score | bootstrap alone claims | claims | interval holds the truth |", end="")
    print(f" {SHIFT_MS} ms faster: bootstrap alone | claims | holds the truth |\n|" + "---|" * 9)
    for kind in ("apart", "slow", "shared"):
        for sessions in (6, 8, 12, 20):
            equal, faster = (measure(kind, sessions, less, rounds) for less in (0.0, SHIFT_MS))
            for key in KEYS if kind == "apart" else KEYS[:2]:
                cells = [f"{equal[key][what] / rounds:.1%}" for what in ("alone", "claimed", "held")]
                if key != "cutin_per_hold":
                    cells += [f"{faster[key][what] / rounds:.1%}" for what in ("alone", "claimed", "held")]
                print(f"| {kind} | {sessions} | {key} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
