"""Planted faults: does the workbench find every fault that was built into a session, and no other?

``python benchmarks/planted.py [--sessions N] [--seed N] [--write]``. A hundred sessions are constructed, ten of a kind.
What goes wrong in each is known beforehand, from how it was made and from the settings, not from a score: the user
interrupts, a cough, an "mm-hm" or another talker is loud enough to stop the agent, the agent hears itself, a pause is
longer than ``stt_silence_ms``, a turn is too soft, a step of the TTS takes seconds. Much is built in that must not be
found: soft coughs, short pauses, soft echoes, slow steps that the buffer bears.

Each session is replayed by the stack ``scripted`` with reactive timing, so that what was laid over the agent lies over
the replayed agent, and scored. What the scores say is held against what was planted, one to one: the same kind, at
most 0.4 s apart. Prints a table in Markdown and each fault that was missed or invented; ``--write`` puts both into
``docs/metrics.md``. Exit code 1 where precision is below 1 or recall below 0.98.
"""

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import tomli_w

from workbench.arrays import Times
from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.dialogue.answer import CHUNK_GROUPS
from workbench.metrics import SessionScores, evaluate
from workbench.metrics.moved import labels_as_replayed
from workbench.replay.engine import replay
from workbench.sessions.labels import Label, read_labels, turns
from workbench.sessions.session import Session
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import read_spec
from workbench.simulation.step_costs import FixedCosts
from workbench.stacks import make_stack
from workbench.trace import Moved, Play, Trace
from workbench.units import SAMPLE_RATE, ms_to_samples

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ROOT / "demo_sessions" / "sources" / "sources.json"
PAGE = ROOT / "docs" / "metrics.md"
BEGIN, END = "<!-- planted faults -->\n", "<!-- end of planted faults -->\n"

SETTINGS = {
    "stack.name": "scripted",
    "step_costs.source": "fixed",
    "timing": "reactive",
    "barge_in": True,
    "stt_silence_ms": 700,
}
NEAR = 2 * SAMPLE_RATE // 5
"""A fault is found where it is said to be within 0.4 s: five frames, as many as a pause needs to be a hold and more."""

QUESTIONS = {
    "what-is-the-weather-tomorrow": 4,
    "what-is-on-my-list": 3,
    "turn-the-volume-down-a-little": 3,
    "what-is-the-weather-today": 4,
}
"""Clips whose answer is long, and the word after which they can pause."""
ANSWER = "sense_and_sensibility_01_austen_64kb-0870"
SOFT, LOUD = (-58.0, -54.0), (-28.0, -22.0)
"""Levels in dBFS: 14 dB below the threshold of -40, and 12 dB above."""


@dataclass
class Plan:
    """A session to be built, and what will go wrong.

    Attributes:
        events: of the spec.
        echo: gain in dB; None: the agent is not heard.
        slow: reply → (step, milliseconds) of the TTS step that takes long.
        faults: kind, and what says where: ``sound`` or ``turn`` and its number (from 0), ``answer`` and its number.
    """

    events: list[dict[str, object]] = field(default_factory=list)
    echo: float | None = None
    slow: dict[int, tuple[int, float]] = field(default_factory=dict)
    faults: list[tuple[str, str, int]] = field(default_factory=list)
    turns: int = 0
    sounds: int = 0


class Draw:
    """Random numbers of one session."""

    def __init__(self, seed: int, number: int) -> None:
        self._raw = np.random.PCG64([seed, number])

    def share(self) -> float:
        return float(self._raw.random_raw() >> 11) / 2**53

    def between(self, low: float, high: float) -> float:
        return round(low + (high - low) * self.share(), 3)

    def one(self, items: Sequence[str]) -> str:
        return items[int(self.share() * len(items))]


def ask(plan: Plan, draw: Draw, level: tuple[float, float] = LOUD, pause: float = 0.0) -> None:
    """A question, 3 s after the agent's last word, and an answer of 7 s."""
    clip = draw.one(list(QUESTIONS))
    first = not plan.turns
    event: dict[str, object] = {"clip": clip, "after_s": 2.0 if first else 3.0, "level_dbfs": draw.between(*level)}
    if not first:
        event["from"] = "agent-end"
    if pause:
        event["pauses"] = [{"after_word": QUESTIONS[clip], "s": pause}]
    plan.events += [event, {"clip": ANSWER, "kind": "agent", "after_s": 1.5}]
    plan.turns += 1


def over(plan: Plan, draw: Draw, **event: object) -> None:
    """Something that falls on the answer."""
    plan.events.append({"from": "agent-start", "after_s": draw.between(0.4, 4.0), **event})
    plan.sounds += event.get("kind") is not None


def interrupted(plan: Plan, draw: Draw) -> None:
    ask(plan, draw)
    over(plan, draw, clip="wait-stop-that", level_dbfs=draw.between(*LOUD), stops_agent_s=0.6)
    plan.faults.append(("barge-in", "turn", plan.turns))
    plan.turns += 1
    plan.events.append({"clip": "let-me-think", "kind": "agent", "after_s": 1.5})


def soft_interruption(plan: Plan, draw: Draw) -> None:
    ask(plan, draw)
    over(plan, draw, clip="wait-stop-that", level_dbfs=draw.between(*SOFT))
    plan.faults += [("missed barge-in", "turn", plan.turns), ("missed end", "turn", plan.turns)]
    plan.turns += 1


def sound(cause: str, kind: str, name: str, is_loud: bool) -> Callable[[Plan, Draw], None]:
    def add(plan: Plan, draw: Draw) -> None:
        ask(plan, draw)
        more = {"talker": {"lasts_s": draw.between(1.0, 2.0)}, "mm-hm": {"text": ""}}.get(name, {})  # no word to hear
        if is_loud:
            plan.faults.append((f"false barge-in, {cause}", "sound", plan.sounds))
        over(plan, draw, sound=name, kind=kind, level_dbfs=draw.between(*(LOUD if is_loud else SOFT)), **more)

    return add


def long_pause(plan: Plan, draw: Draw) -> None:
    # The answer to the first half is stopped by the second, before or while it can be heard.
    plan.faults += [("cut-in", "hold", plan.turns), ("barge-in", "rest", plan.turns)]
    ask(plan, draw, pause=draw.between(0.9, 1.4))


def short_pause(plan: Plan, draw: Draw) -> None:
    ask(plan, draw, pause=draw.between(0.2, 0.55))


def too_soft(plan: Plan, draw: Draw) -> None:
    plan.faults.append(("missed end", "turn", plan.turns))
    ask(plan, draw, SOFT)


def slow_step(plan: Plan, draw: Draw) -> None:
    plan.slow[plan.turns] = 22 + int(20 * draw.share()), draw.between(1800, 2600)
    plan.faults.append(("underrun", "answer", plan.turns))
    ask(plan, draw)


def borne_step(plan: Plan, draw: Draw) -> None:
    # By step 45 some 26 frames are in hand, half of what was made: a second.
    plan.slow[plan.turns] = 45 + int(20 * draw.share()), draw.between(200, 700)
    ask(plan, draw)


COUGH, SOFT_COUGH = sound("noise", "noise", "cough", True), sound("noise", "noise", "cough", False)
DOOR, SOFT_DOOR = sound("noise", "noise", "door", True), sound("noise", "noise", "door", False)
HUM, SOFT_HUM = (sound("backchannel", "backchannel", "mm-hm", loud) for loud in (True, False))
TALKER, SOFT_TALKER = (sound("background", "background", "talker", loud) for loud in (True, False))

KINDS: dict[str, tuple[Callable[[Plan, Draw], None], ...]] = {
    "interruptions": (interrupted, interrupted, ask),
    "soft interruptions": (ask, SOFT_COUGH, soft_interruption),
    "coughs and doors": (COUGH, SOFT_COUGH, DOOR, SOFT_DOOR),
    "backchannels": (HUM, SOFT_HUM, HUM),
    "other talkers": (TALKER, SOFT_TALKER, TALKER),
    "echo": (ask, ask),
    "pauses": (long_pause, short_pause, long_pause),
    "soft turns": (ask, too_soft, ask),
    "slow steps": (slow_step, borne_step, slow_step, borne_step),
    "mixed": (interrupted, COUGH, long_pause, HUM, short_pause, SOFT_TALKER),
}
"""What the rounds of a session are, by kind."""


def make_plan(kind: str, seed: int, number: int) -> Plan:
    """Session ``number``; of echoes every other is too soft to be found."""
    plan, draw = Plan(), Draw(seed, number)
    for add in KINDS[kind]:
        add(plan, draw)
    if kind == "echo":
        is_loud = number // len(KINDS) % 2 == 0
        plan.echo = draw.between(-14, -8) if is_loud else draw.between(-34, -26)
        plan.faults += [("false barge-in, echo", "answer", reply) for reply in range(plan.turns) if is_loud]
    return plan


class SlowSteps(FixedCosts):
    """Fixed costs, but for one TTS step of some replies."""

    def __init__(self, table: dict[str, int], slow: dict[int, tuple[int, float]]) -> None:
        super().__init__(table)
        self._slow = slow

    def draw(self, stage: str, group: int, jobs: int) -> Times:
        costs = super().draw(stage, group, jobs)
        step, ms = self._slow.get(group // CHUNK_GROUPS, (-1, 0.0)) if stage == "tts" else (-1, 0.0)
        if group % CHUNK_GROUPS == 0 and 0 <= step < jobs:
            costs[step] = ms_to_samples(ms)
        return costs


def build(plan: Plan, name: str, folder: Path, seed: int) -> Session:
    head: dict[str, object] = {"format": 1, "seed": seed, "clips": str(CLIPS), "tail_s": 8, "event": plan.events}
    if plan.echo is not None:
        head |= {"echo": {"taps": [[40, plan.echo], [66, plan.echo - 9]]}}
    (folder / f"{name}.toml").write_text(tomli_w.dumps(head), encoding="utf-8")
    [session] = synthesise(read_spec(folder / f"{name}.toml"), folder / "recordings")
    return session


Fault = tuple[str, int]
"""Kind, and sample on the clock of the replay."""


def planted(plan: Plan, trace: Trace, labels: Sequence[Label]) -> Iterator[Fault]:
    """What was planted, where it came to lie."""
    spoken = turns(labels)
    heard = [label for label in labels if label.kind != "speech"]
    begun = {event.reply: event.t for event in reversed(trace.events) if isinstance(event, Play)}
    gone = sum(event.how == "left_out" for event in trace.events if isinstance(event, Moved))
    assert not gone, "every sound has its own answer"
    for kind, where, number in plan.faults:
        if where == "turn":
            yield kind, spoken[number].end if kind == "missed end" else spoken[number].start
        elif where == "hold":
            yield kind, spoken[number].holds[0][0]
        elif where == "rest":
            yield kind, spoken[number].holds[0][1]
        elif where == "sound":
            yield kind, heard[number].start
        elif kind == "underrun":
            yield kind, _hole(trace, number)
        else:
            yield kind, begun.get(number, 0)


def _hole(trace: Trace, reply: int) -> int:
    """Where the loudspeaker fell silent inside an answer, by what it played."""
    plays = [event for event in trace.events if isinstance(event, Play) and event.reply == reply]
    gaps = [(b.t - a.t - a.samples, a.t + a.samples) for a, b in pairwise(plays)]
    return max(gaps, default=(0, 0))[1]


def found(scores: SessionScores) -> Iterator[Fault]:
    """What the scores say."""
    for stop in scores.barge_ins:
        yield ("barge-in" if stop.cause == "speech" else f"false barge-in, {stop.cause}"), stop.onset
    for hold in scores.holds:
        if hold.cut:
            yield "cut-in", hold.start
    for turn in scores.turns:
        for _ in range(turn.cutins - sum(hold.cut for hold in scores.holds if hold.turn == turn.turn)):
            yield "cut-in", turn.end
        if turn.missed:
            yield "missed end", turn.end
    for take in scores.floor:
        if take.missed:
            yield "missed barge-in", take.start
    for hole in scores.underruns:
        yield "underrun", hole.t


@dataclass
class Tally:
    """Faults by kind."""

    planted: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    invented: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def add(self, name: str, there: Sequence[Fault], said: Sequence[Fault]) -> None:
        left = defaultdict(list)
        for kind, t in said:
            left[kind].append(t)
        for kind, t in there:
            self.planted[kind] += 1
            near = [other for other in left[kind] if abs(other - t) <= NEAR]
            if near:
                left[kind].remove(min(near, key=lambda other: abs(other - t)))
                self.right[kind] += 1
            else:
                self.remarks.append(f"{name}: missed: {kind} at {t / SAMPLE_RATE:.2f} s")
        for kind, times in left.items():
            self.invented[kind] += len(times)
            self.remarks += [f"{name}: invented: {kind} at {t / SAMPLE_RATE:.2f} s" for t in times]

    @property
    def is_good(self) -> bool:
        """Precision 1 and recall 0.98 of every kind."""
        return not self.invented.total() and all(self.right[kind] >= 0.98 * n for kind, n in self.planted.items())

    def table(self) -> str:
        rows = ["| fault | planted | found | invented | precision | recall |", "|---|---|---|---|---|---|"]
        for kind in sorted({*self.planted, *self.invented}):
            n, right, wrong = self.planted[kind], self.right[kind], self.invented[kind]
            precision = f"{right / (right + wrong):.3f}" if right + wrong else ""
            rows.append(f"| {kind} | {n} | {right} | {wrong} | {precision} | {right / n if n else 0:.3f} |")
        return "\n".join(rows) + "\n"


def run(count: int, seed: int) -> Tally:
    """Build, replay and score ``count`` sessions."""
    config = override(Config(), SETTINGS)
    knobs, stack, tally = knobs_of(config), make_stack(config), Tally()
    kinds = list(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            kind = kinds[number % len(kinds)]
            plan, name = make_plan(kind, seed, number), f"{kind.replace(' ', '-')}-{number:03}"
            session = build(plan, name, Path(folder), seed * 1000 + number)
            labels = read_labels(session.labels_path, session.samples)
            costs = SlowSteps(dict(knobs.step_costs.table), plan.slow)
            trace = replay(session, stack.stages(labels), knobs, costs, Store(None)).trace
            moved = labels_as_replayed(trace, labels)
            tally.add(name, list(planted(plan, trace, moved)), list(found(evaluate(trace, moved))))
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Planted faults: precision and recall of each score.")
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/metrics.md")
    asked = parser.parse_args()
    tally = run(asked.sessions, asked.seed)
    print(tally.table())
    print("\n".join(tally.remarks))
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        remarks = "".join(f"- {remark}\n" for remark in tally.remarks)
        shown = f"{tally.table()}\n{remarks}" if remarks else tally.table()
        PAGE.write_text(f"{before}{BEGIN}{shown}{END}{rest.split(END)[1]}", encoding="utf-8")
    return 0 if tally.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
