"""Session folders with something odd in them: said in one line, waited for never, and the others are still listed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import WorkbenchError, printable
from workbench.sessions.labels import read_labels
from workbench.sessions.session import Session, open_session

from ..command_line import workbench
from ..conftest import MakeSession

HELLO = (1.0, 2.0, "speech", 1, "hello")


@pytest.fixture
def session(make_session: MakeSession) -> Session:
    return make_session([HELLO], 3)[0]


def change(session: Session, edit: Callable[[dict[str, Any]], object]) -> None:
    path = session.folder / "session.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("name", ["session.json", "mic.flac", "labels.csv"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is a pipe, socket or device, must be a file"),
        (lambda path: path.mkdir(), "is a folder, must be a file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a pipe, socket or device, must be a file"),
        (lambda path: path.symlink_to("gone"), "is a link to nothing"),
    ],
)
def test_what_is_no_file_is_not_read(session: Session, name: str, make: Callable[[Path], None], said: str) -> None:
    path = session.folder / name
    path.unlink()
    make(path)
    if name == "mic.flac" and path.is_symlink():
        said = "leaves the session folder"
    with pytest.raises(WorkbenchError, match=said):
        read_labels(path) if name == "labels.csv" else open_session(session.folder)


@pytest.mark.parametrize("name", ["session.json", "labels.csv"])
def test_a_file_that_is_far_too_large_is_not_read(session: Session, name: str) -> None:
    with (session.folder / name).open("r+b") as file:
        file.truncate(10**10)  # a hole: it takes no room
    with pytest.raises(WorkbenchError, match="10000 MB are too much"):
        read_labels(session.labels_path) if name == "labels.csv" else open_session(session.folder)


@pytest.mark.parametrize("file", ["link.flac", "audio/mic.flac", "audio/deep/mic.flac", "/etc/passwd", "../x/mic.flac"])
def test_a_track_behind_a_link_is_refused(session: Session, tmp_path: Path, file: str) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    for folder in (outside, outside / "deep"):
        shutil.copy(session.folder / "mic.flac", folder / "mic.flac")
    (session.folder / "audio").symlink_to(outside)
    (session.folder / "link.flac").symlink_to(outside / "mic.flac")
    change(session, lambda data: data["tracks"]["mic"].update(file=file))
    with pytest.raises(WorkbenchError, match="leaves the session folder"):
        open_session(session.folder)


def test_a_track_in_a_folder_of_the_session_is_fine(session: Session, tmp_path: Path) -> None:
    (session.folder / "audio").mkdir()
    shutil.move(session.folder / "mic.flac", session.folder / "audio" / "mic.flac")
    change(session, lambda data: data["tracks"]["mic"].update(file="audio/mic.flac"))
    (tmp_path / "linked").symlink_to(session.folder)  # the user's own link to the session is the user's business
    assert open_session(tmp_path / "linked").verify() == []


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda data: data.update(samples=True), "samples is True"),
        (lambda data: data.update(samples=10**30), "samples is 1000000000"),
        (lambda data: data.update(device=[]), r"device is \[\], must be an object"),
        (lambda data: data.update(provenance="me"), "provenance is 'me', must be an object"),
        (lambda data: data.update(labels={}), r"labels is \{\}, must be 'human', 'constructed' or 'auto'"),
        (lambda data: data["tracks"]["mic"].update(file=3), "tracks.mic.file is 3, must be text"),
        (lambda data: data["tracks"]["mic"].update(file="a\0b"), r"file is 'a\\x00b', must be a path"),
        (lambda data: data["tracks"]["mic"].update(file=""), "file is '', must be a path"),
        (lambda data: data["tracks"]["mic"].update(samples="9" * 5000), "tracks.mic.samples is '999"),
        (lambda data: data.update(name="\x1b[2J"), r"name '\\x1b\[2J' must be"),
        (lambda data: data.update({"\u202e\x9b": 1}), r"unknown key '\\u202e\\x9b'"),
        (lambda data: data["tracks"].update({"x" * 5000: 1}), "tracks.xxxxxxx"),
        (lambda data: data["tracks"].update(other={"file": "a"}), "tracks.other.samples is missing"),
        (lambda data: data.update(name="\ud800"), "half of a character"),
        (lambda data: data.update(echo={"taps": [["9" * 99] * 9]}), "echo tap"),
    ],
)
def test_odd_values_are_one_short_printable_line(session: Session, edit: Callable[[Any], object], said: str) -> None:
    change(session, edit)
    with pytest.raises(WorkbenchError, match=said) as caught:
        open_session(session.folder)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_no_control_characters_of_names_reach_the_terminal(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session([HELLO], 3)
    names = ["a\x1b[31mred", "b\x9bc", "c\u202etxt", "[bold red]d", "e\nf"]
    for name in names:
        shutil.copytree(session.folder, tmp_path / "many" / name)
    (tmp_path / "many" / "g\x1b[2J").mkdir()
    (tmp_path / "many" / "g\x1b[2J" / "session.json").write_text("{")
    done = workbench(["sessions", "many"], tmp_path)
    assert done.returncode == 2
    for name in names:
        assert printable(name) in done.stdout
    assert r"many/g\x1b[2J/session.json: not valid JSON" in done.stderr
    shown = (done.stdout + done.stderr).replace("\n", "")
    assert shown == printable(shown)


@pytest.mark.parametrize("arguments", [[], ["--verify"], ["--json"], ["--verify", "--json"]])
def test_a_list_goes_on_where_one_is_broken(make_session: MakeSession, tmp_path: Path, arguments: list[str]) -> None:
    session, _ = make_session([HELLO], 3)
    for name in ("a", "b", "c", "d", "e", "f"):
        shutil.copytree(session.folder, tmp_path / "many" / name)
    many = tmp_path / "many"
    (many / "a" / "session.json").write_text("[" * 100_000)
    (many / "c" / "labels.csv").unlink()
    (many / "c" / "labels.csv").symlink_to("gone")
    (many / "d" / "session.json").unlink()
    (many / "d" / "session.json").symlink_to("gone")
    (many / "e" / "mic.flac").unlink()
    (many / "g").symlink_to("gone")
    done = workbench(["sessions", "many", "nowhere", *arguments], tmp_path)
    assert done.returncode == 2
    errors = done.stderr.splitlines()
    for part in ("a/session.json: nested", "c/labels.csv: is a link to nothing", "many/d", "e/mic.flac", "many/g"):
        assert sum(part in line for line in errors) == 1, errors
    assert any("nowhere: no such session" in line for line in errors)
    listed = (
        [row["name"] for row in json.loads(done.stdout)["sessions"]]
        if "--json" in arguments
        else [line.split()[0] for line in done.stdout.splitlines()[1:] if "mic" in line]
    )
    assert listed == ["b", "f"]
