"""Scores of real replays: the trace that replay writes is the trace that the metrics read."""

import itertools

import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import load
from workbench.metrics import evaluate, summarise
from workbench.metrics.index import index
from workbench.replay.engine import cost_source, replay
from workbench.stacks import make_stack

TALK = [
    (1.04, 2.0, "speech", 1, "turn the lamp"),
    (2.64, 4.0, "speech", 1, "on please"),
    (7.0, 7.3, "noise", None, ""),
    (14.0, 15.1, "speech", 2, "what time is it"),
    (17.5, 19.0, "speech", 3, "no stop"),
    (26.0, 27.0, "speech", 4, "thank you"),
]


def scored(session, labels, **knobs):
    config = load(None, {"stack.name": "scripted", "step_costs.source": "fixed", **knobs})
    resolved, stages = knobs_of(config), make_stack(config).stages(labels)
    replayed = replay(session, stages, resolved, cost_source(resolved, None, ""), Store(None))
    return replayed, evaluate(replayed.trace, labels)


@pytest.mark.parametrize(("silence_ms", "cut"), [(560, 1), (640, 1), (720, 0)])
def test_a_640_ms_hold_is_committed_by_560_and_not_by_720(make_session, silence_ms, cut):
    session, labels = make_session(TALK[:2], 8.0)
    _, scores = scored(session, labels, stt_silence_ms=silence_ms)
    assert summarise([scores], bootstrap=False).counts["cutin_per_hold"] == (cut, 1)


def test_a_cough_stops_the_agent_and_is_named(make_session):
    session, labels = make_session([*TALK[:2], TALK[2]], 12.0)
    _, scores = scored(session, labels, barge_in=True, barge_in_min_ms=160)
    assert [row.cause for row in scores.barge_ins] == ["noise"]
    assert [row.stopped for row in scores.events] == [True]
    # The cough touches five frames: 400 ms.
    _, deaf = scored(session, labels, barge_in=True, barge_in_min_ms=480)
    assert deaf.barge_ins == ()
    assert [row.stopped for row in deaf.events] == [False]


@pytest.mark.parametrize(
    ("listener", "placement", "barge_in"),
    list(itertools.product(["workbench", "mlx-harmony"], ["serial", "shared", "split"], [False, True])),
)
@pytest.mark.parametrize("slow", [False, True])
def test_every_part_is_accounted_for(make_session, listener, placement, barge_in, slow):
    session, labels = make_session(TALK, 32.0, echo={"taps": [[40, -40]]})
    knobs = {"tts_step_ms": 95.0, "tts_prebuffer_frames": 2, "stt_silence_ms": 320} if slow else {}
    replayed, scores = scored(session, labels, listener=listener, placement=placement, barge_in=barge_in, **knobs)
    assert len(scores.turns) == 4
    assert any(row.waterfall for row in scores.turns)
    assert all(row.waterfall.residual == 0 for row in scores.turns if row.waterfall)
    assert scores.played == sum(len(pcm) for _, pcm in replayed.sounds())
    replies = index(replayed.trace).replies.values()
    spoken = sum(reply.plays[-1].t + reply.plays[-1].samples - reply.plays[0].t for reply in replies if reply.plays)
    assert scores.played + sum(row.samples for row in scores.underruns) == spoken
