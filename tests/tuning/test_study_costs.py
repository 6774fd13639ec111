"""What steps cost is a part of the study: its trials are worth the same wherever they run."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_sessions import REPOSITORY

from workbench.cache import Store, default_folder
from workbench.cli import cli
from workbench.config import dump_toml, load
from workbench.errors import WorkbenchError
from workbench.replay.profiles import profile_path
from workbench.simulation.step_costs import Profile, read_profile, write_profile
from workbench.stacks import make_stack
from workbench.trace_file import trace_digest
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.plan import plan
from workbench.tuning.space import parse
from workbench.tuning.spec import Spec, from_dict, local_url, read_spec
from workbench.tuning.storage import open_storage
from workbench.tuning.study import create, finished
from workbench.tuning.study import load as load_study
from workbench.tuning.workers import make_evaluator, settle, work

SPACE = {"assistant": {"stt_silence_ms": {"type": "frames", "low": 640, "high": 800}}}
OBJECTIVE = "voice_to_voice_ms_p50"


def asked(sessions, stack: str = "scripted", **changes) -> Spec:
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": stack} | changes)
    return plan("one", sessions, baseline, parse(SPACE, "test"), {}, [OBJECTIVE], sampler="grid")


def slower(profile: Profile, times: int) -> Profile:
    return Profile({stage: tuple(times * cost for cost in costs) for stage, costs in profile.stages.items()}, "slower")


def run(*arguments: str):
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def value(spec: Spec, evaluator: Evaluator) -> float | None:
    return evaluator.summary(spec.config, evaluator.names).scores[OBJECTIVE]


def test_a_study_is_read_back_whole_from_its_storage_and_its_folder(here, recordings):
    spec, _ = settle(asked(recordings[:1]))
    create(spec, open_storage(local_url(spec)))
    spec.write()
    assert load_study("one", open_storage(local_url(spec)))[1] == spec
    assert read_spec(spec.folder) == spec
    assert spec.config.step_costs.profile == "studies/one/profile.json"
    assert read_profile(Path(spec.config.step_costs.profile)) == spec.profile


def test_fixed_costs_need_no_profile(here, recordings):
    spec, evaluator = settle(asked(recordings[:1], **{"step_costs.source": "fixed"}))
    spec.write()
    assert (spec.profile, spec.config.step_costs.profile) == (None, "")
    assert [path.name for path in spec.folder.iterdir()] == ["study.toml"]
    assert read_spec(spec.folder) == spec
    assert value(spec, make_evaluator(spec)) == value(spec, evaluator)


def test_whoever_joins_draws_from_the_studys_profile_and_not_from_its_own(here, recordings):
    spec, evaluator = settle(asked(recordings[:1]))
    other = replace(spec, profile=slower(spec.profile, 3))
    assert value(spec, make_evaluator(spec)) == value(spec, evaluator)
    assert value(other, make_evaluator(other)) > value(spec, evaluator)
    with pytest.raises(WorkbenchError, match="study 'one' has lost its cost profile"):
        make_evaluator(replace(spec, profile=None))


def test_other_weights_are_refused(here, recordings):
    spec, _ = settle(asked(recordings[:1]))
    with pytest.raises(WorkbenchError) as error:
        make_evaluator(replace(spec, weights={"stt.lm": "0123456789"}))
    assert str(error.value) == (
        "stack 'scripted': stt.lm is not what the study was made with (none, not 01234567); use the study's models"
    )


def test_a_resumed_study_keeps_its_costs(here, recordings):
    """Resumed with another profile it is refused; its own file, lost or changed, is written anew or named."""
    (here / "space.toml").write_text("[assistant]\nstt_silence_ms = {type = 'frames', low = 640, high = 800}\n")
    (here / "budget.toml").write_text("[budget]\ncutin_per_hold = 0.1\n")
    arguments = ["tune", str(recordings[0]), "--name", "one", "--trials", "2", "--stack", "scripted"]
    arguments += ["--config", str(REPOSITORY / "configs/baseline.toml"), "--space", "space.toml"]
    arguments += ["--budget", "budget.toml"]
    own = here / "own.json"
    write_profile(own, slower(make_stack(asked(recordings).config).profile, 2))
    run(*arguments, "--set", f"profile={own}")
    kept = here / "studies/one/profile.json"
    whole = kept.read_bytes()
    assert read_profile(kept).digest == read_profile(own).digest
    kept.unlink()
    run(*arguments, "--resume", "--trials", "3")
    assert kept.read_bytes() == whole
    run(*arguments, "--resume", "--set", f"profile={own}", "--trials", "4")
    write_profile(own, slower(read_profile(own), 2))
    with pytest.raises(WorkbenchError, match=r"has another cost profile than .*own\.json; leave it out"):
        run(*arguments, "--resume", "--set", f"profile={own}")
    write_profile(kept, read_profile(own))
    with pytest.raises(WorkbenchError, match="not the one that the study was made with"):
        run("tune", "--name", "one", "--resume")
    run(*arguments, "--resume")
    assert kept.read_bytes() == whole
    trials = load_study("one", open_storage("journal:studies/one/journal.log"))[0].trials
    assert len(trials) == 4
    assert load(here / "configs/one/tuned.toml").step_costs.profile == "studies/one/profile.json"


def test_an_older_study_is_named_and_the_others_are_listed(here, recordings):
    spec, _ = settle(asked(recordings[:1]))
    create(spec, open_storage(local_url(spec)))
    spec.write()
    (here / "studies/old").mkdir()
    (here / "studies/old/study.toml").write_text(
        (spec.folder / "study.toml").read_text().replace("format = 3", "format = 1")
    )
    listed = run("studies", "--json")
    assert [row["name"] for row in json.loads(listed.stdout)] == ["one"]
    says = "of format 1, when a study kept neither its step costs nor its weights; tune under a new --name"
    assert listed.stderr == f"note: studies/old/study.toml: {says}\n"
    with pytest.raises(WorkbenchError, match="of format 1"):
        run("tune", "--name", "old", "--resume")
    with pytest.raises(WorkbenchError, match="not a study of format 3"):
        from_dict({"format": 4}, None, "x")


@pytest.mark.slow
def test_two_workers_whose_caches_hold_other_profiles_find_the_same_on_nano(here, monkeypatch):
    """And so does ``workbench replay`` on the machine of the second."""
    sessions = [REPOSITORY / "recordings/hesitation"]
    spec, _ = settle(asked(sessions, "nano"))
    assert len(spec.weights) == 6
    stack = make_stack(spec.config)
    assert read_profile(profile_path(stack)) == spec.profile
    found = []
    for machine, times in (("one", 1), ("two", 5)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(here / machine))
        write_profile(profile_path(stack), slower(spec.profile, times))
        url = f"journal:{here}/{machine}.log"
        create(spec, open_storage(url))
        assert work(url, "one") == spec.trials
        trials = finished(load_study("one", open_storage(url))[0])
        found.append({trial.params["stt_silence_ms"]: trial.values[0] for trial in trials})
    assert found[0] == found[1]
    assert len(set(found[0].values())) > 1
    assert all(math.isfinite(item) for item in found[0].values())
    # The second machine's own profile would have made a difference.
    alone = Evaluator(sessions, asked(sessions, "nano").config, Store(default_folder()))
    assert value(asked(sessions, "nano"), alone) > found[0][720] + 100  # the baseline's 700 ms act as 720
    spec.write()
    evaluator = make_evaluator(spec)
    config = spec.space.config(spec.config, {"stt_silence_ms": 640})
    (here / "trial.toml").write_text(dump_toml(config))
    run("replay", str(sessions[0]), "--config", "trial.toml", "--out", "run")
    [entry] = json.loads((here / "run/run.json").read_text())["sessions"]
    assert trace_digest(evaluator.replay(config, "hesitation").trace) == entry["digest"]
    with pytest.raises(WorkbenchError, match=r"stack 'nano': stt\.lm is not what the study was made with"):
        make_evaluator(replace(spec, weights=dict(spec.weights) | {"stt.lm": "0" * 64}))
