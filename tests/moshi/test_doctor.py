"""doctor, models and voices as a person calls them, on good directories and broken ones."""

import json
import os
import shutil

import pytest
from click.testing import CliRunner

from workbench.cli import cli
from workbench.errors import WorkbenchError
from workbench.moshi import doctor, headroom
from workbench.moshi.generate import Recipe
from workbench.moshi.stt import DsmStt
from workbench.simulation.step_costs import read_profile


def run(*arguments):
    """Exit code and output; a WorkbenchError is code 2 and its one line."""
    try:
        result = CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)
    except WorkbenchError as error:
        return 2, str(error)
    return result.return_value or 0, result.output


@pytest.fixture(scope="module")
def models(zoo, tmp_path_factory):
    root = tmp_path_factory.mktemp("stack")
    for kind in ("stt", "tts", "duplex"):
        shutil.copytree(zoo.directory(Recipe(kind)), root / kind)
    return root


def test_doctor_says_all_there_is_to_say(models, tmp_path, monkeypatch):
    monkeypatch.setattr(headroom, "FRAME_MS", 60_000)  # how loaded this machine is must not matter
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 0.0, 0.0))
    code, out = run("doctor", "--models", models, "--steps", 12, "--profile", tmp_path / "p.json")
    assert code == 0, out
    for line in (
        "stt: encode_step(1920 samples) is (1, 8, 1) uint32",
        "stt: codes as the LM keeps them is (1, 8) int32",
        "duplex: last_audio_tokens is (1, 4) int32",
        "tts: decode_step(codes) is (1920,) float32",
        "after a reset 12 of 12 steps equal a fresh start",
        "MLX-Harmony's own reset changes 12 of 12 steps",
        "generated weights, right in shape and without meaning",
        f"measured beside other work (load 99.0 on {os.cpu_count()} cores): run it again when nothing else runs",
        "verdict",
    ):
        assert line in out
    assert not [line for line in out.splitlines() if line[:4] not in ("ok  ", "note")]
    profile = read_profile(tmp_path / "p.json")
    assert len(profile.stages["stt"]) == 9  # the first three of twelve compile kernels


def test_doctor_is_unfit_with_a_broken_model(models, tmp_path):
    shutil.copytree(models, tmp_path / "m")
    weights = tmp_path / "m/stt/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    code, out = run("doctor", "--models", tmp_path / "m")
    assert code == 1
    assert "bad   models     " in out
    assert "truncated, 5 bytes are missing" in out


def test_doctor_without_models_looks_at_the_machine():
    code, out = run("doctor")
    assert code == 0
    assert "moshi_mlx 0.3.0" in out
    assert "none given" in out


def test_doctor_as_json():
    code, out = run("doctor", "--json")
    assert code == 0
    found = json.loads(out)
    assert {"area": "packages", "state": "ok", "text": "moshi_mlx 0.3.0"} in found


def test_doctor_mistakes(tmp_path):
    assert run("doctor", "--models", tmp_path / "none")[0] == 2
    assert "holds no stt/, tts/ or duplex/" in run("doctor", "--models", tmp_path)[1]
    assert "no models to measure" in run("doctor", "--profile", tmp_path / "p")[1]


@pytest.mark.parametrize(
    ("p99", "state", "said"),
    [
        ({"stt": 30, "tts": 40, "pair": 70}, "ok", "shared"),
        ({"stt": 30, "tts": 60, "pair": 95}, "ok", "serial"),
        ({"stt": 30, "tts": 90, "pair": 120}, "bad", "not at all: tts 90.0 ms"),
        ({"duplex": 79}, "ok", "duplex keeps up"),
        ({"duplex": 81}, "bad", "not at all: duplex 81.0 ms"),
    ],
)
def test_verdicts(p99, state, said):
    finding = headroom.verdict({k: float(v) for k, v in p99.items()})
    assert finding.state == state
    assert finding.text.startswith(said)


def test_the_bleed_test_finds_a_broken_reset(zoo, monkeypatch):
    stt = DsmStt(zoo(Recipe("stt")))
    monkeypatch.setattr(stt.codec, "reset", lambda: None)
    stt.open().steps(doctor.probe(3, 9))  # something to leave behind
    assert next(f.state for f in doctor.bleed(stt, 10)) == "bad"


def test_models_init_check_and_list(tmp_path):
    code, out = run("models", "init", tmp_path / "m/stt", "--kind", "stt", "--seed", 4)
    assert code == 0
    assert "model.safetensors" in out
    assert run("models", "init", tmp_path / "m/stt", "--kind", "stt")[0] == 2
    assert run("models", "check", tmp_path / "m/stt")[0] == 0
    (tmp_path / "m/x").mkdir()
    (tmp_path / "m/x/config.json").write_text("{}")
    code, out = run("models", "check", tmp_path / "m/stt", tmp_path / "m/x")
    assert code == 1
    assert "ok   " in out
    assert "bad  " in out
    out = run("models", "list", tmp_path / "m")[1]
    assert "stt  stt  model.safetensors, mimi-generated.safetensors  generated, without meaning" in out
    assert "unusable: " in out
    assert "kyutai/stt-1b-en_fr-candle" in run("models", "list")[1]
    (tmp_path / "empty").mkdir()
    assert "holds no model" in run("models", "list", tmp_path / "empty")[1]


def test_doctor_names_a_model_that_moshi_mlx_cannot_step(models, tmp_path):
    shutil.copytree(models / "stt", tmp_path / "stt")
    path = tmp_path / "stt/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_heads": 7}))
    code, out = run("doctor", "--models", tmp_path)
    assert code == 1
    assert "bad   models     " in out
    assert "moshi_mlx cannot step this model: dim 256 is not divisible by num_heads 7" in out


def test_voices_commands(zoo, tmp_path):
    root = zoo.directory(Recipe("tts"))
    shutil.copytree(root, tmp_path / "null")
    config = json.loads((root / "config.json").read_text()) | {"conditioners": None}
    (tmp_path / "null/config.json").write_text(json.dumps(config))
    code, out = run("voices", "check", tmp_path / "null/config.json", "--tts", tmp_path / "null")
    assert code == 2
    assert "conditioners is null, moshi_mlx needs an object; leave the key out where there are none" in out
    voice = root / "voices/generated.generated@0.safetensors"
    assert str(voice) in run("voices", "list", root)[1]
    code, out = run("voices", "check", voice, root / "config.json", "--tts", root)
    assert code == 1
    assert f"ok   {voice}: 125 frames of 64, standard deviation 0.70" in out
    assert "bad  " in out
    code, out = run("voices", "audition", "generated", "--tts", root, "--text", "Hi.", "--out", tmp_path / "v")
    assert code == 0
    assert (tmp_path / "v/generated.flac").exists()
    assert (tmp_path / "v/voices.txt").read_text().count("\n") == 2
    assert "is of kind stt, a tts model is needed" in run("voices", "list", zoo.directory(Recipe("stt")))[1]
