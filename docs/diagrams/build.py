"""Draws the diagrams of this folder: ``python docs/diagrams/build.py`` makes an SVG of each DOT file (needs graphviz).

Each SVG names the SHA-256 of the DOT file that it was drawn from, so that a test finds one that is out of date.
"""

import hashlib
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
MARK = "<!-- drawn from {name}, SHA-256 {digest} -->"


def mark(source: Path) -> str:
    """Line of the SVG that names its source and the source's digest."""
    return MARK.format(name=source.name, digest=hashlib.sha256(source.read_bytes()).hexdigest())


def draw(source: Path) -> str:
    """The SVG of a DOT file, with its mark in the second line."""
    drawn = subprocess.run(["dot", "-Tsvg", source], check=True, capture_output=True, text=True).stdout
    first, rest = drawn.split("\n", 1)
    return f"{first}\n{mark(source)}\n{rest}"


def main() -> None:
    """Draw all diagrams."""
    for source in sorted(HERE.glob("*.dot")):
        target = source.with_suffix(".svg")
        target.write_text(draw(source), encoding="utf-8", newline="\n")
        print(target)


if __name__ == "__main__":
    main()
