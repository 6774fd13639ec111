"""A search on a stand-in for the STT: what is recommended and claimed is replayed exactly."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import spearmanr

from workbench.cache import Store
from workbench.cli import cli
from workbench.config import load
from workbench.metrics import summarise
from workbench.stages.nearest_lm import NearestLm
from workbench.tuning import evaluator, plan
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.finalists import _ranks as ranks
from workbench.tuning.spec import read_spec

SPACE = """
[assistant]
stt_silence_threshold = { type = "float", low = 0.002, high = 0.1, log = true }
stt_silence_ms = { type = "frames", low = 160, high = 1600 }
"""


def tuned(recordings, *options):
    """``result.json`` of a study ``one`` in this folder."""
    Path("space.toml").write_text(SPACE)
    asked = ("--name", "one", "--trials", "12", "--space", "space.toml", "--listener", "mlx-harmony")
    arguments = ["tune", *map(str, recordings), *asked, "--stack", "scripted", "--no-page", *options]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.return_value in (0, 1), done.output
    return json.loads(Path("studies/one/result.json").read_text())


@pytest.fixture(autouse=True)
def _has_a_stand_in(monkeypatch):
    """The scripted STT has one here, as models have."""
    monkeypatch.setattr(plan, "EXACT_STACKS", ())


@pytest.fixture(scope="module")
def made(recordings, tmp_path_factory):
    """A folder with the study that most tests here look at."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WORKBENCH_STORE", str(folder / "store"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(plan, "EXACT_STACKS", ())
        tuned(recordings)
    return folder


@pytest.fixture
def copied(here, made):
    """A copy of that folder, to work in."""
    shutil.copytree(made, here, dirs_exist_ok=True)
    return here


def test_what_is_recommended_and_compared_is_replayed_exactly(copied, recordings):
    found = json.loads(Path("studies/one/result.json").read_text())
    assert found["stand_in"]["settings"] >= 4
    spec, config = read_spec(Path("studies/one")), load(Path("configs/one/tuned.toml"))
    assert not spec.exact
    exact = Evaluator(recordings, spec.config, Store(None))
    scores = summarise(exact.scores(config, exact.names), bootstrap=False).scores
    assert found["values"] == [scores["loss_s_per_turn"]]
    today = summarise(exact.scores(spec.config, exact.names), bootstrap=False).scores
    assert found["tuning"]["baseline"]["scores"]["loss_s_per_turn"] == today["loss_s_per_turn"]
    text = Path("configs/one/checklist.md").read_text()
    assert "The search asked a stand-in for the STT" in text


def test_trials_are_those_of_the_stand_in(copied, recordings):
    spec = read_spec(Path("studies/one"))
    real = Evaluator(recordings, spec.config, Store(None))
    stand_in = real.stand_in
    assert stand_in.stand_in is stand_in
    from workbench.tuning.search import Objective
    from workbench.tuning.spec import local_url
    from workbench.tuning.storage import open_storage
    from workbench.tuning.study import finished
    from workbench.tuning.study import load as load_study

    study, _ = load_study("one", open_storage(local_url(spec), existing=True))
    exact = Objective(spec, real, spec.tuning, exact=True)
    differ = 0
    for trial in finished(study):
        config = spec.space.config(spec.config, trial.params)
        scores = summarise(stand_in.scores(config, spec.tuning), bootstrap=False).scores
        assert trial.values == [scores["loss_s_per_turn"]]
        differ += exact.judge(config).values[0] != trial.values[0]
    assert differ


def test_workers_change_nothing(here, made, recordings):
    tuned(recordings, "--workers", "2")
    for name in ("studies/one/result.json", "configs/one/moshi.json", "configs/one/checklist.md"):
        assert Path(name).read_bytes() == (made / name).read_bytes()


def test_a_finished_study_is_written_again_without_a_replay(copied, made, recordings, monkeypatch):
    """Its scores are in the cache; the files are those of the study that ran."""

    def refuse(*_: object) -> None:
        raise AssertionError("something is replayed")

    monkeypatch.setattr(evaluator, "replay", refuse)
    for path in (*Path("configs/one").iterdir(), Path("studies/one/result.json"), Path("studies/one/study.toml")):
        path.unlink()
    tuned(recordings, "--resume")
    for path in (*Path("configs/one").iterdir(), Path("studies/one/result.json"), Path("studies/one/study.toml")):
        assert path.read_bytes() == (made / path).read_bytes()


def test_exact_replays_every_trial(here, recordings):
    assert tuned(recordings, "--exact")["stand_in"] is None
    assert read_spec(Path("studies/one")).exact


def test_a_study_does_not_change_its_fidelity(copied):
    asked = ["tune", "--name", "one", "--resume", "--exact", "--trials", "13"]
    done = CliRunner().invoke(cli, asked, standalone_mode=False)
    assert "--exact: study 'one' was made without it" in str(done.exception)


def test_a_slow_language_model_is_not_asked_by_the_search(here, recordings, monkeypatch):
    """Replies of the baseline's replays stand in; what is recommended is replayed with the model's own."""
    monkeypatch.setattr(evaluator, "SLOW_LMS", ("canned",))
    found = tuned(recordings)
    spec, config = read_spec(Path("studies/one")), load(Path("configs/one/tuned.toml"))
    exact = Evaluator(recordings, spec.config, Store(None))
    stages = exact.hear_whole(exact.names[0]).stages
    assert isinstance(stages.lm, NearestLm)
    scores = summarise(exact.scores(config, exact.names), bootstrap=False).scores
    assert found["values"] == [scores["loss_s_per_turn"]]


def test_ranks_correlate_as_scipys_do() -> None:
    random = np.random.default_rng(0)
    for count in (3, 10, 50):
        guesses = random.integers(0, count, count).astype(float)
        truths = guesses + random.integers(0, 3, count)
        found = np.corrcoef(ranks(guesses), ranks(truths))[0, 1]
        assert found == pytest.approx(spearmanr(guesses, truths).statistic, rel=1e-12)
