"""``--help`` and shell completion: complete, in a fixed order, and quick."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli import cli

PACKAGE = Path(__file__).parents[2] / "workbench" / "cli"


def help_of(*arguments: str) -> str:
    return CliRunner().invoke(cli, [*arguments, "--help"], terminal_width=80).output


def test_help_groups_every_command_once_by_purpose() -> None:
    lines = help_of().splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options:", "Record and label:", "Replay and score:", "Tune:", "Models:", "This machine:"]
    rows = lines[lines.index("Record and label:") :]
    shown = [line.split()[0] for line in rows if line.startswith("  ") and line[2] != " "]
    assert sorted(shown) == sorted(cli.commands)


@pytest.mark.parametrize("group", [[], ["models"], ["voices"]], ids=lambda group: "-".join(group) or "workbench")
def test_help_cuts_no_line_short(group: list[str]) -> None:
    text = help_of(*group)
    assert "..." not in text.replace("COMMAND [ARGS]...", "")
    assert "…" not in text


def test_a_command_without_arguments_shows_help_and_is_no_error() -> None:
    done = CliRunner().invoke(cli, [], terminal_width=80)
    assert (done.exit_code, done.output) == (0, help_of())


@pytest.mark.parametrize("path", sorted((PACKAGE / "commands").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_a_command_has_its_action_under_the_same_name(path: Path) -> None:
    assert (PACKAGE / "actions" / path.name).exists()


@pytest.mark.parametrize(
    ("typed", "expected"), [("re", {"record", "replay", "report"}), ("cac", {"cache"}), ("mod", {"models"})]
)
def test_shell_completion_knows_the_commands(typed: str, expected: set[str]) -> None:
    words = {"_WORKBENCH_COMPLETE": "zsh_complete", "COMP_WORDS": f"workbench {typed}", "COMP_CWORD": "1"}
    script = "import sys; sys.argv[0] = 'workbench'; from workbench.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | words)
    assert expected == set(done.stdout.split("\n")[1::3])
