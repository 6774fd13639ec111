"""Label files of other programs: what is taken of them, what is refused, and what is said."""

from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.sessions.label_files import FoundLabels, read_label_file
from workbench.sessions.label_formats import Choice
from workbench.sessions.labels import Label, words_of

from ..command_line import workbench
from ..conftest import MakeSession

RATE = 24_000
HEAD = "start,end,kind,turn,text\n"


def read(folder: Path, name: str, text: str, samples: int | None = None, choice: Choice | None = None) -> FoundLabels:
    (folder / name).write_text(text, encoding="utf-8")
    return read_label_file(folder / name, samples, choice or Choice())


@pytest.mark.parametrize(
    "gap",
    [
        "f 1 inter_segment_gap 0 1 <o,,unknown> ignore_time_segment_in_scoring",
        "f 1 Inter_Segment_Gap 0 1",
        "f 1 excluded_region 0 1 <NA> IGNORE_TIME_SEGMENT_IN_SCORING",
        "f 1 anna 0 1 Ignore_Time_Segment_in_Scoring",
    ],
)
def test_gap_lines_of_stm_are_no_speech(tmp_path: Path, gap: str) -> None:
    found = read(tmp_path, "a.stm", f"{gap}\nf 1 anna 1 2 <o,f0,female> hello there\n")
    assert found.labels == (Label(RATE, 2 * RATE, "speech", 1, "hello there"),)
    assert found.notes == (f"{tmp_path}/a.stm: 'anna' is the user; recording 'f', channel '1'",)


SEVERAL = {
    ".rttm": "SPEAKER {file} {channel} {start} 1 <NA> <NA> {name} <NA> <NA>",
    ".stm": "{file} {channel} {name} {start} {end} words",
}


def lines(suffix: str, *rows: tuple[str, str, int, str]) -> str:
    return "".join(
        SEVERAL[suffix].format(file=file, channel=channel, start=start, end=start + 1, name=name) + "\n"
        for file, channel, start, name in rows
    )


@pytest.mark.parametrize("suffix", SEVERAL)
def test_of_several_recordings_one_is_chosen(tmp_path: Path, suffix: str) -> None:
    text = lines(suffix, ("x", "1", 0, "anna"), ("y", "1", 5, "bo"), ("y", "2", 6, "bo"), ("y", "2", 8, "tv"))
    with pytest.raises(WorkbenchError, match=r"holds 2 recordings \('x', 'y'\); choose one with --file-id"):
        read(tmp_path, f"a{suffix}", text)
    with pytest.raises(WorkbenchError, match=r"holds 2 channels \('1', '2'\); choose one with --channel"):
        read(tmp_path, f"a{suffix}", text, None, Choice(file_id="y"))
    with pytest.raises(WorkbenchError, match="no recording 'z'; there are 'x', 'y'"):
        read(tmp_path, f"a{suffix}", text, None, Choice(file_id="z"))
    with pytest.raises(WorkbenchError, match="no channel '3'; there are '1', '2'"):
        read(tmp_path, f"a{suffix}", text, None, Choice(file_id="y", channel="3"))
    found = read(tmp_path, f"a{suffix}", text, None, Choice(file_id="y", channel="2"))
    assert [(label.start // RATE, label.kind) for label in found.labels] == [(6, "speech"), (8, "background")]
    assert found.notes == (
        f"{tmp_path}/a{suffix}: 'bo' is the user (the first speaker), 'tv' background; recording 'y', channel '2'",
    )
    assert [label.start for label in read(tmp_path, f"a{suffix}", text, None, Choice(file_id="x")).labels] == [0]


@pytest.mark.parametrize(
    ("written", "kind", "turn", "words"),
    [
        ("Noise: door", "noise", None, "door"),
        ("noise:cough", "noise", None, "cough"),
        ("BACKCHANNEL", "backchannel", None, ""),
        ("Note : here", "note", None, "here"),
        ("Speech#3: Yes", "speech", 3, "Yes"),
        ("Background #", None, None, ""),
        ("turn on the lamp", "speech", 1, "turn on the lamp"),
        ("note that it is ten", "speech", 1, "note that it is ten"),
        ("Hello: world", "speech", 1, "Hello: world"),
    ],
)
def test_kinds_written_by_hand(tmp_path: Path, written: str, kind: str | None, turn: int | None, words: str) -> None:
    if kind is None:
        with pytest.raises(WorkbenchError, match="line 1"):
            read(tmp_path, "a.txt", f"1\t2\t{written}\n")
        return
    assert read(tmp_path, "a.txt", f"1\t2\t{written}\n").labels == (Label(RATE, 2 * RATE, kind, turn, words),)


@pytest.mark.parametrize("written", ["Nosie: door", "back-channel", "Back channel", "noises: a", "noise - door",
                                     "backgroud", "notes", "Noise (door)"])  # fmt: skip
def test_near_misses_of_a_kind_are_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(WorkbenchError, match=r"line 2: .* looks like the kind '\w+'; write"):
        read(tmp_path, "a.txt", f"0\t1\thello\n1\t2\t{written}\n")


@pytest.mark.parametrize("name", ["a.rttm", "a.stm", "a.txt", "a.csv"])
@pytest.mark.parametrize("beyond", [1, 5, 1920])
def test_an_end_up_to_a_frame_late_is_cut(tmp_path: Path, name: str, beyond: int) -> None:
    samples, end = 10 * RATE, (10 * RATE + beyond) / RATE
    text = {
        "a.rttm": f"SPEAKER f 1 8.0 {end - 8:.6f} <NA> <NA> a <NA> <NA>\n",
        "a.stm": f"f 1 a 8 {end:.6f} words\n",
        "a.txt": f"8\t{end:.6f}\twords\n",
        "a.csv": f"{HEAD}8,{end:.6f},speech,,words\n",
    }[name]
    found = read(tmp_path, name, text, samples)
    assert [(label.start, label.end) for label in found.labels] == [(8 * RATE, samples)]
    assert "ends up to one frame after the session and is cut to it" in found.notes[-1]


def test_an_end_further_out_is_refused_with_figures_that_differ(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"line 1: ends at 10.080042 s, after the session \(10 s\)"):
        read(tmp_path, "a.txt", "8\t10.080042\twords\n", 10 * RATE)
    with pytest.raises(WorkbenchError, match=r"line 1: ends at 10.000042 s, after the session \(10 s\)"):
        read(tmp_path, "a.txt", "10\t10.000042\twords\n", 10 * RATE)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.rttm", ";; a\n\nSPKR-INFO f 1 x\nSPEAKER f 1 1 2 x x a x x\nSPEAKER f 1 2 1 x x a x x\n", 5),
        ("a.stm", ";; a\nf 1 a 1 3 x\n\nf 1 a 2 4 y\n", 4),
        ("a.txt", "1\t3\tx\n\\\t100\t200\n\n2\t4\ty\n", 4),
        ("a.txt", "1\t3\tx\r\n\\\t100\t200\r\n2\t4\ty\r\n", 3),
        ("a.txt", "1\t3\tx\x0cy\x85z\u2028\n2\t4\ty\n", 2),
        ("a.csv", f"{HEAD}1,3,speech,,x\n\n2,4,speech,,y\n", 4),
        ("a.csv", HEAD + '1,3,speech,,"x\ny"\n2,4,speech,,y\n', 4),
    ],
)
def test_the_line_of_the_file_is_named(tmp_path: Path, name: str, text: str, line: int) -> None:
    with pytest.raises(WorkbenchError, match=f"line {line}: overlaps the speech interval before it"):
        read(tmp_path, name, text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", f"{HEAD}1,2,speech,,{'x' * 200_000}\n", "a.csv: line 2: not a CSV row"),
        ("a.csv", f"{HEAD}1,2,speech,{'9' * 5000},x\n", "a.csv: line 2: turn"),
        ("a.csv", f"{HEAD}{'9' * 5000},2,speech,1,x\n", "is not a time in seconds"),
        ("a.txt", f"1\t2\tspeech#{'9' * 5000}: x\n", "a.txt: line 1: turn"),
        ("a.csv", f"{HEAD}1,2,\x1b[2Jspeech,1,x\n", r"kind '\x1b[2Jspeech'"),
        ("a.stm", "f 1 a\x1b[31m 1 2 x\n", "no speaker 'b'; there are a [31m"),
    ],
)
def test_odd_content_is_one_short_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        read(tmp_path, name, text, None, Choice("b") if name == "a.stm" else None)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_control_characters_never_become_words(tmp_path: Path) -> None:
    found = read(tmp_path, "a.csv", HEAD + "1,2,speech,1,a\x1b[2Jb \x9bc \u202ed \x00\n")
    assert found.labels[0].text == "a [2Jb c d"


def test_composed_and_decomposed_letters_are_one_word() -> None:
    assert words_of("Cafe\u0301 na\u00efve") == words_of("caf\u00e9 nai\u0308ve")


def test_the_command_prints_who_is_the_user_and_the_kinds(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session([], 20)
    (tmp_path / "a.rttm").write_text(lines(".rttm", ("f", "1", 1, "anna"), ("f", "1", 3, "bo")), encoding="utf-8")
    for arguments in ([], ["--speaker", "bo", "--replace"]):
        done = workbench(["label", str(session.folder), "--import", "a.rttm", *arguments], tmp_path)
        said = "'bo' is the user, 'anna' background" if arguments else "'anna' is the user (the first speaker), 'bo'"
        assert said in done.stdout, done.stderr
        assert f"{session.folder}: 1 turn (1 background, 1 speech), source human" in done.stdout
