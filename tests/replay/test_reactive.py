"""People who react: turns move with the replayed answers, by whole frames of the recording, and scores follow."""

import json
from pathlib import Path

import numpy as np
import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.metrics import SessionScores, evaluate, summarise
from workbench.metrics.moved import UNPLACED, labels_as_replayed
from workbench.replay.engine import ReplayResult, cost_source, replay
from workbench.sessions.labels import Label, read_labels
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.stacks import make_stack
from workbench.trace import BargeIn, Moved, Play, Trace
from workbench.trace_file import trace_digest
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

from ..command_line import workbench
from ..conftest import MakeSession

S = SAMPLE_RATE
DEMO = Path(__file__).parents[2] / "recordings"
LISTENERS = ("workbench", "mlx-harmony")
TALK = [
    (2.0, 3.6, "speech", 1, "what can you tell me"),
    (8.0, 8.4, "noise", None, "cough"),
    (16.0, 17.2, "speech", 2, "what is the time"),
    (30.0, 31.0, "speech", 3, "thank you"),
]
AGENT = [(5.0, 13.5), (19.0, 27.0)]

Made = tuple[Session, tuple[Label, ...]]


def with_agent(made: Made, spans: list[tuple[float, float]], echo: list[list[float]] | None, says_so: bool) -> Made:
    """The session with an agent track of noise, heard by the microphone through ``echo``."""
    session, _ = made
    random = np.random.default_rng(9)
    agent = np.zeros(session.samples, dtype=np.float32)
    for start, end in spans:
        agent[round(start * S) : round(end * S)] = random.normal(0, 0.1, round(end * S) - round(start * S))
    mic = session.read(0, session.samples)
    for delay, gain in echo or []:
        late = round(delay * S / 1000)
        mic[late:] += np.float32(10 ** (gain / 20)) * agent[: len(agent) - late]
    write_track(session.folder / "mic.flac", iter([mic]))
    write_track(session.folder / "agent.flac", iter([agent]))
    tracks = {"mic": "mic.flac", "agent": "agent.flac"}
    facts = {"taps": echo} if echo and says_so else None
    write_manifest(session.folder, tracks=tracks, labels_source="constructed", echo=facts)
    return open_session(session.folder), read_labels(session.labels_path)


def run(made: Made, changes: dict[str, object] | None = None, store: Store | None = None) -> ReplayResult:
    session, labels = made
    given = {"stack.name": "scripted", "timing": "reactive", "step_costs.source": "fixed"} | (changes or {})
    knobs, stack = knobs_of(override(Config(), given)), make_stack(override(Config(), given))
    costs = cost_source(knobs, stack.profile, session.name)
    return replay(session, stack.stages(labels), knobs, costs, store or Store(None))


def moves(trace: Trace) -> list[Moved]:
    return sorted((event for event in trace.events if isinstance(event, Moved)), key=lambda event: event.start)


def score(made: Made, trace: Trace) -> SessionScores:
    return evaluate(trace, labels_as_replayed(trace, made[1]))


def overlaps(scores: SessionScores, trace: Trace) -> set[int]:
    """Turns that begin while the agent plays."""
    plays = [(event.t, event.t + event.samples) for event in trace.events if isinstance(event, Play)]
    return {row.turn for row in scores.turns if any(start <= row.start < end for start, end in plays)}


@pytest.fixture
def talk(make_session: MakeSession) -> Made:
    return with_agent(make_session(TALK, 40), AGENT, None, False)


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("barge_in", [False, True])
def test_turns_keep_their_distance_to_the_answer(talk: Made, listener: str, barge_in: bool) -> None:
    trace = run(talk, {"listener": listener, "barge_in": barge_in}).trace
    found, scores = moves(trace), score(talk, trace)
    assert all(event.by % FRAME_SAMPLES == 0 for event in found)
    plays = [event for event in trace.events if isinstance(event, Play)]
    for turn, number, end in ((2, 0, 13.5), (3, 1, 27.0)):
        [event] = [event for event in found if event.start == round(TALK[turn][0] * S)]
        assert (event.how, event.reply) == ("answer", number)
        last = max(play.t + play.samples for play in plays if play.reply == number)
        distance = event.start + event.by - last
        # Silence at the end of the answer's audio is played and not heard: two frames of it here.
        assert abs(distance + 2 * FRAME_SAMPLES - (event.start - round(end * S))) <= 2 * FRAME_SAMPLES
    assert not any(row.counterfactual for row in scores.turns)
    assert summarise([scores], bootstrap=False).scores["waterfall_residual_samples_max"] == 0


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("name", ["questions", "backchannel", "cough-and-door", "reader"])
def test_more_silence_moves_later_turns_by_its_frames(listener: str, name: str) -> None:
    session = open_session(DEMO / name)
    made = session, read_labels(session.labels_path)
    short, long = (run(made, {"listener": listener, "stt_silence_ms": ms}).trace for ms in (1200, 2400))
    before, after = moves(short), moves(long)
    answered, added = 0, []
    for old, new in zip(before, after, strict=True):
        if old.how == "assumed":
            added.append((new.by - old.by) // FRAME_SAMPLES - 15 * (old.reply + 1))
            answered = max(answered, old.reply + 1)
    assert answered, "somebody waited for an answer"
    assert added == [0] * len(added)
    assert overlaps(score(made, long), long) == overlaps(score(made, short), short)


@pytest.mark.parametrize("silence", [400, 700, 1400, 2800])
@pytest.mark.parametrize("listener", LISTENERS)
def test_nobody_talks_over_an_answer_that_he_waited_for(talk: Made, listener: str, silence: int) -> None:
    trace = run(talk, {"listener": listener, "stt_silence_ms": silence}).trace
    assert overlaps(score(talk, trace), trace) == set()


def test_the_demo_is_counterfactual_in_a_tenth_of_its_turns_at_most() -> None:
    for listener in LISTENERS:
        rows = []
        for folder in sorted(path.parent for path in DEMO.glob("*/session.json")):
            session = open_session(folder)
            if session.provenance.get("collection") != "workbench demo":
                continue
            made = session, read_labels(session.labels_path)
            rows += score(made, run(made, {"listener": listener}).trace).turns
        assert len(rows) == 38
        assert sum(row.counterfactual for row in rows) <= 3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"barge_in": True},
        {"barge_in": True, "placement": "shared"},
        {"listener": "mlx-harmony", "barge_in": True},
        {"listener": "mlx-harmony", "stt_silence": False, "stt_vad": True},
        {"tts_stream": True, "placement": "split"},
        {"echo.path": "config", "echo.echo_gain_db": -10.0, "barge_in": True},
        {"echo.path": "config", "echo.echo_gain_db": -10.0, "barge_in": True, "listener": "mlx-harmony"},
    ],
    ids=lambda changes: ",".join(changes) or "defaults",
)
def test_the_digest_is_stable(talk: Made, changes: dict[str, object]) -> None:
    store = Store(None)
    first = run(talk, changes, store)
    assert trace_digest(run(talk, changes, store).trace) == trace_digest(first.trace)
    assert trace_digest(run(talk, changes, Store(None)).trace) == trace_digest(first.trace)
    residual = summarise([score(talk, first.trace)], bootstrap=False).scores["waterfall_residual_samples_max"]
    assert residual in (0, None)


def test_frames_are_the_recordings_and_gaps_its_quiet(talk: Made) -> None:
    result = run(talk, {"stt_silence_ms": 2800})
    assert result.mic is not None
    laid = np.concatenate(list(result.mic()))
    assert len(laid) == result.trace.header.samples > talk[0].samples
    recorded = talk[0].read(0, talk[0].samples)
    for event in moves(result.trace):
        np.testing.assert_array_equal(laid[event.start + event.by :][: event.end - event.start],
                                      recorded[event.start : event.end])  # fmt: skip
    known = {frame.tobytes() for frame in recorded.reshape(-1, FRAME_SAMPLES)}
    assert all(frame.tobytes() in known for frame in laid.reshape(-1, FRAME_SAMPLES))
    speech = [(event.start + event.by, event.end + event.by) for event in moves(result.trace)]
    quiet = np.ones(len(laid), dtype=bool)
    for start, end in speech:
        quiet[start:end] = False
    assert float(np.sqrt(np.mean(laid[quiet] ** 2))) == pytest.approx(0.001, rel=0.1)


def test_a_session_in_which_nobody_answers_is_as_recorded(make_session: MakeSession) -> None:
    made = make_session([(3.0, 3.1, "noise", None, "click")], 10)
    result = run(made)
    assert result.mic is not None
    np.testing.assert_array_equal(np.concatenate(list(result.mic())), made[0].read(0, 10 * S))
    assert [(event.by, event.how) for event in moves(result.trace)] == [(0, "kept")]


def test_an_interruption_comes_as_late_in_the_answer_as_recorded(make_session: MakeSession) -> None:
    spoken = [TALK[0], (7.0, 8.5, "speech", 2, "wait stop that please")]
    made = with_agent(make_session(spoken, 20), [(5.0, 7.6)], None, False)
    for silence in (700, 1400):
        trace = run(made, {"stt_silence_ms": silence, "barge_in": True}).trace
        [stop] = [event for event in trace.events if isinstance(event, BargeIn)]
        begun = min(event.t for event in trace.events if isinstance(event, Play))
        # A silent frame of the answer comes first; whole frames are within half of one.
        assert abs(stop.onset - begun - FRAME_SAMPLES - 2 * S) <= 2 * FRAME_SAMPLES
        assert [event.how for event in moves(trace)] == ["kept", "answer"]


def test_the_recorded_agent_is_removed_where_its_path_is_known(make_session: MakeSession) -> None:
    path = [[40.0, -12.0], [90.0, -20.0]]
    made = with_agent(make_session(TALK, 40), AGENT, path, True)
    result = run(made, {"echo.path": "off"})
    assert result.mic is not None
    laid = np.concatenate(list(result.mic())).reshape(-1, FRAME_SAMPLES)
    loud = np.sqrt(np.mean(laid**2, axis=1)) > 0.002
    spoken = np.zeros(len(laid), dtype=bool)
    for event in moves(result.trace):
        spoken[(event.start + event.by) // FRAME_SAMPLES : -(-(event.end + event.by) // FRAME_SAMPLES)] = True
    assert not np.any(loud & ~spoken), "nothing of the recorded agent is left"
    assert np.any(loud)


def test_an_agent_that_cannot_be_removed_is_refused(make_session: MakeSession) -> None:
    path = [[40.0, -12.0]]
    made = with_agent(make_session(TALK, 40), AGENT, path, False)
    with pytest.raises(WorkbenchError, match=r"made: timing is 'reactive', and the microphone hears .* no echo path"):
        run(made)
    session = made[0]
    tracks = {"mic": "mic.flac", "agent": "agent.flac"}
    wrong = write_manifest(session.folder, tracks=tracks, labels_source="constructed", echo={"taps": [[55, -12]]})
    with pytest.raises(WorkbenchError, match=r"its echo path leaves it \d+ dB above the room"):
        run((wrong, made[1]))


def test_what_cannot_react_is_refused_in_one_line(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(TALK, 40)
    reactive = ["--set", "timing=reactive", "--stack"]
    done = workbench(["replay", str(session.folder), *reactive, "moshi-duplex"], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: timing is 'reactive', but moshi-duplex takes no turns; use timing = fixed\n"
    session.labels_path.unlink()
    done = workbench(["replay", str(session.folder), *reactive, "scripted"], tmp_path)
    assert done.returncode == 2
    assert "made: timing is 'reactive', but there are no labels that say what are turns" in done.stderr
    loud, _ = make_session([(0.0, 4.0, "speech", 1, "one two")], 4, name="loud")
    done = workbench(["replay", str(loud.folder), *reactive, "scripted"], tmp_path)
    assert done.returncode == 2
    assert "loud: timing is 'reactive', but there is no quiet of 0.4 s" in done.stderr


def test_a_run_is_scored_again_from_its_folder(talk: Made, tmp_path: Path) -> None:
    folder, out = str(talk[0].folder), str(tmp_path / "run")
    asked = ["--set", "timing=reactive", "--stack", "scripted", "--set", "barge_in=true"]
    done = workbench(["replay", folder, *asked, "--out", out, "--json"], tmp_path)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    again = workbench(["score", out, "--json"], tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "run" / "scores.json").read_text()) == scores
    trace = str(tmp_path / "run" / "made.trace.jsonl")
    alone = workbench(["score", trace, "--labels", str(talk[0].labels_path), "--json"], tmp_path)
    shown = json.loads(alone.stdout)["scores"]
    for key in ("turns_counterfactual_n", "voice_to_voice_ms_p50", "missed_eot_rate"):
        assert shown[key] == scores["scores"][key]
    (tmp_path / "run" / "made.mic.flac").unlink()
    again = workbench(["score", out], tmp_path)
    assert again.returncode == 2
    assert again.stderr.endswith("made.mic.flac: missing; replay the session again\n")


def test_what_could_not_be_placed_is_said_in_the_notes(make_session: MakeSession, tmp_path: Path) -> None:
    spoken = [TALK[0], (24.0, 24.4, "backchannel", None, "mm-hm"), (33.0, 34.0, "speech", 2, "thank you")]
    made = with_agent(make_session(spoken, 40), [(5.0, 30.0)], None, False)
    asked = ["--set", "timing=reactive", "--stack", "scripted"]
    done = workbench(["replay", str(made[0].folder), *asked, "--out", "run", "--json"], tmp_path)
    assert done.returncode == 0, done.stderr
    notes = json.loads((tmp_path / "run" / "scores.json").read_text())["notes"]
    assert f"reactive timing: 1 of 3 turns and sounds could not be placed: {UNPLACED['left_out']}" in notes
