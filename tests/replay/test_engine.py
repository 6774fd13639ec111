"""The replay as a whole: same inputs, same bytes; a waterfall without residual; what each knob must do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.metrics import SessionScores, evaluate, summarise
from workbench.replay.engine import ReplayResult, cost_source, replay
from workbench.stacks import make_stack
from workbench.stages.scripted import ScriptedStack, ScriptedStt
from workbench.trace import BargeIn, Cancel, Chunk, Commit, Heard, Play, Trace, Transcript, Underrun, Word
from workbench.trace_file import trace_digest

from ..conftest import MakeSession

QUESTION = (2.0, 3.6, "speech", 1, "what can you tell me")
TALK = [QUESTION, (24.0, 25.2, "speech", 2, "what is the"), (25.84, 27.0, "speech", 2, "time now please")]


def run(made: object, changes: dict[str, object] | None = None, store: Store | None = None) -> ReplayResult:
    session, labels = made  # type: ignore[misc]
    config = override(Config(), {"stack.name": "scripted"} | (changes or {}))
    stack = make_stack(config)
    costs = cost_source(knobs_of(config), stack.profile, session.name)
    return replay(session, stack.stages(labels), knobs_of(config), costs, store or Store(None))


def of(trace: Trace, kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in trace.events if isinstance(event, kind)]


def score(made: object, trace: Trace) -> SessionScores:
    return evaluate(trace, made[1])  # type: ignore[index]


MATRIX = [
    {},
    {"barge_in": True},
    {"barge_in": True, "placement": "shared"},
    {"barge_in": True, "placement": "split"},
    {"listener": "mlx-harmony"},
    {"listener": "mlx-harmony", "barge_in": True},
    {"tts_stream": True},
    {"tts_stream": True, "placement": "split"},
    {"stt_vad": True},
    {"stt_flush": False},
    {"stt_silence": False, "stt_vad": True, "listener": "mlx-harmony"},
    {"tts_prebuffer_frames": 5, "chunker": "mlx-harmony", "tts_chunk_sentences": False, "tts_chunk_chars": 30},
]


@pytest.mark.parametrize("echo", [None, {"taps": [[40, -16], [95, -24]]}], ids=["dry", "echo"])
@pytest.mark.parametrize("changes", MATRIX, ids=lambda changes: ",".join(changes) or "defaults")
def test_same_digest_again_and_with_a_full_store(make_session: MakeSession, changes: dict, echo: object) -> None:  # type: ignore[type-arg]
    made = make_session([*TALK, (8.0, 8.5, "noise", None, "cough")], 40, echo=echo)
    store = Store(None)
    first = run(made, changes, store)
    assert trace_digest(run(made, changes, store).trace) == trace_digest(first.trace)
    assert trace_digest(run(made, changes, Store(None)).trace) == trace_digest(first.trace)
    times = [event.t for event in first.trace.events]
    assert times == sorted(times)
    summary = summarise([score(made, first.trace)], bootstrap=False)
    assert summary.scores["waterfall_residual_samples_max"] in (0, None)


def test_same_digest_from_elsewhere_and_with_another_hash_seed(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(TALK, 40)
    expected = trace_digest(run((session, make_labels(session))).trace)
    root = Path(__file__).parents[2]
    defaults = tmp_path / "defaults.toml"
    defaults.write_text("[assistant]\n")
    for seed, where in (("1", tmp_path), ("2", root)):
        out = tmp_path / f"run-{seed}-{where.name}"
        command = [
            sys.executable,
            "-m",
            "workbench",
            "replay",
            str(session.folder),
            "--stack",
            "scripted",
            "--no-page",
            "--config",
            str(defaults),
            "--out",
            str(out),
        ]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        subprocess.run(command, cwd=where, env=environment, check=True, capture_output=True)
        assert f'"digest":"{expected}"' in (out / "made.trace.jsonl").read_text()


def make_labels(session: object) -> object:
    from workbench.sessions.labels import read_labels

    return read_labels(session.labels_path)  # type: ignore[attr-defined]


def test_profile_draws_depend_on_job_and_seed_alone(make_session: MakeSession, tmp_path: Path) -> None:
    from workbench.simulation.step_costs import Profile, ProfileCosts

    profile = Profile({"stt": tuple(range(100, 1100)), "tts": tuple(range(1000))})
    costs, again = ProfileCosts(profile, "a", 0), ProfileCosts(profile, "a", 0)
    long = costs.draw("stt", 0, 500)
    assert again.draw("stt", 0, 10).tolist() == long[:10].tolist()
    assert again.draw("stt", 0, 500).tolist() == long.tolist()
    for other in (ProfileCosts(profile, "b", 0), ProfileCosts(profile, "a", 1)):
        assert other.draw("stt", 0, 500).tolist() != long.tolist()
    assert costs.draw("stt", 1, 500).tolist() != long.tolist()
    assert 550 < long.mean() < 650


@pytest.mark.parametrize(("silence_ms", "commits"), [(560, 3), (640, 3), (720, 2)])
def test_a_hold_of_640_ms(make_session: MakeSession, silence_ms: int, commits: int) -> None:
    made = make_session(TALK, 40)
    trace = run(made, {"stt_silence_ms": silence_ms, "barge_in": True}).trace
    assert len(of(trace, Commit)) == commits
    scores = summarise([score(made, trace)], bootstrap=False)
    assert scores.counts["cutin_per_hold"] == (commits - 2, 1)


def test_every_spoken_word_reaches_the_transcript(make_session: MakeSession) -> None:
    made = make_session(TALK, 40)
    trace = run(made).trace
    assert [event.text for event in of(trace, Transcript)] == ["what can you tell me", "what is the time now please"]
    spoken = "what can you tell me what is the time now please"
    assert " ".join(word.text for word in of(trace, Word)) == spoken


def test_without_flush_the_delay_is_waited_out(make_session: MakeSession) -> None:
    made = make_session(TALK, 40)
    pushed, waited = run(made), run(made, {"stt_flush": False})
    texts = [[event.text for event in of(trace.trace, Transcript)] for trace in (pushed, waited)]
    assert texts[0] == texts[1]
    latency = [
        summarise([score(made, item.trace)], bootstrap=False).scores["stt_flush_ms_p50"] for item in (pushed, waited)
    ]
    assert latency[0] < latency[1]  # type: ignore[operator]


def test_a_cough_stops_the_agent_only_if_barge_in_is_on(make_session: MakeSession) -> None:
    made = make_session([QUESTION, (8.0, 8.6, "noise", None, "cough")], 30)
    assert of(run(made).trace, Cancel) == []
    trace = run(made, {"barge_in": True}).trace
    (stop,) = of(trace, BargeIn)
    assert stop.onset == 8 * 24_000
    assert stop.t == 8 * 24_000 + 3 * 1920
    last = of(trace, Play)[-1]
    # What the device had been given by then is heard to its end: one frame and the device latency.
    assert stop.t < last.t + last.samples <= stop.t + 1920 + trace.header.playout
    assert of(run(made, {"barge_in": True, "barge_in_min_ms": 720}).trace, BargeIn) == []


def test_echo_stops_the_agent_unless_it_is_soft(make_session: MakeSession) -> None:
    made = make_session([QUESTION], 30)
    on = {"barge_in": True, "echo.path": "config"}
    assert of(run(made, {**on, "echo_gain_db": -40.0}).trace, BargeIn) == []
    trace = run(made, {**on, "echo_gain_db": -10.0}).trace
    assert of(trace, BargeIn)
    rows = score(made, trace).barge_ins
    assert [row.cause for row in rows] == ["echo"] * len(rows)


def test_a_slow_tts_stutters_and_a_prebuffer_helps(make_session: MakeSession) -> None:
    made = make_session([QUESTION], 60)
    slow = {"step_costs.source": "fixed", "tts_step_ms": 90.0}
    holes = of(run(made, slow).trace, Underrun)
    assert holes
    assert all(hole.samples % 1920 == 0 for hole in holes)
    assert len(of(run(made, slow | {"tts_prebuffer_frames": 60}).trace, Underrun)) < len(holes)


def test_sharing_a_device_costs_and_a_device_each_does_not(make_session: MakeSession) -> None:
    made = make_session([QUESTION], 30)
    latency = {
        placement: summarise(
            [score(made, run(made, {"barge_in": True, "placement": placement}).trace)], bootstrap=False
        ).scores["voice_to_voice_ms_p50"]
        for placement in ("serial", "shared", "split")
    }
    assert latency["serial"] == latency["split"]
    assert latency["shared"] > latency["serial"]  # type: ignore[operator]


def test_mlx_harmony_clips_the_onset_and_closes_early(make_session: MakeSession) -> None:
    made = make_session([QUESTION], 30)
    own, published = run(made).trace, run(made, {"listener": "mlx-harmony"}).trace
    assert of(own, Heard)[0].start <= made[1][0].start < of(published, Heard)[0].start
    spoken = [sum(play.samples for play in of(trace, Play)) for trace in (own, published)]
    assert spoken[1] < spoken[0]


@pytest.mark.parametrize("stream", [False, True])
def test_mlx_harmony_ignores_the_chunker_knob(make_session: MakeSession, stream: bool) -> None:
    made = make_session([QUESTION], 30)
    knobs = {"tts_chunk_chars": 60, "tts_chunk_min_chars": 10, "tts_stream": stream, "tts_chunk_sentences": not stream}
    texts = {
        (listener, chunker): [
            event.text for event in of(run(made, knobs | {"listener": listener, "chunker": chunker}).trace, Chunk)
        ]
        for listener in ("workbench", "mlx-harmony")
        for chunker in ("workbench", "mlx-harmony")
    }
    published = texts["workbench", "mlx-harmony"]
    assert texts["mlx-harmony", "workbench"] == texts["mlx-harmony", "mlx-harmony"] == published
    assert texts["workbench", "workbench"] != published


def test_only_the_listener_that_resets_pays_for_it(make_session: MakeSession) -> None:
    """A codec that is made anew takes seconds on some machines; the published loop never does that."""
    made = make_session(TALK, 40)
    for listener, pays in (("workbench", True), ("mlx-harmony", False)):
        changes = {"listener": listener, "barge_in": True, "step_costs.source": "fixed"}
        quick, slow = (run(made, changes | {"stt_reset_ms": ms}).trace.events for ms in (0.0, 5000.0))
        assert (quick != slow) == pays


def test_state_without_reset_has_its_own_cache_key(
    make_session: MakeSession,
) -> None:
    """A stage whose words depend on all it ever heard: the store must tell its histories apart."""

    class Leaky(ScriptedStt):
        def open(self, fresh: bool = True):  # type: ignore[no-untyped-def]
            if fresh:
                self.total = 0
            stream, outer = super().open(fresh), self

            class Stream:
                def step(self, frame, at):  # type: ignore[no-untyped-def]
                    outer.total += 1
                    step = stream.step(frame, at)
                    return type(step)(f"{step.piece}{outer.total}" if step.piece else "", step.pause)

            return Stream()

    session, labels = make_session(TALK, 40)
    config = override(Config(), {"stack.name": "scripted", "listener": "mlx-harmony"})
    stack = ScriptedStack()
    digests, store = [], Store(None)
    for kept in (store, store, Store(None)):
        stages = stack.stages(labels)
        stages = type(stages)(Leaky(labels), stages.lm, stages.tts)
        costs = cost_source(knobs_of(config), stack.profile, session.name)
        digests.append(replay(session, stages, knobs_of(config), costs, kept).trace)
    assert digests[0] == digests[1] == digests[2]
    first, second = (event.text for event in of(digests[0], Transcript))
    assert int("".join(filter(str.isdigit, second.split()[0]))) > int("".join(filter(str.isdigit, first.split()[-1])))


def test_measured_costs_run_every_stage(make_session: MakeSession) -> None:
    made = make_session([QUESTION], 30)
    measured = run(made, {"step_costs.source": "measured"})
    assert measured.measured is not None
    profile = measured.measured.profile("here")
    assert {"stt", "tts", "lm_first"} <= set(profile.stages)
    assert len(profile.stages["stt"]) > 20
    assert all(cost >= 0 for costs in profile.stages.values() for cost in costs)


def test_pause_heads_are_refused_where_there_are_none(make_session: MakeSession) -> None:
    session, labels = make_session([QUESTION], 30)
    config = override(Config(), {"stack.name": "scripted", "stt_vad": True})
    stack = ScriptedStack()
    stages = stack.stages(labels)
    stages.stt.has_pause_heads = False
    with pytest.raises(WorkbenchError, match="no pause heads"):
        replay(session, stages, knobs_of(config), cost_source(knobs_of(config), stack.profile, "x"), Store(None))
