"""Voices and the options of the TTS: what is unfit is named before a model is loaded."""

import mlx.core as mx
import numpy as np
import pytest
import soundfile

from workbench.config import load
from workbench.errors import WorkbenchError
from workbench.moshi import voices
from workbench.moshi.audition import audition
from workbench.moshi.checkpoint import find
from workbench.moshi.generate import Recipe
from workbench.moshi.nano import folder
from workbench.moshi.tensors import save
from workbench.moshi.text import gaps
from workbench.moshi.tts import INERT, DsmTts, TtsOptions, _conditions
from workbench.stacks import make_stack


@pytest.fixture(scope="module")
def tts(zoo):
    return zoo(Recipe("tts"))


def voice(tmp_path, values=None, key="speaker_wavs", name="v.safetensors", metadata=None):
    if values is None:
        values = np.random.default_rng(0).standard_normal((1, 64, 125)) * 0.7
    save(tmp_path / name, {key: values.astype(np.float32)}, metadata)
    return tmp_path / name


def refused(path, tts=None):
    with pytest.raises(WorkbenchError) as error:
        voices.check(path, tts)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_good_voice(tmp_path, tts):
    v = voices.check(voice(tmp_path, metadata={"sig": "generated", "epoch": "0"}), tts)
    assert (v.dim, v.frames) == (64, 125)
    assert v.std == pytest.approx(0.7, abs=0.02)


def test_what_is_wrong_with_a_voice_is_named(tmp_path, tts):
    assert "has no tensor speaker_wavs (has x)" in refused(voice(tmp_path, key="x"))
    assert "has shape [64, 125], must be [1, dim, frames]" in refused(voice(tmp_path, np.ones((64, 125))))
    quiet = np.random.default_rng(0).standard_normal((1, 64, 125)) * 0.067
    assert "standard deviation 0.067, published voices have about 0.7; 0.07 is" in refused(voice(tmp_path, quiet))
    assert "not finite" in refused(voice(tmp_path, np.full((1, 64, 125), np.nan)))
    wide = np.random.default_rng(0).standard_normal((1, 512, 125)) * 0.7
    assert "has 512 values per frame, the model wants 64" in refused(voice(tmp_path, wide), tts)
    other = voice(tmp_path, metadata={"sig": "1e68beda", "epoch": "240"})
    assert "made for sig 1e68beda, the model" in refused(other, tts)
    wav = tmp_path / "me.wav"
    soundfile.write(wav, np.zeros(2400), 24000)
    assert "this is a wav file; a .safetensors file is needed" in refused(wav)
    (tmp_path / "p.safetensors").write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c")
    assert "a Python pickle" in refused(tmp_path / "p.safetensors")
    assert "cannot be read" in refused(tmp_path / "none.safetensors")


def test_a_voice_is_found_by_path_by_name_and_alone(tts, tmp_path):
    only = tts.root / "voices/generated.generated@0.safetensors"
    assert voices.available(tts) == [only]
    assert voices.resolve(tts, "") == voices.resolve(tts, "generated") == voices.resolve(tts, str(only)) == only
    with pytest.raises(WorkbenchError, match="voice nobody: no such file"):
        voices.resolve(tts, "nobody")


def test_inert_options_are_refused_by_name():
    for name in INERT:
        with pytest.raises(WorkbenchError, match=f"tts option {name}: does nothing in moshi_mlx"):
            TtsOptions.parse({name: 1})
    with pytest.raises(WorkbenchError, match="tts option speed: unknown"):
        TtsOptions.parse({"speed": 2})
    assert TtsOptions.parse({"cfg": 2.0, "max_padding": 6}) == TtsOptions(cfg=2.0, max_padding=6)


def test_cfg_outside_the_models_own_is_refused(tts):
    with pytest.raises(WorkbenchError, match=r"cfg: 5.0 is not one this model knows \(1.0, 1.5"):
        DsmTts(tts, TtsOptions(cfg=5.0))


def test_a_voice_or_cfg_without_effect_is_refused_by_name(tmp_path):
    nano = find(folder() / "tts")
    other = voice(tmp_path, np.random.default_rng(0).standard_normal((1, 64, 125)) * 0.7)
    assert refused(other, nano).endswith(f"no voice does anything in {nano.root}; leave tts_voice_path empty")
    with pytest.raises(WorkbenchError, match="no voice does anything in"):
        make_stack(load(None, {"stack.name": "nano", "tts_voice_path": str(other)}))
    with pytest.raises(WorkbenchError, match=r"tts option cfg: does nothing in .*tts, as its voice; leave it out"):
        DsmTts(nano, TtsOptions(cfg=2.0))
    [own] = voices.available(nano)
    assert voices.check(own, nano).std == 0
    assert voices.resolve(nano, "") == own


def test_in_nano_voices_and_cfg_really_do_nothing():
    """What its config.json says of it, and is believed: any voice and any cfg give the same tokens."""
    tts = DsmTts(find(folder() / "tts"))

    def say():
        speech = tts.synthesize("a quarter past nine", 0)
        list(speech)
        return np.stack(speech.tokens)

    plain = say()
    tts._condition = _conditions(tts._tts, tts.voice.path, TtsOptions(cfg=4.0))[0]
    tts._cross = mx.random.normal(tts._cross.shape, key=mx.random.key(1)).astype(tts._cross.dtype)
    assert np.array_equal(say(), plain)


OPTIONS = [
    {"cfg": 3.0},
    {"temperature": 0.0},
    {"max_padding": 3},
    {"initial_padding": 6},
    {"final_padding": 5},
    {"padding_between": 12},
    {"quantize": 8},
]


def say(tts, options):
    speech = DsmTts(tts, options)
    stream = speech.synthesize("one", 1)
    return speech.fingerprint, np.concatenate([f for f in stream if f is not None])


@pytest.fixture(scope="module")
def plainly(tts):
    return say(tts, TtsOptions())


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_option_there_is_changes_the_speech(tts, plainly, option):
    name, plain = plainly
    other_name, other = say(tts, TtsOptions.parse(option))
    assert name != other_name
    assert not np.array_equal(plain, other)


def test_text_gaps():
    assert gaps("‘a’ *b*: <break time='300ms'/>")[0] == '\'a’ b: <break time="0.3s"/>'
    assert gaps("plain “text”") == ('plain "text"', ("curly double quotes",))
    assert gaps('<break time="2s"/>') == ('<break time="2s"/>', ())


def test_single_quoted_breaks_are_spoken_unless_asked_for(tts):
    text = "one <break time='1s'/> two"
    spoken = DsmTts(tts).synthesize(text)
    silent = DsmTts(tts, TtsOptions(text="gaps")).synthesize(text)
    assert len([*spoken, *spoken.words]) > 0
    list(silent)
    assert [w for w, _ in spoken.words] == ["one", "<break", "time='1s'/>", "two"]
    assert [w for w, _ in silent.words] == ["one", "two"]
    assert silent.words[1][1] - silent.words[0][1] >= 12


def test_nothing_to_say(tts):
    for text in ("", "  ", '<break time="1s"/>'):
        with pytest.raises(WorkbenchError, match="nothing to say"):
            DsmTts(tts).synthesize(text)


def test_audition_writes_one_flac_a_voice(tts, tmp_path):
    other = voice(tmp_path, name="other.safetensors")
    takes = list(audition(tts, ["generated", str(other)], "Hello there.", tmp_path / "out", 3))
    assert [t.path.name for t in takes] == ["generated.flac", "other.flac"]
    pcm = [soundfile.read(t.path)[0] for t in takes]
    assert len(pcm[0]) != len(pcm[1]) or not np.array_equal(*pcm)
    alone = np.concatenate(
        [f for f in DsmTts(tts, TtsOptions(voice=str(other))).synthesize("Hello there.", 3) if f is not None]
    )
    np.testing.assert_allclose(pcm[1], alone, atol=1 / 32768)
    assert takes[1].seconds == len(alone) / 24000
    with pytest.raises(WorkbenchError, match="the same name"):
        list(audition(tts, ["generated", "generated"], "x", tmp_path / "out", 0))
