"""Optuna's gRPC proxy, started for real on loopback: workers reach the storage behind it and nothing else."""

import json
import subprocess
import sys

import optuna
import pytest
from made_sessions import REPOSITORY
from servers import environment, proxy

from workbench.config import load
from workbench.errors import WorkbenchError
from workbench.tuning.objective import search
from workbench.tuning.plan import plan
from workbench.tuning.space import parse
from workbench.tuning.storage import open_storage
from workbench.tuning.study import best, create, finished
from workbench.tuning.workers import settle

pytestmark = pytest.mark.slow

SPACE = {"assistant": {"stt_silence_ms": {"type": "frames", "low": 400, "high": 960}}}


def test_two_workers_through_a_proxy_find_what_one_search_does(here, recordings):
    baseline = load(REPOSITORY / "configs/baseline.toml", {"stack.name": "scripted"})
    budget = {"cutin_per_hold": 0.1, "missed_eot_rate": 0.1}
    spec = plan(
        "far", recordings[:2], baseline, parse(SPACE, "test"), budget, ["voice_to_voice_ms_p95"], sampler="grid"
    )
    spec, evaluator = settle(spec)
    # The baseline's 700 ms are the grid's 720: it is no point of its own.
    assert spec.trials == spec.space.size()
    alone = search(spec, evaluator, spec.tuning, spec.trials)
    with proxy(f"sqlite:///{here}/behind.db") as (url, _):
        create(spec, open_storage(url))
        command = [sys.executable, "-m", "workbench", "worker", "--storage", url]
        workers = [
            subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            for _ in range(2)
        ]
        said = [worker.communicate(timeout=600)[1] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], said
    # What is behind the proxy has it all: every point once, constraints and scores with it.
    study = optuna.load_study(study_name="far", storage=open_storage(f"sqlite:///{here}/behind.db"))
    points = [json.dumps(trial.params, sort_keys=True) for trial in finished(study)]
    assert len(points) == len(set(points)) == spec.trials
    chosen = best(study, spec.goal)
    assert (chosen.params, chosen.values, chosen.constraints) == (alone.params, alone.values, alone.constraints)


@pytest.mark.parametrize(
    ("url", "says"),
    [("grpc://127.0.0.1", "must be grpc://HOST:PORT"), ("grpc://127.0.0.1:1", "no proxy answers there")],
)
def test_a_proxy_that_is_not_there_is_named(url, says):
    pytest.importorskip("grpc")
    with pytest.raises(WorkbenchError, match=says):
        open_storage(url)
