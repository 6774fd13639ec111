"""The shipped checkpoint set: complete, small, loadable, and its replies inside its vocabulary."""

import importlib.resources
import json
import re
from pathlib import Path

import pytest
import sentencepiece

from workbench.moshi import checkpoint

NANO = Path(str(importlib.resources.files("workbench") / "data" / "nano"))
REPLIES = json.loads((NANO / "replies.json").read_text())


@pytest.mark.parametrize("kind", ["stt", "tts"])
def test_the_files_are_what_their_configuration_says(kind):
    found = checkpoint.find(NANO / kind)
    assert found.kind == kind
    assert found.bits == 8
    assert len(checkpoint.check(found)) == 3


def test_it_is_small_and_holds_nothing_but_safetensors():
    files = [path for path in NANO.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25_000_000
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".model", ".md"}


def test_both_models_share_codec_and_words():
    for name in ("mimi.safetensors", "mimi_config.json", "tokenizer.model"):
        assert (NANO / "stt" / name).read_bytes() == (NANO / "tts" / name).read_bytes()


def test_replies_stay_inside_the_vocabulary():
    tokenizer = sentencepiece.SentencePieceProcessor(str(NANO / "stt" / "tokenizer.model"))
    assert len(REPLIES) >= 12
    assert re.search(REPLIES[-1]["pattern"], "anything at all")
    for item in REPLIES:
        slots = set(re.compile(item["pattern"]).groupindex)
        assert set(re.findall(r"{(\w+)}", item["reply"])) <= slots
        for word in re.sub(r"{\w+}", "", item["reply"]).split():
            assert len(tokenizer.encode(word)) == 1, word


def test_the_tokenizer_takes_prose():
    tokenizer = sentencepiece.SentencePieceProcessor(str(NANO / "stt" / "tokenizer.model"))
    assert tokenizer.encode("Hello, how can I help you?") == tokenizer.encode("hello how can i help you")


def test_the_quantised_tts_speaks():
    from workbench.moshi import load

    found = checkpoint.find(NANO / "tts")
    lm = load.load_lm(found.config, found.weights, mlx_named=found.mlx_named, bits=found.bits)
    mimi = load.load_mimi(found.mimi_config, found.mimi, found.codebooks)
    import mlx.core as mx
    from moshi_mlx.models.tts import TTSModel

    tts = TTSModel(
        lm, mimi, sentencepiece.SentencePieceProcessor(str(found.tokenizer)), temp=0.0, raw_config=found.config
    )
    tts.max_gen_length = 100
    voice = next((NANO / "tts").glob(f"*{found.voice_suffix}"))
    condition = tts.make_condition_attributes([voice], 1.0)
    result = tts.generate([tts.prepare_script(["hello"])], [condition])
    audio = mx.concatenate([mimi.decode_step(frame.astype(mx.uint32)) for frame in result.frames], axis=-1)
    assert audio.dtype == mx.float32
    assert audio.shape[-1] == 1920 * len(result.frames)
    assert 0.02 < float(mx.abs(audio).max()) < 1.5
