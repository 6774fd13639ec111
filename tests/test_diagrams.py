"""The diagrams in docs/diagrams are drawn from the DOT files that lie there; checked without graphviz."""

import hashlib
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIAGRAMS = ROOT / "docs" / "diagrams"
SOURCES = sorted(DIAGRAMS.glob("*.dot"))


def test_all_four_diagrams_are_there() -> None:
    names = ["moshi_end_to_end", "moshi_stt_loop", "moshi_tts_stream", "moshi_voice_arch"]
    assert [path.stem for path in SOURCES] == names
    assert [path.stem for path in sorted(DIAGRAMS.glob("*.svg"))] == names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_picture_is_drawn_from_its_source(source: Path) -> None:
    drawn = source.with_suffix(".svg").read_text(encoding="utf-8")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert f"<!-- drawn from {source.name}, SHA-256 {digest} -->" in drawn, "run python docs/diagrams/build.py"
    assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_knob_in_a_diagram_is_a_knob(source: Path) -> None:
    from workbench.config import knobs

    known = {path.partition(".")[2] for path in knobs()}
    named = set(re.findall(r"\b(?:stt|tts|barge_in)_[a-z_]*[a-z]\b", source.read_text(encoding="utf-8")))
    assert named - known <= {"moshi_tts_stream", "stt_loop"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_diagram_fits_the_page(source: Path) -> None:
    """At 1000 points wide, text of 11 points is 9 pixels high on a page of 850 pixels."""
    width = re.search(r'<svg width="(\d+)pt"', source.with_suffix(".svg").read_text(encoding="utf-8"))
    assert width is not None
    assert int(width.group(1)) <= 1000
