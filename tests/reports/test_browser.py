"""The page of the demo replay in a real browser: it draws, plays, jumps, mends labels, and asks for nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from browser import Opened, chromium, needs_chromium
from click.testing import CliRunner
from made_runs import make_run, make_session, questions

from workbench.cli import cli
from workbench.metrics.budget import read_budget
from workbench.reports import gather
from workbench.reports.comparison_page import comparison_folder, write_comparison_page
from workbench.reports.run_page import write_run_page
from workbench.reports.sliders import KEYS, grid_settings, write_grid
from workbench.reports.study_page import write_study_page
from workbench.reports.table_files import cell_text
from workbench.sessions.label_files import import_labels
from workbench.sessions.labels import read_labels
from workbench.sessions.session import open_session
from workbench.units import SAMPLE_RATE

pytestmark = needs_chromium

ROOT = Path(__file__).parents[2]
DEMO = sorted(path.parent for path in (ROOT / "recordings").glob("*/session.json"))[::3]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """(page, run's folder) of every third demo session on the scripted stack."""
    base = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_STORE", str(base / "store"))
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        run, scored, summary = make_run(base, DEMO, barge_in=True, stt_silence_ms=400)
        limits = read_budget(ROOT / "configs" / "budget.toml")
        return write_run_page(gather(run, scored, summary, limits)), run.folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def test_page_asks_for_nothing_and_nothing_complains(browser, demo):
    page = Opened(browser, demo[0])
    for name in ("waterfall", "latency"):
        page.tab.locator(f"#chart-{name}").scroll_into_view_if_needed()
        page.tab.wait_for_selector(f"#chart-{name} .bk-Figure")
    assert page.complaints == []
    assert page.requests == [demo[0].as_uri()]
    loaded = page.tab.evaluate("performance.timing.domComplete - performance.timing.navigationStart")
    assert loaded < 30_000


def test_what_is_not_shown_is_not_unpacked(browser, demo):
    page = Opened(browser, demo[0])
    loaded = page.tab.evaluate("page.sessions.map((session) => Boolean(session.loaded))")
    assert loaded[0]
    assert not all(loaded)
    assert page.tab.evaluate("typeof Bokeh") == "undefined"
    assert page.tab.locator("details[id^=table-] table").count() == 0


def test_every_timeline_is_drawn_to_its_last_second(browser, demo):
    page = Opened(browser, demo[0])
    ground = {(0, 0, 0, 0)}
    for number, folder in enumerate(DEMO):
        page.show(number)
        session = open_session(folder)
        assert page.number("#lanes", "data-from") == 0
        assert page.number("#lanes", "data-to") >= session.samples
        # The last column before the right edge, in the lane of the microphone.
        share = session.samples / page.number("#lanes", "data-to")
        width = page.tab.eval_on_selector("#lanes", "canvas => canvas.getBoundingClientRect().width")
        x = (56 + (width - 60) * share - 2) / width
        assert page.drawn("#lanes", x, 0.08, 0.24) != ground, folder.name
        assert page.drawn("#overview", x, 0.0, 0.5) != ground, folder.name


def test_play_moves_the_cursor_and_stops(browser, demo):
    page = Opened(browser, demo[0])
    page.tab.click("#play")
    page.until("Number(document.getElementById('lanes').dataset.cursor) > 12000")
    assert page.tab.get_attribute("#play", "aria-pressed") == "true"
    for channel in ("mic", "agent", "both"):
        before = page.number("#lanes", "data-cursor")
        page.tab.select_option("#channel", channel)
        page.until(f"Number(document.getElementById('lanes').dataset.cursor) > {before + 4800}")
    page.tab.click("#play")
    page.until("document.getElementById('play').getAttribute('aria-pressed') === 'false'")
    assert page.complaints == []


def test_sound_is_where_the_timeline_says(browser, tmp_path):
    """A burst at 5 s is decoded by the browser within one frame of 80 ms of its place, and only on the left."""
    run, scored, summary = make_run(tmp_path, [make_session(tmp_path / "burst", 8, (5, 5.5, "noise", None, ""))])
    page = Opened(browser, write_run_page(gather(run, scored, summary)))
    first, loudest = page.tab.evaluate(
        """async () => {
            const context = new OfflineAudioContext(2, 1, RATE);
            const sound = await context.decodeAudioData(bytes(byId("sound-0").textContent).buffer);
            const [left, right] = [0, 1].map((channel) => sound.getChannelData(channel));
            return [left.findIndex((value) => Math.abs(value) > 0.05), Math.max(...right.slice(4.5 * RATE, 6 * RATE))];
        }"""
    )
    assert first / SAMPLE_RATE == pytest.approx(5.0, abs=0.08)
    assert loudest < 0.02


def test_an_incident_is_heard_and_jumps(browser, demo):
    page = Opened(browser, demo[0])
    incident = page.tab.evaluate("page.incidents[0]")
    page.tab.click("button.hear >> nth=0")
    page.until("Number(document.querySelector('canvas.mini').dataset.cursor) > 0")
    cursor = page.number("canvas.mini >> nth=0", "data-cursor")
    assert incident["start"] <= cursor <= incident["end"]
    page.tab.click("#incident-0 button.jump")
    page.until(f"Number(document.getElementById('lanes').dataset.cursor) === {incident['t']}")
    assert page.number("#lanes", "data-cursor") == pytest.approx(incident["t"], abs=1)
    assert page.number("#lanes", "data-from") < incident["t"] < page.number("#lanes", "data-to")
    assert page.tab.input_value("#session") == str(incident["session"])
    assert page.complaints == []


def test_incidents_are_filtered_by_kind_and_session(browser, demo):
    page = Opened(browser, demo[0])
    found = page.tab.evaluate("page.incidents.map(({kind, session}) => [kind, session])")
    kind, session = found[-1]
    page.tab.select_option("#only-kind", kind)
    assert page.tab.locator(".incident:visible").count() == sum(item[0] == kind for item in found)
    page.tab.select_option("#only-session", str(session))
    assert page.tab.locator(".incident:visible").count() == found.count([kind, session])


def test_a_row_of_a_table_leads_into_the_timeline(browser, demo):
    page = Opened(browser, demo[0])
    page.open_tables()
    row = page.tab.locator("table[data-table=turns] tbody tr >> nth=-1").locator("button.jump >> nth=1")
    moment = float(row.get_attribute("data-at"))
    row.click()
    page.until(f"Math.abs(Number(document.getElementById('lanes').dataset.cursor) - {moment * SAMPLE_RATE}) <= 1")


def test_keys_zoom_pan_and_move(browser, demo):
    page = Opened(browser, demo[0])
    page.tab.focus("#lanes")
    whole = page.number("#lanes", "data-to")
    page.tab.keyboard.press("+")
    assert page.number("#lanes", "data-to") == pytest.approx(whole / 2, abs=1)
    page.tab.keyboard.press("ArrowRight")
    assert page.number("#lanes", "data-from") == pytest.approx(whole / 20, abs=1)
    page.tab.keyboard.press("End")
    assert page.number("#lanes", "data-to") == whole
    page.tab.keyboard.press("Home")
    page.tab.keyboard.press(".")
    assert page.number("#lanes", "data-cursor") == 1920
    page.tab.click("#zoom-all")
    assert (page.number("#lanes", "data-from"), page.number("#lanes", "data-to")) == (0, whole)


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_page_has_no_serious_fault_for_screen_readers(browser, demo, width, scheme):
    page = Opened(browser, demo[0], viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.open_tables()
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
    assert page.faults() == []


def test_a_mended_label_comes_back_unchanged(browser, tmp_path):
    folder = make_session(
        tmp_path / "mend", 12, (0.5, 2.5, "speech", 1, 'say "no", please'), (6.0, 6.4, "noise", None, "cough")
    )
    run, scored, summary = make_run(tmp_path, [folder])
    page = Opened(browser, write_run_page(gather(run, scored, summary)))
    session = open_session(folder)
    page.tab.click("#edit > summary")

    def download(button, name):
        with page.tab.expect_download() as waiting:
            page.tab.click(button)
        path = tmp_path / name
        waiting.value.save_as(path)
        return path

    # As it is, both files give the same labels back.
    for button, name in (("#label-csv", "same.csv"), ("#label-txt", "same.txt")):
        before = read_labels(session.labels_path, session.samples)
        assert import_labels(session, download(button, name), "constructed", replace=True).labels == before
    # Drag the end of the first label by a second, change the second one's kind, add a third.
    page.tab.eval_on_selector("#lanes", "canvas => canvas.scrollIntoView()")
    box = page.tab.locator("#lanes").bounding_box()
    lane = page.tab.evaluate("timeline.shown.tops.labels")
    edge = page.tab.evaluate(f"timeline.shown.scale.x({2.5 * SAMPLE_RATE})")
    second = page.tab.evaluate(f"timeline.shown.scale.x({3.5 * SAMPLE_RATE})") - edge
    y = box["y"] + lane["top"] + lane["height"] / 2
    page.tab.mouse.move(box["x"] + edge, y)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + edge + second, y, steps=4)
    page.tab.mouse.up()
    page.tab.select_option("#label-list", "1")
    page.tab.select_option("#label-kind", "backchannel")
    page.tab.fill("#label-text", "mhm")
    page.tab.press("#label-text", "Tab")
    page.tab.evaluate("timeline.cursor = 8 * RATE")
    page.tab.click("#label-add")
    shown = page.tab.evaluate("timeline.session.labels")
    taken = import_labels(session, download("#label-csv", "mended.csv"), "human", replace=True).labels
    assert [[it.start, it.end, it.kind, it.turn, it.text] for it in taken] == sorted(shown)
    assert taken[0].end == pytest.approx(3.5 * SAMPLE_RATE, abs=SAMPLE_RATE / 10)
    assert [(it.kind, it.turn, it.text) for it in taken] == [
        ("speech", 1, 'say "no", please'), ("backchannel", None, "mhm"), ("speech", 2, ""),
    ]  # fmt: skip
    # What the importer would refuse cannot be downloaded.
    page.tab.fill("#label-end", "100")
    page.tab.press("#label-end", "Tab")
    assert page.tab.is_disabled("#label-csv")
    assert "after the session" in page.tab.inner_text("#label-state")
    assert page.complaints == []


HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script> {{ 7 * 7 }} &lt;b&gt;'


def test_hostile_names_are_shown_as_text(browser, tmp_path):
    folder = make_session(tmp_path / "s", 12, (0.5, 2.5, "speech", 1, HOSTILE))
    run, scored, summary = make_run(tmp_path, [folder], name="<b>run & 'co'")
    page = Opened(browser, write_run_page(gather(run, scored, summary)))
    page.open_tables()
    assert page.tab.inner_text("h1") == "Run <b>run & 'co'"
    assert page.tab.locator("table[data-table=turns] td >> nth=4").inner_text() == HOSTILE
    assert page.tab.locator("img").count() == 0
    page.tab.evaluate("timeline.look(0, 3 * RATE)")
    page.tab.hover("#lanes", position={"x": 500, "y": 210})
    assert page.complaints == []
    assert page.requests == [(run.folder / "index.html").as_uri()]


def test_policy_stops_scripts_and_requests_of_others(browser, demo):
    page = Opened(browser, demo[0])
    for attack in (
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s)",
        "const i = document.createElement('img'); i.src = 'https://example.org/x.png'; document.body.append(i)",
        "fetch('https://example.org/').catch(() => 0)",
    ):
        page.tab.evaluate(f"() => {{ {attack} }}")
    page.tab.wait_for_timeout(300)
    assert page.tab.evaluate("window.hacked") is None
    assert len(page.complaints) >= 3
    assert page.requests == [demo[0].as_uri()]


def test_figures_on_the_page_are_those_of_scores_json(browser, demo):
    page = Opened(browser, demo[0])
    scores = json.loads((demo[1] / "scores.json").read_text("utf-8"))
    tiles = page.tab.eval_on_selector_all(
        "[data-key]", "items => items.map((it) => [it.dataset.key, it.dataset.value])"
    )
    assert len(tiles) >= 7
    for key, value in tiles:
        assert (float(value) if value else None) == scores["scores"][key]


@pytest.mark.parametrize("listener", ["workbench", "mlx-harmony"])
def test_sliders_show_what_a_replay_gives(browser, tmp_path, listener):
    """At 20 points drawn at random the figures are those of a replay with that setting."""
    knobs = {"workbench.listener": listener, "barge_in": True}
    run, scored, summary = make_run(tmp_path, questions(tmp_path), **knobs)
    data = gather(run, scored, summary)
    write_grid(data)
    page = Opened(browser, write_run_page(data))
    silences, thresholds = grid_settings(run.config)
    random = np.random.default_rng(0)
    seen = set()
    for number in range(20):
        places = [int(random.integers(len(values))) for values in (silences, thresholds)]
        for name, place in zip(("silence", "threshold"), places, strict=True):
            page.tab.eval_on_selector(
                f"#{name}", "(it, value) => { it.value = value; it.dispatchEvent(new Event('input')); }", str(place)
            )
        setting = {"stt_silence_ms": silences[places[0]], "stt_silence_threshold": thresholds[places[1]]}
        _, _, replayed = make_run(tmp_path, [item.session.folder for item in run.sessions], name=f"r{number}",
                                  **knobs, **setting)  # fmt: skip
        for key in KEYS:
            shown = page.tab.get_attribute(f"td[data-slid={key}]", "data-value")
            assert shown == (
                "null" if replayed.scores[key] is None else repr(replayed.scores[key]).removesuffix(".0")
            ), key
        assert page.tab.inner_text("#slider-state").startswith(("Exact: replayed with", "This is the run itself."))
        seen.add(tuple(replayed.scores[key] for key in KEYS))
    assert len(seen) > 3
    assert page.complaints == []


def test_sliders_mark_what_needs_a_replay(browser, tmp_path):
    data = gather(*make_run(tmp_path, questions(tmp_path)))
    write_grid(data, exact=False)
    page = Opened(browser, write_run_page(data))
    assert page.tab.get_attribute("#slider-state", "class") == "exact"
    page.tab.focus("#silence")
    page.tab.keyboard.press("ArrowRight")
    assert page.tab.get_attribute("#slider-state", "class") == "inexact"
    said = page.tab.inner_text("#slider-state")
    assert said.startswith("Estimate: replayed with a stand-in for the STT, stt_silence_ms = ")
    silence = page.tab.get_attribute("#silence", "aria-valuetext")
    assert f"stt_silence_ms = {silence.removesuffix(' ms')}, " in said
    assert page.complaints == []


def test_a_comparison_shows_and_plays_both_sides(browser, tmp_path):
    folders = questions(tmp_path)
    sides = [gather(*make_run(tmp_path, folders, name=name, stt_silence_ms=ms))
             for name, ms in (("quick", 560), ("slow", 1300))]  # fmt: skip
    path = write_comparison_page(*sides, comparison_folder(*(side.run.folder for side in sides)))
    assert path == tmp_path / "quick-and-slow" / "index.html"
    first = path.read_bytes()
    assert write_comparison_page(*sides, path.parent).read_bytes() == first
    page = Opened(browser, path)
    scores = [json.loads((side.run.folder / "scores.json").read_text("utf-8"))["scores"] for side in sides]
    rows = page.tab.locator("table[data-table=differences] tbody tr")
    shown = {row[0]: row[1:3] for row in (rows.nth(i).locator("td").all_inner_texts() for i in range(rows.count()))}
    for key in ("loss_s_per_turn", "cutin_per_hold", "wer"):
        assert shown[key] == [cell_text(side[key]) for side in scores]
    # The held turn was cut in on, and is not any more; the clean one is answered later.
    assert page.tab.locator(".change h3").all_inner_texts()[0].startswith("held, turn 1")
    for side in (0, 1):
        page.tab.click(f"button.hear[data-incident='{side}']")
        page.until(f"Number(document.querySelectorAll('canvas.mini')[{side}].dataset.cursor) > 0")
        page.tab.click(f"button.hear[data-incident='{side}']")
    assert page.tab.locator("#session option").all_inner_texts() == [
        "clean (quick)", "held (quick)", "clean (slow)", "held (slow)",
    ]  # fmt: skip
    assert page.faults() == []
    assert page.complaints == []
    assert not [url for url in page.requests if not url.startswith(("blob:", "file:"))]


def test_a_study_has_a_page_with_its_figures(browser, tmp_path, monkeypatch):
    questions(tmp_path / "recordings")
    monkeypatch.chdir(tmp_path)
    command = ["tune", "clean", "held", "--name", "mine", "--stack", "scripted", "--trials", "6"]
    done = CliRunner().invoke(cli, command, standalone_mode=False)
    assert not isinstance(done.exception, Exception), done.output
    assert "page: studies/mine/index.html" in done.output
    path = tmp_path / "studies" / "mine" / "index.html"
    first = path.read_bytes()
    assert write_study_page(path.parent).read_bytes() == first
    result = json.loads((path.parent / "result.json").read_text("utf-8"))
    page = Opened(browser, path, viewport={"width": 400, "height": 900})
    assert page.tab.inner_text("h1") == f"Study mine: {result['answer']['title']}"
    assert page.tab.inner_text(".verdict") == " ".join(result["answer"]["sentence"].replace("`", "").split())
    compared = (result["held_out"] or result["tuning"])["differences"]
    rows = page.tab.locator("table[data-table=differences] tbody tr")
    shown = [rows.nth(i).locator("td").all_inner_texts()[:3] for i in range(rows.count())]
    assert shown == [[row["key"], cell_text(row["a"]), cell_text(row["b"])] for row in compared]
    ranges = page.tab.locator("table[data-table=ranges] tbody tr td:first-child").all_inner_texts()
    assert ranges == [row["name"] for row in result["sensitivity"]["ranges"]]
    checklist = (tmp_path / "configs" / "mine" / "checklist.md").read_text("utf-8")
    assert page.tab.inner_text("pre").strip() == checklist.strip()
    for sweep, raw in zip(page.tab.evaluate("page.sweeps"), result["sweeps"], strict=True):
        assert sweep["exact"] is (result["stand_in"] is None)
        slider = f"input[data-sweep='{sweep['place']}']"
        for at in (0, len(sweep["names"]) - 1):
            page.tab.eval_on_selector(
                slider, "(it, value) => { it.value = value; it.dispatchEvent(new Event('input')); }", str(at)
            )
            for key in sweep["scores"]:
                shown = page.tab.get_attribute(f".sweep:has({slider}) td[data-slid={key}]", "data-value")
                assert (None if shown == "null" else float(shown)) == raw["points"][at]["scores"][key]
    page.tab.locator("#chart-course").scroll_into_view_if_needed()
    page.tab.wait_for_selector("#chart-course .bk-Figure")
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.faults() == []
    assert page.complaints == []
    assert page.requests == [path.as_uri()]
    # The page of a run of these sessions with these settings says what the study recommends.
    done = CliRunner().invoke(cli, ["replay", "clean", "held", "--stack", "scripted"], standalone_mode=False)
    assert not isinstance(done.exception, Exception), done.output
    page = Opened(browser, next((tmp_path / "reports").glob("*/index.html")))
    assert page.tab.locator(".advice li").all_inner_texts()[0].startswith(f"Study mine: {result['answer']['title']}")
