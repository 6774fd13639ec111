"""Pages of small constructed runs in a real browser: sound in its place, hostile names as text, exact sliders."""

import numpy as np
import pytest
from browser import Opened, chromium, needs_chromium
from made_runs import make_run, make_session, questions

from workbench.reports import gather
from workbench.reports.run_page import write_run_page
from workbench.reports.sliders import KEYS, grid_settings, write_grid
from workbench.units import SAMPLE_RATE

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


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
