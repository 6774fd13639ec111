"""For each cause of a stop a constructed session whose score is known beforehand, by arithmetic on frames of 80 ms.

Every sound begins on a frame's border. The scripted agent plays one silent frame, then a tone; the loudspeaker has
20 ms of latency. So what was laid 1.6 s into the recorded agent's speech begins 1.68 s after the first sample that is
played; three loud frames later the agent stops, and the frame that the device has is heard to its end.
"""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config, override
from workbench.metrics import evaluate, summarise
from workbench.metrics.moved import labels_as_replayed
from workbench.replay.engine import cost_source, replay
from workbench.sessions.labels import read_labels
from workbench.sessions.synth import synthesise
from workbench.sessions.synth_spec import read_spec
from workbench.stacks import make_stack

RATE = 24_000
LATER, STOP, FRAME, PLAYOUT = 1.6, 0.24, 0.08, 0.02
"""Seconds: into the agent's speech, of speech that stops it (``barge_in_min_ms``), of a frame, of the device."""

PLAYED = FRAME + LATER + STOP
PER_HOUR = 3600 / PLAYED
"""A stop in each answer of so many seconds."""


Scores = dict[str, float | None]


def scores(folder: Path, over: str, echo: str = "", changes: dict[str, object] | None = None) -> Scores:
    """Scores of a session of three questions, each with ``over`` 1.6 s into its answer."""
    soundfile.write(folder / "burst.wav", np.random.default_rng(1).normal(0, 0.1, RATE), RATE, subtype="PCM_24")
    soundfile.write(folder / "tale.wav", np.random.default_rng(2).normal(0, 0.1, 8 * RATE), RATE, subtype="PCM_24")
    events = ""
    for start in (2.4, 18.4, 34.4):
        events += f'[[event]]\nfile = "burst.wav"\ntext = "what can you tell me"\nfrom = "start"\nafter_s = {start}\n'
        events += f'[[event]]\nfile = "tale.wav"\nkind = "agent"\nfrom = "start"\nafter_s = {start + 2.4}\n'
        if over:
            events += f'[[event]]\nfile = "burst.wav"\nfrom = "start"\nafter_s = {start + 2.4 + LATER}\n{over}\n'
        if "stops_agent_s" in over:  # and the recorded agent answers that, too
            events += f'[[event]]\nfile = "tale.wav"\nkind = "agent"\nfrom = "start"\nafter_s = {start + 7.2}\n'
    (folder / "made.toml").write_text(f"format = 1\ntail_s = 12\nroom = {{ noise_dbfs = -70 }}\n{echo}\n{events}")
    [session] = synthesise(read_spec(folder / "made.toml"), folder / "recordings")
    labels = read_labels(session.labels_path, session.samples)
    given = {"stack.name": "scripted", "timing": "reactive", "step_costs.source": "fixed", "barge_in": True}
    knobs = knobs_of(override(Config(), given | (changes or {})))
    stack = make_stack(override(Config(), given))
    trace = replay(session, stack.stages(labels), knobs, cost_source(knobs, None, "made"), Store(None)).trace
    found = summarise([evaluate(trace, labels_as_replayed(trace, labels))], bootstrap=False).scores
    assert found["turns_counterfactual_n"] == 0
    assert found["waterfall_residual_samples_max"] == 0
    return found


def false_stops(found: Scores) -> Scores:
    prefix = "false_bargein_per_agent_hour_"
    return {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix) and value}


@pytest.mark.parametrize("kind", ["backchannel", "noise", "background"])
def test_a_sound_that_is_no_bid_for_the_floor(kind: str, tmp_path: Path) -> None:
    found = scores(tmp_path, f'kind = "{kind}"')
    assert false_stops(found) == {kind: pytest.approx(PER_HOUR)}
    assert pytest.approx(1875) == PER_HOUR
    assert found[f"selectivity_{kind}"] == 0


@pytest.mark.parametrize("kind", ["backchannel", "noise", "background"])
def test_a_sound_below_the_threshold(kind: str, tmp_path: Path) -> None:
    found = scores(tmp_path, f'kind = "{kind}"\nlevel_dbfs = -43')
    assert false_stops(found) == {}
    assert found[f"selectivity_{kind}"] == 1


def test_the_agent_itself(tmp_path: Path) -> None:
    echo = "echo = { taps = [[40, -10]] }"
    # The tone begins after the silent frame, 20 ms of device and 40 ms of air: 20 ms of it are in the frame after that.
    assert false_stops(scores(tmp_path, "", echo)) == {"echo": pytest.approx(3600 / (FRAME + STOP))}


def test_an_echo_below_the_threshold(tmp_path: Path) -> None:
    assert false_stops(scores(tmp_path, "", "echo = { taps = [[40, -24]] }")) == {}


def test_a_user_who_interrupts(tmp_path: Path) -> None:
    found = scores(tmp_path, 'text = "wait please"\nstops_agent_s = 0.6')
    assert false_stops(found) == {}
    assert found["missed_bargein_rate"] == 0
    assert found["bargein_detection_ms_n"] == 3
    assert [found["bargein_detection_ms_p50"], found["bargein_detection_ms_max"]] == [1000 * STOP] * 2
    assert [found["bargein_reaction_ms_p50"], found["bargein_reaction_ms_max"]] == [1000 * (STOP + PLAYOUT)] * 2


def test_a_longer_rule_reacts_later_by_its_frames(tmp_path: Path) -> None:
    found = scores(tmp_path, 'text = "wait please"\nstops_agent_s = 0.8', changes={"barge_in_min_ms": 480})
    assert found["bargein_reaction_ms_p50"] == 500


def test_a_user_who_is_too_soft_is_missed(tmp_path: Path) -> None:
    found = scores(tmp_path, 'text = "wait please"\nlevel_dbfs = -50')
    assert false_stops(found) == {}
    # Three soft turns are not heard. The two questions after them come while the agent still talks, and stop it.
    assert found["missed_bargein_rate"] == 3 / 5
