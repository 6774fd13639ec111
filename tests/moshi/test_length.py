"""Streams of any length: past the ring of the LM, past ``max_steps``, and the columns kept stay few."""

import mlx.core as mx
import numpy as np
import pytest
from moshi_mlx import models, utils

from workbench.moshi.duplex import Duplex
from workbench.moshi.generate import Recipe
from workbench.moshi.load import PrivateKey
from workbench.moshi.stream import Drawing, MlxLmSteps, TokenStream
from workbench.moshi.stt import DsmStt
from workbench.moshi.tts import DsmTts, TtsOptions


def codes(steps, books, card=512):
    return np.random.default_rng(2).integers(0, card, (steps, books))


@pytest.mark.parametrize("kind", ["stt", "duplex"])
def test_tokens_equal_lm_gen_beyond_the_ring(zoo, kind):
    """130 steps with a context of 96: the key-value ring has wrapped."""
    c = zoo(Recipe(kind))
    lm = (DsmStt if kind == "stt" else Duplex)(c).model.lm
    assert lm.cfg.transformer.max_seq_len == lm.cfg.transformer.context == 96
    heard = codes(130, lm.cfg.other_codebooks)
    sampler = utils.Sampler(temp=0.7, top_k=25)

    mx.random.seed(11)
    steps = MlxLmSteps(lm)
    steps.reset()
    gen = models.LmGen(lm, max_steps=130, text_sampler=sampler, audio_sampler=sampler)
    wanted = []
    for row in heard:
        text = int(gen.step(mx.array(row)[None])[0].item())
        said = gen.last_audio_tokens() if lm.dep_q else None
        wanted.append((text, None if said is None else said[0].tolist()))
    with pytest.raises(ValueError, match="max-steps"):
        gen.step(mx.array(heard[0])[None])

    steps.reset()
    stream = TokenStream(steps, PrivateKey(11), Drawing((sampler, sampler)))
    got = []
    for row in heard:
        text = stream.step(row)
        said = stream.audio() if lm.dep_q else None
        got.append((text, None if said is None else said.tolist()))
    assert got == wanted
    stream.step(heard[0])
    assert stream.steps == 131
    assert lm.transformer_cache[0].self_attn.keys.shape[2] == 96
    assert len(stream._heard) == max(lm.delays, default=0) + 1


def test_a_context_ring_attends_to_what_a_growing_cache_would(zoo):
    """The work-around's point: moshi_mlx's own longer ring, clipped to the context, is right until it wraps."""
    lm = DsmStt(zoo(Recipe("stt"))).model.lm
    heard = codes(120, lm.cfg.other_codebooks)

    def run(cache):
        lm.transformer_cache = cache
        likeliest = utils.Sampler(temp=0)
        stream = TokenStream(MlxLmSteps(lm), PrivateKey(0), Drawing((likeliest, likeliest)))
        out = []
        for row in heard:
            stream.step(row)
            out.append(np.array(stream.hidden.astype(mx.float32))[0, 0])
            stream.text = 5  # the same past for both, whatever rounding makes of a near tie
        return np.stack(out)

    ring, growing = run(lm.transformer.make_rot_cache()), run(lm.transformer.make_cache())
    scale = np.abs(growing).max()
    # The same keys in another order: equal but for bfloat16 rounding.
    assert np.abs(ring - growing).max() < 0.03 * scale
    assert np.abs(ring[:96] - growing[:96]).max() == 0


def test_speech_ends_at_max_steps(zoo):
    speech = DsmTts(zoo(Recipe("tts")), TtsOptions(max_steps=20)).synthesize("one two three four")
    assert len(list(speech)) == speech.steps == 20
    assert speech.end_step is None
