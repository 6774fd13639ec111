"""A stream of steps without end, told as answers: the same whatever comes after, and nothing kept that is over."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.dialogue.duplex_events import BLOCK_STEPS, PAUSE_FRAMES, DuplexEventBuilder
from workbench.simulation.step_costs import FixedCosts
from workbench.stages.playback import OpenStream
from workbench.stages.protocols import DuplexStep
from workbench.trace import Commit, Done, Event, Heard, Listen, Onset, Pcm, Play, Steps, Tokens, Underrun
from workbench.units import FRAME_SAMPLES, frame_end, ms_to_samples

COSTS = FixedCosts({"tts": ms_to_samples(40.0)})
COST = 960
QUIET, LOUD = np.zeros(FRAME_SAMPLES, dtype=np.float32), np.zeros(FRAME_SAMPLES, dtype=np.float32)
LOUD[100:] = 0.1


def steps_of(script: str, before: int = 0) -> list[DuplexStep]:
    """A step a character: ``.`` silence, ``x`` sound, a capital or digit its text and silence, ``*`` text and sound."""
    out = [DuplexStep("", None)] * before
    for character in script:
        pcm = LOUD if character in "x*" else QUIET
        out.append(DuplexStep("" if character in ".x" else f" {character}", pcm))
    return out


def told(steps: list[DuplexStep], cost: int = COST, lost: frozenset[int] = frozenset()) -> list[Event]:
    """As a replay tells them, without prebuffer and latency."""
    events: list[Event] = []
    narrator, stream, done, frame = DuplexEventBuilder(COSTS, 0, events), OpenStream(0), 0, 0
    for number, step in enumerate(steps):
        begun = max(frame_end(number), done)
        done = begun + cost
        narrator.stepped(begun, done, step)
        if step.pcm is not None:
            (at,) = stream.queue(done)
            if frame not in lost:
                narrator.sounded(frame, at)
            frame += 1
    narrator.end()
    return events


def of(events: list[Event], kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in events if isinstance(event, kind)]


def test_an_utterance_is_reported_whole() -> None:
    """Two steps bring nothing yet; its text begins before its sound; a silence of eleven frames is a part of it."""
    events = told(steps_of(3 * "." + "A.xB" + 10 * "." + "*", before=2))
    assert of(events, Listen) == [Listen(0)]
    assert of(events, Onset) == [Onset(0, 0)]
    done = [frame_end(number) + COST for number in range(20)]
    (commit,) = of(events, Commit)
    assert commit == Commit(done[5], frame_end(5), 0, "model", frame_end(5))
    assert of(events, Tokens) == [Tokens(done[5], 0, "A B *", (done[5], done[8], done[19]))]
    assert of(events, Pcm) == [Pcm(done[7], 0, 0, tuple(done[7:]), "1" + 11 * "0" + "1", 100)]
    assert of(events, Play) == [Play(frame_end(8), 0, 0, 0, 13 * FRAME_SAMPLES)]
    assert of(events, Done) == [Done(frame_end(8) + 13 * FRAME_SAMPLES, 0)]
    assert of(events, Underrun) == []


def test_twelve_silent_frames_end_an_utterance() -> None:
    events = told(steps_of("x" + 5 * "." + "A" + 6 * "." + "x"))
    assert [event.reply for event in of(events, Commit)] == [0, 1]
    assert of(events, Tokens) == [Tokens(frame_end(6) + COST, 1, "A", (frame_end(6) + COST,))]
    assert len(of(told(steps_of("x" + 5 * "." + "A" + 5 * "." + "x")), Commit)) == 1
    assert of(told(steps_of("A" + 12 * "." + "x")), Tokens) == [], "text a second before the sound belongs to nothing"
    assert of(told(steps_of("A" + 11 * "." + "x")), Tokens) != []


def test_a_model_slower_than_its_frames_leaves_holes() -> None:
    events = told(steps_of("xx.x"), cost=2 * FRAME_SAMPLES)
    plays, holes = of(events, Play), of(events, Underrun)
    assert [(play.offset, play.samples) for play in plays] == [(n * FRAME_SAMPLES, FRAME_SAMPLES) for n in range(4)]
    assert [(hole.samples, hole.voiced) for hole in holes] == [
        (FRAME_SAMPLES, True), (FRAME_SAMPLES, False), (FRAME_SAMPLES, False),
    ]  # fmt: skip
    assert [hole.t + hole.samples for hole in holes] == [play.t for play in plays[1:]]


def test_frames_that_were_lost_on_their_way_out_are_not_played() -> None:
    events = told(steps_of("xxxxx"), lost=frozenset({2}))
    assert [(e.offset // FRAME_SAMPLES, e.samples // FRAME_SAMPLES) for e in of(events, Play)] == [(0, 2), (3, 2)]
    assert of(events, Done)
    unended = told(steps_of("xxxxx"), lost=frozenset({3, 4}))
    assert [(e.offset // FRAME_SAMPLES, e.samples // FRAME_SAMPLES) for e in of(unended, Play)] == [(0, 3)]
    assert of(unended, Done) == [], "its end was never heard"
    unheard = told(steps_of("xx" + 20 * "." + "x"), lost=frozenset({0, 1}))
    assert [event.reply for event in of(unheard, Play)] == [1]
    assert [event.reply for event in of(unheard, Commit)] == [0, 1]


@pytest.mark.parametrize("count", [0, 1, BLOCK_STEPS - 1, BLOCK_STEPS, BLOCK_STEPS + 1, 3 * BLOCK_STEPS])
def test_steps_come_in_blocks_without_gap_or_overlap(count: int) -> None:
    events = told(steps_of(count * "."))
    blocks = -(-count // BLOCK_STEPS)
    assert [len(event.costs) for event in of(events, Steps)] == [
        min(BLOCK_STEPS, count - n * BLOCK_STEPS) for n in range(blocks)
    ]
    assert [event.t for event in of(events, Steps)] == [frame_end(n * BLOCK_STEPS) for n in range(blocks)]
    edges = [0] + [event.end for event in of(events, Heard)]
    assert [event.start for event in of(events, Heard)] == edges[:-1]
    assert edges[-1] == count * FRAME_SAMPLES
    assert len(of(events, Onset)) == (count > 0)


SCRIPT = st.lists(st.tuples(st.sampled_from("..xx*A"), st.sampled_from([1, 2, 5, 11, 12, 13, 30])), max_size=12).map(
    lambda parts: "".join(character * times for character, times in parts)
)


@settings(max_examples=200)
@given(SCRIPT, st.integers(0, 3))
def test_answers_are_the_runs_of_sound_between_long_silences(script: str, before: int) -> None:
    """Told frame by frame, and looked up in the whole script."""
    events = told(steps_of(script, before))
    sounding = [n for n, character in enumerate(script) if character in "x*"]
    groups: list[list[int]] = []
    for frame in sounding:
        if groups and frame - groups[-1][-1] <= PAUSE_FRAMES:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    pcm = of(events, Pcm)
    assert [event.reply for event in pcm] == list(range(len(groups)))
    assert [event.t for event in pcm] == [frame_end(group[0] + before) + COST for group in groups]
    assert [event.voiced for event in pcm] == [
        "".join("1" if frame in group else "0" for frame in range(group[0], group[-1] + 1)) for group in groups
    ]
    texts = {event.reply: event.text for event in of(events, Tokens)}
    free = 0
    for number, group in enumerate(groups):
        begin = max(free, group[0] - PAUSE_FRAMES)
        said = [f"{c}" for c in script[begin : group[-1] + 1] if c not in ".x"]
        assert texts.get(number, "") == " ".join(said)
        free = group[-1] + 1
    assert [e.samples for e in of(events, Play)] == [FRAME_SAMPLES * (g[-1] - g[0] + 1) for g in groups]


@settings(max_examples=50)
@given(SCRIPT, SCRIPT)
def test_what_is_over_does_not_depend_on_what_comes(script: str, more: str) -> None:
    over = script + PAUSE_FRAMES * "."
    events: list[Event] = []
    narrator, done = DuplexEventBuilder(COSTS, 0, events), 0
    for number, step in enumerate(steps_of(over)):
        done = frame_end(number) + COST
        narrator.stepped(frame_end(number), done, step)
        narrator.sounded(number, done)
    assert not narrator.is_speaking
    assert narrator.replies == len(of(events, Commit)) == len(of(events, Done)), "each is told when it has gone out"
    assert not narrator._sounded, "nothing is kept of it"
    kinds = (Commit, Tokens, Pcm)
    before = [event for event in events if isinstance(event, kinds)]
    whole = [event for event in told(steps_of(over + more)) if isinstance(event, kinds)]
    assert whole[: len(before)] == before


def test_groups_of_silence_keep_no_text() -> None:
    """An hour of a model that writes and never speaks."""
    narrator = DuplexEventBuilder(COSTS, 0, [])
    for number, (character, _) in enumerate(groupby(45_000 // 2 * "A.")):
        (step,) = steps_of(character)
        narrator.stepped(frame_end(number), frame_end(number), step)
        narrator.sounded(number, frame_end(number))
    assert len(narrator._text) <= PAUSE_FRAMES
    assert not narrator._sounded
