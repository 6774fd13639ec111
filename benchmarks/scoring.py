"""How long scoring takes: a one-hour trace with 150 turns, as a tuning trial scores it.

Run: ``python benchmarks/scoring.py``. Prints the best of 20 rounds in milliseconds, and what a report costs.
"""

import time

import numpy as np

from workbench.metrics import evaluate, summarise
from workbench.metrics import word_errors as words
from workbench.sessions.labels import Label
from workbench.trace import (
    Chunk,
    Commit,
    Done,
    Event,
    Header,
    Heard,
    Listen,
    Onset,
    Pcm,
    Play,
    Steps,
    Tokens,
    Trace,
    Transcript,
    Word,
    in_order,
)
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

TURNS = 150
PERIOD = 24 * SAMPLE_RATE
"""24 s a turn: 150 turns are an hour."""

WORDS = "could you please turn the kitchen lamp on and tell me what time it is"


def hour(session: str, seed: int) -> tuple[Trace, tuple[Label, ...]]:
    """An hour of questions of two parts and answers of two chunks, 45,000 model steps in all."""
    random = np.random.default_rng(seed)
    events: list[Event] = []
    labels: list[Label] = []
    for reply in range(TURNS):
        start = reply * PERIOD + int(random.integers(0, 4000))
        end = start + 6 * SAMPLE_RATE
        labels += [
            Label(start, start + 60_000, "speech", reply + 1, WORDS[:34]),
            Label(start + 70_000, end, "speech", reply + 1, WORDS[35:]),
            Label(end + 100_000, end + 110_000, "noise"),
        ]
        frame_end = -(-end // FRAME_SAMPLES) * FRAME_SAMPLES + 9 * FRAME_SAMPLES
        commit = frame_end + 480
        events += [Listen(start), Onset(start + 5000, start), Heard(commit, start, frame_end)]
        events += [Word(start + 9000 * n, word, start + 8000 * n) for n, word in enumerate(WORDS.split())]
        events.append(Steps(start, "stt", tuple(random.integers(300, 2000, 170).tolist())))
        events += [
            Commit(commit, frame_end, reply, "silence", frame_end - 17_280),
            Transcript(commit + 900, reply, WORDS.replace("me", str(reply))),
            Tokens(commit + 4000, reply, "yes", tuple(range(commit + 4000, commit + 8000, 100))),
        ]
        events += answer(reply, commit + 12_000, random)
    return Trace(Header(session, TURNS * PERIOD, playout=480), in_order(events)), tuple(sorted(labels))


def answer(reply: int, at: int, random: np.random.Generator) -> list[Event]:
    """Two chunks of 60 frames, made at twice the speed of sound, played without a hole."""
    events: list[Event] = []
    first = at + 2000
    for chunk in range(2):
        ready = tuple((at + 960 * np.arange(60)).tolist())
        events += [
            Chunk(at - 960, reply, chunk, "yes"),
            Steps(at - 960, "tts", tuple(random.integers(600, 1200, 65).tolist())),
            Pcm(at, reply, chunk, ready, "0" + "1" * 40 + "00" + "1" * 17, 2000),
            Play(first + chunk * 60 * FRAME_SAMPLES, reply, chunk, 0, 60 * FRAME_SAMPLES),
        ]
        at += 60_000
    return [*events, Done(first + 120 * FRAME_SAMPLES, reply)]


def anew(trace: Trace, labels: tuple[Label, ...]) -> None:
    """Score with no word alignment remembered."""
    words._KNOWN.clear()
    evaluate(trace, labels)


def best(action, rounds: int = 20) -> float:
    """Least time of an action in milliseconds."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return min(times) * 1000


def main() -> None:
    """Print the table."""
    trace, labels = hour("bench", 0)
    scored = evaluate(trace, labels)
    eight = [evaluate(*hour(f"s{n}", n)) for n in range(8)]
    print(f"events in the trace                     {len(trace.events):8d}")
    print(f"evaluate                                {best(lambda: evaluate(trace, labels)):8.1f} ms")
    print(f"evaluate, transcripts never seen before {best(lambda: anew(trace, labels)):8.1f} ms")
    print(f"summarise, one session, no intervals    {best(lambda: summarise([scored], bootstrap=False)):8.1f} ms")
    print(f"summarise, eight hours, no intervals    {best(lambda: summarise(eight, bootstrap=False)):8.1f} ms")
    print(f"summarise, eight hours, with intervals  {best(lambda: summarise(eight), 2):8.1f} ms")


if __name__ == "__main__":
    main()
