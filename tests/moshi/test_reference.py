"""The stages against moshi_mlx's own scripts, run from the installed package on the same generated weights."""

import dataclasses
import json
import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
import rustymimi
import soundfile
from moshi_mlx import models, run_inference, run_tts, utils

from workbench.moshi.duplex import Duplex, DuplexOptions
from workbench.moshi.generate import Recipe
from workbench.moshi.load import mimi_config
from workbench.moshi.stt import DsmStt
from workbench.moshi.tts import DsmTts, TtsOptions
from workbench.units import FRAME_SAMPLES


def run_reference(c, *arguments):
    """Run moshi_mlx.run_inference as the script it is; what it draws and decodes is recorded on the way."""
    seen = {"text": [], "audio": [], "pcm": []}

    class Tokenizer:
        def __init__(self, path, num_codebooks):
            self._inner = rustymimi_tokenizer(path, num_codebooks=num_codebooks)

        def encode_step(self, pcm):
            return self._inner.encode_step(pcm)

        def decode_step(self, codes):
            seen["audio"].append(codes[0, :, 0].tolist())
            seen["pcm"].append(self._inner.decode_step(codes))
            return seen["pcm"][-1]

    rustymimi_tokenizer, step = rustymimi.Tokenizer, models.LmGen.step

    def recorded(self, *args, **kwargs):
        out = step(self, *args, **kwargs)
        seen["text"].append(int(out[0].item()))
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rustymimi, "Tokenizer", Tokenizer)
        patch.setattr(models.LmGen, "step", recorded)
        patch.setattr(sys, "argv", reference_arguments(c, *arguments))
        run_inference.main()
    return seen


def reference_arguments(c, *more):
    names = {"--lm-config": c.root / "config.json", "--moshi-weights": c.weights}
    names |= {"--mimi-weights": c.mimi, "--tokenizer": c.tokenizer}
    return ["reference", *(str(x) for pair in names.items() for x in pair), *map(str, more)]


@pytest.fixture
def heard(sound):
    return sound[: 9 * FRAME_SAMPLES]  # the published codec costs 0.1 s a frame


@pytest.fixture
def wav(tmp_path, heard):
    path = tmp_path / "in.wav"
    soundfile.write(path, heard, 24000, subtype="FLOAT")
    return path


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_duplex_equals_run_inference(zoo, heard, wav, temperature):
    c = zoo(Recipe("duplex", mimi="full"))
    spied = run_reference(c, "--temp", temperature, wav)

    duplex = Duplex(c, DuplexOptions(temperature=temperature))
    frames = heard.reshape(-1, FRAME_SAMPLES)
    stream = duplex.open()
    text, audio, pcm = [], [], []
    for frame in frames:
        step = stream.step(frame)
        text.append(stream._tokens.text)
        if step.pcm is not None:
            audio.append(stream._tokens.audio().tolist())
            pcm.append(step.pcm)
    assert text == spied["text"]
    assert audio == spied["audio"]
    assert len(pcm) == len(frames) - 1  # one frame of acoustic delay
    np.testing.assert_array_equal(np.concatenate(pcm), np.concatenate(spied["pcm"], -1)[0, 0])
    assert len(set(text)) > 3


def test_duplex_quantised_equals_run_inference(zoo, heard, wav):
    c = zoo(Recipe("duplex", mimi="full", bits=8))
    spied = run_reference(c, "--temp", 0, wav)
    stream = Duplex(c, DuplexOptions(temperature=0.0)).open()
    text = []
    for frame in heard.reshape(-1, FRAME_SAMPLES):
        stream.step(frame)
        text.append(stream._tokens.text)
    assert text == spied["text"]


def test_stt_equals_run_inference(zoo, heard, wav, capsys):
    """run_inference loads MLX-named weights and pads: prefix left, delay and a second right."""
    c = zoo(Recipe("stt", mimi="full", naming="mlx"))
    spied = run_reference(c, "--temp", 0, wav)
    stt = DsmStt(c)
    padded = np.concatenate([heard, np.zeros(int(1.5 * 24000), np.float32)])
    stream = stt.open()
    steps = list(stream.steps(padded[: len(padded) // FRAME_SAMPLES * FRAME_SAMPLES]))
    assert len(steps) == len(spied["text"])
    assert [s.piece for s in steps] == [stt.model.piece(t) for t in spied["text"]]
    assert "".join(s.piece for s in steps) in capsys.readouterr().out


@pytest.mark.parametrize("recipe", [Recipe("stt"), Recipe("stt", bits=4), Recipe("stt", bits=8)])
def test_stt_tokens_and_heads_equal_the_file_script(zoo, sound, recipe):
    """delayed-streams-modeling's loop: encode_step of moshi_mlx's Mimi, then step_with_extra_heads."""
    c = zoo(recipe)
    stt = DsmStt(c, codec="mlx")
    config = models.LmConfig.from_config_dict(c.config)
    config.transformer.max_seq_len = config.transformer.context
    lm = models.Lm(config)
    lm.set_dtype(mx.bfloat16)
    if recipe.bits:
        nn.quantize(lm, bits=recipe.bits, group_size={4: 32, 8: 64}[recipe.bits])
        lm.load_weights(str(c.weights))
    else:
        lm.load_pytorch_weights(str(c.weights), config)
    mimi = models.mimi.Mimi(mimi_config(c.mimi_config, c.codebooks))
    mimi.load_pytorch_weights(str(c.mimi))
    sampler = utils.Sampler(top_k=25, temp=0)
    gen = models.LmGen(lm, max_steps=4096, text_sampler=sampler, audio_sampler=sampler)
    lm.warmup()
    tokens, heads = [], []
    for frame in sound.reshape(-1, FRAME_SAMPLES):
        codes = mimi.encode_step(mx.array(frame)[None, None]).transpose(0, 2, 1)[:, :, : c.codebooks]
        token, extra = gen.step_with_extra_heads(codes[0])
        tokens.append(int(token.item()))
        heads.append(tuple(float(h[0, 0, 0].item()) for h in extra))
    steps = stt.open().steps(sound)
    assert [s.piece for s in steps] == [stt.model.piece(t) for t in tokens]
    assert [s.pause for s in steps] == heads
    assert len(set(heads)) > 10


@pytest.fixture
def tts_run(tmp_path, monkeypatch):
    """run_tts as a script: text, audio tokens and words of one request."""

    def run(c, text, *more, published=False):
        if not published:
            # The script knows one size of Mimi. Only the decoding after generation sees it.
            monkeypatch.setattr(models, "mimi_202407", lambda n: mimi_config(c.mimi_config, n))
        request = {"turns": [text], "voices": [str(c.root / "voices/generated")], "id": "a"}
        (tmp_path / "in.jsonl").write_text(json.dumps(request))
        arguments = reference_arguments(c, "--out-folder", tmp_path, *more, tmp_path / "in.jsonl")
        monkeypatch.setattr(sys, "argv", arguments)
        written = []
        monkeypatch.setattr(run_tts.sphn, "write_wav", lambda path, pcm, rate: written.append(pcm))
        run_tts.main()
        frames = np.array(mx.load(str(tmp_path / "a.safetensors"))["frames"])
        return frames, json.loads((tmp_path / "a.json").read_text()), written[0][0]

    return run


OPTIONS = TtsOptions(cfg=2.0, final_padding=4, padding_between=1, decoder="mlx", lm="mlx")
"""The defaults of run_tts, where the workbench's are MLX-Harmony's, all of it computed by moshi_mlx."""


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--temp", "0"], {"temperature": 0.0}),
        (["--cfg-coef", "3.5", "--max-padding", "4", "--initial-padding", "5", "--final-padding", "7"],
         {"cfg": 3.5, "max_padding": 4, "initial_padding": 5, "final_padding": 7}),
        (["--padding-between", "0", "--quantize", "8"], {"padding_between": 0, "quantize": 8}),
    ],
)  # fmt: skip
def test_tts_equals_run_tts(zoo, tts_run, arguments, options):
    c = zoo(Recipe("tts"))
    text = 'Oh: <break time="0.4s"/> (my) it’s.'
    frames, notes, wav = tts_run(c, text, *arguments)
    speech = DsmTts(c, dataclasses.replace(OPTIONS, **options)).synthesize(text, seed=None)
    pcm = [p for p in speech if p is not None]
    np.testing.assert_array_equal(np.stack(speech.tokens, 1), frames)
    assert [list(w) for w in speech.words] == notes["transcript"]
    assert speech.end_step == notes["end_step"]
    # The script clips, and keeps two frames fewer than its own count says: they are never generated.
    np.testing.assert_array_equal(np.clip(np.concatenate(pcm), -1, 1), wav)


def test_tts_with_the_published_codec_equals_run_tts(zoo, tts_run):
    c = zoo(Recipe("tts", mimi="full"))
    short = {"max_padding": 1, "initial_padding": 1, "final_padding": 2, "padding_between": 0}
    arguments = [x for k, v in short.items() for x in (f"--{k.replace('_', '-')}", v)]
    frames, _, wav = tts_run(c, "Hi", *arguments, published=True)
    speech = DsmTts(c, dataclasses.replace(OPTIONS, **short)).synthesize("Hi", seed=None)
    pcm = np.concatenate([p for p in speech if p is not None])
    np.testing.assert_array_equal(np.stack(speech.tokens, 1), frames)
    np.testing.assert_array_equal(np.clip(pcm, -1, 1), wav)


def test_steps_before_the_first_frame(zoo):
    """Acoustic delay 2 and delay 1.28 s: the first frame comes out of step 19, here as in TTSModel.generate."""
    c = zoo(Recipe("tts"))
    tts = DsmTts(c)
    steps = list(tts.synthesize("one two"))
    assert tts.start_steps == 18
    assert [s is None for s in steps] == [True] * 18 + [False] * (len(steps) - 18)
