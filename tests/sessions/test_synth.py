"""Constructed sessions: times, levels and labels are what the spec says; a bad spec is refused in one line."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tomli_w

from workbench.sessions.labels import Label, read_labels, turns
from workbench.sessions.noises import LASTING
from workbench.sessions.session import Session, open_session
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import read_spec, shipped_specs

from ..command_line import snapshot, workbench

ROOT = Path(__file__).parents[2]
RATE = 24_000
LISTS = "'workbench synth --list' names the specs that come with it\n"
HEAD = 'format = 1\nclips = "clips.json"\n'

EACH = "[[event]]\nclip = 'one'\nafter_s = {{ each = [{}] }}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips: three bursts with silence between them, with word times, and one burst without."""
    random = np.random.default_rng(1)
    three = np.zeros(3 * RATE)
    for word in range(3):
        three[word * RATE + 2400 : word * RATE + 12_000] = random.normal(0, 0.1, 9600)
    soundfile.write(tmp_path / "three.wav", three, RATE, subtype="PCM_24")
    soundfile.write(tmp_path / "one.wav", random.normal(0, 0.1, RATE), RATE, subtype="PCM_24")
    words = [[name, word + 0.1, word + 0.5] for word, name in enumerate(("one", "two", "three"))]
    entries = [{"file": "three.wav", "words": words, "voice": "noise", "licence": "CC0"}, {"file": "one.wav"}]
    (tmp_path / "clips.json").write_text(json.dumps(entries))
    return tmp_path


def made(folder: Path, text: str, head: str = HEAD) -> tuple[Session, tuple[Label, ...]]:
    """The session of a spec, and its labels."""
    (folder / "made.toml").write_text(head + text)
    [session] = synthesise(read_spec(folder / "made.toml"), folder / "recordings", replace=True)
    assert session.verify() == []
    assert session.labels_source == "constructed"
    return session, read_labels(session.labels_path, session.samples)


def event(**keys: object) -> str:
    return "[[event]]\n" + tomli_w.dumps(keys)


def dbfs(audio: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))))


def test_a_clip_lies_where_the_spec_says(folder: Path) -> None:
    session, labels = made(folder, event(clip="one", after_s=2.5, level_dbfs=-30))
    [label] = labels
    assert (label.start, label.kind, label.turn) == (60_000, "speech", 1)
    assert label.end - label.start == pytest.approx(RATE, abs=240)
    audio = session.read(0, session.samples)
    assert dbfs(audio[label.start : label.end]) == pytest.approx(-30, abs=0.05)
    assert dbfs(audio[: label.start]) == pytest.approx(-60, abs=0.5)
    assert dbfs(audio[label.end :]) == pytest.approx(-60, abs=0.5)
    assert session.samples % 1920 == 0
    assert 0 <= session.samples - label.end - 6 * RATE < 1920


def test_pauses_are_exact_and_words_are_divided(folder: Path) -> None:
    pauses = [{"after_word": 1, "s": 0.5}, {"after_word": 2, "s": 1.25}]
    _, labels = made(folder, event(clip="three", after_s=1, pauses=pauses))
    [turn] = turns(labels)
    assert [end - start for start, end in turn.holds] == [12_000, 30_000]
    assert [part.text for part in turn.parts] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("anchor", "after", "start"),
    [
        ("turn-end", 1, "turn.end + RATE"),
        ("start", 9, "9 * RATE"),
        ("event-start", 0.5, "agent + RATE // 2"),
        ("event-end", -0.5, "agent_end - RATE // 2"),
        ("agent-start", 0.25, "agent + RATE // 4"),
        ("agent-end", 0.25, "agent_end + RATE // 4"),
    ],
)
def test_an_event_counts_from_its_anchor(folder: Path, anchor: str, after: float, start: str) -> None:
    text = event(clip="one", after_s=1) + event(clip="one", kind="agent", after_s=2)
    session, labels = made(folder, text + event(sound="cough", kind="noise", after_s=after, **{"from": anchor}))
    played = np.flatnonzero(session.read(0, session.samples, "agent"))
    known = {"RATE": RATE, "turn": labels[0], "agent": labels[0].end + 2 * RATE, "agent_end": int(played[-1]) + 1}
    assert abs(int(played[0]) - known["agent"]) < 72  # the fade in
    cough = next(label for label in labels if label.kind == "noise")
    assert abs(cough.start - eval(start, known)) < 72


def test_the_agent_is_heard_through_the_echo_path(folder: Path) -> None:
    head = HEAD + "room = { noise_dbfs = -100 }\necho = { taps = [[50, -20]] }\n"
    session, labels = made(folder, event(clip="one", kind="agent", after_s=1), head)
    assert labels == ()
    assert session.echo == {"taps": [[50, -20]]}
    agent, mic = session.read(0, session.samples, "agent"), session.read(0, session.samples)
    np.testing.assert_allclose(mic[1200:], 0.1 * agent[:-1200], atol=1e-4)


def test_clips_may_continue_a_turn(folder: Path) -> None:
    text = event(clip="one", after_s=1) + event(file="one.wav", after_s=1.5, continues=True, text="and more")
    _, labels = made(folder, text)
    [turn] = turns(labels)
    assert [end - start for start, end in turn.holds] == [36_000]
    assert turn.text == "and more"


def test_sessions_of_one_spec_differ_as_their_ranges_say(folder: Path) -> None:
    text = "sessions = 12\nseed = 5\nroom = { noise_dbfs = [-70, -50] }\n"
    text += event(clip=["one", "three"], after_s=[1, 2], level_dbfs=[-40, -20])
    (folder / "many.toml").write_text(HEAD + text)
    sessions = list(synthesise(read_spec(folder / "many.toml"), folder / "recordings"))
    assert [session.name for session in sessions] == [f"many-{number:02}" for number in range(1, 13)]
    labels = [read_labels(session.labels_path)[0] for session in sessions]
    starts = [label.start / RATE for label in labels]
    assert len(set(starts)) == 12
    assert 1 <= min(starts) < 1.3
    assert 1.7 < max(starts) <= 2
    levels = [dbfs(s.read(label.start, label.end)) for s, label in zip(sessions, labels, strict=True)]
    assert -40.1 < min(levels) < -34
    assert -26 < max(levels) < -19.9
    assert {label.text for label in labels} == {"", "one two three"}


def test_the_same_spec_gives_the_same_bytes(folder: Path) -> None:
    text = event(clip="three", after_s=[1, 2]) + event(sound="keyboard", kind="noise", after_s=1, level_dbfs=-40)
    made(folder, text)
    once = snapshot(folder / "recordings")
    made(folder, text)
    assert snapshot(folder / "recordings") == once
    made(folder, "seed = 1\n" + text)
    assert snapshot(folder / "recordings") != once


def test_a_changed_event_leaves_the_draws_of_others_alone(folder: Path) -> None:
    first, second = event(clip="one", after_s=[1, 2]), event(clip="one", after_s=[1, 2])
    _, before = made(folder, first + second)
    _, after = made(folder, event(clip="one", after_s=1.5) + second)
    assert before[0].start != after[0].start
    assert before[1].start - before[0].end == after[1].start - after[0].end


def test_a_lasting_sound_lasts_as_long_as_it_says(folder: Path) -> None:
    _, labels = made(folder, event(sound="wind", kind="noise", lasts_s=3.0, after_s=1, level_dbfs=-30))
    assert labels[0].text == "wind"
    assert labels[0].end - labels[0].start == pytest.approx(3 * RATE, abs=RATE // 10)
    _, labels = made(folder, event(sound="television", kind="background", after_s=1))
    assert labels[0].end - labels[0].start == pytest.approx(4 * RATE, abs=RATE)


def test_a_distance_lowers_the_sound_and_adds_a_tail(folder: Path) -> None:
    head = HEAD + "room = { noise_dbfs = -90, reverb_s = REVERB }\n"
    levels, tails = [], []
    for reverb, metres in ((0.0, 1.0), (0.0, 2.0), (0.5, 2.0)):
        text = event(clip="one", after_s=1, level_dbfs=-30, distance_m=metres)
        session, [label] = made(folder, text, head.replace("REVERB", str(reverb)))
        assert label.start == RATE
        levels.append(dbfs(session.read(label.start, label.end)))
        tails.append(dbfs(session.read(label.end + 1200, label.end + 4800)))
    assert levels[:2] == [pytest.approx(-30, abs=0.1), pytest.approx(-36.02, abs=0.1)]
    # Critical distance of 40 m³ and 0.5 s: 0.51 m, so that at 1 m the room alone has 5.85 dB more.
    assert levels[2] == pytest.approx(-30 + 10 * np.log10(10**0.585 + 10**-0.602), abs=0.5)
    assert tails[0] < -85
    assert tails[2] > -50


def test_sessions_take_listed_values_in_turn(folder: Path) -> None:
    head = HEAD + "echo = { taps = [[50, -10], [80, -16]] }\necho_gain_db = { each = [0, -6] }\n"
    (folder / "many.toml").write_text(head + "sessions = 3\n" + EACH.format("1, 2.5"))
    sessions = list(synthesise(read_spec(folder / "many.toml"), folder / "recordings"))
    assert [read_labels(session.labels_path)[0].start for session in sessions] == [RATE, 5 * RATE // 2, RATE]
    assert [session.echo["taps"] for session in sessions if session.echo] == [
        [[50, -10], [80, -16]],
        [[50, -16], [80, -22]],
        [[50, -10], [80, -16]],
    ]


def test_an_interruption_stops_the_agent(folder: Path) -> None:
    agent = event(clip="three", kind="agent", after_s=1)
    stop = event(clip="one", after_s=0.25, stops_agent_s=1.0, **{"from": "agent-start"})
    session, labels = made(folder, agent + stop + event(sound="door", kind="noise", after_s=0, **{"from": "agent-end"}))
    played = np.flatnonzero(session.read(0, session.samples, "agent"))
    assert int(played[-1]) < labels[0].start + RATE
    assert next(label.start for label in labels if label.kind == "noise") == labels[0].start + RATE


def test_lasting_sounds_are_the_same_every_time() -> None:
    for name, sound in LASTING.items():
        first = sound([7, 1], 2.0)
        assert len(first) == 2 * RATE
        assert np.array_equal(first, sound([7, 1], 2.0)), name
        assert not np.array_equal(first, sound([8, 1], 2.0)), name


def test_provenance_names_spec_and_sources(folder: Path) -> None:
    text = (
        'shows = "how"\nprovenance = { mine = 1 }\n' + event(clip="three", after_s=1) + event(sound="door", after_s=1)
    )
    session, _ = made(folder, text)
    assert session.provenance["made_by"] == "workbench synth"
    assert session.provenance["mine"] == 1
    assert session.provenance["spec"]["file"] == "made.toml"
    assert session.provenance["sources"] == [{"file": "three.wav", "voice": "noise", "licence": "CC0", "sha256": ""}]
    assert session.provenance["generated"] == ["room noise", "door"]


ONE = event(clip="one", after_s=1)
REFUSED = [
    ("", "event is missing"),
    ("format = 2\n" + ONE, "format"),
    ("colour = 1\n" + ONE, "unknown key 'colour'"),
    ('seed = "x"\n' + ONE, "seed is 'x', must be a whole number"),
    ('name = "a/b"\n' + ONE, "name 'a/b'"),
    ("room = { noise_dbfs = 3 }\n" + ONE, "room.noise_dbfs is 3, must be a number from -100 to 0"),
    ("echo = { taps = [[1]] }\n" + ONE, "echo tap"),
    ("tail_s = [3, 1]\n" + ONE, "tail_s is [3, 1], must be a number from 0 to 3600"),
    ("provenance = { when = 2026-01-01 }\n" + ONE, "provenance.when"),
    (event(clip="one"), "event 1: after_s is missing"),
    (event(clip="one", after_s="1"), "event 1: after_s is '1', must be a number from"),
    (event(clip="one", after_s=1, kind="song"), "event 1: kind is 'song', must be 'speech'"),
    (event(clip="one", after_s=1, level=-3), "event 1: unknown key 'level'"),
    (event(clip="one", sound="door", after_s=1), "event 1: must name exactly one of clip, file and sound"),
    (event(after_s=1), "event 1: must name exactly one of"),
    (ONE + event(clip="none", after_s=1), "event 2: no clip 'none' in clips.json"),
    (event(sound="bark", after_s=1), "event 1: sound is 'bark', must be 'cough'"),
    (event(file="absent.wav", after_s=1), "absent.wav: no such file"),
    (event(clip="one", after_s=-1), "event 1: starts at -1.000 s, before the session"),
    (ONE + event(clip="one", after_s=-0.5), "event 2: starts at"),
    (event(clip="one", after_s=1, **{"from": "agent-start"}), "event 1: from is 'agent-start', and no agent event"),
    (event(clip="one", after_s=1, continues=True), "event 1: continues a turn, and no speech"),
    (event(sound="door", kind="noise", after_s=1, continues=True), "event 1: continues is for kind 'speech'"),
    (
        event(clip="one", after_s=1, pauses=[{"after_word": 1, "s": 1}]),
        "event 1: pauses: after_word is 1, one.wav has 0",
    ),
    (event(clip="three", after_s=1, pauses=[{"after_word": 3, "s": 1}]), "after_word is 3, three.wav has 3 words"),
    (
        event(clip="three", after_s=1, pauses=[{"after_word": 0, "s": 1}]),
        "event 1: pauses.0.after_word is 0, must be 1 or more",
    ),
    (event(clip="three", after_s=1, pauses=[{"after_word": 2, "s": 1}, {"after_word": 1, "s": 1}]), "in the order of"),
    (event(sound="door", after_s=1, pauses=[{"after_word": 1, "s": 1}]), "event 1: pauses need a clip"),
    (event(clip="one", after_s=1, text="x"), "event 1: text is for file and sound"),
    (event(clip="one", after_s=1, level_dbfs=0), "mic is over full scale at 1."),
    (event(clip="one", after_s=3600), "at most 3600"),
    (
        EACH.format(""),
        "event 1: after_s is {'each': []}, must list numbers from -3600 to 3600",
    ),
    (event(clip="one", after_s=1, lasts_s=2), "event 1: lasts_s is for the sounds babble, talker, television, wind"),
    (event(sound="wind", kind="noise", after_s=1, lasts_s=0.1), "event 1: lasts_s is 0.1, must be a number from 0.5"),
    (event(clip="one", kind="agent", after_s=1, distance_m=2), "event 1: distance_m is not for the agent"),
    (event(clip="one", kind="agent", after_s=1, stops_agent_s=2), "event 1: stops_agent_s is for what interrupts"),
    ("echo_gain_db = 3\n" + ONE, "echo_gain_db needs the key echo"),
    ("room = { reverb_s = 9 }\n" + ONE, "room.reverb_s is 9, must be a number from 0 to 5"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_a_bad_spec_is_refused_in_one_line(folder: Path, text: str, reason: str) -> None:
    (folder / "bad.toml").write_text(text if text.startswith("format") else HEAD + text)
    done = workbench(["synth", "bad.toml"], folder)
    assert done.returncode == 2
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr)
    assert reason in done.stderr
    assert "bad.toml" in done.stderr or "absent.wav" in done.stderr
    assert not (folder / "recordings").exists()


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "must hold a list of clips"),
        ([{"voice": "a"}], "clip 1: file is missing"),
        ([{"file": "one.wav", "words": [["a", "0", 1]]}], "clip 1: words.0.1 is '0', must be a number"),
        ([{"file": "one.wav", "sha256": "ab"}], "one.wav: checksum differs"),
        ([{"file": "one.wav", "span": [5, 6]}], "one.wav: nothing can be heard"),
        ([{"file": "one.wav", "floor": -3}], "clip 1: unknown key 'floor'"),
    ],
)
def test_a_bad_clips_file_is_refused(folder: Path, entries: object, reason: str) -> None:
    (folder / "clips.json").write_text(json.dumps(entries))
    (folder / "good.toml").write_text(HEAD + ONE)
    done = workbench(["synth", "good.toml"], folder)
    assert done.returncode == 2
    assert reason in done.stderr


def test_a_session_of_another_origin_is_never_replaced(folder: Path) -> None:
    (folder / "mine.toml").write_text(HEAD + ONE)
    assert workbench(["import", "one.wav", "--name", "mine"], folder).returncode == 0
    before = snapshot(folder / "recordings")
    for arguments in (["synth", "mine.toml"], ["synth", "mine.toml", "--replace"]):
        done = workbench(arguments, folder)
        assert done.returncode == 2
        assert "recordings/mine: " in done.stderr
    assert snapshot(folder / "recordings") == before


def test_a_constructed_session_is_replaced_when_asked(folder: Path) -> None:
    (folder / "mine.toml").write_text(HEAD + ONE)
    assert workbench(["synth", "mine.toml"], folder).stdout.startswith("recordings/mine: ")
    assert "name is taken" in workbench(["synth", "mine.toml"], folder).stderr
    (folder / "mine.toml").write_text(HEAD + event(clip="one", after_s=3))
    assert workbench(["synth", "mine.toml", "--replace"], folder).returncode == 0
    assert read_labels(folder / "recordings" / "mine" / "labels.csv")[0].start == 3 * RATE
    assert sorted(path.name for path in (folder / "recordings").iterdir()) == ["mine"]


def test_two_specs_may_not_make_one_session(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.toml").write_text('name = "same"\n' + HEAD + ONE)
    done = workbench(["synth", "a.toml", "b.toml", "--replace"], folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: b.toml: session 'same' is also made by a.toml; rename one\n"
    assert not (folder / "recordings").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "users").glob("*.toml")), ids=lambda path: path.stem)
def test_a_constructed_user_has_eight_sessions(path: Path, tmp_path: Path) -> None:
    """The first of them is built: the others differ in what they draw."""
    spec = read_spec(path)
    assert spec.head.sessions == 8
    first = replace(spec, head=spec.head.model_copy(update={"sessions": 1}))
    [session] = synthesise(first, tmp_path)
    assert session.provenance["spec"]["file"] == path.name
    assert len(turns(read_labels(session.labels_path))) >= 2


@pytest.mark.parametrize("path", shipped_specs().values(), ids=list(shipped_specs()))
def test_a_shipped_spec_makes_its_first_session(path: Path, tmp_path: Path) -> None:
    spec = read_spec(path)
    first = replace(spec, head=spec.head.model_copy(update={"sessions": 1}))
    [session] = synthesise(first, tmp_path)
    assert sorted(session.tracks) == ["agent", "mic"]
    row = f"| `{path.stem}` | {spec.head.sessions} | {spec.head.shows} |"
    assert row in (ROOT / "docs" / "synth.md").read_text("utf-8")


def test_a_shipped_spec_is_made_by_its_name(tmp_path: Path) -> None:
    listed = workbench(["synth", "--list", "--json"], tmp_path)
    assert [row["spec"] for row in json.loads(listed.stdout)] == sorted(shipped_specs())
    assert "10 sessions  an interruption" in workbench(["synth", "--list"], tmp_path).stdout
    done = workbench(["synth", "short-answers"], tmp_path)
    assert done.stdout.startswith("recordings/short-answers-1: ")
    done = workbench(["synth", "no-such"], tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: no-such: no such file; " + LISTS)
    assert workbench(["synth"], tmp_path).returncode == 2


def test_the_example_of_the_document_works(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "synth.md").read_text("utf-8")
    [spec] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    [shown] = re.findall(r"```\n(recordings/.*?)```", text, re.DOTALL)
    (tmp_path / "kitchen.toml").write_text(spec)
    shutil.copytree(ROOT / "demo_sessions" / "sources", tmp_path / "demo_sessions" / "sources")
    done = workbench(["synth", "kitchen.toml"], tmp_path)
    assert (done.stderr, done.stdout) == ("", shown)
    session = open_session(tmp_path / "recordings" / "kitchen")
    assert sorted(session.tracks) == ["agent", "mic"]
    [clips] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    (tmp_path / "demo_sessions" / "sources" / "sources.json").write_text(clips)
    (tmp_path / "time.toml").write_text(
        'format = 1\nclips = "demo_sessions/sources/sources.json"\n' + event(clip="what-time-is-it", after_s=1)
    )
    assert workbench(["synth", "time.toml"], tmp_path).returncode == 0
