"""What the faults of MLX-Harmony's loop cost: known answers, and the sums that must hold."""

import dataclasses

import numpy as np
import pytest
from made_sessions import REPOSITORY, Sound, conversation, make_session

from workbench.cache import Store
from workbench.config import load, override
from workbench.metrics import Difference, compare
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.trace import Cancel, Chunk, Done, Header, Pcm, Play, Trace
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.output.listener_comparison import (
    BORDERS,
    FaultCost,
    ListenerComparison,
    SpeechHeard,
    compare_listeners,
    section,
    spoken,
)
from workbench.units import FRAME_SAMPLES as FRAME

SHIPPED = load(
    REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted", "listener": "mlx-harmony", "tts_chunk_chars": 60}
)


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    """Users that let the agent speak out, and one that says something in the first chunk of an answer."""
    folder = tmp_path_factory.mktemp("faults")
    for number in range(2):
        sounds, seconds = conversation(np.random.default_rng(number), 2, gap=(10.0, 12.0))
        make_session(folder / f"calm{number}", sounds, seconds, seed=number)
    words = "what can you tell me about it"
    sounds = [Sound(1.0, 2.6, 0.05, "speech", 1, words), Sound(5.6, 6.6, 0.05, "speech", 2, words)]
    make_session(folder / "cut", sounds, 24.0)
    return Evaluator(sorted(folder.iterdir()), SHIPPED, Store(None))


def pcm(t: int, reply: int, chunk: int, frames: int) -> Pcm:
    return Pcm(t, reply, chunk, tuple(t + FRAME * n for n in range(frames)), "1" * frames, 0)


def test_what_was_never_played_is_kept_apart():
    """Answer 0: five frames of seven played, then four of four. Answer 1: two of three, and the user stops the second
    chunk with one frame played of six.
    """
    events = (
        Chunk(0, 0, 0, "It is noon, and"),
        pcm(FRAME, 0, 0, 7),
        Play(2 * FRAME, 0, 0, 0, 5 * FRAME),
        Chunk(10 * FRAME, 0, 1, "all is well."),
        pcm(11 * FRAME, 0, 1, 4),
        Play(12 * FRAME, 0, 1, 0, 4 * FRAME),
        Done(16 * FRAME, 0),
        Chunk(30 * FRAME, 1, 0, "No."),
        pcm(31 * FRAME, 1, 0, 3),
        Play(32 * FRAME, 1, 0, 0, 2 * FRAME),
        Chunk(40 * FRAME, 1, 1, "Not at all."),
        pcm(41 * FRAME, 1, 1, 6),
        Play(42 * FRAME, 1, 1, 0, FRAME),
        Cancel(43 * FRAME, 1, "barge_in"),
    )
    trace = Trace(Header("made", 100 * FRAME), tuple(sorted(events, key=lambda event: event.t)))
    once = SpeechHeard(made=20 * FRAME, closed=3 * FRAME, stopped=5 * FRAME, inside=1, borders=2)
    assert spoken([trace]) == once
    assert spoken([trace, trace]) == SpeechHeard(*(2 * value for value in dataclasses.astuple(once)))


def test_a_chunk_stopped_before_its_first_frame_keeps_all():
    events = (
        Chunk(0, 0, 0, "It is noon."),
        pcm(FRAME, 0, 0, 7),
        Play(2 * FRAME, 0, 0, 0, 5 * FRAME),
        Chunk(10 * FRAME, 0, 1, "All is well."),
        Cancel(11 * FRAME, 0, "barge_in"),
    )
    assert spoken([Trace(Header("made", 100 * FRAME), events)]) == SpeechHeard(7 * FRAME, 2 * FRAME, 0, 0, 1)


def test_the_parts_are_those_of_the_scores(evaluator):
    names = tuple(evaluator.names)
    faults = compare_listeners(evaluator, SHIPPED, "workbench", names, with_rules=False)
    scored = evaluator.scores(SHIPPED, names)
    assert faults.speech.made == sum(item.tts_audio for item in scored)
    assert faults.speech.closed + faults.speech.stopped == faults.speech.made - sum(item.played for item in scored)
    assert faults.speech.closed > 0
    assert sum(len(item.barge_ins) for item in scored) > 0
    right = override(SHIPPED, {"listener": "workbench"})
    costs = {item.key: item for item in faults.costs}
    wanted = compare(scored, evaluator.scores(right, names), ["chunk_gap_ms_p95", "voice_to_voice_ms_p95"])
    assert tuple(costs[item.key].difference for item in wanted) == wanted
    assert faults.sessions == 3


def test_the_chunker_is_among_the_faults(evaluator):
    """Its cuts inside sentences, and without tts_chunk_sentences those inside words; corrected has none."""
    for changes in ({}, {"chunker": "mlx-harmony"}, {"tts_chunk_sentences": False}):
        faults = compare_listeners(
            evaluator, override(SHIPPED, changes), "workbench", ("calm0", "calm1"), with_rules=False
        )
        costs = {item.key: item for item in faults.costs}
        before, after = costs[BORDERS].values
        torn = costs["midword_splits"].values
        assert torn[1] == 0
        if "tts_chunk_sentences" in changes:
            assert torn[0] > 0
        else:
            assert before > after
            assert torn[0] == 0
        assert costs[BORDERS].says in ("a count, not tested", "the same")
        assert f"| {BORDERS} | " in section(faults)


def test_answers_of_one_chunk_have_no_border_to_compare(evaluator):
    config = override(SHIPPED, {"tts_chunk_chars": 2000, "tts_chunk_min_chars": 2000})
    faults = compare_listeners(evaluator, config, "workbench", ("calm0",), with_rules=False)
    assert next(item.says for item in faults.costs if item.key == BORDERS) == "nothing to compare"


def row(key: str, values: tuple[float, float], verdict: str | None) -> FaultCost:
    low, high = {"higher": (0.5, 1.5), "lower": (-1.5, -0.5), NO_DIFFERENCE: (-1.0, 1.0)}.get(verdict or "", (0, 0))
    known = Difference(key, *values, values[1] - values[0], low, high, 8, verdict) if verdict else None
    return FaultCost("a fault", key, str(values[0]), str(values[1]), values, known)


def test_each_fault_has_a_row_with_what_correcting_it_does():
    rows = (
        row("wer", (2.0, 1.0), "lower"),
        row("cutin_per_hold", (1.0, 2.0), "higher"),
        row("voice_to_voice_ms_p95", (1.0, 1.5), NO_DIFFERENCE),
        row("eot_recall", (0.9, 0.5), "lower"),
        row("midword_splits", (3.0, 0.0), None),
        row("mic_dropped_ms_total", (0.0, 0.0), None),
    )
    lines = section(ListenerComparison(rows, 8, SpeechHeard(24000, 6000, 2400, 0, 0))).splitlines()
    assert "| a fault | `wer` | 2.0 | 1.0 | better (-1.5 to -0.5) |" in lines
    assert "| a fault | `cutin_per_hold` | 1.0 | 2.0 | worse (+0.5 to +1.5) |" in lines
    assert "| a fault | `midword_splits` | 3.0 | 0.0 | a count, not tested |" in lines
    assert "| a fault | `mic_dropped_ms_total` | 0.0 | 0.0 | the same |" in lines
    assert "| a fault | `eot_recall` | 0.9 | 0.5 | worse (-1.5 to -0.5) |" in lines
    assert lines[-1] == (
        "Of 1.0 s of agent speech that was made, 0.3 s (35%) were never played: 0.2 s cut off where a chunk's stream "
        "is closed 0.1 s after its last step, 0.1 s given up where the user stopped the answer."
    )
