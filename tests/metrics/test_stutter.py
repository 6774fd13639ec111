import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_traces import Made, labels, ms

from workbench.metrics import evaluate, summarise
from workbench.metrics.index import ReplyEvents, index
from workbench.metrics.stutter import reserve
from workbench.trace import Chunk, Done, Dropped, Header, Pcm, Play, Steps, Trace, Underrun, Xrun, in_order
from workbench.units import FRAME_SAMPLES

FRAME = FRAME_SAMPLES


def made_of(*events, playout=0):
    return Trace(Header("made", 60 * 24_000, playout=playout), in_order(events))


def scores(trace):
    return summarise([evaluate(trace, ())], bootstrap=False).scores


def with_hole(*holes, voiced=(True,) * 9):
    """Ten frames, then the holes, then ten frames, then the marker."""
    at = 100_000
    missing = sum(holes)
    events = [Pcm(at, 0, 0, (at,) * 20, "1" * 20, 0), Play(at, 0, 0, 0, 10 * FRAME)]
    hole = at + 10 * FRAME
    for samples, speech in zip(holes, voiced, strict=False):
        events.append(Underrun(hole, 0, samples, speech))
        hole += samples
    events += [Play(hole, 0, 0, 10 * FRAME, 10 * FRAME), Done(hole + 10 * FRAME, 0)]
    return made_of(*events), missing


@pytest.mark.parametrize("holes", [(5760,), (1920, 1920, 1920), (1, 5759)])
def test_a_240_ms_underrun_is_240_ms_and_one_event(holes):
    found = scores(with_hole(*holes)[0])
    assert found["underrun_ms_total"] == found["underrun_ms_max"] == found["underrun_ms_p95"] == 240.0
    assert found["underrun_events"] == found["underrun_events_voiced"] == found["underrun_ms_n"] == 1
    assert found["underrun_events_silent"] == found["underrun_ms_total_silent"] == 0
    assert found["stall_ratio"] == 3 / 23
    assert found["stalls_per_agent_minute"] == 60 / 1.6
    assert found["xruns"] == 0


def test_a_hole_in_silence_is_kept_apart():
    found = scores(with_hole(480, voiced=(False,))[0])
    assert (found["underrun_events_silent"], found["underrun_ms_total_silent"]) == (1, 20.0)
    assert (found["underrun_events_voiced"], found["underrun_ms_total_voiced"]) == (0, 0.0)


def test_nothing_is_missing_before_or_after_the_answer():
    trace, _ = with_hole(480)
    done = trace.events[-1].t
    more = made_of(*trace.events, Underrun(90_000, 0, 480, True), Underrun(done, 0, 480, True))
    assert scores(more)["underrun_ms_total"] == 20.0
    across = made_of(*trace.events, Underrun(99_900, 0, 480, True))
    assert scores(across)["underrun_ms_total"] == (480 + 380) / 24


def test_xruns_and_drops_stay_apart_from_starvation():
    found = scores(made_of(Xrun(5, "out", 480), Xrun(9, "in", 240), Dropped(20, 0, 1920)))
    assert (found["xruns"], found["xrun_ms_total"], found["mic_dropped_ms_total"]) == (2, 30.0, 80.0)
    assert found["underrun_events"] == 0
    assert found["stall_ratio"] is None


def test_chunk_gaps_from_audible_to_audible():
    at = 100_000
    gaps = Trace(
        Header("made", 10**6),
        (
            Pcm(at, 0, 0, (at,) * 4, "1101", 0),
            Pcm(at, 0, 1, (at,) * 2, "00", -1),
            Pcm(at, 0, 2, (at,) * 3, "011", 2000),
            Play(at, 0, 0, 0, 4 * FRAME),
            Play(at + 4 * FRAME, 0, 1, 0, 2 * FRAME),
            Underrun(at + 6 * FRAME, 0, 500, False),
            Play(at + 6 * FRAME + 500, 0, 2, 0, 3 * FRAME),
        ),
    )
    # Two silent frames of chunk 1, the hole, and the lead of chunk 2; the pause inside chunk 0 is its own.
    assert evaluate(gaps, ()).chunk_gaps == (2 * FRAME + 500 + 2000,)


def test_midword_splits():
    trace = made_of(Chunk(1, 0, 0, "hel", True), Chunk(2, 0, 1, "lo you", False), Chunk(3, 1, 0, "gre", True))
    assert scores(trace)["midword_splits"] == 2


def test_rtf_and_deadlines():
    found = scores(
        made_of(
            Steps(1, "stt", (480, 480, 480, 480)),
            Steps(2, "tts", (1920, 1921)),
            Steps(3, "tts", (960, 960)),
            Steps(4, "lm", (99_999,)),
            Pcm(5, 0, 0, (5, 5, 5, 5), "1111", 0),
        )
    )
    assert found["stt_rtf"] == 0.25
    assert found["stt_speed"] == 4.0
    assert found["rtf"] == (1920 + 1921 + 960 + 960) / (4 * FRAME)
    assert found["speed"] == 1 / found["rtf"]
    assert found["deadline_miss_rate"] == 1 / 8
    assert found["headroom"] == 1 - 1921 / 1920


def test_the_reserve_is_what_is_left_while_more_is_to_come():
    at, playout = 100_000, 480
    ready = (at, at + 100, at + 3000, at + 8000, at + 8000)
    # Taken at at+100 (2 ready, 1 left), at+2020 (2 ready, 0 left), at+3940 (3 ready, 0 left), at+8000 (all ready).
    trace = made_of(
        Pcm(at, 0, 0, ready, "11111", 0),
        Play(at + 100 + playout, 0, 0, 0, 3 * FRAME),
        Underrun(at + 5860 + playout, 0, 2140, True),
        Play(at + 8000 + playout, 0, 0, 3 * FRAME, 2 * FRAME),
        playout=playout,
    )
    assert evaluate(trace, ()).reserve == ((0, 2), (1, 1))
    found = scores(trace)
    assert (found["buffer_ms_min"], found["buffer_ms_p5"]) == (0, 0)


def test_the_reserve_counts_over_chunks():
    at = 100_000
    trace = made_of(
        Pcm(at, 0, 0, (at, at), "11", 0),
        Pcm(at + 10, 0, 1, (at + 10, at + 20_000), "11", 0),
        Play(at + 10, 0, 0, 0, 2 * FRAME),
        Play(at + 10 + 2 * FRAME, 0, 1, 0, FRAME),
    )
    assert evaluate(trace, ()).reserve == ((0, 1), (1, 1), (2, 1))


@given(st.data())
def test_the_reserve_agrees_with_counting_one_frame_at_a_time(data):
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    times = iter(sorted(data.draw(st.lists(st.integers(0, 30_000), min_size=sum(sizes), max_size=sum(sizes)))))
    pcm = []
    for chunk, size in enumerate(sizes):
        ready = tuple(next(times) for _ in range(size))
        pcm.append(Pcm(ready[0], 0, chunk, ready, "1" * size, 0))
    every = [moment for item in pcm for moment in item.ready]
    plays, clock, counts, number = [], 0, {}, 0
    for item in pcm:
        for frame in range(len(item.ready)):
            clock = max(clock, item.ready[frame]) + data.draw(st.sampled_from([0, 0, 700]))
            plays.append(Play(clock + 480, 0, item.chunk, frame * FRAME, FRAME))
            if clock < every[-1]:
                left = sum(moment <= clock for moment in every) - number - 1
                counts[left] = counts.get(left, 0) + 1
            clock += FRAME
            number += 1
    assert dict(reserve(index(made_of(*pcm, *plays, playout=480)))) == counts


@given(
    st.lists(st.booleans(), min_size=1, max_size=8),
    st.integers(0, FRAME - 1),
    st.lists(st.integers(1, 4000), min_size=1, max_size=5),
)
def test_audible_runs_agree_with_marking_every_sample(voiced, inside, cuts):
    flags = "".join("01"[flag] for flag in voiced)
    lead = flags.find("1") * FRAME + inside if "1" in flags else -1
    pcm = Pcm(0, 0, 0, (0,) * len(flags), flags, lead)
    reply = ReplyEvents(0, 0, pcm={0: pcm})
    heard, clock, offset = set(), 0, 0
    for cut in cuts:
        samples = min(cut, len(flags) * FRAME - offset)
        if samples <= 0:
            break
        reply.plays.append(Play(clock, 0, 0, offset, samples))
        for sample in range(samples):
            at = offset + sample
            if flags[at // FRAME] == "1" and at >= lead:
                heard.add(clock + sample)
        clock, offset = clock + samples + 7, offset + samples
    runs = [moment for start, end, _ in reply.audible for moment in range(start, end)]
    assert len(runs) == len(set(runs))
    assert set(runs) == heard


def test_a_session_without_labels_is_scored_for_playback_only():
    made = Made().answer(0, 2800)
    plain = evaluate(made.trace(), ())
    assert not plain.labelled
    assert plain.played == 25 * FRAME
    result = summarise([plain], bootstrap=False)
    assert result.scores["false_bargein_per_agent_hour"] is None
    assert result.scores["eot_fp_rate"] is None
    assert any("without labels" in note for note in result.notes)
    marked = evaluate(made.trace(), labels((1000, 1000, "note")))  # pressed m while recording: nobody looked
    assert (marked.labelled, marked.spans) == (False, 0)
    quiet = evaluate(made.trace(), labels((0, 1000, "note")))
    assert (quiet.false_ends, quiet.spans) == (1, 1)


def test_costs_may_be_arrays():
    trace = made_of(Steps(1, "tts", np.array([960, 960])))
    assert evaluate(trace, ()).tts_steps == ((960, 2),)
    assert ms(1) == 24
