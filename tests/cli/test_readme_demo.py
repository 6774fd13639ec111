"""The demo prints what README.md shows, and finds a gain on recordings that its search did not see."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def shape(text: str) -> list[str]:
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


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows_and_improves_on_held_out_sessions() -> None:
    """It uses the user's own cache and study, so that after a demo it takes seconds."""
    own = {name: value for name, value in os.environ.items() if name not in ("WORKBENCH_STORE", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "demo"], cwd=PROJECT, env=own, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) <= 40
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```text\n(Replaying .*?)```\n", readme, re.DOTALL)
    assert shape(done.stdout) == shape(block)
    [study] = re.findall(r"studies/(demo-[0-9a-f]{8})/", done.stdout)
    result = json.loads((PROJECT / "studies" / study / "result.json").read_text(encoding="utf-8"))
    before, after = (result["held_out"][side]["scores"] for side in ("baseline", "tuned"))
    assert after["loss_s_per_turn"] < before["loss_s_per_turn"]
    assert result["mark"] in ("promising", "shown")
