"""The pictures: what they are drawn from, and that they depend on nothing else."""

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from made_runs import SECOND, make_run, make_session, picture, questions
from matplotlib.path import Path

from workbench.config import Config, override
from workbench.metrics.index import index
from workbench.metrics.rows import PARTS
from workbench.reports import gather
from workbench.reports.colours import OWNER_COLOURS, SKY
from workbench.reports.drawing import DPI, WIDTH, figure
from workbench.reports.figure_files import write_figures
from workbench.reports.figures import MOST_BARS, draw_latency, draw_waterfall
from workbench.reports.incidents import incidents
from workbench.reports.parts import OWNERS, owners
from workbench.reports.timeline import _LANES, _LEFT, _RIGHT, _TITLE, Heading, draw_timeline
from workbench.reports.timeline_data import FLOOR_DBFS, TimelineData, buffer_levels, timeline_data
from workbench.runs import score_run
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.labels import Label
from workbench.trace import Cancel, Commit, Done, Header, Play, Trace
from workbench.trace import Pcm as PcmEvent
from workbench.units import FRAME_SAMPLES


def test_every_part_has_an_owner_with_a_colour():
    assert set(OWNERS) == set(PARTS)
    assert set(OWNERS.values()) == set(OWNER_COLOURS)


def test_waiting_for_the_grid_is_no_setting():
    def owner(**knobs):
        return owners(override(Config(), knobs))["prebuffer_wait"]

    assert owner() == owner(tts_prebuffer_frames=1) == "framing"
    assert owner(tts_prebuffer_frames=2) == "setting"
    assert owner(tts_prebuffer_frames=2, listener="mlx-harmony") == "framing", "it does not read the knob"
    assert owner(tts_prebuffer_frames=2, listener="mlx-harmony", **{"stack.name": "moshi-duplex"}) == "setting"


def test_no_label_lies_over_a_curve(tmp_path, monkeypatch):
    """Many turns far apart, so that the curves go on level beside p50 and p95."""
    kept = []

    @contextmanager
    def keeping(height, path):
        with figure(height, path) as drawn:
            kept.append(drawn)
            yield drawn

    monkeypatch.setattr("workbench.reports.figures.figure", keeping)
    _, scored, _ = make_run(tmp_path, questions(tmp_path))
    (row,) = scored[0].turns
    spread = [
        replace(row, endpoint_delay=at, waterfall=replace(row.waterfall, voice_to_voice=at + 100 * SECOND))
        for at in range(0, 100 * SECOND, SECOND)
    ]
    assert draw_latency(tmp_path / "latency.png", [replace(scored[0], turns=tuple(spread))])
    (drawn,) = kept
    (area,) = drawn.axes
    labels = [text.get_window_extent() for text in area.texts]
    assert len(labels) == 4
    for curve in (line for line in area.lines if len(line.get_xdata()) > 2):
        x, y = (np.repeat(values, 2) for values in curve.get_data())
        steps = Path(np.column_stack((x[1:], y[:-1]))).interpolated(20).transformed(area.transData)
        for label in labels:
            assert not any(label.contains(*point) for point in steps.vertices)


def test_the_users_matplotlib_settings_do_not_count(tmp_path):
    run, scored, summary = make_run(tmp_path, questions(tmp_path)[:1])
    list(write_figures(gather(run, scored, summary)))
    before = (run.folder / "figures" / "waterfall.png").read_bytes()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 10}):
        list(write_figures(gather(run, scored, summary)))
        assert matplotlib.rcParams["font.size"] == 20
    assert (run.folder / "figures" / "waterfall.png").read_bytes() == before


def test_pyplot_is_never_loaded_and_matplotlib_only_to_draw():
    drawing = "import sys, workbench.reports.timeline, workbench.reports.figures"
    subprocess.run([sys.executable, "-c", f"{drawing}; assert 'matplotlib.pyplot' not in sys.modules"], check=True)
    code = "import sys, workbench.reports; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_turns_make_a_picture_of_the_slowest(tmp_path):
    _, scored, _ = make_run(tmp_path, questions(tmp_path))
    many = [row for item in scored for row in item.turns if row.waterfall] * MOST_BARS
    draw_waterfall(tmp_path / "some.png", [replace(scored[0], turns=tuple(many[:MOST_BARS]))])
    draw_waterfall(tmp_path / "many.png", [replace(scored[0], turns=tuple(many))])
    assert picture(tmp_path / "some.png").shape == picture(tmp_path / "many.png").shape


def test_a_long_session_is_drawn_to_its_end(tmp_path):
    shapes = {}
    for seconds in (59, 100, 190):
        folder = make_session(tmp_path / f"s{seconds}", seconds)
        run, scored, summary = make_run(tmp_path, [folder], name=f"run{seconds}")
        list(write_figures(gather(run, scored, summary)))
        shapes[seconds] = picture(run.folder / "figures" / f"s{seconds}.timeline.png").shape[0]
    line = (shapes[190] - shapes[100]) / 2  # lines of 45 s: 3 for 100 s, 5 for 190 s
    assert shapes[100] == pytest.approx(shapes[59] + 2 * line, abs=2)


def test_figures_are_the_same_bytes_again(tmp_path):
    data = gather(*make_run(tmp_path, questions(tmp_path), barge_in=True))

    def files():
        return {path.name: path.read_bytes() for path in write_figures(data)}

    first = files()
    names = [f"{name}{suffix}" for name in ("clean.timeline", "held.timeline", "latency", "waterfall")
             for suffix in (".png", ".svg")]  # fmt: skip
    assert sorted(first) == sorted(names)
    assert first == files()


def test_a_stale_figure_goes_and_a_session_without_a_frame_has_none(tmp_path):
    data = gather(*make_run(tmp_path, [make_session(tmp_path / "tiny", 0.05)]))
    stale = data.run.folder / "figures" / "waterfall.png"
    stale.parent.mkdir()
    stale.write_bytes(b"")
    assert list(write_figures(data)) == []
    assert not stale.exists()


def play_trace(*events):
    return list(index(Trace(Header("made", 60 * SECOND, playout=480), tuple(events))).replies.values())


def test_the_buffer_rises_with_frames_and_falls_with_requests():
    frame = FRAME_SAMPLES
    replies = play_trace(
        Commit(0, 0, 0, "silence", 0),
        PcmEvent(100, 0, 0, (100, 200, 300), "111", 0),
        Play(300 + 480, 0, 0, 0, 3 * frame),
        Done(300 + 480 + 3 * frame, 0),
    )
    assert buffer_levels(replies) == [(100, 1), (200, 2), (300, 2), (300 + frame, 1), (300 + 2 * frame, 0)]


def test_buffer_is_empty_after_a_cancellation():
    replies = play_trace(
        Commit(0, 0, 0, "silence", 0),
        PcmEvent(100, 0, 0, (100, 200, 300), "111", 0),
        Play(300 + 480, 0, 0, 0, FRAME_SAMPLES),
        Cancel(1500, 0, "barge_in"),
    )
    assert buffer_levels(replies) == [(100, 1), (200, 2), (300, 2), (1500, 0)]


def test_buffer_never_holds_less_than_nothing(tmp_path):
    for listener in ("workbench", "mlx-harmony"):
        run, _, _ = make_run(
            tmp_path, questions(tmp_path / listener), name=listener, **{"workbench.listener": listener}
        )
        for item in run.sessions:
            levels = [level for _, level in buffer_levels(list(index(item.trace).replies.values()))]
            assert levels
            assert min(levels) == 0
            assert levels[-1] == 0


def test_level_is_the_recordings_and_with_an_echo_the_agents_too(tmp_path):
    run, scored, _ = make_run(tmp_path, questions(tmp_path))
    item, found = run.sessions[1], scored[1]
    agent = run.folder / "held.agent.flac"
    clean = timeline_data(item.session, item.trace, found, agent, EchoPath(), item.session.samples)
    echoed = timeline_data(
        item.session, item.trace, found, agent, EchoPath(((960, 10 ** (-30 / 20)),)), item.session.samples
    )
    own = 20 * np.log10(item.session.levels)
    assert clean.level == pytest.approx(np.maximum(own, FLOOR_DBFS), abs=1e-4)
    start, _ = echoed.audible[-1]
    frame = start // FRAME_SAMPLES + 10
    # The scripted tone is at -20 dBFS, the echo path takes 30 dB.
    assert clean.level[frame] < -60
    assert echoed.level[frame] == pytest.approx(-50, abs=0.3)


def test_markers_distinguish_a_cut_in_from_a_commit(tmp_path):
    run, scored, _ = make_run(tmp_path, questions(tmp_path), barge_in=True)
    item = run.sessions[1]
    data = timeline_data(
        item.session, item.trace, scored[1], run.folder / "held.agent.flac", EchoPath(), item.session.samples
    )
    found = [(marker.name, marker.bad) for marker in data.markers]
    assert found[:3] == [("cut-in", True), ("barge-in: speech", False), ("commit", False)]


def test_a_commit_that_ended_no_turn_is_marked_and_listed(tmp_path):
    """What the listener took for a turn was a noise, as the labels say."""
    run, _, _ = make_run(tmp_path, [make_session(tmp_path / "s", 12, (0.5, 2.5, "speech", 1, "hello"))])
    (item,) = run.sessions

    def judged(*labels):
        taken = replace(run, sessions=(replace(item, labels=labels),))
        scored, summary = score_run(taken)
        data = timeline_data(
            item.session, item.trace, scored[0], run.folder / "s.agent.flac", EchoPath(), item.session.samples
        )
        texts = [it.text for it in incidents(gather(taken, scored, summary)) if it.kind == "false end"]
        return scored[0], [(marker.name, marker.bad) for marker in data.markers], texts

    assert judged(*item.labels)[1:] == ([("commit", False)], [])
    noise = replace(item.labels[0], kind="noise", turn=None)
    scores, markers, texts = judged(noise)
    assert scores.false_ends == 1
    assert markers == [("ended no turn", True)]
    assert texts == ["A turn was ended where nobody spoke to the agent, after 720 ms of silence."]
    _, _, texts = judged(Label(0, SECOND // 10, "speech", 1, "hm"), noise)
    assert "after the end of turn 1" in texts[0]
    assert judged()[1] == [("commit", False)], "without labels nobody can tell"


def test_a_note_is_a_line_and_leaves_the_turn_whole(tmp_path):
    labels = [Label(SECOND, 5 * SECOND, "speech", 1), Label(3 * SECOND, 3 * SECOND, "note"),
              Label(7 * SECOND, 9 * SECOND, "note")]  # fmt: skip
    data = TimelineData(np.zeros(125), (), (), (), (), (), (), (), ())
    draw_timeline(tmp_path / "t.png", Heading("s", "", None, False), data, labels, 10 * SECOND)
    drawn = picture(tmp_path / "t.png")[..., :3]
    inch = (WIDTH - _LEFT - _RIGHT) / 10
    top, height = _LANES["labels"]

    def at(second, share, beside=0):
        y = round((_TITLE + top + share * height) * DPI)
        return drawn[y, round((_LEFT + second * inch) * DPI) + beside]

    for moment in (3, 7):
        assert at(moment, 0.5).max() < 0.3
    sky = matplotlib.colors.to_rgb(SKY)
    for beside in (-4, 4):
        assert at(3, 0.5, beside) == pytest.approx(sky, abs=0.02)
    assert at(8, 0.04).max() < 0.3, "along its upper edge as far as it goes"
    assert at(9.5, 0.04).min() > 0.9
