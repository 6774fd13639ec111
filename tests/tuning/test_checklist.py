"""The checklist as a person uses it: every command pasted, every key and figure there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from made_sessions import REPOSITORY

from workbench.cli import cli
from workbench.config import Config, load, override
from workbench.files import read_json
from workbench.metrics import Summary, shown
from workbench.metrics.budget import read_budget
from workbench.moshi_json import KEYS
from workbench.tuning.objective import Goal, Outcome
from workbench.tuning.output.checklist_commands import commands
from workbench.tuning.output.phrases import knob
from workbench.tuning.sensitivity import survey
from workbench.tuning.space import parse
from workbench.tuning.spec import read_spec

LOSS = "loss_s_per_turn"


def run(*arguments: str) -> int:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False).return_value or 0


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder in which the demo sessions were tuned on; their path has a space, and the user has a voice."""
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("project")
    (folder / "my recordings").symlink_to(REPOSITORY / "recordings")
    (folder / "voices").mkdir()
    values = np.random.default_rng(0).normal(0, 0.7, (1, 512, 125)).astype(np.float32)
    save_file({"speaker_wavs": values}, folder / "voices/anna.safetensors")
    (folder / "own.json").write_text(json.dumps({"tts_voice_path": "voices/anna.safetensors", "use_tts": True}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WORKBENCH_STORE", str(folder / "store"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        sessions = sorted(path.parent for path in (folder / "my recordings").glob("*/session.json"))
        files = [f"--{name}={REPOSITORY}/configs/{name}.toml" for name in ("space", "budget")]
        files.append(f"--config={REPOSITORY}/configs/baseline.toml")
        names = [str(path.relative_to(folder)) for path in sessions]
        more = ("--stack", "scripted", "--trials", "30", "--keep-keys-from", "own.json", "--no-page")
        run("tune", *names, "--name", "one", *files, *more)
    return folder


@pytest.fixture
def inside(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("WORKBENCH_STORE", str(project / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    return project


def text_of(project) -> str:
    return (project / "configs/one/checklist.md").read_text()


def printed(text: str) -> list[str]:
    """Every command in a text that is on a line of its own."""
    return re.findall(r"^ *(workbench .*)$", text, re.MULTILINE)


# --- the commands ---


def test_every_command_reads_the_same_in_every_shell(project, tmp_path):
    show = tmp_path / "workbench"
    show.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    show.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    shells = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]
    assert shells
    lines = printed(text_of(project))
    assert len(lines) == 2
    for line in lines:
        for shell in shells:
            done = subprocess.run([shell, "-c", line], env=environment, capture_output=True, text=True, check=True)
            assert json.loads(done.stdout) == shlex.split(line)[1:]


def test_every_command_works_on_the_studys_own(inside):
    spec = read_spec(inside / "studies/one")
    sessions = [item.folder for item in spec.sessions]
    assert len(sessions) == len(list((inside / "my recordings").glob("*/session.json")))
    codes = {}
    for line in printed(text_of(inside)):
        arguments = shlex.split(line)[1:]
        if arguments[0] in ("sessions", "replay"):
            assert [item for item in arguments if item in sessions] == sessions
        codes[" ".join(item for item in arguments if item not in sessions)] = run(
            *arguments, *(["--no-page"] if arguments[0] == "replay" else [])
        )
    config, budget = "--config configs/one/tuned.toml", "--budget studies/one/budget.toml"
    assert codes == {
        "sessions --verify": 0,
        f"replay {config} {budget}": 1,  # these sessions keep no latency of 1500 ms
    }
    assert read_budget(inside / "studies/one/budget.toml") == spec.budget
    fingerprints = {read_json(path)["fingerprint"] for path in (inside / "reports").glob("*/run.json")}
    tuned = load(inside / "configs/one/tuned.toml")
    assert fingerprints == {tuned.fingerprint}


def test_on_moshi_there_is_a_command_for_the_models_too(inside):

    spec = read_spec(inside / "studies/one")
    config = override(spec.config, {"stack.name": "moshi", "models": "my models"})
    result = SimpleNamespace(config=config, spec=replace(spec, config=config))
    assert commands(result, Path("configs/one"))["models"] == "workbench doctor --config configs/one/tuned.toml"
    assert "models" not in commands(SimpleNamespace(config=config, spec=spec), Path("configs/one"))


# --- the rows ---


def rows(text: str) -> dict[str, list[str]]:
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells if len(row) == 4 and row[0].strip("`") in KEYS}


def test_all_keys_are_there_with_todays_value_the_one_to_write_and_why(project):
    found, result = rows(text_of(project)), json.loads((project / "studies/one/result.json").read_text())
    written = json.loads((project / "configs/one/moshi.json").read_text())
    assert list(found) == list(KEYS)
    for key, (_, write, why) in found.items():
        assert write.strip("`") == re.sub(r"\.0$", "", json.dumps(written[key]))
        assert (key in result["recommended"]) == ("as good" in why or "any other" in why or "no difference" in why)
    assert 'no effect with listener = "workbench"' in found["barge_in_window_seconds"][-1]
    assert found["tts_voice_path"] == [*['`"voices/anna.safetensors"`'] * 2, "yours, kept"]


def test_the_price_of_the_window_stands_where_it_is_tuned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    (tmp_path / "space.toml").write_text(
        '[assistant]\nbarge_in_window_seconds = { type = "categorical", choices = [0.5, 2.0, 8.0] }\n'
    )
    (tmp_path / "budget.toml").write_text("[budget]\n")
    sessions = [str(REPOSITORY / "recordings" / name) for name in ("barge-in", "holds", "television")]
    more = ["--listener", "mlx-harmony", "--set", "barge_in=true", "--set", "barge_in_window_seconds=8"]
    files = ["--config", f"{REPOSITORY}/configs/baseline.toml", "--space", "space.toml", "--budget", "budget.toml"]
    run("tune", *sessions, "--name", "w", "--stack", "scripted", "--sampler", "grid", "--no-page", *files, *more)
    text = (tmp_path / "configs/w/checklist.md").read_text()
    scores = json.loads((tmp_path / "studies/w/result.json").read_text())["tuning"]
    before, after = (scores[side]["scores"]["shared_model_listens"] for side in ("baseline", "tuned"))
    assert before > 0
    said = f"listens that shared the STT model (`shared_model_listens`): {before} → {after} on the tuning sessions"
    assert said in rows(text)["barge_in_window_seconds"][-1]
    assert f"`shared_model_listens` on the tuning sessions: {after}" in text


def test_figures_are_those_of_held_out_sessions(project):
    text, result = text_of(project), json.loads((project / "studies/one/result.json").read_text())
    spec = read_spec(project / "studies/one")
    assert f"On 6 sessions that the search did not see ({', '.join(f'`{name}`' for name in spec.held_out)}):" in text
    for side in ("baseline", "tuned"):
        judged = result["held_out"][side]
        summary = Summary(judged["scores"], judged["intervals"], judged["counts"], ())
        for key in (LOSS, "cutin_per_hold", "wer"):
            row = next(line for line in text.splitlines() if line.startswith(f"| `{key}` |"))
            assert f"| {shown(summary, key)} |" in row


def test_each_sweep_has_a_row_for_every_value(project):
    text, result = text_of(project), json.loads((project / "studies/one/result.json").read_text())
    swept = {item["knobs"][0]["knob"]: item for item in result["sweeps"]}
    changed = {item["name"] for item in result["ablations"]}
    names = {name.partition(".")[2] for name in swept}
    assert names == changed | {"stt_silence_threshold", "stt_silence_ms"}
    lines = text.splitlines()
    for path, item in swept.items():
        head = f"| `{path.partition('.')[2]}` | "
        at = next(number for number, line in enumerate(lines) if line.startswith(head) and "---" in lines[number + 1])
        values = [line.split(" | ")[0].strip("|* ") for line in lines[at + 2 : at + 2 + len(item["points"])]]
        assert values == [knob(value) for value in item["knobs"][0]["values"]]


def test_a_range_ends_where_a_further_limit_breaks():
    space = parse({"assistant": {"stt_silence_ms": {"type": "frames", "low": 160, "high": 960}}}, "t")
    over = {560: {"wer": 0.5, "rtf": 0.2}, 640: {"wer": 0.3, "rtf": -0.1}, 720: {"wer": 0.9, "rtf": -0.1}}

    def judge(config: Config) -> Outcome:
        return Outcome((1.0,), over.get(config.assistant.stt_silence_ms, {"rtf": 9.0}), {})

    config = override(Config(), {"stt_silence_ms": 640})
    (found,) = survey(space, config, Goal(("voice_to_voice_ms_p95",), {}), judge, None).ranges
    assert (found.low, found.high, found.bounded) == (640, 720, (True, True))
