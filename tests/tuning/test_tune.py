"""The command from end to end, on sessions and the scripted stack."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import get_type_hints

import pytest
from click.testing import CliRunner
from made_sessions import REPOSITORY
from optuna.storages import InMemoryStorage

from workbench.cache import Store
from workbench.cli import cli
from workbench.config import AssistantConfig, load
from workbench.errors import WorkbenchError
from workbench.trace_file import trace_digest
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import Goal
from workbench.tuning.output.listener_comparison import FAULTS
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.search import Objective, run_trials
from workbench.tuning.space import parse
from workbench.tuning.study import create, finished

CONFIGS = [
    *("--config", str(REPOSITORY / "configs/baseline.toml")),
    *("--space", str(REPOSITORY / "configs/space.toml")),
    *("--budget", str(REPOSITORY / "configs/budget.toml")),
    *("--stack", "scripted", "--no-page"),
]


def run(*arguments: str):
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def tuned(recordings, *arguments: str):
    return run("tune", *map(str, recordings), "--name", "one", *CONFIGS, *arguments)


def consumer():
    """MLX-Harmony's own model, told from its published table of keys, types and defaults."""
    pydantic = pytest.importorskip("pydantic")

    class MoshiConfig(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid", strict=True)
        enabled: bool = False
        stt_model_path: str | None = None
        stt_config_path: str | None = None
        stt_max_seconds: float = 8.0
        stt_vad: bool = False
        stt_vad_threshold: float = 0.5
        stt_vad_hits: int = 2
        stt_silence: bool = True
        stt_silence_threshold: float = 0.01
        stt_silence_ms: int = 700
        stt_min_speech_ms: int = 200
        stt_block_ms: int = 80
        stt_warmup_blocks: int = 2
        tts_model_path: str | None = None
        tts_config_path: str | None = None
        tts_voice_path: str | None = None
        quantize: int | None = None
        tts_chunk_chars: int = 180
        tts_chunk_sentences: bool = True
        tts_chunk_min_chars: int = 60
        tts_stream: bool = False
        use_stt: bool = True
        use_tts: bool = True
        smoke_test: bool = False
        barge_in: bool = False
        barge_in_window_seconds: float = 2.0

    return MoshiConfig


def test_one_command_makes_a_config_the_assistant_takes(here, recordings):
    result = tuned(recordings, "--trials", "6", "--json")
    assert result.return_value in (0, 1)
    told = json.loads(result.stdout)
    assert told["faults"] is None, "they are those of mlx-harmony"
    folder = here / "configs/one"
    data = json.loads((folder / "moshi.json").read_text())
    assert list(data) == list(get_type_hints(AssistantConfig))
    loaded = consumer()(**data)
    assert len(data) == 26
    assert loaded.stt_model_path is None
    assert loaded.quantize is None
    config = load(folder / "tuned.toml")
    assert config.assistant.stt_silence_ms == data["stt_silence_ms"] == told["recommended"]["stt_silence_ms"]
    assert config.fingerprint == told["fingerprint"]
    text = (folder / "checklist.md").read_text()
    for key in data:
        assert f"| `{key}` |" in text
    assert "no effect: the consumer's loop uses 80 ms always" in text
    assert text.startswith(f"# one: {told['answer']['title']}\n")
    assert set(told["answer"]["sentence"].split()) <= set(text.partition("<details>")[0].split()) | {"…"}
    files = {"moshi.json", "tuned.toml", "checklist.md"} | ({"candidate.json"} if told["candidate"] else set())
    assert {path.name for path in folder.iterdir()} == files


def test_what_the_faults_cost_is_in_result_json(here, recordings):
    result = tuned(recordings, "--trials", "3", "--listener", "mlx-harmony", "--json")
    told = json.loads(result.stdout)
    assert told == {"configs": "configs/one"} | json.loads((here / "studies/one/result.json").read_text())
    text = (here / "configs/one/checklist.md").read_text()
    costs = told["faults"]["costs"]
    assert [item["key"] for item in costs] == [key for _, key in FAULTS]
    for item in costs:
        assert f"| {item['shipped']} | {item['corrected']} |" in text
    assert told["faults"]["sessions"] == len(recordings)


def test_twice_the_same_bytes(here, recordings, monkeypatch):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        monkeypatch.chdir(here / folder)
        tuned(recordings, "--trials", "5")
    for name in (
        "configs/one/moshi.json",
        "configs/one/tuned.toml",
        "configs/one/checklist.md",
        "studies/one/result.json",
    ):
        assert (here / "a" / name).read_bytes() == (here / "b" / name).read_bytes()


def test_paths_of_the_users_own_file_are_kept(here, recordings):
    own = {
        "stt_model_path": "models/stt",
        "quantize": 8,
        "use_tts": False,
        "stt_silence_ms": 5000,
        "tts_voice_path": None,
    }
    (here / "moshi.json").write_text(json.dumps(own))
    tuned(recordings, "--trials", "2", "--keep-keys-from", "moshi.json")
    data = json.loads((here / "configs/one/moshi.json").read_text())
    assert (data["stt_model_path"], data["quantize"], data["use_tts"]) == ("models/stt", 8, False)
    assert data["tts_voice_path"] is None
    assert data["stt_silence_ms"] != 5000


def test_a_trials_trace_is_that_of_replay(here, recordings):
    """Must show 5: a trial's trace, replayed by the command with that trial's config, has the same digest."""
    from workbench.config import dump_toml
    from workbench.tuning.loading import make_evaluator
    from workbench.tuning.spec import STUDIES, local_url, read_spec
    from workbench.tuning.storage import open_storage
    from workbench.tuning.study import load as load_study

    tuned(recordings, "--trials", "4")
    spec = read_spec(STUDIES / "one")
    study, _ = load_study("one", open_storage(local_url(spec)))
    evaluator = make_evaluator(spec)
    for trial in study.trials:
        config = spec.space.config(spec.config, trial.params)
        (here / "trial.toml").write_text(dump_toml(config))
        out = f"reports/{trial.number}"
        run("replay", *map(str, recordings), "--config", "trial.toml", "--out", out, "--no-page")
        manifest = json.loads((here / out / "run.json").read_text())
        assert manifest["fingerprint"] == config.fingerprint
        for entry in manifest["sessions"]:
            assert trace_digest(evaluator.replay(config, entry["name"]).trace) == entry["digest"]


def test_the_baseline_is_first_and_equal_settings_replay_once(here, recordings):
    space = parse({"assistant": {"stt_silence_ms": {"type": "int", "low": 641, "high": 800, "step": 1}}}, "test")
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    goal = Goal(("voice_to_voice_ms_p50",), {})
    spec = plan("few", recordings, baseline, space, goal, SearchOptions(trials=12))
    study = create(spec, InMemoryStorage())
    evaluator = Evaluator(recordings, spec.config, Store(None))
    run_trials(study, spec, Objective(spec, evaluator, spec.tuning))
    assert study.trials[0].params == {"stt_silence_ms": 700}
    assert len(finished(study)) == 12
    # 641 to 800 ms are two settings: nine frames and ten.
    assert evaluator.replays == 2 * len(recordings)
    again = Evaluator(recordings, spec.config, Store(None))
    more = replace(spec, trials=15)
    run_trials(study, more, Objective(more, again, spec.tuning))
    assert len(finished(study)) == 15
    assert again.replays == 0


BAD = {
    "no sessions": ([], "no sessions given"),
    "session": (["nowhere"], "no such session folder"),
    "name": (["{session}", "--name", "../up"], "must be letters"),
    "objective": (["{session}", "--objective", "speediness"], "not a percentile or a rate"),
    "count": (["{session}", "--objective", "turns_n"], "not a percentile or a rate"),
    "dask and workers": (["{session}", "--dask", "tcp://h:1", "--workers", "2"], "leave one out"),
    "grpc": (["{session}", "--storage", "grpc://localhost:1"], "must be journal:PATH"),
    "trials": (["{session}", "--trials", "0"], "must be 1 or more"),
    "workers": (["{session}", "--workers", "0"], "must be 1 or more"),
    "storage": (["{session}", "--storage", "nowhere"], "must be journal:PATH"),
    "database": (["{session}", "--storage", "postgresql://u:secret@127.0.0.1:1/db"], "cannot be opened"),
    "prune": (["{session}", "--prune"], "a test needs 8"),
    "costs": (["{session}", "--set", "step_costs.source=measured"], "differs each time"),
    "resume": (["--resume"], "no such study"),
    "keys": (["{session}", "--keep-keys-from", "none.json"], "no such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(here, recordings, case):
    arguments, says = BAD[case]
    arguments = [item.format(session=recordings[0]) for item in arguments]
    with pytest.raises(WorkbenchError, match=says) as caught:
        run("tune", "--name", "one", *CONFIGS, *arguments)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (here / "configs").exists()


def test_the_demo_ends_in_a_config_and_finds_it_again(here, recordings):
    (here / "configs").mkdir()
    for name in ("baseline", "quick", "budget"):
        shutil.copy(REPOSITORY / f"configs/{name}.toml", here / "configs")
    from workbench.cli.actions.tune import tune_demo

    config = load(None, {"stack.name": "scripted"})
    result, found, folder = tune_demo(recordings, config)
    assert consumer()(**json.loads((here / folder / "moshi.json").read_text())).barge_in
    again, same, where = tune_demo(recordings, config)
    assert (again.recommendation, same, where) == (result.recommendation, found, folder)


def test_a_study_is_not_overwritten(here, recordings):
    tuned(recordings, "--trials", "2")
    with pytest.raises(WorkbenchError, match="--resume goes on"):
        tuned(recordings, "--trials", "2")
    with pytest.raises(WorkbenchError, match="made with seed 0"):
        tuned(recordings, "--trials", "2", "--resume", "--seed", "1")
    assert run("tune", "--name", "one", "--resume", "--trials", "4", "--json").return_value in (0, 1)
    listed = json.loads(run("studies", "--json").stdout)
    assert [(item["name"], item["trials"], item["wanted"]) for item in listed] == [("one", 4, 4)]


def test_help_loads_nothing_heavy():
    code = (
        "import sys, workbench.cli.commands.tune; "
        "print([m for m in ('optuna', 'rich', 'scipy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
