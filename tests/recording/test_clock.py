"""Somebody sets the clock while a recording runs: no sample is missing, and none is said to be."""

import shutil
import subprocess
from pathlib import Path

import pytest

from workbench.sessions.folders import PARTIAL

from .conftest import RATE, Sound, noise
from .heard import assert_heard, events

SOURCE = Path(__file__).parent / "clock.c"
PLAYED = noise(120, seed=9)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5, -5])
def test_a_clock_that_is_set_makes_no_hole(sound: Sound, tmp_path: Path, seconds: int) -> None:
    if shutil.which("cc") is None:
        pytest.skip("a clock that can be set is a small library in C, and there is no compiler")
    library = tmp_path / "libclock.so"
    made = subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"the library in C does not build here: {made.stderr}")
    env = sound.env | {
        "LD_PRELOAD": str(library),
        "STEP_FILE": str(tmp_path / "set"),
        "STEP_SECONDS": str(seconds),
    }
    player = sound.play(PLAYED)
    sound.wait_for_sound()
    process = sound.popen("record", "--name", "c", "--device", "room_mic", "--seconds", "12", where=tmp_path, env=env)
    sound.wait_for_tape(process, tmp_path / "recordings" / "c" / PARTIAL / "mic.s24", 3)
    (tmp_path / "set").touch()
    _, err = process.communicate(timeout=60)
    player.terminate()
    player.wait()
    assert process.returncode == 0, err
    folder = tmp_path / "recordings" / "c"
    heard = assert_heard(folder, PLAYED)
    holes = events(folder, "hole")
    assert sum(hole["samples"] for hole in holes) <= heard.lost + RATE / 2, "what is missing was lost by a busy machine"
