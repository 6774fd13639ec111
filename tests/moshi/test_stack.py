"""A whole replay through the Moshi stack on generated weights: repeatable, from an empty store or a full one."""

import dataclasses

import numpy as np
import pytest

from workbench.config import load
from workbench.errors import WorkbenchError
from workbench.moshi.generate import Recipe
from workbench.replay import cost_source, replay
from workbench.session import write_manifest, write_track
from workbench.stacks import make_stack
from workbench.stages.endpoint import Reply, add_reply
from workbench.store import Store
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
    add_reply(replies, Reply(("Hello",), ("It", " is."), (100.0, 110.0)))
    paths = {"stt_model_path": zoo.directory(Recipe("stt")), "tts_model_path": zoo.directory(Recipe("tts"))}
    changes = {"stack.stack": "moshi", "costs.costs": "fixed", "barge_in": True, "lm": f"recorded:{replies}"}
    return load(None, changes | {k: str(v) for k, v in paths.items()})


@pytest.mark.parametrize("listener", ["workbench", "mlx-harmony"])
def test_replays_the_same_bytes_from_an_empty_store_and_a_full_one(session, stack_config, listener):
    config = dataclasses.replace(stack_config, workbench=dataclasses.replace(stack_config.workbench, listener=listener))
    stack, store = make_stack(config), Store(None)

    def run(stack, store):
        return replay(session, (), stack.stages(()), config, cost_source(config, None, session.name), store)

    first = run(stack, store)
    kinds = {type(e).__name__ for e in first.trace.events}
    assert {"Commit", "Transcript"} <= kinds
    assert first.played
    for again in (run(stack, store), run(stack, Store(None)), run(make_stack(config), Store(None))):
        assert again.trace.digest == first.trace.digest
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(again.played, first.played, strict=True))


def test_weights_are_named(stack_config):
    weights = make_stack(stack_config).weights
    assert sorted(weights) == ["stt.lm", "stt.mimi", "stt.tokenizer", "tts.lm", "tts.mimi", "tts.tokenizer"]
    assert all(len(digest) == 64 for digest in weights.values())


def refused(**changes):
    with pytest.raises(WorkbenchError) as error:
        make_stack(load(None, {"stack.stack": "moshi"} | changes))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_missing_is_named(zoo, tmp_path):
    stt, tts = str(zoo.directory(Recipe("stt"))), str(zoo.directory(Recipe("tts")))
    assert "no stt model given; set --models DIR" in refused()
    assert "no such directory" in refused(models=str(tmp_path / "none"))
    assert "has neither stt/config.json nor config.json" in refused(models=str(tmp_path))
    assert "holds a tts model, stt_model_path must give a stt model" in refused(stt_model_path=tts)
    assert "no tts model given" in refused(stt_model_path=stt)
    deaf = str(zoo.directory(Recipe("stt", heads=False)))
    assert "has no semantic-VAD heads" in refused(stt_model_path=deaf, tts_model_path=tts, stt_vad=True)
    assert "voice nobody: no such file" in refused(stt_model_path=stt, tts_model_path=tts, tts_voice_path="nobody")
