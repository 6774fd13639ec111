"""Build step: the demo sessions, specs, clips and configs of the checkout become package data in ``workbench/data/``.

Everything else about the build is in pyproject.toml. Recordings of your own never get into a package.
"""

import json
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CONFIGS = ("baseline", "budget", "quick", "space")
COLLECTION = "workbench demo"
"""``provenance.collection`` of a demo session."""


def shipped_files() -> list[Path]:
    """Paths from the root, sorted: the configs, specs and their clips, and three files of each demo session."""
    found = [ROOT / "configs" / f"{name}.toml" for name in CONFIGS]
    found += [*(ROOT / "demo_sessions" / "specs").glob("*.toml"), *(ROOT / "demo_sessions" / "sources").glob("*.*")]
    for manifest in (ROOT / "recordings").glob("*/session.json"):
        if json.loads(manifest.read_text("utf-8")).get("provenance", {}).get("collection") == COLLECTION:
            found += [manifest.with_name(name) for name in ("session.json", "mic.flac", "labels.csv")]
    return sorted(path.relative_to(ROOT) for path in found)


class BuildWithData(build_py):
    """``build_py`` that also copies the shipped files; an editable install uses the checkout's own."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        for path in shipped_files():
            target = Path(self.build_lib, "workbench", "data", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(ROOT / path), str(target))

    def get_source_files(self) -> list[str]:
        """Files for a source distribution, the shipped ones included."""
        return [*super().get_source_files(), *map(str, shipped_files())]


setup(cmdclass={"build_py": BuildWithData})
