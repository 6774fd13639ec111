"""Pages in a real headless Chromium: Debian's, driven by playwright. What a page asks for and complains of is kept."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

OPTIONS = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required")


@contextmanager
def chromium() -> Iterator[object]:
    """A browser; its pages are opened by :func:`opened`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


class Opened:
    """A page that was opened: its ``complaints`` (console, scripts) and its ``requests`` (those not blocked)."""

    def __init__(self, browser, path: Path, **options) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.tab = browser.new_page(**({"viewport": {"width": 1200, "height": 900}} | options))
        self.tab.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("requestfailed", lambda request: self.requests.remove(request.url))
        self.tab.goto(path.as_uri())
        self.tab.wait_for_selector("html[data-ready]")

    def until(self, condition: str, seconds: float = 20) -> None:
        """Wait for a condition; playwright's own way evaluates text in the page, which its policy forbids."""
        last = time.monotonic() + seconds
        while not self.tab.evaluate(condition):
            assert time.monotonic() < last, condition
            self.tab.wait_for_timeout(50)

    def show(self, number: int) -> None:
        """Another session in the timeline."""
        self.tab.select_option("#session", str(number))
        self.until(f"document.getElementById('lanes').dataset.session === '{number}'")

    def open_tables(self) -> None:
        """Everything that is folded, with its rows."""
        self.tab.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
        self.until("[...document.querySelectorAll('details .scroll')].every((item) => item.firstChild)")

    def faults(self) -> list:
        """Serious faults for people who use a screen reader, by axe-core."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.tab).response["violations"]
        bad = [item for item in found if item["impact"] in ("serious", "critical")]
        return [(item["id"], item["nodes"][0]["html"]) for item in bad]

    def number(self, selector: str, name: str) -> float:
        """A number that an element keeps in an attribute."""
        return float(self.tab.get_attribute(selector, name))

    def drawn(self, selector: str, x: float, top: float, bottom: float) -> set:
        """Colours in one column of a canvas, from ``top`` to ``bottom``; all three as shares of its size."""
        return set(
            map(
                tuple,
                self.tab.eval_on_selector(
                    selector,
                    """(canvas, [x, top, bottom]) => {
                        const at = Math.min(canvas.width - 1, Math.round(x * canvas.width));
                        const first = Math.round(top * canvas.height), last = Math.round(bottom * canvas.height);
                        const data = canvas.getContext("2d").getImageData(at, first, 1, last - first).data;
                        return Array.from({length: last - first}, (_, i) => Array.from(data.slice(4 * i, 4 * i + 4)));
                    }""",
                    [x, top, bottom],
                ),
            )
        )
