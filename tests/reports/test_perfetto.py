"""The Perfetto trace: valid in its format, with the events of the trace, and nothing that overlaps on a track."""

import json
from collections import defaultdict

import pytest
from browser import chromium, needs_chromium
from made_runs import make_run, questions

from workbench.reports.perfetto import TRACKS, write_perfetto
from workbench.trace import Commit, Pcm, Word


@pytest.mark.parametrize("listener", ["workbench", "mlx-harmony"])
@pytest.mark.parametrize("placement", ["serial", "shared", "split"])
def test_trace_is_valid_and_complete(tmp_path, listener, placement):
    knobs = {"workbench.listener": listener, "placement": placement, "barge_in": True}
    run, _, _ = make_run(tmp_path, questions(tmp_path), **knobs)
    (path,) = write_perfetto(run)
    text = path.read_text("utf-8")
    events = json.loads(text)["traceEvents"]
    names = {
        (event["pid"], event["name"]): event["args"]["name"]
        for event in events
        if event["ph"] == "M" and "name" in event["args"]
    }
    assert [names[number, "process_name"] for number in (1, 2)] == ["clean", "held"]
    slices = defaultdict(list)
    for event in events:
        assert set(event) >= {"ph", "pid", "name"}
        assert event["ph"] in "XiCM"
        if event["ph"] != "M":
            assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] >= 0
            slices[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for (_, track), spans in slices.items():
        open_until = []
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= start + 1e-3:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 1e-3, TRACKS[track - 1]
            open_until.append(end)
    for number, item in enumerate(run.sessions, 1):
        own = [event for event in events if event["pid"] == number]
        moments = [event["ts"] for event in own if event["name"] == "Commit"]
        assert moments == [round(event.t / 0.024, 3) for event in item.trace.events if isinstance(event, Commit)]
        words = [event.text for event in item.trace.events if isinstance(event, Word)]
        assert [event["name"] for event in own if event["ph"] == "i" and "at" in event["args"]] == words
        frames = sum(len(event.ready) for event in item.trace.events if isinstance(event, Pcm))
        made = [event for event in own if event["ph"] == "X" and event["tid"] == TRACKS.index("synthesis steps") + 1]
        assert len(made) == frames
    assert path.read_bytes() == (next(write_perfetto(run))).read_bytes()


@needs_chromium
def test_trace_processor_of_perfetto_takes_every_event(tmp_path):
    """Perfetto's own trace processor loads the file without a complaint, and has each event where it was written."""
    processors = pytest.importorskip("trace_processor")
    run, _, _ = make_run(tmp_path, questions(tmp_path), barge_in=True)
    (path,) = write_perfetto(run)
    events = json.loads(path.read_text("utf-8"))["traceEvents"]
    with chromium() as browser, processors.trace_processor(browser) as processor:
        processor.load(path.read_bytes())
        bad = processor.query("select name, value from stats where severity in ('error', 'data_loss') and value > 0")
        slices = processor.query(
            "select process.name as session, thread.name as track, slice.name as name, slice.ts as ts, "
            "slice.dur as dur from slice join thread_track on slice.track_id = thread_track.id "
            "join thread using (utid) join process using (upid)"
        )
        counted = processor.query(
            "select process.name as session, counter.ts as ts, counter.value as value from counter "
            "join process_counter_track on counter.track_id = process_counter_track.id join process using (upid)"
        )
    assert bad == []
    sessions = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}

    def nanoseconds(microseconds):
        return round(microseconds * 1000)

    written = [
        (sessions[event["pid"]], TRACKS[event["tid"] - 1], event["name"], nanoseconds(event["ts"]),
         nanoseconds(event.get("dur", 0)))
        for event in events if event["ph"] in "Xi"
    ]  # fmt: skip
    assert len(written) > 100
    assert sorted(slices) == sorted(written)
    levels = [
        (sessions[event["pid"]], nanoseconds(event["ts"]), float(event["args"]["frames"]))
        for event in events
        if event["ph"] == "C"
    ]
    assert sorted(counted) == sorted(levels)
