"""Help texts and documents are in plain words; the retired ones stay retired."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from workbench.cli import cli

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
RETIRED = re.compile(
    r"\b(told|tells?|beside|put right|whoever|twin|torn|so many|what there is to say)\b", re.IGNORECASE
)


def commands(group: click.Group, path: str = "workbench") -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = list(commands(cli))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_has_no_retired_word(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, 1) if RETIRED.search(line)] == []


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_help_text_has_no_retired_word(path: str, command: click.Command) -> None:
    texts = [command.help or "", *(option.help or "" for option in command.params if isinstance(option, click.Option))]
    assert [text for text in texts if RETIRED.search(text)] == []


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_help_text_begins_with_a_capital_or_a_name(path: str, command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{path} {option.opts[0]}"
            assert option.help[0].isupper() or option.help[0] in "[`", f"{path} {option.opts[0]}: {option.help}"
