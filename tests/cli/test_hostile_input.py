"""What readers of files let through is one line that names the file; control characters are shown, never sent."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from workbench.cli.progress import Output
from workbench.errors import WorkbenchError
from workbench.files import read_toml
from workbench.trace_file import read_trace

ROOT = Path(__file__).parents[2]
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = ("\x1b]0;pwned\x07\x1b[2J", "a\x9b31mb", "a\u202egnp.exe", "a\u2066b\u2069", "a\rb", "\x00")


@pytest.mark.parametrize(
    "raised",
    ["RecursionError()", "MemoryError()", "UnicodeError('x')", "LibsndfileError(1)"],
)
def test_the_file_that_was_at_hand_is_named(raised: str) -> None:
    script = (
        "import sys, workbench.cli as c, workbench.files as f; from soundfile import LibsndfileError\n"
        "from pathlib import Path\n"
        "sys.argv = ['workbench', 'x']\n"
        f"def fails(*a): raise {raised}\n"
        "f.parse_json = fails\n"
        "@c.cli.command()\n"
        "def x(): f.read_json(Path('pyproject.toml'))\n"
        "c.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: pyproject.toml: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    script = (
        "import sys, workbench.cli as c; sys.argv = ['workbench', 'x']\n"
        "@c.cli.command()\n"
        "def x(): raise RuntimeError('a fault of ours')\n"
        "c.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"event":"x","t":' + "9" * 5000 + "}", '{"event":"word","text":"\\ud800"}']
)
@pytest.mark.parametrize("number", [1, 2])
def test_a_line_of_a_trace_that_cannot_be_read_is_named(tmp_path: Path, line: str, number: int) -> None:
    header = '{"event":"header","format":1,"session":"s","samples":1}\n'
    (tmp_path / "a.jsonl").write_text((header if number == 2 else "") + line)
    with pytest.raises(WorkbenchError, match=rf"a\.jsonl: line {number}: "):
        read_trace(tmp_path / "a.jsonl")


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 100_000, "a = [", "a = \x01"])
def test_a_config_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(WorkbenchError, match=r"a\.toml: "):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_reach_no_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row(text)
    output = Output(200)
    output.print(table)
    output.print(f"- {text}", markup=False)
    assert not CONTROL.search(capsys.readouterr().out.replace("\n", ""))
    assert not CONTROL.search(str(WorkbenchError(text)))


def test_labels_and_notes_of_a_run_are_shown_as_they_are(tmp_path: Path) -> None:
    def workbench(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workbench", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )

    text = "".join(HOSTILE)
    session = ROOT / "recordings" / "barge-in-short"
    (tmp_path / "recordings").symlink_to(ROOT / "recordings")
    assert workbench("replay", str(session), "--stack", "scripted", "--out", "run").returncode == 0
    data = json.loads((tmp_path / "run" / "run.json").read_text())
    data["notes"] = [f"note {text}"]
    data["weights"] = {f"name {text}": f"digest {text}"}
    data["profile"] = {"digest": "d", "machine": f"machine {text}"}
    (tmp_path / "run" / "run.json").write_text(json.dumps(data))
    done = workbench("score", "run")
    assert done.returncode == 0, done.stderr
    assert "note" in done.stdout
    for shown in (done.stdout, done.stderr, (tmp_path / "run" / "report.md").read_text()):
        assert not CONTROL.search(shown.replace("\n", ""))
