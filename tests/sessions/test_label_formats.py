"""Labels survive every format they can be written to, and nobody's labels are lost."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.sessions.label_files import export_labels, import_labels, read_label_file
from workbench.sessions.label_formats import Choice, format_audacity
from workbench.sessions.labels import KINDS, Label, format_labels, one_line, read_labels, validate
from workbench.sessions.session import open_session

from ..command_line import snapshot, workbench
from ..conftest import MakeSession

ROOT = Path(__file__).parents[2]
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no reason to fail."""

HELLO = (1.0, 2.0, "speech", 1, "hello")


@st.composite
def label_lists(draw: st.DrawFn) -> tuple[Label, ...]:
    """Any labels that hold together: turns in order with holds, other kinds wherever they like, any words."""
    words = st.text(max_size=20)
    labels, at, turn = [], 0, 0
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.integers(0, 10**6))
        length = draw(st.integers(1, 10**6))
        turn += 1 if not turn else draw(st.integers(0, 1))
        labels.append(Label(at, at + length, "speech", turn, draw(words)))
        at += length
    for kind in draw(st.lists(st.sampled_from([kind for kind in KINDS if kind != "speech"]), max_size=5)):
        start = draw(st.integers(0, 10**9))
        labels.append(Label(start, start + draw(st.integers(kind != "note", 10**6)), kind, None, draw(words)))
    flat = [Label(a.start, a.end, a.kind, a.turn, one_line(a.text)) for a in labels]
    return validate(draw(st.permutations(flat)), None, "labels")


@calm
@given(label_lists())
def test_csv_round_trip(tmp_path_factory: pytest.TempPathFactory, labels: tuple[Label, ...]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.csv"
    path.write_text(format_labels(labels), encoding="utf-8", newline="")
    assert read_labels(path) == labels


@calm
@given(label_lists())
def test_audacity_round_trip(tmp_path_factory: pytest.TempPathFactory, labels: tuple[Label, ...]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.txt"
    path.write_text(format_audacity(labels), encoding="utf-8", newline="")
    assert read_label_file(path, None).labels == labels


@calm
@given(st.text())
def test_a_text_with_line_breaks_stays_one_label(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    expected = (Label(0, 9, "note", None, one_line(text)),)
    for suffix, form in ((".csv", format_labels), (".txt", format_audacity)):
        path = tmp_path_factory.getbasetemp() / f"text{suffix}"
        path.write_text(form([Label(0, 9, "note", None, text)]), encoding="utf-8", newline="")
        assert read_label_file(path, None).labels == expected


def test_what_audacity_itself_writes(tmp_path: Path) -> None:
    """Plain words are speech; frequency ranges and empty lines are passed over; Windows line ends are fine."""
    text = "0.500000\t1.250000\twhat time is it\r\n\\\t100.0\t200.0\r\n\r\n3.000000\t3.000000\tnote: look here\r\n"
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert read_label_file(tmp_path / "a.txt", None).labels == (
        Label(12_000, 30_000, "speech", 1, "what time is it"),
        Label(72_000, 72_000, "note", None, "look here"),
    )


def test_speakers_become_user_and_background(tmp_path: Path) -> None:
    rttm = (
        ";; made by hand\nSPEAKER f 1 0.50 0.75 <NA> <NA> anna <NA> <NA>\nSPEAKER f 1 2.0 1.0 <NA> <NA> tv <NA> <NA>\n"
    )
    (tmp_path / "a.rttm").write_text(rttm, encoding="utf-8")
    first = (Label(12_000, 30_000, "speech", 1), Label(48_000, 72_000, "background"))
    assert read_label_file(tmp_path / "a.rttm", None).labels == first
    other = (Label(12_000, 30_000, "background"), Label(48_000, 72_000, "speech", 1))
    assert read_label_file(tmp_path / "a.rttm", None, Choice("tv")).labels == other
    stm = ";; x\nf 1 anna 0.50 1.25 <o,f0,male> what time is it\nf 1 anna 2 3 IGNORE_TIME_SEGMENT_IN_SCORING\n"
    (tmp_path / "a.stm").write_text(stm, encoding="utf-8")
    assert read_label_file(tmp_path / "a.stm", None).labels == (Label(12_000, 30_000, "speech", 1, "what time is it"),)


def test_out_to_an_editor_and_back(make_session: MakeSession, tmp_path: Path) -> None:
    session, labels = make_session([HELLO, (2.5, 3.0, "speech", 1, "you"), (4.0, 4.3, "noise", None, "cough")], 6)
    for name in ("x.txt", "x.csv"):
        assert export_labels(session, tmp_path / name) == 3
        assert import_labels(session, tmp_path / name, "human", replace=True).labels == labels
    assert open_session(session.folder).labels_source == "human"


def test_labels_by_hand_are_not_overwritten_unasked(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session([HELLO], 6)
    (tmp_path / "x.txt").write_text("1\t2\tother\n", encoding="utf-8")
    before = snapshot(session.folder)
    for arguments in (["--import", "x.txt"], ["--auto"]):
        done = workbench(["label", str(session.folder), *arguments], tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "holds constructed labels already; --replace overwrites them" in done.stderr
    assert snapshot(session.folder) == before
    done = workbench(["label", str(session.folder), "--import", "x.txt", "--replace"], tmp_path)
    assert done.stdout == f"{session.folder}: 1 turn (1 speech), source human\n"
    assert read_labels(session.labels_path)[0].text == "other"


def test_marks_set_while_recording_stay(make_session: MakeSession, tmp_path: Path) -> None:
    mark = (0.5, 0.5, "note", None, "here")
    session, (note,) = make_session([mark], 6)
    (tmp_path / "x.txt").write_text("1\t2\tother\n", encoding="utf-8")
    other = Label(24_000, 48_000, "speech", 1, "other")
    for _ in range(2):
        assert import_labels(session, tmp_path / "x.txt", "auto").labels == (note, other)
        session = open_session(session.folder)
    (tmp_path / "x.txt").write_text(format_audacity(read_labels(session.labels_path)), encoding="utf-8")
    assert import_labels(session, tmp_path / "x.txt", "human").labels == (note, other)


def test_marks_alone_are_no_labels(make_session: MakeSession, tmp_path: Path) -> None:
    """Whoever presses m while recording has not said where the turns are."""
    session, _ = make_session([(0.5, 0.5, "note", None, "")], 3)
    folder = str(session.folder)
    (row,) = json.loads(workbench(["sessions", folder, "--json"], tmp_path).stdout)["sessions"]
    assert (row["labels"], row["turns"]) == (None, 0)
    replayed = json.loads(workbench(["replay", folder, "--set", "barge_in=true", "--json"], tmp_path).stdout)
    assert replayed["scores"]["sessions_unlabelled_n"] == 1
    assert replayed["scores"]["false_bargein_per_agent_hour"] is None
    configs = [f"--{kind}={ROOT}/configs/{name}.toml" for kind, name in (("space", "quick"), ("budget", "budget"))]
    done = workbench(["tune", folder, "--name", "x", *configs, "--config", f"{ROOT}/configs/baseline.toml"], tmp_path)
    assert (
        done.stderr
        == f"error: {folder}: has no labels to tune against; 'workbench label {folder} --auto' drafts them\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --import, --export and --auto"),
        (["--auto", "--export", "x.txt"], "give one of --import, --export and --auto"),
        (["--export", "x.rttm"], "x.rttm: labels can be written to files ending in .csv, .txt"),
        (["--export", "there.txt"], "there.txt: exists already; --replace overwrites it"),
        (["--export", "no/where.txt"], "no/where.txt: cannot be written (No such file or directory)"),
        (["--import", "gone.txt", "--replace"], "gone.txt: no such file"),
        (["--import", "late.txt", "--replace"], "late.txt: line 1: ends at 7 s, after the session (6 s)"),
        (["--import", "there.txt", "--replace", "--source", "mine"], "Invalid value for '--source'"),
    ],
)
def test_bad_label_commands(make_session: MakeSession, tmp_path: Path, arguments: list[str], message: str) -> None:
    session, _ = make_session([HELLO], 6)
    (tmp_path / "there.txt").write_text("1\t2\thi\n", encoding="utf-8")
    (tmp_path / "late.txt").write_text("1\t7\thi\n", encoding="utf-8")
    before = snapshot(tmp_path)
    done = workbench(["label", str(session.folder), *arguments], tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr
    assert snapshot(tmp_path) == before


def test_no_labels_to_export(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session([HELLO], 6)
    session.labels_path.unlink()
    done = workbench(["label", str(session.folder), "--export", "x.txt"], tmp_path)
    assert done.returncode == 2
    assert "has no labels yet" in done.stderr
