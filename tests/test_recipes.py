"""Recipes of docs/architecture.md, followed on a copy of the package: how few files a new assistant or rule touches."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ASSISTANT = '''"""Assistant ``patient``: as ``workbench``, but hears nothing of what interrupted it."""

from workbench.assistants.protocol import NextListen, first_frame
from workbench.assistants.workbench import Workbench
from workbench.barge_in.protocol import BargeInDecision


class Patient(Workbench):
    """See :class:`workbench.assistants.protocol.Assistant`."""

    def next_listen(self, last: int, over: int, stopped: BargeInDecision | None) -> NextListen:
        """See :class:`workbench.assistants.protocol.Assistant`."""
        return NextListen(over, -1, first_frame(over))


ASSISTANT = Patient()
'''

RULE = '''"""Rule ``never``: nothing interrupts."""

from workbench.knobs import BargeInKnobs


class Rule:
    """See :class:`workbench.barge_in.protocol.BargeInRule`."""

    def __init__(self, knobs: BargeInKnobs, threshold: float) -> None:
        pass

    def see(self, level: float) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        return 0
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with one file more for each recipe, and its name in the table."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "workbench"
    shutil.copytree(ROOT / "workbench", package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (package / "data").symlink_to(ROOT / "workbench" / "data")
    (package / "assistants" / "patient.py").write_text(ASSISTANT, encoding="utf-8")
    (package / "barge_in" / "never.py").write_text(RULE, encoding="utf-8")
    tables = package / "config_sections.py"
    text = tables.read_text(encoding="utf-8")
    for old, new in (('"mlx-harmony")\n', '"mlx-harmony", "patient")\n'), ('("energy",)', '("energy", "never")')):
        assert text.count(old) == 1
        text = text.replace(old, new)
    tables.write_text(text, encoding="utf-8")
    return folder


def replayed(copy: Path, *options: str) -> list[dict[str, object]]:
    """Header and events of the demo session ``barge-in``, replayed by the copy."""
    out = copy / "-".join(("run", *options)).replace("=", "-")
    command = [sys.executable, "-m", "workbench", "replay", str(ROOT / "recordings" / "barge-in"), "--out", str(out)]
    command += ["--stack", "scripted", "--step-costs", "fixed", "--set", "barge_in=true", *options]
    environment = os.environ | {"PYTHONPATH": str(copy), "XDG_CACHE_HOME": str(copy / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=copy, check=False)
    assert done.returncode in (0, 1), done.stderr
    lines = (out / "barge-in.trace.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_an_assistant_is_a_file_and_a_name_in_a_table(copy: Path) -> None:
    plain, patient = (replayed(copy, "--listener", name) for name in ("workbench", "patient"))
    assert patient[0]["listener"] == "patient"
    assert any(event["event"] == "cancel" for event in plain)
    assert plain[1:] != patient[1:]


def test_a_barge_in_rule_is_a_file_and_a_name_in_a_table(copy: Path) -> None:
    kinds = []
    for rule in ("energy", "never"):
        events = replayed(copy, "--set", f"barge_in_rule={rule}")[1:]
        kinds.append(any(event["event"] == "cancel" for event in events))
    assert kinds == [True, False]
