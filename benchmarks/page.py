"""How large a page is, and how much processor time it takes until its timeline is drawn: an hour of one session.

Size is that of the page with all its sound, and without any. Times are of the tab's own process in headless Chromium,
the least of several openings: processor time, which other programs hardly change, and seconds from opening to drawing.

    python benchmarks/page.py [RECORDINGS]

Measured on one x86-64 core with the demo sessions end to end, 342 turns and 576 incidents: 28.0 MB, 1.1 MB without
sound; drawn after 0.40 s, 0.57 s of processor time.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from replay import hour_of

from workbench.config import Config, override
from workbench.reports import gather
from workbench.reports.run_page import write_run_page
from workbench.runs import run_sessions, score_run

OPENINGS = 5


def opened(page: Path) -> list[tuple[float, float]]:
    """(processor seconds, seconds to the first drawing) of each opening."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(OPENINGS):
            tab = browser.new_page(viewport={"width": 1200, "height": 900})
            protocol = tab.context.new_cdp_session(tab)
            protocol.send("Performance.enable")
            tab.goto(page.as_uri())
            tab.wait_for_selector("html[data-ready]")
            figures = {item["name"]: item["value"] for item in protocol.send("Performance.getMetrics")["metrics"]}
            drawn = tab.evaluate("performance.getEntriesByName('drawn')[0].startTime")
            found.append((figures["ProcessTime"], drawn / 1000))
            tab.close()
        browser.close()
    return found


def main() -> None:
    """Print size and time."""
    recordings = Path(sys.argv[1] if len(sys.argv) > 1 else "recordings")
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        hour_of(recordings, base / "hour")
        run = run_sessions([base / "hour"], override(Config(), {"stack.name": "scripted"}), base / "run")
        page = write_run_page(gather(run, *score_run(run)), full_audio=True)
        size = page.stat().st_size
        text = page.read_text("utf-8")
        sound = sum(
            len(part.partition("</script>")[0]) for part in text.split('<script type="text/plain" id="sound-')[1:]
        )
        print(f"size               {size / 1e6:6.1f} MB")
        print(f"without its sound  {(size - sound) / 1e6:6.1f} MB")
        times = opened(page)
    print(f"processor time     {min(busy for busy, _ in times):6.2f} s")
    print(f"to first drawing   {min(drawn for _, drawn in times):6.2f} s")


if __name__ == "__main__":
    main()
