"""The recipes of docs/architecture.md, each followed on a copy of the package by a throw-away example."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Example:
    """A recipe followed.

    Attributes:
        most: files of the package that it may touch.
        new: file → its text.
        changed: file → (text, text in its place) pairs.
        shows: script that fails where the example does not work.
    """

    most: int
    new: dict[str, str]
    changed: dict[str, list[tuple[str, str]]]
    shows: str


REPLAY = """
from pathlib import Path
from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.replay.engine import cost_source, replay
from workbench.runs import open_labelled
from workbench.stacks import make_stack

def run(**changes):
    config = override(Config(), {"stack.name": "scripted", "step_costs.source": "fixed", **changes})
    session, labels = open_labelled(Path(SESSION))
    knobs = knobs_of(config)
    stages = make_stack(config).stages(labels)
    return replay(session, stages, knobs, cost_source(knobs, None, session.name), Store(None)).trace
"""

EXAMPLES = {
    "Add a knob": Example(
        most=3,
        new={},
        changed={
            "workbench/config_sections.py": [
                ("    stt_flush: bool",
                 '    stt_tail_ms: int = knob(0, "example", low=0, high=500)\n    stt_flush: bool'),
            ],
            "workbench/knobs.py": [
                ("    flush: bool = False\n", "    flush: bool = False\n    tail_frames: int = 0\n"),
                ("        flush=own.stt_flush,\n", "        flush=own.stt_flush,\n"
                 "        tail_frames=frames_for_ms(own.stt_tail_ms),\n"),
            ],
        },
        shows="""
from workbench.assistants import acts_alike, knobs_of
from workbench.config import Config, override
assert knobs_of(override(Config(), {"stt_tail_ms": 160})).listen.tail_frames == 2
assert not acts_alike(Config(), override(Config(), {"stt_tail_ms": 160}))
""",
    ),
    "Add a score": Example(
        most=2,
        new={},
        changed={
            "workbench/metrics/definitions.py": [
                ("_TURNS: tuple[Measure, ...] = (\n",
                 '_TURNS: tuple[Measure, ...] = (\n    Total("words_wanted_n", lambda s: sum(row.words '
                 "for row in s.turns)),\n"),
            ],
        },
        shows=REPLAY + """
from workbench.metrics import evaluate, summarise
session, labels = open_labelled(Path(SESSION))
summary = summarise([evaluate(run(), labels)], bootstrap=False)
assert summary.scores["words_wanted_n"] == sum(len(label.text.split()) for label in labels)
""",
    ),
    "Add a stage": Example(
        most=2,
        new={
            "workbench/parrot.py": '''
"""A language model that says what it hears."""

from workbench.stages.protocols import Stages
from workbench.stages.scripted import ScriptedStack


class Parrot:
    fingerprint = "parrot"

    def reply(self, history):
        yield history[-1]


class ParrotStack(ScriptedStack):
    name = "parrot"

    def stages(self, labels):
        stages = super().stages(labels)
        return Stages(stages.stt, Parrot(), stages.tts)
''',
        },
        changed={
            "workbench/stacks.py": [
                ("STACKS: dict",
                 "def _parrot(config: Config) -> Stack:\n    from workbench.parrot import ParrotStack\n\n"
                 "    return ParrotStack()\n\n\nSTACKS: dict"),
                ('    "scripted": _scripted,\n', '    "parrot": _parrot,\n    "scripted": _scripted,\n'),
            ],
        },
        shows=REPLAY + """
from workbench.trace import Tokens, Transcript
trace = run(**{"stack.name": "parrot"})
heard = [event.text for event in trace.events if isinstance(event, Transcript)]
assert heard and heard == [event.text for event in trace.events if isinstance(event, Tokens)]
""",
    ),
    "Add a command": Example(
        most=3,
        new={
            "workbench/cli/commands/hello.py": '''
"""``workbench hello``."""

import click


@click.command()
def hello() -> None:
    """Say hello."""
    from workbench.cli.actions.hello import say_hello

    say_hello()
''',
            "workbench/cli/actions/hello.py": '''
"""What ``hello`` does and prints."""


def say_hello() -> None:
    """Say hello."""
    print("hello")
''',
        },
        changed={
            "workbench/cli/__init__.py": [
                ("from workbench.cli.commands.import_ import import_\n",
                 "from workbench.cli.commands.hello import hello\n"
                 "from workbench.cli.commands.import_ import import_\n"),
                ("(devices, doctor, cache)", "(devices, doctor, cache, hello)"),
            ],
        },
        shows="""
from click.testing import CliRunner
from workbench.cli import cli
assert CliRunner().invoke(cli, ["hello"]).output == "hello\\n"
assert "Say hello." in CliRunner().invoke(cli, ["--help"]).output
""",
    ),
    "Add an assistant": Example(
        most=2,
        new={
            "workbench/assistants/patient.py": '''
"""Assistant ``patient``: as ``workbench``, and twice as long silent before it answers."""

from dataclasses import replace

from workbench.assistants.workbench import Workbench


class Patient(Workbench):
    def listen(self, ears, opening):
        knobs = replace(ears.knobs, silence_frames=2 * ears.knobs.silence_frames)
        return super().listen(replace(ears, knobs=knobs), opening)


ASSISTANT = Patient()
''',
        },
        changed={
            "workbench/config_sections.py": [
                ('ASSISTANTS = ("workbench", "mlx-harmony")', 'ASSISTANTS = ("workbench", "mlx-harmony", "patient")'),
            ],
        },
        shows=REPLAY + """
from workbench.trace import Commit
soon, late = ([e.t for e in run(listener=name).events if isinstance(e, Commit)][0] for name in ("workbench", "patient"))
assert late - soon == 9 * 1920, late - soon
""",
    ),
    "Add a synthesised sound": Example(
        most=1,
        new={},
        changed={
            "workbench/sessions/noises.py": [
                ('"mm-hm": mm_hm}', '"mm-hm": mm_hm, "hiss": hiss}'),
                ("SOUNDS: dict",
                 "def hiss(seed: Seed) -> Floats:\n    return _white(SAMPLE_RATE, seed)\n\n\nSOUNDS: dict"),
            ],
        },
        shows="""
from pathlib import Path
from tempfile import mkdtemp
from workbench.sessions.labels import read_labels
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import read_spec
spec = Path(mkdtemp()) / "hiss.toml"
spec.write_text('format = 1\\n[[event]]\\nsound = "hiss"\\nkind = "noise"\\nafter_s = 1')
[session] = synthesise(read_spec(spec), spec.parent)
assert [label.text for label in read_labels(session.labels_path)] == ["hiss"]
""",
    ),
    "Add a canceller or filter": Example(
        most=2,
        new={
            "workbench/simulation/filters/deaf.py": '''
"""Filter ``deaf``: nothing is heard."""


class Deaf:
    delay, cost_ms = 0, 1.0

    def __init__(self, knobs):
        pass

    def step(self, near, far):
        return 0 * near


FILTER = Deaf
''',
        },
        changed={
            "workbench/config_sections.py": [('MIC_FILTERS = ("none",', 'MIC_FILTERS = ("none", "deaf",')],
        },
        shows=REPLAY.replace("SESSION", "BARGE_IN_SESSION") + """
from workbench.trace import Commit
def turns(name):
    return sum(isinstance(event, Commit) for event in run(filter=name).events)
assert turns("none") > 0 == turns("deaf")
""",
    ),
    "Add a barge-in rule": Example(
        most=2,
        new={
            "workbench/barge_in/never.py": '''
"""Rule ``never``: nobody interrupts."""


class Never:
    def __init__(self, knobs, threshold):
        pass

    def see(self, frame):
        return 0


RULE = Never
''',
        },
        changed={
            "workbench/config_sections.py": [('BARGE_IN_RULES = ("energy",', 'BARGE_IN_RULES = ("never", "energy",')],
        },
        shows=REPLAY.replace("SESSION", "BARGE_IN_SESSION") + """
from workbench.trace import BargeIn
def stops(rule):
    return sum(isinstance(event, BargeIn) for event in run(barge_in=True, barge_in_rule=rule).events)
assert stops("energy") > 0 == stops("never")
""",
    ),
}  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package without its large data, which is linked."""
    shutil.copytree(ROOT / "workbench", tmp_path / "workbench", ignore=shutil.ignore_patterns("data", "__pycache__"))
    (tmp_path / "workbench" / "data").symlink_to(ROOT / "workbench" / "data")
    return tmp_path


def recipe(title: str) -> str:
    """Text of a recipe, its title left out."""
    found = re.search(rf"\*\*{title}\*\*(.*?)(?=\n\*\*|\Z)", DOCUMENT, re.DOTALL)
    assert found, f"docs/architecture.md has no recipe {title!r}"
    return found.group(1).strip()


def test_every_recipe_has_an_example() -> None:
    assert re.findall(r"\*\*(Add [^*]+)\*\*", DOCUMENT) == list(EXAMPLES)


@pytest.mark.parametrize("title", EXAMPLES)
def test_a_recipe_works_as_written(title: str, copy: Path) -> None:
    example, text = EXAMPLES[title], recipe(title)
    assert len(text.splitlines()) <= 12
    assert len(example.new) + len(example.changed) <= example.most
    for name, content in example.new.items():
        (copy / name).write_text(content.lstrip(), encoding="utf-8")
    for name, changes in example.changed.items():
        assert f"`{name}`" in text, f"the recipe does not name {name}"
        source = (copy / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert source.count(old) == 1, f"{name}: {old!r} stands {source.count(old)} times"
            source = source.replace(old, new)
        (copy / name).write_text(source, encoding="utf-8")
    paths = {"SESSION": ROOT / "recordings" / "questions", "BARGE_IN_SESSION": ROOT / "recordings" / "barge-in"}
    head = "".join(f"{name} = {str(path)!r}\n" for name, path in paths.items())
    script = [sys.executable, "-c", head + example.shows]
    done = subprocess.run(script, cwd=copy, env={"PYTHONPATH": str(copy)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
