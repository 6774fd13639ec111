"""A device that another program has: ALSA itself says that it is busy, through PortAudio, and one line says it on."""

import fcntl
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from .conftest import Sound

SOURCE = Path(__file__).parent / "exclusive.c"


@pytest.fixture
def lone(sound: Sound, tmp_path: Path) -> Sound:
    """The sound server with one device more, ``lone_mic``, which is busy while ``lock`` is locked."""
    if shutil.which("cc") is None:
        pytest.skip("a device that can be busy is a small library in C, and there is no compiler")
    library = tmp_path / "libexclusive.so"
    made = subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, SOURCE, "-l:libasound.so.2"], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"the library in C does not build here: {made.stderr}")
    config = tmp_path / "alsa.conf"
    config.write_text(
        f"{Path(sound.env['ALSA_CONFIG_PATH']).read_text()}"
        f'pcm_type.exclusive {{ lib "{library}" }}\n'
        f'pcm.lone_mic {{ type exclusive device "room_mic" lock "{tmp_path}/lock" }}\n'
    )
    return replace(sound, env=sound.env | {"ALSA_CONFIG_PATH": str(config)})


def test_it_records_while_nobody_else_has_it(lone: Sound, tmp_path: Path) -> None:
    done = lone.run("record", "--device", "lone_mic", "--name", "a", "--seconds", "1", where=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_device_busy_from_the_start_is_named_as_not_listed(lone: Sound, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = lone.run("record", "--device", "lone_mic", "--name", "b", where=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: no audio input device 'lone_mic' ('workbench devices' lists them); "
        "one that another program holds is not seen: close that first"
    )
    assert not (tmp_path / "recordings").exists()


@pytest.mark.slow
def test_a_device_that_becomes_busy_is_said_to_be(lone: Sound, tmp_path: Path) -> None:
    """PortAudio has listed it; then another program takes it."""
    script = (
        "from workbench.recording.devices import find_device, stream_settings\n"
        "from workbench.recording.portaudio import open_input\n"
        "from workbench.errors import WorkbenchError\n"
        "how = stream_settings(find_device('lone_mic', 'input'), 'input')\n"
        "print('listed', flush=True); input()\n"
        "for act in (lambda: open_input(how, print), lambda: stream_settings(how.device, 'input')):\n"
        "    try: act()\n"
        "    except WorkbenchError as error: print(error)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=lone.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "listed\n"
    with (tmp_path / "lock").open("r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        out, err = process.communicate("\n", timeout=60)
    assert err == ""
    busy = "busy or gone; close the program that uses it, or choose another with --device"
    assert out.splitlines() == [
        f"input device 'lone_mic': {busy}",
        f"input device 'lone_mic' cannot be opened: {busy} ('workbench devices' lists others)",
    ]
