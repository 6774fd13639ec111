"""What is promised in the documentation is there, and what is there is documented."""

import re
from pathlib import Path

import click
import pytest

from workbench.cli import cli
from workbench.config import knobs

from .readme_commands import APART, GATE, STEPS, commands_of, is_the_command_shown, not_run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(group: click.Group, path: str = "workbench") -> list[tuple[str, click.Command]]:
    found = []
    for name, command in sorted(group.commands.items()):
        found.append((f"{path} {name}", command))
        if isinstance(command, click.Group):
            found += commands(command, f"{path} {name}")
    return found


@pytest.mark.parametrize(("path", "command"), commands(cli), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_is_documented(path: str, command: click.Command) -> None:
    documents = [README, *(text.read_text(encoding="utf-8") for text in sorted((ROOT / "docs").glob("*.md")))]
    assert any(f"`{path}" in text or f"\n{path}" in text for text in documents), f"no document shows `{path}`"
    assert command.help, f"{path} has no help"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.opts[0]} has no help"


def test_the_readme_names_no_command_that_is_not_there() -> None:
    known = {path for path, _ in commands(cli)}
    for name in re.findall(r"`workbench ([a-z]+)", README):
        assert f"workbench {name}" in known


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_knob_is_in_the_config_document() -> None:
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(knobs())
    for row, (path, knob) in zip(rows, knobs().items(), strict=True):
        name, default, _, words = (cell.strip(" `") for cell in row.strip("|").split("|"))
        assert (name, words) == (path.partition(".")[2], knob.metadata["help"])
        shown = str(knob.default).lower() if isinstance(knob.default, bool) else str(knob.default)
        assert default.strip('"') in (shown, f"{knob.default:g}" if isinstance(knob.default, float) else shown)


def test_every_command_and_option_of_the_readme_is_run() -> None:
    assert not_run(README) == []
    assert {step.shown for step in STEPS} | set(APART) <= set(commands_of(README)), "README no longer shows it"
    assert [step.line for step in STEPS if not is_the_command_shown(step)] == []
    apart = [ROOT / "tests" / name for name in ("test_wheel.py", "reports/test_demo_pages.py")]
    wheel = "".join(path.read_text(encoding="utf-8") for path in apart)
    assert all(f"def {test}(" in wheel for test in APART.values())
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks, 1):
        assert any(map(GATE.match, block.splitlines())) == (f"$(block {number})" in gate)


@pytest.mark.parametrize(
    "more",
    ["`workbench new`", "`workbench replay --twice`", "```sh\nworkbench new A  # words\n```\n", "`record --live me`",
     "```text\nnext:  workbench new\n```\n", "it has `--new-option`", "```sh\nrm -r reports\n```\n"],
)  # fmt: skip
def test_a_new_command_of_the_readme_must_be_run(more: str) -> None:
    assert len(not_run(README + more)) == 1 + ("--twice" in more)
