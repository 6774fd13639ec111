"""Commands that errors and notes advise, typed as they are printed: they do what they are advised for."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.recording.tape import TapeWriter

from ..command_line import Done, workbench

RATE = 24_000
RECORDINGS = Path(__file__).parents[2] / "recordings"
Prepare = Callable[[Path], Done]


def sound(path: Path) -> Path:
    """Somebody speaks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, soundfile.read(RECORDINGS / "barge-in-short" / "mic.flac")[0], RATE)
    return path


def imported(here: Path, folder: str = "recordings") -> Done:
    sound(here / "talk.wav")
    return workbench(["import", "talk.wav", "--dir", folder], here)


def tape(here: Path, folder: str) -> Done:
    writer = TapeWriter(here / folder / "cut", ("mic",), {"name": "cut"})
    writer.append("mic", np.full(RATE, 1 << 16, dtype=np.int32))
    writer.commit({"mic": 0.0})
    writer.close()
    return workbench(["replay", f"{folder}/cut", "--stack", "scripted"], here)


def unlabelled(here: Path, folder: str) -> Done:
    imported(here, folder)
    (here / "space.toml").write_text('[assistant]\nstt_silence_ms = { type = "frames", low = 160, high = 800 }\n')
    (here / "my.toml").write_text('[stack]\nname = "scripted"\n')
    (here / "budget.toml").write_text("[budget]\n")
    files = ["--config", "my.toml", "--space", "space.toml", "--budget", "budget.toml"]
    return workbench(["tune", f"{folder}/talk", "--name", "s", *files], here)


CASES: dict[str, tuple[Prepare, int]] = {
    "labels of an import": (lambda here: imported(here, "my recordings"), 0),
    "a recording that was cut off": (lambda here: tape(here, "recordings"), 2),
    "a recording that was cut off, elsewhere": (lambda here: tape(here, "my tapes"), 2),
    "a session without labels": (lambda here: unlabelled(here, "recordings"), 2),
    "a session without labels, elsewhere": (lambda here: unlabelled(here, "my recordings"), 2),
    "no such session": (lambda here: (imported(here), workbench(["replay", "nowhere"], here))[1], 2),
    "no such study": (lambda here: workbench(["tune", "--name", "x", "--resume"], here), 2),
    "no model": (lambda here: workbench(["models", "check", "nowhere"], here), 1),
    "no models in a folder": (lambda here: workbench(["models", "list", str(RECORDINGS)], here), 2),
}


def advised(text: str) -> list[list[str]]:
    """Commands in quotes or backticks, without those that stand for a file of the user's."""
    found = re.findall(r"['`](workbench [^'`]*)['`]", text)
    return [shlex.split(command.replace("FILE", "labels.csv"))[1:] for command in found]


@pytest.mark.parametrize("case", CASES)
def test_an_advised_command_works_as_it_is_printed(case: str, tmp_path: Path) -> None:
    prepare, code = CASES[case]
    done = prepare(tmp_path)
    assert done.returncode == code, done.stderr
    (tmp_path / "labels.csv").write_text("start,end,kind,turn,text\n1.000000,2.000000,speech,1,hello\n")
    commands = advised(done.stdout + done.stderr)
    assert commands, done.stdout + done.stderr
    for command in commands:
        again = workbench(command, tmp_path)
        assert again.returncode == 0, f"{command}: {again.stderr}"
