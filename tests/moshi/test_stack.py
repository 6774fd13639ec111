"""A whole replay through the Moshi stack on generated weights: repeatable, from an empty store or a full one."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.cli.actions.voices import list_voices
from workbench.config import load, override
from workbench.errors import WorkbenchError
from workbench.metrics import evaluate, summarise
from workbench.moshi.generate import Recipe
from workbench.moshi.tts import DsmTts
from workbench.replay.engine import cost_source, replay
from workbench.replay.profiles import stack_profile
from workbench.reports import first_words, gather
from workbench.reports.markdown import write_markdown
from workbench.runs import read_run, run_sessions, score_run
from workbench.sessions.labels import Label
from workbench.sessions.session import write_manifest
from workbench.sessions.tracks import write_track
from workbench.simulation.step_costs import LM_STAGES, STAGES
from workbench.stacks import GENERATED, generated, make_stack, warnings
from workbench.stages.recorded_lm import RecordedReply, add_reply
from workbench.trace_file import trace_digest
from workbench.units import SAMPLE_RATE


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Six seconds: two bursts of noise with silence around them."""
    folder = tmp_path_factory.mktemp("session")
    rng = np.random.default_rng(3)
    pcm = rng.standard_normal(6 * SAMPLE_RATE).astype(np.float32) * 0.001
    for start in (0.6, 3.2):
        burst = slice(int(start * SAMPLE_RATE), int((start + 0.9) * SAMPLE_RATE))
        pcm[burst] = rng.standard_normal(burst.stop - burst.start).astype(np.float32) * 0.1
    write_track(folder / "mic.flac", iter([pcm]))
    return write_manifest(folder, tracks={"mic": "mic.flac"})


@pytest.fixture(scope="module")
def stack_config(zoo, tmp_path_factory):
    replies = tmp_path_factory.mktemp("lm") / "replies.jsonl"
    add_reply(replies, RecordedReply(("Hello",), ("It", " is."), (100.0, 110.0)))
    paths = {"stt_model_path": zoo.directory(Recipe("stt")), "tts_model_path": zoo.directory(Recipe("tts"))}
    changes = {"stack.name": "moshi", "step_costs.source": "fixed", "barge_in": True, "lm": f"recorded:{replies}"}
    return load(None, changes | {k: str(v) for k, v in paths.items()})


@pytest.mark.parametrize("listener", ["workbench", "mlx-harmony"])
def test_an_empty_and_a_full_cache_give_the_same_bytes(session, stack_config, listener):
    config = dataclasses.replace(stack_config, workbench=dataclasses.replace(stack_config.workbench, listener=listener))
    stack, store = make_stack(config), Store(None)

    def run(stack, store):
        knobs = knobs_of(config)
        return replay(session, stack.stages(()), knobs, cost_source(knobs, None, session.name), store)

    first = run(stack, store)
    kinds = {type(e).__name__ for e in first.trace.events}
    assert {"Commit", "Transcript"} <= kinds
    assert first.sounds()
    for again in (run(stack, store), run(stack, Store(None)), run(make_stack(config), Store(None))):
        assert trace_digest(again.trace) == trace_digest(first.trace)
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(again.sounds(), first.sounds(), strict=True))


def test_a_profile_times_real_resets_for_every_assistant(session, stack_config, monkeypatch):
    config = override(stack_config, {"step_costs.source": "profile", "listener": "mlx-harmony"})
    stack, resets = make_stack(config), []
    reopen = stack._stt.open
    monkeypatch.setattr(stack._stt, "open", lambda fresh=True: resets.append(fresh) or reopen(fresh))
    profile = stack_profile(stack, config, [(session, ())], Store(None))
    assert sorted(profile.stages) == sorted(set(STAGES) - set(LM_STAGES))  # the recorded LM brings its own
    assert resets
    assert all(resets)


def test_weights_are_named(stack_config):
    weights = make_stack(stack_config).weights
    assert sorted(weights) == ["stt.lm", "stt.mimi", "stt.tokenizer", "tts.lm", "tts.mimi", "tts.tokenizer"]
    assert all(len(digest) == 64 for digest in weights.values())


def test_models_without_meaning_are_named_where_figures_are(session, stack_config, tmp_path, capsys):
    run = run_sessions([session.folder], stack_config, tmp_path / "run")
    scored, summary = score_run(run)
    write_markdown(gather(run, scored, summary))
    assert f"> **{GENERATED}**" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    for taken in (run, read_run(tmp_path / "run")):  # `score` asks no model
        assert first_words(taken)[0] == GENERATED
    gone = override(stack_config, {"stt_model_path": str(tmp_path / "gone")})
    assert (generated(stack_config), generated(gone), generated(load(None, {}))) == (True, False, False)
    assert warnings(stack_config, True)[0] == GENERATED
    list_voices(Path(stack_config.assistant.tts_model_path), False)
    assert "generated, without meaning" in capsys.readouterr().err


def refused(**changes):
    with pytest.raises(WorkbenchError) as error:
        make_stack(load(None, {"stack.name": "moshi"} | changes))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_missing_is_named(zoo, tmp_path):
    stt, tts = str(zoo.directory(Recipe("stt"))), str(zoo.directory(Recipe("tts")))
    assert "no stt model given; set --models DIR" in refused()
    assert "no such directory" in refused(models=str(tmp_path / "none"))
    assert "has neither stt/config.json nor config.json" in refused(models=str(tmp_path))
    assert "is of kind tts, stt_model_path must give a model of kind stt" in refused(stt_model_path=tts)
    assert "no tts model given" in refused(stt_model_path=stt)
    assert refused(stt_model_path="/elsewhere/stt", tts_model_path=tts) == (
        "/elsewhere/stt: no such model directory (stt_model_path); name one that is here, or set the assistant's paths "
        "aside: --set stt_model_path= --set tts_model_path= --set tts_voice_path="
    )
    deaf = str(zoo.directory(Recipe("stt", heads=False)))
    assert "has no semantic-VAD heads" in refused(stt_model_path=deaf, tts_model_path=tts, stt_vad=True)
    assert "voice nobody: no such file" in refused(stt_model_path=stt, tts_model_path=tts, tts_voice_path="nobody")


@pytest.fixture(scope="module")
def duplex_config(zoo):
    return load(
        None,
        {"stack.name": "moshi-duplex", "step_costs.source": "fixed", "models": str(zoo.directory(Recipe("duplex")))},
    )


def score(trace):
    labels = (Label(14_400, 36_000, "speech", 1, "hello"), Label(76_800, 98_400, "speech", 2, "there"))
    return summarise([evaluate(trace, labels)]).scores


def test_duplex_replay_is_repeatable_and_scored(session, duplex_config):
    stack, store = make_stack(duplex_config), Store(None)

    def run(stack, store, config=duplex_config):
        knobs = knobs_of(config)
        return replay(session, stack.stages(()), knobs, cost_source(knobs, None, session.name), store)

    first = run(stack, store)
    for again in (run(stack, store), run(stack, Store(None)), run(make_stack(duplex_config), Store(None))):
        assert trace_digest(again.trace) == trace_digest(first.trace)
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(again.sounds(), first.sounds(), strict=True))
    events = {
        kind: [e for e in first.trace.events if type(e).__name__ == kind] for kind in ("Commit", "Steps", "Tokens")
    }
    assert len(events["Steps"][0].costs) == session.frames == 75
    # The stage itself, alone: the same words and samples as the replay put on the clock.
    stream = stack.stages(()).open(0)
    alone = [stream.step(session.read(k * 1920, (k + 1) * 1920)) for k in range(75)]
    pcm = [s.pcm for s in alone if s.pcm is not None]
    assert all(np.array_equal(a, b) for a, (_, b) in zip(pcm, first.sounds(), strict=True))
    said = "".join(s.piece for s in alone)
    assert all(t.text in said for t in events["Tokens"])
    assert events["Commit"][0].reason == "model"
    # Fixed costs of 40 ms: frame 1 brings the first sound at 160 + 40 ms; the device asks next at 240 ms, + 20 ms.
    assert first.sounds()[0][0] == 1920 * 3 + 480
    scores = score(first.trace)
    assert scores["deadline_miss_rate"] == 0.0
    assert scores["rtf"] > 0
    assert scores["wer"] is None


def test_a_duplex_model_too_slow_for_its_frames_stutters(session, duplex_config):
    slow = override(duplex_config, {"tts_step_ms": 100.0})
    duplex = make_stack(slow).stages(())
    trace = replay(session, duplex, knobs_of(slow), cost_source(knobs_of(slow), None, session.name), Store(None)).trace
    scores = score(trace)
    assert scores["deadline_miss_rate"] == 1.0
    assert scores["underrun_events"] > 0
    assert scores["rtf"] == pytest.approx(100 / 80, rel=0.05)


def test_a_duplex_model_hears_its_own_echo(session, duplex_config):
    echo = override(duplex_config, {"echo.path": "config", "echo_gain_db": 0.0})
    stack, store = make_stack(echo), Store(None)
    played = {}
    for config in (duplex_config, echo, echo):
        knobs = knobs_of(config)
        result = replay(session, stack.stages(()), knobs, cost_source(knobs, None, session.name), store)
        played.setdefault(config.echo.path, []).append(np.concatenate([p for _, p in result.sounds()]))
    assert np.array_equal(*played["config"])
    assert not np.array_equal(played["session"][0], played["config"][0])


def test_measuring_a_duplex_model_gives_a_whole_profile(session, duplex_config):
    config = override(duplex_config, {"step_costs.source": "measured"})
    stack = make_stack(config)
    result = replay(session, stack.stages(()), knobs_of(config), cost_source(knobs_of(config), None, ""), Store(None))
    profile = result.measured.profile("")
    assert sorted(profile.stages) == sorted(STAGES)
    assert len(profile.stages["tts"]) == session.frames
    assert min(profile.stages["tts"]) > 0


def test_options_of_the_tts_come_from_the_config(stack_config):
    changes = {"tts_temperature": 0.0, "tts_padding_max": 6, "tts_padding_initial": 3, "tts_padding_final": 4}
    plain, other = (make_stack(config).stages(()).tts for config in (stack_config, override(stack_config, changes)))
    found = other.options
    assert (found.temperature, found.max_padding, found.initial_padding, found.final_padding) == (0.0, 6, 3, 4)
    assert (plain.options, plain.fingerprint) == (DsmTts(plain.model.checkpoint).options, plain.fingerprint)
    assert plain.fingerprint != other.fingerprint
    before, after = (sum(1 for _ in tts.synthesize("one two three", 0)) for tts in (plain, other))
    assert before != after, "padding changes how long a chunk is spoken"


def test_options_of_the_duplex_model_come_from_the_config(session, duplex_config):
    options = [{}, {"duplex_temperature": 0.0}, {"duplex_top_k_text": 3}, {"duplex_top_k_audio": 3}]
    models = [make_stack(override(duplex_config, changes)).stages(()) for changes in options]
    assert len({model.fingerprint for model in models}) == len(models)
    said = []
    for model in models:
        stream = model.open(0)
        steps = [stream.step(session.read(at, at + 1920)) for at in range(0, 40 * 1920, 1920)]
        said.append(b"".join(step.pcm.tobytes() for step in steps if step.pcm is not None))
    assert len(set(said)) == len(said)
    with pytest.raises(WorkbenchError, match="duplex_top_k_audio is 100000, must be below"):
        make_stack(override(duplex_config, {"duplex_top_k_audio": 100_000}))
