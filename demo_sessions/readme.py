"""Writes what ``workbench demo`` prints into README.md: ``python demo_sessions/readme.py``, in the project's folder."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"```text\nReplaying .*?```\n", re.DOTALL)


def printed() -> str:
    """What the demo prints, without its progress."""
    command = [sys.executable, "-m", "workbench", "demo"]
    return subprocess.run(command, cwd=README.parent, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Replace the block in README.md."""
    text = README.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{README}: has no block of the demo's output")
    block = f"```text\n{printed().rstrip()}\n```\n"
    README.write_text(BLOCK.sub(lambda _: block, text), encoding="utf-8")


if __name__ == "__main__":
    main()
