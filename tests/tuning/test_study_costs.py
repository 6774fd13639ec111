"""What steps cost is a part of the study: its trials are worth the same wherever they run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_sessions import REPOSITORY

from workbench.cache import Store
from workbench.cli import cli
from workbench.config import load
from workbench.errors import WorkbenchError
from workbench.replay.profiles import profile_path
from workbench.simulation.step_costs import Profile, read_profile, write_profile
from workbench.stacks import make_stack
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.loading import load_evaluator, make_evaluator, settle, setup_elsewhere
from workbench.tuning.objective import Goal
from workbench.tuning.plan import SearchOptions, plan
from workbench.tuning.space import parse
from workbench.tuning.spec import StudySpec, from_dict, local_url, read_spec
from workbench.tuning.storage import open_storage
from workbench.tuning.study import create
from workbench.tuning.study import load as load_study

SPACE = {"assistant": {"stt_silence_ms": {"type": "frames", "low": 640, "high": 800}}}
OBJECTIVE = "voice_to_voice_ms_p50"


def asked(sessions, stack: str = "scripted", **changes) -> StudySpec:
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": stack} | changes)
    return plan("one", sessions, baseline, parse(SPACE, "test"), Goal((OBJECTIVE,), {}), SearchOptions(sampler="grid"))


def slower(profile: Profile, times: int) -> Profile:
    return Profile({stage: tuple(times * cost for cost in costs) for stage, costs in profile.stages.items()}, "slower")


def run(*arguments: str):
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def value(spec: StudySpec, evaluator: Evaluator) -> float | None:
    return evaluator.summary(spec.config, evaluator.names).scores[OBJECTIVE]


def test_a_study_is_read_back_from_storage_and_folder(here, recordings):
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


def test_an_evaluator_draws_from_the_studys_costs(here, recordings):
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
    arguments += ["--budget", "budget.toml", "--no-page"]
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
        (spec.folder / "study.toml").read_text().replace("format = 5", "format = 1")
    )
    listed = run("studies", "--json")
    assert [row["name"] for row in json.loads(listed.stdout)] == ["one"]
    says = "of format 1, when a study kept neither its step costs nor its weights; tune under a new --name"
    assert listed.stderr == f"note: studies/old/study.toml: {says}\n"
    with pytest.raises(WorkbenchError, match="of format 1"):
        run("tune", "--name", "old", "--resume")
    with pytest.raises(WorkbenchError, match="x: format is 6, must be 5; tune under a new --name"):
        from_dict({"format": 6}, None, "x")


@pytest.mark.parametrize("machine", [1, 5])
def test_another_machine_draws_from_the_studys_costs(here, monkeypatch, machine):
    """On nano, whose costs are measured: a worker scores as the owner does, whatever its own machine would take."""
    session = nano_session(here)
    spec, evaluator = settle(asked([session], "nano"))
    assert len(spec.weights) == 6
    assert read_profile(profile_path(make_stack(spec.config))) == spec.profile
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "elsewhere"))
    write_profile(profile_path(make_stack(spec.config)), slower(spec.profile, machine))
    there = setup_elsewhere(spec, evaluator)(evaluator.store)
    assert there.material("one").session.folder != evaluator.material("one").session.folder
    for ms in (640, 720):
        config = spec.space.config(spec.config, {"stt_silence_ms": ms})
        assert there.score(config, "one") == evaluator.score(config, "one")


def test_a_worker_whose_models_differ_is_refused_by_name(here):
    session = nano_session(here)
    spec, evaluator = settle(asked([session], "nano", **{"step_costs.source": "fixed"}))
    other = replace(spec, weights=dict(spec.weights) | {"stt.lm": "0" * 64})
    says = r"worker on .*: stack 'nano': stt\.lm is not what the study was made with"
    with pytest.raises(WorkbenchError, match=says):
        setup_elsewhere(other, evaluator)(Store(None))
    setup = setup_elsewhere(spec, evaluator)
    function, (spec, parcels, fingerprints) = setup.func, setup.args
    with pytest.raises(WorkbenchError, match=r"its tts is not the study owner's .*same kind of device"):
        function(spec, parcels, fingerprints | {"tts": "other"}, Store(None))
    with pytest.raises(WorkbenchError, match="lost its cost profile"):
        load_evaluator(replace(spec, config=asked([session], "nano").config), Store(None))


def nano_session(folder: Path) -> Path:
    """A word of a demo session with its answer's time, so that nano is soon through."""
    from workbench.sessions.labels import Label, write_labels
    from workbench.sessions.session import open_session, write_manifest
    from workbench.sessions.tracks import write_track
    from workbench.units import SAMPLE_RATE

    demo = open_session(REPOSITORY / "recordings/barge-in-short")
    pcm = demo.read(round(6.4 * SAMPLE_RATE), round(10 * SAMPLE_RATE))
    (folder / "one").mkdir()
    write_track(folder / "one" / "mic.flac", iter([pcm]))
    write_labels(folder / "one" / "labels.csv", [Label(SAMPLE_RATE // 2, SAMPLE_RATE, "speech", 1, "stop")])
    return write_manifest(folder / "one", tracks={"mic": "mic.flac"}).folder
