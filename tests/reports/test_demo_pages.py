"""The demo as README shows it, from a wheel: what it prints, and its pages of the run, the study and a comparison.

The pages are opened in a real browser. The demo uses the cache of the user who runs the tests: after ``workbench demo``
it takes seconds.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from browser import Opened, chromium, needs_chromium

from workbench.files import read_json
from workbench.reports.sliders import KEYS
from workbench.reports.table_files import cell_text
from workbench.runs import read_run, scores_of
from workbench.sessions.label_files import import_labels
from workbench.sessions.labels import read_labels
from workbench.sessions.session import open_session
from workbench.units import SAMPLE_RATE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMPARED = ("barge-in", "slow-talker", "questions")
"""Demo sessions that are compared under the demo's settings of before and after."""


@dataclass(frozen=True)
class Demo:
    """What the demo left in an empty folder, and what it printed; the folder of its study."""

    folder: Path
    said: str
    study: Path

    @property
    def run(self) -> Path:
        return self.folder / "reports" / "demo"

    @property
    def tuned(self) -> Path:
        return self.folder / "configs" / self.study.name / "tuned.toml"

    @property
    def result(self) -> dict:
        return read_json(self.study / "result.json")


DROPPED = ("PYTHONPATH", "VIRTUAL_ENV", "COLUMNS", "LINES")
USER = {name: value for name, value in os.environ.items() if name not in DROPPED}
"""The user's environment, and so their cache; a test's own has an empty one."""


def workbench(installed, folder, *arguments):
    command = [installed / "bin" / "workbench", *arguments]
    done = subprocess.run(command, cwd=folder, env=USER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo(installed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty")
    said = workbench(installed, folder, "demo")
    [study] = re.findall(r"studies/(demo-[0-9a-f]{8})/", said)
    return Demo(folder, said, folder / "studies" / study)


@pytest.fixture(scope="module")
def compared(installed, demo):
    """Page of the demo's settings before and after."""
    sessions = [word for name in COMPARED for word in ("--on", name)]
    sides = ("configs/baseline.toml", demo.tuned.relative_to(demo.folder).as_posix())
    said = workbench(
        installed, demo.folder, "compare", *sides, "--stack", "nano", "--listener", "mlx-harmony", *sessions
    )
    [page] = re.findall("^page: (.*)$", said, re.MULTILINE)
    return demo.folder / page


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def page_of(request, demo):
    """``page_of(kind)`` → ``index.html`` of the run, the study or the comparison."""
    pages = {"run": lambda: demo.run / "index.html", "study": lambda: demo.study / "index.html"}
    return lambda kind: pages[kind]() if kind in pages else request.getfixturevalue("compared")


def test_the_demo_prints_what_the_readme_shows(demo):
    """It finds a gain on recordings that its search did not see."""
    assert len(demo.said.splitlines()) <= 40
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```text\n(Replaying .*?)```\n", readme, re.DOTALL)
    assert shape(demo.said) == shape(block)
    before, after = (demo.result["held_out"][side]["scores"] for side in ("baseline", "tuned"))
    assert after["loss_s_per_turn"] < before["loss_s_per_turn"]
    assert demo.result["mark"] in ("promising", "shown")


def shape(text):
    """Lines without what differs from machine to machine: figures, bars, and which incidents cost most."""
    lines = re.sub(r"demo-[0-9a-f]{8}", "demo-#", text).strip().splitlines()
    kept = (
        "Replaying",
        "What would annoy you",
        "Were these yours",
        "Seconds lost per turn",
        "listen to it",
        "why this",
    )
    said = [line for line in lines if line.startswith((*kept, "all of the answer", "These are", "your own room"))]
    found = [re.sub(r"(What would|Were these)([^:]*).*", r"\1\2", line) for line in said]
    return [re.sub(r"\s+", " ", re.sub(r"\d[\d.:]*", "#", line)) for line in found]


@needs_chromium
@pytest.mark.parametrize("kind", ["run", "study", "comparison"])
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_page_is_whole_quiet_and_has_no_serious_fault(browser, page_of, kind, width, scheme):
    """Nothing is asked for, nothing complains, every chart is drawn, nothing is wider than the window."""
    path = page_of(kind)
    page = Opened(browser, path, viewport={"width": width, "height": 900}, color_scheme=scheme)
    loaded = page.tab.evaluate("performance.timing.domComplete - performance.timing.navigationStart")
    assert loaded < 30_000
    charts = page.tab.locator("[id^=chart-]")
    assert charts.count() >= {"run": 2, "study": 1, "comparison": 0}[kind]
    for name in charts.evaluate_all("items => items.map((it) => it.id)"):
        page.tab.locator(f"#{name}").scroll_into_view_if_needed()
        page.tab.wait_for_selector(f"#{name} .bk-Figure")
    page.open_tables()
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
    assert page.faults() == []
    assert page.complaints == []
    assert page.requests == [path.as_uri()]


@needs_chromium
def test_what_is_not_shown_is_not_unpacked(browser, demo):
    page = Opened(browser, demo.run / "index.html")
    loaded = page.tab.evaluate("page.sessions.map((session) => Boolean(session.loaded))")
    assert loaded[0]
    assert not all(loaded)
    assert page.tab.evaluate("typeof Bokeh") == "undefined"
    assert page.tab.locator("details[id^=table-] table").count() == 0


@needs_chromium
@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_every_timeline_is_drawn_to_its_last_second(browser, page_of, kind):
    page = Opened(browser, page_of(kind))
    ground = {(0, 0, 0, 0)}
    names = page.tab.evaluate("page.sessions.map((session) => session.name)")
    assert len(names) == {"run": 20, "comparison": 2 * len(COMPARED)}[kind]
    for number, name in enumerate(names):
        page.show(number)
        session = open_session(ROOT / "recordings" / name.split()[0])
        assert page.number("#lanes", "data-from") == 0
        assert page.number("#lanes", "data-to") >= session.samples
        # The last column before the right edge, in the lane of the microphone.
        share = session.samples / page.number("#lanes", "data-to")
        width = page.tab.eval_on_selector("#lanes", "canvas => canvas.getBoundingClientRect().width")
        x = (56 + (width - 60) * share - 2) / width
        assert page.drawn("#lanes", x, 0.08, 0.24) != ground, name
        assert page.drawn("#overview", x, 0.0, 0.5) != ground, name


@needs_chromium
@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_play_moves_the_cursor_and_stops(browser, page_of, kind):
    page = Opened(browser, page_of(kind))
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


@needs_chromium
def test_an_incident_is_heard_and_jumps(browser, demo):
    page = Opened(browser, demo.run / "index.html")
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


@needs_chromium
def test_incidents_are_filtered_by_kind_and_session(browser, demo):
    page = Opened(browser, demo.run / "index.html")
    found = page.tab.evaluate("page.incidents.map(({kind, session}) => [kind, session])")
    kind, session = found[-1]
    page.tab.select_option("#only-kind", kind)
    assert page.tab.locator(".incident:visible").count() == sum(item[0] == kind for item in found)
    page.tab.select_option("#only-session", str(session))
    assert page.tab.locator(".incident:visible").count() == found.count([kind, session])


@needs_chromium
def test_a_row_of_a_table_leads_into_the_timeline(browser, demo):
    page = Opened(browser, demo.run / "index.html")
    page.open_tables()
    row = page.tab.locator("table[data-table=turns] tbody tr >> nth=-1").locator("button.jump >> nth=1")
    moment = float(row.get_attribute("data-at"))
    row.click()
    page.until(f"Math.abs(Number(document.getElementById('lanes').dataset.cursor) - {moment * SAMPLE_RATE}) <= 1")


@needs_chromium
def test_keys_zoom_pan_and_move(browser, demo):
    page = Opened(browser, demo.run / "index.html")
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


@needs_chromium
def test_policy_stops_scripts_and_requests_of_others(browser, demo):
    page = Opened(browser, demo.run / "index.html")
    for attack in (
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s)",
        "const i = document.createElement('img'); i.src = 'https://example.org/x.png'; document.body.append(i)",
        "fetch('https://example.org/').catch(() => 0)",
    ):
        page.tab.evaluate(f"() => {{ {attack} }}")
    page.tab.wait_for_timeout(300)
    assert page.tab.evaluate("window.hacked") is None
    assert len(page.complaints) >= 3
    assert page.requests == [(demo.run / "index.html").as_uri()]


@needs_chromium
def test_figures_on_the_page_are_those_of_scores_json(browser, demo):
    page = Opened(browser, demo.run / "index.html")
    scores = json.loads((demo.run / "scores.json").read_text("utf-8"))
    tiles = page.tab.eval_on_selector_all(
        "[data-key]", "items => items.map((it) => [it.dataset.key, it.dataset.value])"
    )
    assert len(tiles) >= 7
    for key, value in tiles:
        assert (float(value) if value else None) == scores["scores"][key]


@needs_chromium
def test_sliders_of_the_demo_say_what_is_an_estimate(browser, demo):
    """At 20 points drawn at random: the figures of the grid, marked; at the run's own those of the run."""
    page = Opened(browser, demo.run / "index.html")
    grid, scores = read_json(demo.run / "sliders.json"), read_json(demo.run / "scores.json")["scores"]
    own = divmod(grid["own"], len(grid["thresholds"]))
    random = np.random.default_rng(0)
    drawn = [tuple(int(random.integers(len(grid[axis]))) for axis in ("silences", "thresholds")) for _ in range(20)]
    for place in (own, *drawn):
        for name, at in zip(("silence", "threshold"), place, strict=True):
            page.tab.eval_on_selector(
                f"#{name}", "(it, value) => { it.value = value; it.dispatchEvent(new Event('input')); }", str(at)
            )
        cells = [page.tab.get_attribute(f"td[data-slid={key}]", "data-value") for key in KEYS]
        shown = [None if cell == "null" else float(cell) for cell in cells]
        point = grid["points"][place[0] * len(grid["thresholds"]) + place[1]]
        assert shown == ([scores[key] for key in KEYS] if place == own else point)
        said = page.tab.inner_text("#slider-state")
        assert said.startswith("This is the run itself." if place == own else "Estimate: replayed with a stand-in")
        assert page.tab.get_attribute("#slider-state", "class") == ("exact" if place == own else "inexact")
    assert len({tuple(grid["points"][silence * len(grid["thresholds"]) + at]) for silence, at in drawn}) > 3
    assert page.complaints == []


@needs_chromium
def test_a_mended_label_comes_back_unchanged(browser, demo, tmp_path):
    folder = shutil.copytree(ROOT / "recordings" / "questions", tmp_path / "questions")
    session = open_session(folder)
    before = read_labels(session.labels_path, session.samples)
    page = Opened(browser, demo.run / "index.html")
    page.show(page.tab.evaluate("page.sessions.findIndex((session) => session.name === 'questions')"))
    page.tab.click("#edit > summary")

    def download(button, name):
        with page.tab.expect_download() as waiting:
            page.tab.click(button)
        path = tmp_path / name
        waiting.value.save_as(path)
        return path

    # As it is, both files give the same labels back.
    for button, name in (("#label-csv", "same.csv"), ("#label-txt", "same.txt")):
        assert import_labels(session, download(button, name), "constructed", replace=True).labels == before
    # Drag the end of the first label by a second, change the second one's kind and words, add another.
    page.tab.eval_on_selector("#lanes", "canvas => canvas.scrollIntoView()")
    box = page.tab.locator("#lanes").bounding_box()
    lane = page.tab.evaluate("timeline.shown.tops.labels")
    edge = page.tab.evaluate(f"timeline.shown.scale.x({before[0].end})")
    second = page.tab.evaluate(f"timeline.shown.scale.x({before[0].end + SAMPLE_RATE})") - edge
    y = box["y"] + lane["top"] + lane["height"] / 2
    page.tab.mouse.move(box["x"] + edge, y)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + edge + second, y, steps=4)
    page.tab.mouse.up()
    page.tab.select_option("#label-list", "1")
    page.tab.select_option("#label-kind", "backchannel")
    page.tab.fill("#label-text", 'say "no", please')
    page.tab.press("#label-text", "Tab")
    page.tab.evaluate("timeline.cursor = 18 * RATE")
    page.tab.click("#label-add")
    shown = page.tab.evaluate("timeline.session.labels")
    taken = import_labels(session, download("#label-csv", "mended.csv"), "human", replace=True).labels
    assert [[it.start, it.end, it.kind, it.turn, it.text] for it in taken] == sorted(shown)
    assert taken[0].end == pytest.approx(before[0].end + SAMPLE_RATE, abs=SAMPLE_RATE / 10)
    assert [(it.kind, it.turn, it.text) for it in taken] == [
        ("speech", 1, before[0].text), ("backchannel", None, 'say "no", please'), ("speech", 4, ""),
        ("speech", 3, before[2].text),
    ]  # fmt: skip
    # What the importer would refuse cannot be downloaded.
    page.tab.fill("#label-end", "100")
    page.tab.press("#label-end", "Tab")
    assert page.tab.is_disabled("#label-csv")
    assert "after the session" in page.tab.inner_text("#label-state")
    assert page.complaints == []


@needs_chromium
def test_a_comparison_shows_and_plays_both_sides(browser, compared, demo, installed):
    page = Opened(browser, compared)
    runs = page.tab.inner_text("h1").split(" and ")
    read = [read_run(demo.folder / "reports" / name) for name in runs]
    scores = [scores_of(run)[1].scores for run in read]
    rows = page.tab.locator("table[data-table=differences] tbody tr")
    shown = {row[0]: row[1:3] for row in (rows.nth(i).locator("td").all_inner_texts() for i in range(rows.count()))}
    for key in ("loss_s_per_turn", "cutin_per_hold", "wer"):
        assert shown[key] == [cell_text(side[key]) for side in scores]
    for side in (0, 1):
        page.tab.click(f"button.hear[data-incident='{side}']")
        page.until(f"Number(document.querySelectorAll('canvas.mini')[{side}].dataset.cursor) > 0")
        page.tab.click(f"button.hear[data-incident='{side}']")
    options = page.tab.locator("#session option").all_inner_texts()
    assert options == [f"{name} ({run})" for run in runs for name in COMPARED]
    assert page.tab.locator(".change h3").all_inner_texts()[0].startswith(tuple(f"{name}, turn" for name in COMPARED))
    assert page.complaints == []
    assert not [url for url in page.requests if not url.startswith(("blob:", "file:"))]
    first = compared.read_bytes()
    workbench(installed, demo.folder, "compare", *(f"reports/{name}" for name in runs))
    assert compared.read_bytes() == first


@needs_chromium
def test_the_study_has_a_page_with_its_figures(browser, demo, installed):
    path, result = demo.study / "index.html", demo.result
    first = path.read_bytes()
    workbench(installed, demo.folder, "report", f"studies/{demo.study.name}")
    assert path.read_bytes() == first
    page = Opened(browser, path)
    assert page.tab.inner_text("h1") == f"Study {demo.study.name}: {result['answer']['title']}"
    assert page.tab.inner_text(".verdict") == " ".join(result["answer"]["sentence"].replace("`", "").split())
    compared = (result["held_out"] or result["tuning"])["differences"]
    rows = page.tab.locator("table[data-table=differences] tbody tr")
    shown = [rows.nth(i).locator("td").all_inner_texts()[:3] for i in range(rows.count())]
    assert shown == [[row["key"], cell_text(row["a"]), cell_text(row["b"])] for row in compared]
    ranges = page.tab.locator("table[data-table=ranges] tbody tr td:first-child").all_inner_texts()
    assert ranges == [row["name"] for row in result["sensitivity"]["ranges"]]
    checklist = (demo.tuned.parent / "checklist.md").read_text("utf-8")
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
    assert page.complaints == []
    # The page of the run says what the study recommends.
    page = Opened(browser, demo.run / "index.html")
    recommended = page.tab.locator(".advice li").all_inner_texts()[0]
    assert recommended.startswith(f"Study {demo.study.name}: {result['answer']['title']}")
