"""Data of a run's page: what it says equals scores.json and the trace, and it is the same bytes again."""

import html
import io
import json
import re
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from made_runs import QUARTER_TURNS, make_quarter, make_report, make_session, questions
from page_reader import page_data, size_without_sound
from soundfile import SoundFile

from workbench.cli.actions.report import write_page_of
from workbench.errors import WorkbenchError
from workbench.metrics.rows import PARTS
from workbench.reports.charts import SettingPoint, front_chart, waterfall_chart
from workbench.reports.colours import GREY
from workbench.reports.html import policy, script_json
from workbench.reports.incidents import KINDS, incidents
from workbench.reports.markdown import escape, table, write_markdown
from workbench.reports.parts import OWNERS, edges
from workbench.reports.run_page import write_run_page
from workbench.reports.session_data import NOT_HEARD, PEAK_SAMPLES, lowest
from workbench.reports.sliders import KEYS, best_point, grid_advice, read_grid, write_grid
from workbench.reports.table_files import cell_text
from workbench.reports.tables import run_tables
from workbench.reports.verdict import TILES, advice
from workbench.sessions.tracks import read_track
from workbench.trace import Commit, Heard
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, samples_to_ms


def test_page_and_text_are_the_same_bytes_again(tmp_path):
    data = make_report(tmp_path, questions(tmp_path), {"cutin_per_hold": 0.1}, barge_in=True)
    first = write_run_page(data).read_bytes(), write_markdown(data).read_bytes()
    assert (write_run_page(data).read_bytes(), write_markdown(data).read_bytes()) == first


def test_a_page_without_sound_has_at_most_two_megabytes(tmp_path):
    path = write_run_page(make_report(tmp_path, questions(tmp_path)))
    assert page_data(path)["sounds"]
    assert size_without_sound(path) <= 1_000_000


def test_an_hour_takes_two_megabytes_without_its_sound(tmp_path):
    """With all of it, at the constant rate of its clips, it takes at most thirty. From a quarter of an hour."""
    small = size_without_sound(write_run_page(make_report(tmp_path / "small", questions(tmp_path / "small"))))
    path = write_run_page(make_report(tmp_path, [make_quarter(tmp_path / "quarter")]))
    page = page_data(path)
    assert page["sessions"][0]["samples"] >= 900 * SAMPLE_RATE
    assert len(page["tables"]["turns"]["rows"]) == len(page["tables"]["holds"]["rows"]) == QUARTER_TURNS
    assert len(page["sounds"]) >= QUARTER_TURNS / 10
    hour = small + 4 * (size_without_sound(path) - small)
    assert hour <= 2_000_000
    rate = max(len(sound) / (SoundFile(io.BytesIO(sound)).frames / SAMPLE_RATE) for sound in page["sounds"])
    assert hour + rate * 3600 * 4 / 3 <= 30_000_000


def test_timeline_holds_the_events_of_the_trace(tmp_path):
    data = make_report(tmp_path, questions(tmp_path), barge_in=True)
    page = page_data(write_run_page(data))
    for (item, scores), session in zip(data.sessions, page["sessions"], strict=True):

        def events(kind, *names, item=item):
            found = [event for event in item.trace.events if type(event).__name__ == kind]
            return [[getattr(event, name) for name in names] for event in found]

        assert session["words"] == events("Word", "at", "t", "text")
        assert [mark[0] for mark in session["markers"] if mark[1] in ("commit", "cut-in", "ended no turn")] == [
            t for (t,) in events("Commit", "t")
        ]
        assert [chunk[2:] for chunk in session["chunks"]] == events("Chunk", "reply", "chunk", "text")
        assert session["labels"] == [[it.start, it.end, it.kind, it.turn, it.text] for it in item.labels]
        assert session["underruns"] == [[row.t, row.t + row.samples] for row in scores.underruns]
        # States follow one another without a gap, and hear from each onset to its commit.
        states = session["states"]
        assert all(before[1] == after[0] for before, after in pairwise(states))
        assert [state[0] for state in states if state[2] == "hearing"] == [t for (t,) in events("Onset", "t")]
        assert states[-1][1] == session["samples"] >= item.session.samples


def test_waveforms_and_levels_are_those_of_the_audio(tmp_path):
    data = make_report(tmp_path, questions(tmp_path))
    page = page_data(write_run_page(data))
    for (item, _), session in zip(data.sessions, page["sessions"], strict=True):
        played = read_track(data.run.folder / f"{item.session.name}.agent.flac", 10**9)
        for track, pcm in (("mic", item.session.read(0, item.session.samples)), ("agent", played)):
            drawn = session[track]
            for step in range(0, len(drawn), 37):
                peak = np.abs(pcm[step * 480 : (step + 1) * 480]).max()
                assert drawn[step] == pytest.approx(255 * peak, abs=0.51)
        levels = session["level"]
        assert len(levels) == item.session.samples // FRAME_SAMPLES
        if not session["echo"]:
            own = np.maximum(20 * np.log10(np.maximum(item.session.levels, 1e-9)), -80)
            assert levels / 255 * 80 - 80 == pytest.approx(own, abs=0.16)


def test_tables_hold_the_rows_of_scores_json(tmp_path):
    data = make_report(tmp_path, questions(tmp_path), barge_in=True)
    stored = json.loads((data.run.folder / "scores.json").read_text("utf-8"))
    tables = {item.name: item for item in run_tables(data, incidents(data))}
    for item in tables.values():
        assert all(len(row) == len(item.columns) for row in item.rows)
        assert all(item.columns.values()), item.name
    rows = {(session["session"], row["turn"]): row for session in stored["sessions"] for row in session["turns"]}
    for row in tables["turns"].rows:
        cells = dict(zip(tables["turns"].columns, row, strict=True))
        raw = rows[cells["session"], cells["turn"]]
        assert cells["end_s"] == raw["end"] / SAMPLE_RATE
        assert cells["cutins"] == raw["cutins"]
        assert cells["endpoint_delay_ms"] == (None if raw["endpoint_delay"] is None else raw["endpoint_delay"] / 24)
    for row in tables["waterfall"].rows:
        cells = dict(zip(tables["waterfall"].columns, row, strict=True))
        assert cells["residual_samples"] == 0
        assert sum(cells[f"{part}_ms"] for part in PARTS) == pytest.approx(cells["voice_to_voice_ms"])
        raw = rows[cells["session"], cells["turn"]]["waterfall"]
        assert all(cells[f"{part}_ms"] == samples_to_ms(raw[part]) for part in PARTS)
    assert [row[:2] for row in tables["scores"].rows] == [tuple(item) for item in stored["scores"].items()]
    for name, source in (("holds", "holds"), ("stops", "barge_ins"), ("events", "events"), ("losses", "losses")):
        assert len(tables[name].rows) == sum(len(session[source]) for session in stored["sessions"])


def test_every_figure_of_the_page_is_in_scores_json(tmp_path):
    """Tiles, limits, tables and charts of the written page, by scores.json and the trace files alone."""
    limits = {"voice_to_voice_ms_p50": 1.0, "cutin_per_hold": 0.1}
    data = make_report(tmp_path, questions(tmp_path), limits, barge_in=True)
    write_grid(data)
    path = write_run_page(data)
    page = page_data(path)
    stored = json.loads((data.run.folder / "scores.json").read_text("utf-8"))
    scores = stored["scores"]
    turns = [(session["session"], row) for session in stored["sessions"] for row in session["turns"]]
    answered = [(name, row) for name, row in turns if row["waterfall"]]

    tiles = re.findall(r'data-key="(\w+)" data-value="([^"]*)"', path.read_text("utf-8"))
    assert {key: float(value) if value else None for key, value in tiles} == {key: scores[key] for key, _ in tiles}
    assert len(tiles) == len(TILES)

    def cells(name, *columns):
        found = page["tables"][name]
        rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
        return [tuple(row[column] for column in columns) for row in rows]

    def moment(samples):
        return [cell_text(samples / SAMPLE_RATE), samples / SAMPLE_RATE]

    assert cells("scores", "score", "value") == [(key, cell_text(value)) for key, value in scores.items()]
    columns = ("session", "turn", "start_s", "end_s", "cutins", "endpoint_delay_ms", "voice_to_voice_ms")
    assert cells("turns", *columns) == [
        (
            name, str(row["turn"]), moment(row["start"]), moment(row["end"]), str(row["cutins"]),
            cell_text(row["endpoint_delay"] and row["endpoint_delay"] / 24),
            cell_text(row["waterfall"] and sum(row["waterfall"][part] for part in PARTS) / 24),
        )
        for name, row in turns
    ]  # fmt: skip
    assert cells("waterfall", *(f"{part}_ms" for part in PARTS)) == [
        tuple(cell_text(row["waterfall"][part] / 24) for part in PARTS) for _, row in answered
    ]
    for name, source, columns in (
        ("holds", "holds", ("start_s", "end_s")), ("events", "events", ("start_s", "end_s")),
        ("stops", "barge_ins", ("at_s", "onset_s")), ("floor", "floor", ("at_s",)),
    ):  # fmt: skip
        raw = [row for session in stored["sessions"] for row in session[source]]
        keys = {"start_s": "start", "end_s": "end", "at_s": "t" if name == "stops" else "start", "onset_s": "onset"}
        assert cells(name, *columns) == [tuple(moment(row[keys[column]]) for column in columns) for row in raw]
    losses = [row for session in stored["sessions"] for row in session["losses"]]
    assert cells("losses", "total_s") == [(cell_text(row["total"] / SAMPLE_RATE),) for row in losses]
    underruns = sum(len(session["underruns"]) for session in stored["sessions"])
    assert len(page["tables"]["underruns"]["rows"]) == underruns

    # Bars: every part that is drawn is that of its turn, in place and length.
    drawn = [dict(zip(source, row, strict=True)) for source in sources(page["charts"]["waterfall"])
             if "part" in source for row in zip(*source.values(), strict=True)]  # fmt: skip
    for name, row in answered:
        parts = [row["waterfall"][part] / 24 for part in PARTS]
        places = dict(zip(PARTS, pairwise(edges(parts)), strict=True))
        own = [bar for bar in drawn if bar["name"] == f"{name} · {row['turn']}"]
        assert [bar["part"] for bar in sorted(own, key=lambda bar: PARTS.index(bar["part"]))] == [
            part for part in PARTS if places[part][0] != places[part][1]
        ]
        for bar in own:
            assert (bar["left"], bar["right"]) == pytest.approx(places[bar["part"]])
            assert bar["ms"] == round(row["waterfall"][bar["part"]] / 24, 1)
    # Curves: one step a turn, at its own time.
    curves = [source for source in sources(page["charts"]["latency"]) if set(source) == {"x", "y"}]
    ends = sorted(row["endpoint_delay"] / 24 for _, row in turns if row["endpoint_delay"] is not None)
    voices = sorted(sum(row["waterfall"][part] for part in PARTS) / 24 for _, row in answered)
    assert [source["x"][1:] for source in curves] == [pytest.approx(ends), pytest.approx(voices)]
    # Front: the grid's points, the run's own among them.
    front = {
        (x, y) for source in sources(page["charts"]["front"]) for x, y in zip(source["x"], source["y"], strict=True)
    }
    answer, cut = (KEYS.index(key) for key in ("voice_to_voice_ms_p50", "cutin_per_hold"))
    known = {(p[answer], 100 * p[cut]) for p in page["grid"]["points"] if p[answer] is not None}
    assert known <= front
    assert page["grid"]["points"][page["grid"]["own"]] == [scores[key] for key in KEYS]


def test_settings_that_never_answer_are_greyed_at_the_edge():
    points = [SettingPoint("a", 800.0, 0.2), SettingPoint("b", None, 0.0), SettingPoint("now", 700.0, 0.1, "today")]
    found = {tuple(source["name"]): source for source in sources(front_chart(points))}
    assert found["b",]["x"][0] > 800
    assert found["b",]["y"] == [0.0]
    text = json.dumps(front_chart(points))
    assert all(f'"{name}"' in text for name in ("never answers", "today", GREY))


def sources(chart):
    """Columns of every data source of a chart."""

    def found(value):
        if isinstance(value, dict):
            if value.get("name") == "ColumnDataSource":
                yield dict(value["attributes"]["data"]["entries"])
            value = list(value.values())
        for item in value if isinstance(value, list) else ():
            yield from found(item)

    return list(found(chart["doc"]))


def test_waterfall_bars_are_the_turns_parts(tmp_path):
    data = make_report(tmp_path, questions(tmp_path))
    text = json.dumps(waterfall_chart(data.answered, OWNERS))
    drawn = {float(value) for value in re.findall(r"-?\d+\.\d+", text)}
    for _, _, fall in data.answered:
        for part in PARTS:
            assert round(samples_to_ms(getattr(fall, part)), 1) in drawn | {0.0} or getattr(fall, part) % 24 == 0


def test_a_cut_in_names_its_pause_and_its_remedy(tmp_path):
    found_in = make_report(tmp_path, questions(tmp_path))
    found = incidents(found_in)
    assert {it.kind for it in found} <= set(KINDS)
    cutin = next(it for it in found if it.kind == "cut-in")
    # Quiet from the frame at 1.52 s on, nine frames for 700 ms: cut at 2.24 s of a turn that ends at 4.0 s.
    assert (cutin.session, cutin.turn, cutin.t) == ("held", 1, round(2.24 * SAMPLE_RATE))
    assert "1760 ms early, in a pause of 1200 ms, after 720 ms of silence" in cutin.text
    (reason,) = [row for scores in found_in.scored for row in scores.reasons if row.what == "cut-in"]
    assert cutin.remedy.lower() == f"{reason.text}.".lower()
    assert f"{reason.value:g} would have waited" in cutin.remedy
    assert advice(found_in)[0].startswith(f"stt_silence_ms at {reason.value:g} would have prevented 1 incident;")
    assert cutin.start <= cutin.t < cutin.end


def test_a_wrong_stop_names_its_cause(tmp_path):
    found = incidents(make_report(tmp_path, questions(tmp_path), barge_in=True, stt_silence_ms=1300))
    assert [(it.session, it.text[:33]) for it in found if it.kind == "wrong stop"] == [
        ("held", "The answer was stopped by a noise")
    ]


def test_incidents_are_sorted_by_what_they_cost(tmp_path):
    found = incidents(make_report(tmp_path, questions(tmp_path), barge_in=True))
    costs = [it.cost for it in found]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 0


def test_long_sessions_have_clips_of_their_incidents_only(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.reports.page_sessions.WHOLE_SECONDS", 10)
    long = make_session(
        tmp_path / "long", 60,
        (0.5, 1.5, "speech", 1, "I would like"), (2.7, 4.0, "speech", 1, "to know"),
        (40.5, 41.5, "speech", 2, "and then"), (42.7, 44.0, "speech", 2, "this"),
    )  # fmt: skip
    data = make_report(tmp_path, [long])
    page = page_data(write_run_page(data))
    assert page["sessions"][0]["sound"] is None
    found = page["incidents"]
    assert len(found) > len(page["sounds"]) == 2  # clips that overlap are one sound
    for incident in found:
        sound = SoundFile(io.BytesIO(page["sounds"][incident["sound"]]))
        assert sound.samplerate == SAMPLE_RATE
        assert incident["offset"] <= incident["start"] < incident["end"] <= incident["offset"] + sound.frames
    full = page_data(write_run_page(data, full_audio=True))
    assert full["sessions"][0]["sound"] == 0
    assert len(full["sounds"]) == 1
    assert {(incident["sound"], incident["offset"]) for incident in full["incidents"]} == {(0, 0)}


def test_unlabelled_and_tiny_sessions_have_a_page(tmp_path):
    folders = [make_session(tmp_path / "bare", 3), make_session(tmp_path / "tiny", 0.05)]
    data = make_report(tmp_path, folders)
    page = write_run_page(data).read_text("utf-8")
    assert "No turn is labelled: only playback and computing can be judged." in page
    assert [session["name"] for session in page_data(data.run.folder / "index.html")["sessions"]] == ["bare", "tiny"]


def test_text_report_is_small_and_holds_every_score(tmp_path):
    data = make_report(tmp_path, questions(tmp_path), {"voice_to_voice_ms_p50": 1.0, "underrun_events": 0.0})
    text = write_markdown(data).read_text("utf-8")
    assert text.startswith("# Run run\n\n> **Scripted stack:")
    assert "Breaks 1 of 2 limits." in text
    assert all(f"| `{key}` |" in text for key in data.summary.scores)
    assert re.search(r"\| cut-in \| held \| 1 \| 0:02.2 \|", text)
    assert text.count("\n") < 100 + len(data.summary.scores)


def test_cells_of_markdown_keep_to_their_cell():
    assert table(("a",), [(escape("x|y\nz"),)])[2] == r"| x\|y z |"


def test_json_in_a_script_cannot_end_it():
    text = script_json({"name": "</script><!--", "marks": ["\u2028\u202e\x1b"]})
    assert not set(text) & set("<>&\u2028\u202e\x1b")
    assert json.loads(text) == {"name": "</script><!--", "marks": [r"\u2028\u202e\x1b"]}


def test_policy_names_each_script_and_lets_nothing_else_in():
    rules = dict(rule.strip().split(" ", 1) for rule in policy(["a", "b"]).split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].count("sha256-") == 2
    assert "unsafe" not in rules["script-src"]
    assert not any("http" in rule or "*" in rule for rule in rules.values())


def test_turns_of_a_page_count_as_scores_do(tmp_path):
    data = make_report(tmp_path, questions(tmp_path))
    cut = [it for it in incidents(data) if it.kind == "cut-in"]
    assert len(cut) == sum(row.cutins for scores in data.scored for row in scores.turns if not row.end_found)
    missed = [it for it in incidents(data) if it.kind == "missed turn"]
    assert len(missed) == sum(row.missed for scores in data.scored for row in scores.turns)
    assert asdict(cut[0])["kind"] == "cut-in"


def test_buffer_of_the_page_is_the_least_of_each_step():
    random = np.random.default_rng(0)
    for _ in range(100):
        end = int(random.integers(1, 20_000))
        moments = np.unique(random.integers(0, end, int(random.integers(0, 12)))).tolist()
        changes = [(moment, int(random.integers(0, 5))) for moment in moments]
        full = np.zeros(end, int)
        for moment, level in changes:
            full[moment:] = level
        steps = [full[i : i + PEAK_SAMPLES].min() for i in range(0, end, PEAK_SAMPLES)]
        assert lowest(changes, end).tolist() == steps


def test_pause_heads_are_those_that_the_listener_saw(tmp_path):
    """The turn ends where the head has been over its threshold in two frames: at its last hit."""
    data = make_report(tmp_path, questions(tmp_path), stt_vad=True, stt_silence_ms=4000)
    page = page_data(write_run_page(data))
    for (item, _), session in zip(data.sessions, page["sessions"], strict=True):
        heads = session["pauses"]
        stored = dict(json.loads((data.run.folder / f"{item.session.name}.pauses.json").read_text("utf-8")))
        heard = [event for event in item.trace.events if isinstance(event, Heard)]
        frames = {k for event in heard for k in range(event.start // FRAME_SAMPLES, event.end // FRAME_SAMPLES)}
        assert {int(k) for k in np.flatnonzero(heads != NOT_HEARD)} == set(stored) == frames
        assert session["pauseThreshold"] == 0.5
        decided = [event for event in item.trace.events if isinstance(event, Commit) and event.reason == "pause"]
        assert decided
        for event in decided:
            last = event.frame_end // FRAME_SAMPLES - 1
            assert [stored[k] > 0.5 for k in (last - 1, last)] == [True, True]
            assert all(heads[k] == round(stored[k] * 254) for k in (last - 1, last))


def test_a_damaged_file_of_pause_heads_is_named(tmp_path):
    data = make_report(tmp_path, questions(tmp_path)[:1])
    path = data.run.folder / "clean.pauses.json"
    for text in ("[[0]]", "3", '[["a", 1]]', "[[999999, 0.5]]"):
        path.write_text(text, "utf-8")
        with pytest.raises(WorkbenchError, match=r"clean\.pauses\.json: not in the form of pause heads"):
            write_run_page(data)


def test_the_best_setting_of_the_grid_says_what_it_buys_and_costs(tmp_path):
    data = make_report(tmp_path, questions(tmp_path))
    write_grid(data)
    grid = read_grid(data)
    losses = [point[KEYS.index("loss_s_per_turn")] for point in grid["points"]]
    best = best_point(grid)
    assert losses[best] == min(losses) < losses[grid["own"]] == data.summary.scores["loss_s_per_turn"]
    (line,) = grid_advice(grid)
    silence = grid["silences"][best // len(grid["thresholds"])]
    assert line.startswith(f"stt_silence_ms = {silence}, ")
    assert f"lost per turn {losses[grid['own']]:.2f} → {losses[best]:.2f} s, cut-ins 100.0 → 0.0 % of pauses" in line
    assert line in html.unescape(write_run_page(data).read_text("utf-8"))


def test_estimates_are_marked_and_the_run_stays_exact(tmp_path):
    data = make_report(tmp_path, questions(tmp_path))
    write_grid(data, exact=False)
    grid = read_grid(data)
    assert grid["exact"] is False
    assert grid["points"][grid["own"]] == [data.summary.scores[key] for key in KEYS]
    assert all("estimated: replayed with a stand-in for the STT" in line for line in grid_advice(grid))
    text = write_run_page(data).read_text("utf-8")
    assert "At other positions they are estimates" in text
    assert "the figures are exact" not in text


def test_sliders_are_there_by_default_where_they_cost_little(tmp_path, monkeypatch):
    data = make_report(tmp_path, questions(tmp_path))
    assert '<input type="range" id="silence"' in write_page_of(data).read_text("utf-8")
    assert read_grid(data)["exact"]
    monkeypatch.setattr("workbench.reports.sliders.CHEAP_SECONDS", 10)
    long = make_report(tmp_path / "long", questions(tmp_path / "long"))
    text = write_page_of(long).read_text("utf-8")
    assert "<code>workbench report run --sliders</code>" in text
    assert read_grid(long) is None


def test_the_grid_of_another_run_is_not_shown(tmp_path):
    folders = questions(tmp_path)
    data = make_report(tmp_path, folders)
    write_grid(data)
    assert read_grid(data) is not None
    assert read_grid(replace(data, prices=replace(data.prices, cut_in=9.0))) is None
    other = make_report(tmp_path, folders, stt_silence_ms=900)  # in the same folder
    assert read_grid(other) is None
    assert "<code>workbench report run --sliders</code>" in write_run_page(other).read_text("utf-8")
