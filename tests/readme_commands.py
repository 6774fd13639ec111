"""Every command that README.md shows, and a line that runs it in an empty folder."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.cli import cli

_SHELL = ("sh", "zsh")
"""Languages of fenced blocks in which every line is a command."""

GATE = re.compile(r"python3 -m venv .* && \.venv/bin/pip install |\.venv/bin/pip install .* && \.venv/bin/pytest$")
"""Lines that install the checkout and run its tests: the gate runs them from a fresh clone."""


@dataclass(frozen=True)
class Step:
    """How one of README's commands is run.

    Attributes:
        shown: the command as README shows it, without its comment.
        line: what a shell is given: placeholders are filled, and what README leaves open is small.
        says: part of what it prints, on either stream.
        code: its exit code.
        leaves: a file or folder that is there afterwards.
    """

    shown: str
    line: str
    says: str
    code: int = 0
    leaves: str = "."


COMPLETION = """\
autoload -U compinit && compinit -u -d .zcompdump
eval "$(_WORKBENCH_COMPLETE=zsh_source workbench)"
whence -v _workbench_completion
"""
KITCHEN = "--stack moshi --models models --listener mlx-harmony"
SHORT = "--set tts_padding_max=1"
"""Generated models pause after each word for as long as they may."""

STEPS = (
    Step(". .venv/bin/activate", ". .venv/bin/activate && command -v workbench", "/env/bin/workbench"),
    Step("workbench models pull", "workbench models pull stt-1b kyutai/stt", "the hub cannot be reached", 2),
    Step("workbench models", "workbench models", "Commands:\n  list"),
    Step("workbench models", "workbench models init --kind stt models/stt", "model.safetensors", 0, "models/stt"),
    Step("workbench models", "workbench models init --kind tts models/tts", "voices/", 0, "models/tts"),
    Step("workbench models", "workbench models check models/stt models/tts", "ok   models/tts"),
    Step("workbench voices", "workbench voices list models/tts", "generated@0"),
    Step("workbench devices", "workbench devices", "room_mic"),
    Step("workbench doctor", "workbench doctor", "moshi_mlx"),
    Step(
        "workbench label kitchen --auto", "workbench label kitchen --auto", "1 turn", 0, "recordings/kitchen/labels.csv"
    ),
    Step("workbench label SESSION", "workbench label kitchen --export kitchen.txt", "kitchen.txt", 0, "kitchen.txt"),
    Step("workbench label SESSION", "workbench label kitchen --import kitchen.txt --replace", "source human"),
    Step(
        f"workbench replay kitchen {KITCHEN}",
        f"workbench replay kitchen {KITCHEN} --step-costs fixed {SHORT}",
        "1 session, moshi",
    ),
    Step(
        f"workbench tune kitchen --name mine {KITCHEN}",
        f"workbench tune kitchen --name mine {KITCHEN} --set step_costs.source=fixed {SHORT} --trials 2 "
        "--space space.toml",
        "mine: ",
        1,  # no setting of generated models keeps the budget
        "configs/mine/moshi.json",
    ),
    Step(
        "cp ~/MLX-Harmony/configs/moshi.json configs/mine/moshi.before.json",
        "cp ~/MLX-Harmony/configs/moshi.json configs/mine/moshi.before.json",
        "",
        0,
        "configs/mine/moshi.before.json",
    ),
    Step(
        "cp configs/mine/moshi.json ~/MLX-Harmony/configs/moshi.json",
        "cp configs/mine/moshi.json ~/MLX-Harmony/configs/moshi.json && cat ~/MLX-Harmony/configs/moshi.json",
        "stt_silence_ms",
    ),
    Step(
        "workbench record",
        "workbench record --name again --play clip.wav --seconds 1",
        "next: 'workbench label recordings/again --auto'",
        0,
        "recordings/again/agent.flac",
    ),
    Step(
        "record --live",
        "workbench record --name talk --live --stack scripted --seconds 4",
        "compare it with its replay: workbench compare recordings/talk",
        0,
        "recordings/talk/live.trace.jsonl",
    ),
    Step("workbench echo SESSION", "workbench echo again", "stored in recordings/again/session.json"),
    Step("workbench import AUDIO", "workbench import clip.wav", "clip", 0, "recordings/clip/mic.flac"),
    Step("workbench synth SPEC...", "workbench synth spoken.toml", "spoken", 0, "recordings/spoken/labels.csv"),
    Step("workbench sessions [FOLDER_OR_SESSION...]", "workbench sessions --verify", "kitchen"),
    Step("workbench sessions [FOLDER_OR_SESSION...]", "workbench sessions recordings spoken --json", '"spoken"'),
    Step(
        "workbench replay SESSION...",
        "workbench replay spoken --config configs/mine/moshi.json --stack scripted --out before",
        "report: before/report.md",
        0,
        "before/index.html",
    ),
    Step(
        "workbench replay SESSION...",
        "workbench replay spoken --stack scripted --out after",
        "page:   after/index.html",
        0,
        "after/spoken.agent.flac",
    ),
    Step("workbench replay recordings", "workbench replay recordings --stack scripted --no-page", "sessions, scripted"),
    Step("workbench replay recordings/*", "workbench replay recordings/* --stack scripted --json", '"run": "reports/'),
    Step(
        "workbench replay SESSION...",
        "workbench replay spoken --stack scripted --out real --pace realtime",
        "turns begin, end and read the same as on the virtual clock",
        0,
        "real/realtime/scores.json",
    ),
    Step("workbench report RUN", "workbench report after --open && cat opened", "after/index.html\n"),
    Step(
        "workbench report RUN",
        "workbench report after --format csv,parquet,perfetto,md --figures --sliders",
        "after/tables/turns.parquet",
    ),
    Step("workbench score RUN", "workbench score after", "voice_to_voice_ms_p50"),
    Step("workbench score RUN", "workbench score after --budget limits.toml", "endpoint_delay_ms_p50", 1),
    Step(
        "workbench sweep SESSION... KNOB", "workbench sweep spoken tts_chunk_chars --stack scripted --values 60,120", ""
    ),
    Step("workbench placements SESSION...", "workbench placements spoken --stack scripted", "shared"),
    Step("workbench compare A B [C...]", "workbench compare before after --no-page", "1 turn went alike"),
    Step(
        "workbench compare A B [C...]",
        "workbench compare configs/mine/moshi.json configs/baseline.toml --on spoken --stack scripted --json",
        '"spoken"',
    ),
    Step("workbench compare A B [C...]", "workbench compare spoken clip --stack scripted --no-page", "clip"),
    Step("workbench compare A B [C...]", "workbench compare talk", "talk"),
    Step(
        "workbench tune SESSION... --name N",
        "workbench tune spoken --name second --stack scripted --trials 2 --space space.toml --no-page",
        "second: ",
        1,
        "configs/second/checklist.md",
    ),
    Step("workbench studies", "workbench studies", "second"),
    Step("workbench cache", "workbench cache", "entries"),
    Step(
        'eval "$(_WORKBENCH_COMPLETE=zsh_source workbench)"',
        f"zsh -fc {shlex.quote(COMPLETION)}",
        "_workbench_completion is a shell function",
    ),
    *(
        Step("workbench COMMAND --help", f"workbench {name} --help", f"Usage: workbench {name}")
        for name in cli.commands
    ),
)
"""In an order in which they can work."""

APART = {
    "workbench demo": "test_the_demo_prints_what_the_readme_shows",
    ".venv/bin/workbench demo": "test_the_demo_prints_what_the_readme_shows",
    "workbench record --name kitchen --calibrate": "test_a_room_is_calibrated_and_recorded_until_q",
    "workbench dashboard": "test_the_dashboard_serves_the_study",
}
"""Commands that take a terminal, a server or the user's own cache, each with its test in tests/test_wheel.py or
tests/reports/test_demo_pages.py."""


def commands_of(text: str) -> list[str]:
    """Commands that a Markdown text shows, in order, without comments and duplicates.

    These are all lines of shell blocks, ``workbench ...`` in blocks of other kinds, and inline code that begins with
    ``workbench`` or with the name of a command that has an option.
    """
    blocks = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found: list[str] = []
    for language, block in blocks.findall(text):
        for line in block.splitlines():
            bare = re.sub(r"\s+#.*", "", line).strip()
            if language in _SHELL:
                found.append(bare)
            elif match := re.search(r"\bworkbench [a-z-]+(?: \S+)*", line):
                found.append(match.group())
    for code in re.findall(r"`([^`\n]+)`", blocks.sub("", text)):
        words = code.split()
        if (words[0].endswith("workbench") and len(words) > 1) or (words[0] in cli.commands and len(words) > 1):
            found.append(code)
    return [command for command in dict.fromkeys(found) if command]


def not_run(text: str) -> list[str]:
    """Commands and options of a text that no test runs."""
    run = {step.shown for step in STEPS} | set(APART)
    commands = [command for command in commands_of(text) if command not in run and not GATE.match(command)]
    tried = " ".join([*(step.line for step in STEPS), *APART, "pip --export"])
    options = dict.fromkeys(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    return [*commands, *(option for option in options if f"{option} " not in f"{tried} ")]


def is_the_command_shown(step: Step) -> bool:
    """Whether a step's line has all the fixed words of README's command, in their order."""
    words: Iterable[str] = iter(step.line.split())
    fixed = [word for word in step.shown.split() if word.islower() and not word.startswith("[")]
    return all(word in words for word in fixed)
