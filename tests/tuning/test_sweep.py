"""A sweep's rows are single replays; its values come from the space, from choices or from the user."""

from pathlib import Path

import pytest

from workbench.cache import Store
from workbench.config import Config, override
from workbench.errors import WorkbenchError
from workbench.files import shipped
from workbench.reports.sweep_figure import draw_sweep
from workbench.runs import run_sessions, score_run
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.space import read_space
from workbench.tuning.sweep import Sweep, axis, sweep

SPACE = read_space(shipped(Path("configs/space.toml")))


def swept(recordings: list[Path], config: Config, *knobs: str, values: list[list[str]]) -> Sweep:
    evaluator = Evaluator(recordings, config, Store(None))
    axes = [axis(name, config, SPACE, given) for name, given in zip(knobs, values, strict=True)]
    return sweep(evaluator, config, evaluator.names, axes)


def test_each_row_equals_a_single_replay(here, recordings, baseline) -> None:
    found = swept(recordings, baseline, "stt_silence_ms", values=[["160", "400", "720", "1600"]])
    assert [point.values for point in found.points] == [(160,), (400,), (720,), (1600,)]
    for point in found.points:
        single = override(baseline, {"stt_silence_ms": point.values[0]})
        _, summary = score_run(run_sessions(recordings, single, here / f"run{point.values[0]}"))
        assert dict(point.scores) == summary.scores
        assert dict(point.counts) == summary.counts
    assert "cutin_per_hold" in found.moving
    assert len({point.scores["voice_to_voice_ms_p50"] for point in found.points}) == 4


def test_each_cell_of_a_grid_equals_a_single_replay(here, recordings, baseline) -> None:
    found = swept(
        recordings, baseline, "stt_silence_ms", "stt_silence_threshold", values=[["400", "800"], ["0.01", "0.06"]]
    )
    assert [point.values for point in found.points[:3]] == [(400, 0.01), (400, 0.06), (700, 0.01)]
    for point in found.points:
        single = override(baseline, dict(zip(("stt_silence_ms", "stt_silence_threshold"), point.values, strict=True)))
        _, summary = score_run(run_sessions(recordings, single, here / "run"))
        assert dict(point.scores) == summary.scores
    assert found.points[found.now].values == (700, 0.01)


def test_the_range_of_the_space_holds_what_acts_as_today(baseline) -> None:
    silence = axis("stt_silence_ms", baseline, SPACE)
    assert silence.values == tuple(range(160, 1601, 80))
    assert (silence.today, silence.values[silence.now]) == (700, 720)


def test_todays_value_is_added_where_none_acts_as_it(baseline) -> None:
    threshold = axis("stt_silence_threshold", baseline, SPACE)
    assert len(threshold.values) == 14
    assert threshold.values[threshold.now] == 0.01
    assert list(threshold.values) == sorted(threshold.values)


def test_a_knob_of_choices_takes_all_of_them(baseline) -> None:
    assert axis("stt_flush", baseline, SPACE).values == (False, True)
    assert axis("listener", baseline, SPACE).values == ("workbench", "mlx-harmony")


@pytest.mark.parametrize(
    ("knob", "values", "words"),
    [
        ("stt_silnce_ms", [], "did you mean stt_silence_ms"),
        ("tts_model_path", [], "replay with --set"),
        ("stt_block_ms", [], "has no effect"),
        ("playout_ms", [], "give the values to try, from 0 to 2000"),
        ("stt_silence_ms", ["400", "soon"], "--values soon: stt_silence_ms is 'soon'"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_a_reason(baseline, knob, values, words) -> None:
    with pytest.raises(WorkbenchError, match=words):
        axis(knob, baseline, SPACE, values)


def test_a_refused_value_is_a_row_that_says_why(recordings, baseline) -> None:
    config = override(baseline, {"listener": "mlx-harmony"})
    found = swept(recordings[:1], config, "tts_stream", values=[[]])
    assert [bool(point.refused) for point in found.points] == [False, True]
    assert "barge_in" in found.points[1].refused


def test_the_figure_of_a_sweep_has_the_same_bytes_twice(here, recordings, baseline) -> None:
    for knobs, values in ((["stt_silence_ms"], [["160", "720"]]), (["stt_silence_ms", "stt_flush"], [["160"], []])):
        found = swept(recordings[:1], baseline, *knobs, values=values)
        first = {path.name: path.read_bytes() for path in draw_sweep(found, here)}
        assert sorted(first) == ["sweep.png", "sweep.svg"]
        assert {path.name: path.read_bytes() for path in draw_sweep(found, here)} == first
